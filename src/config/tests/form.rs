//! How findings look, and what is wrong with a file as such.

use proptest::prelude::*;

use super::*;

#[test]
fn every_finding_of_a_file_is_told_at_once_in_the_order_of_its_lines() {
    let text = "data_dirr = \"x\"\ndefault_country = \"ZZ\"\n[[listener]]\naddress = \"localhost\"\n\
                dialects = [\"coolkitt\", \"canonical\"]\n[upstream]\nkind = \"embeded\"\n[limits]\nin_flight = \"many\"\n";
    let found: Vec<(usize, usize)> =
        findings(text).iter().map(|finding| (finding.line, finding.column)).collect();
    assert_eq!(found, [(1, 1), (2, 19), (4, 11), (5, 13), (7, 8), (9, 13)]);
}

#[test]
fn a_finding_reads_like_a_compilers() {
    let text = format!("{OPEN}[log]\nlevle = \"info\"\n");
    let finding = findings(&text).pop().expect("a finding");
    assert_eq!(
        finding.to_string(),
        "test.toml:6:1: error: unknown key `levle` in [log]\n  hint: did you mean `level`?"
    );
}

#[test]
fn columns_count_characters() {
    error("data_dir = \"数据\"\n[limits]\n\"说明\" = 1\nin_flight = «\"x\"\n", "whole number");
    error(
        "[upstream]\n kind = \"embedded\"\n[[app]]\nid = \"数\"\nsecrets = [\"env:APP_SECRET\", «1]\n",
        "must be a string",
    );
}

#[test]
fn what_is_no_toml_is_told_at_its_place() {
    error("data_dir = «\n", "not TOML");
    error("data_dir = \"a\"\n«data_dir = \"b\"\n", "duplicate key");
}

#[test]
fn unknown_keys_are_told_in_every_table() {
    for (table, key) in [
        ("admin", "adress"),
        ("limits", "connection"),
        ("replay", "entires"),
        ("region", "owm"),
        ("shutdown", "grase"),
        ("log", "fromat"),
    ] {
        error(&with(&format!("[{table}]\n«{key} = 1\n")), &format!("unknown key `{key}` in [{table}]"));
    }
    error(&app("«signatur = \"off\"\n"), "unknown key `signatur` in [[app]]");
    error(&app("clock_window = { «passt = \"1s\" }\n"), "unknown key `passt`");
    error(&with("«kinds = \"http\"\n"), "unknown key `kinds` in [upstream]");
    error("[[listener]]\n«adress = \"127.0.0.1:1\"\n", "unknown key `adress` in [[listener]]");
    error("[[region.table]]\n«nam = \"cn\"\n", "unknown key `nam` in [[region.table]]");
}

#[test]
fn missing_keys_are_told_at_their_table() {
    error("«[[listener]]\ndialects = [\"canonical\"]\n", "`address` is missing");
    error(&with("«[[app]]\nsecrets = [\"env:APP_SECRET\"]\n"), "`id` is missing");
    error(&with("«[[app]]\nid = \"one\"\n"), "`secrets` is missing");
    error("[[listener]]\naddress = \"127.0.0.1:1\"\n«[upstream]\n", "`kind` is missing");
    error(
        "[[listener]]\naddress = \"127.0.0.1:1\"\n«[upstream]\nkind = \"http\"\n",
        "`addresses` is missing",
    );
    let nothing = findings("");
    assert!(nothing.iter().all(|finding| (finding.line, finding.column) == (1, 1)));
    error("«", "nothing to listen on");
    error("«", "[upstream] is missing");
}

#[test]
fn wrong_types_are_told_without_the_value() {
    error("data_dir = «1\n", "`data_dir` must be a string, not integer");
    error("listener = «1\n", "`listener` must be a list, not integer");
    error("listener = [«1]\n", "`listener` must be a table, not integer");
    error(&with("[admin]\nenabled = «\"yes\"\n"), "must be true or false");
    error(&with("[admin]\ntoken = «4711\n"), "`token` must be a string");
    assert!(!lines(&findings(&with("[admin]\ntoken = 4711\n"))).contains("4711"));
    error(&with("[limits]\ncall_timeout = «30\n"), "must be a duration in quotes");
    error(&with("[limits]\nin_flight = «1.5\n"), "must be a whole number");
}

#[test]
fn values_out_of_their_form_or_bounds_are_told() {
    error(&with("[limits]\ncall_timeout = «\"30 fortnights\"\n"), "is no duration");
    error(&with("[limits]\ncall_timeout = «\"2d\"\n"), "out of bounds");
    error(&with("[limits]\nbody_size = «\"64 Kilo\"\n"), "is no size");
    error(&with("[limits]\nheader_size = «\"2MiB\"\n"), "out of bounds");
    error(&with("[limits]\nin_flight = «0\n"), "0 is out of bounds");
    error(&with("[limits]\nin_flight = «-1\n"), "-1 is out of bounds");
    error(&with("[limits]\nconnections_per_address = «\"none\"\n"), "or \"off\"");
    error("default_country = «\"China\"\n", "unknown country");
    error("[[listener]]\naddress = «\"localhost:8080\"\n", "no address to listen on");
    error(&with("[log]\nlevel = «\"loud\"\n"), "`level` has no value \"loud\"");
    error(&app("clock_window = { past = «\"30d\" }\n"), "out of bounds");
}

#[test]
fn a_file_that_is_not_there_or_not_text_is_told_by_name() {
    let missing = Settings::load(std::path::Path::new("/nowhere.toml"), &environment).unwrap_err();
    assert!(lines(&missing).starts_with("/nowhere.toml: error: can't read it"));
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("latin1.toml");
    std::fs::write(&path, [0x64, 0xe9]).expect("written");
    let unreadable = Settings::load(&path, &environment).unwrap_err();
    assert!(lines(&unreadable).contains("not UTF-8 text"));
}

proptest! {
    /// Whatever is done to a file, it is read to its end, and findings point into it.
    #[test]
    fn no_damage_to_a_file_stops_the_reader(
        start in 0_usize..8_000,
        length in 0_usize..60,
        patch in prop_oneof![Just(String::new()), ".{0,12}", Just("[[".to_owned()), Just("={".to_owned())],
    ) {
        let shipped = include_str!("../../../config/dragoman.toml");
        let boundary = |wanted: usize| (wanted.min(shipped.len())..=shipped.len())
            .find(|place| shipped.is_char_boundary(*place));
        let start = boundary(start).unwrap_or_default();
        let end = boundary(start + length).unwrap_or(start);
        let text = format!("{}{patch}{}", &shipped[..start], &shipped[end..]);
        let lines = text.split('\n').count();
        for finding in findings(&text) {
            prop_assert!(finding.line <= lines);
            prop_assert!(!finding.message.is_empty());
        }
    }
}
