//! `dragoman check` and the packs of an operator's own.

use std::fs;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_dragoman");
const PACK: &str = include_str!("../dialects/qingzhenyun.toml");
const EXAMPLE: &str = "phone = \"+8613800138001\"";

/// Checks a config that offers a pack, with these settings of it.
fn check(pack: &str, settings: &str, arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let config = format!(
        "dialects_dir = \"packs\"\n[[listener]]\naddress = \"127.0.0.1:8080\"\n\
         dialects = [\"mine\", \"canonical\"]\nsettings.mine = {{ {settings} }}\n[upstream]\nkind = \"embedded\"\n"
    );
    fs::create_dir(directory.path().join("packs")).unwrap();
    fs::write(directory.path().join("test.toml"), config).unwrap();
    fs::write(directory.path().join("packs/mine.toml"), pack).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["check", "-c", "test.toml"]).args(arguments).current_dir(directory.path());
    command.output().unwrap()
}

fn mine() -> String {
    let pack = PACK.replacen("name = \"qingzhenyun\"", "name = \"mine\"", 1);
    assert_ne!(pack, PACK);
    pack
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_good_pack_is_taken_and_its_star_row_is_listed() {
    let good = check(&mine(), "", &["--verbose"]);
    assert!(good.status.success(), "{}", text(&good));
    assert!(text(&good).contains("\nmine: its `*` row tells unsupported_media_type, "), "{}", text(&good));
    assert!(!text(&check(&mine(), "", &[])).contains("its `*` row"));
}

#[test]
fn a_pack_that_breaks_its_word_is_refused_with_a_place() {
    let untrue = mine().replacen(EXAMPLE, "phone = \"+8613800138002\"", 1);
    let unread =
        mine().replacen("signature = \"none\"", "signature = \"nonne\"", 1).replacen("title =", "titel =", 1);
    for broken in [untrue, unread] {
        assert_ne!(broken, mine());
        let ended = check(&broken, "", &[]);
        assert_eq!(ended.status.code(), Some(1), "{}", text(&ended));
        let said = text(&ended);
        let place = said.strip_prefix("packs/mine.toml:").unwrap_or_else(|| panic!("{said}"));
        assert!(place.split(':').next().unwrap().parse::<usize>().unwrap() > 0, "{said}");
        assert!(said.contains(": error: ") && said.contains("\nrefused: "), "{said}");
    }
}

#[test]
fn settings_are_those_of_the_pack() {
    assert!(check(&mine(), "http_status = \"ok\"", &[]).status.success());
    let ended = check(&mine(), "http_stattus = \"ok\"", &[]);
    assert_eq!(ended.status.code(), Some(1));
    let expected = "test.toml:5:19: error: the dialect \"mine\" has no setting `http_stattus`\n  \
                    hint: did you mean `http_status`?\nrefused: 1 error, 0 warnings\n";
    assert_eq!(text(&ended), expected);
}
