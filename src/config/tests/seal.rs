//! The keys of sealed tokens.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

fn keys(list: &str) -> String {
    with(&format!("[seal]\nkeys = [{list}]\n"))
}

fn key(secret: &str) -> String {
    keys(&format!("{{ id = \"one\", secret = {secret} }}"))
}

fn ids(text: &str) -> Vec<String> {
    settings(text).seal.keys.iter().map(|key| key.id().to_owned()).collect()
}

#[test]
fn keys_are_read_in_their_order_and_never_printed() {
    let other = "ab".repeat(40);
    let two = keys(&format!(
        "{{ id = \"2026-11\", secret = \"env:SEAL_KEY\" }}, {{ id = \"old\", secret = \"{other}\" }}"
    ));
    assert_eq!(ids(&two), ["2026-11", "old"]);
    assert!(!format!("{:?}", settings(&two)).contains("abab"));
    assert!(ids(OPEN).is_empty() && ids(&keys("")).is_empty());
}

#[test]
fn a_key_is_long_and_no_pass_phrase() {
    error(&key("«\"env:APP_SECRET\""), "neither base64 nor hexadecimal");
    error(&key("«\"abababab\""), "has 4 bytes and needs 32");
    error(&key("«\"env:NOT_SET\""), "is not set");
    error(&key("«7"), "must be a string");
    error(&keys("«{ id = \"one\" }"), "`secret` is missing in `keys`");
    error(&keys("«{ secret = \"env:SEAL_KEY\" }"), "`id` is missing in `keys`");
    error(&keys("«\"env:SEAL_KEY\""), "must be a table");
    error(&keys("{ id = \"one\", secret = \"env:SEAL_KEY\", «kind = 1 }"), "unknown key `kind`");
    error(&with("[seal]\n«key = []\n"), "unknown key `key` in [seal]");
    assert!(!lines(&findings(&key("\"hunter2hunter2\""))).contains("hunter2"));
}

#[test]
fn ids_are_fit_for_a_label_and_stand_once() {
    for id in ["", "a b", "ключ", "a/b", "123456789012345678901234567890123"] {
        error(&keys(&format!("{{ id = «{id:?}, secret = \"env:SEAL_KEY\" }}")), "is no id of a key");
    }
    let twice = |id: &str, secret: &str| {
        keys(&format!(
            "{{ id = \"one\", secret = \"env:SEAL_KEY\" }}, {{ id = «{id:?}, secret = {secret:?} }}"
        ))
    };
    error(&twice("one", &"ab".repeat(32)), "the id of \"one\" is that of \"one\"");
    error(&twice("two", "env:SEAL_KEY"), "the key of \"two\" is that of \"one\"");
    let nine: Vec<String> =
        (0..9).map(|n| format!("{{ id = \"{n}\", secret = \"{}\" }}", format!("0{n}").repeat(32))).collect();
    error(&with(&format!("[seal]\nkeys = «[{}]\n", nine.join(", "))), "more than 8 keys");
}

#[test]
fn several_gateways_need_keys_that_the_config_names() {
    let message = "each would make its own";
    error(&with("«[store]\ninstances = 2\n"), message);
    error(
        &with("«[store]\nkind = \"redis\"\nurls = [\"redis://127.0.0.1\"]\nstate_key = \"env:STATE_KEY\"\n"),
        message,
    );
    for fine in [with("[store]\ninstances = 1\n"), with(&format!("{SEAL}[store]\ninstances = 2\n"))] {
        assert!(!lines(&findings(&fine)).contains(message));
    }
}

#[test]
fn a_key_that_is_kept_nowhere_is_warned_about() {
    let nowhere =
        |rest: &str| format!("data_dir = «\"\"\n{}{rest}", upstream("addresses = [\"127.0.0.1:1\"]\n"));
    warning(&nowhere(""), "sealed tokens end with the process");
    assert!(!lines(&findings(&nowhere(SEAL).replace('«', ""))).contains("sealed tokens"));
    assert!(!lines(&findings(OPEN)).contains("sealed tokens"));
}

#[test]
fn a_file_that_others_may_read_holds_no_key() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("seal.key");
    fs::write(&path, "ab".repeat(32)).expect("written");
    let text = |mark: &str| key(&format!("{mark}\"file:{}\"", path.display()));
    let allow = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
    for mode in [0o640, 0o604, 0o660, 0o777] {
        allow(mode);
        error(&text("«"), &format!("is open to others than its owner (mode {mode:03o})"));
    }
    for mode in [0o600, 0o400] {
        allow(mode);
        assert_eq!(ids(&text("")), ["one"]);
    }
}

#[test]
fn a_credential_of_systemd_may_show_the_mask_of_its_list_as_a_groups_right() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("seal.key");
    fs::write(&path, "ab".repeat(32)).expect("written");
    let parsed = |mode, credentials: &Path| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
        let credentials = credentials.display().to_string();
        let env = |name: &str| (name == "CREDENTIALS_DIRECTORY").then(|| credentials.clone());
        Settings::parse("test.toml", &key(&format!("\"file:{}\"", path.display())), &env).is_ok()
    };
    assert!(parsed(0o440, directory.path()));
    assert!(!parsed(0o444, directory.path()));
    assert!(!parsed(0o440, Path::new("/run/credentials/other.service")));
}
