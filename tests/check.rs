//! `dragoman check`: the packs of an operator's own, the pairs of dialects, and what is around a config.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_dragoman");
const PACK: &str = include_str!("../dialects/qingzhenyun.toml");
const EXAMPLE: &str = "phone = \"+8613800138001\"";

/// A dialect whose clients can do nothing but log out.
const LEAVING: &str = r#"
format = 1
[dialect]
name = "mine"
title = "Leaving"
sources = ["this test"]
languages = ["en"]
[token]
read = ["header authorization bearer"]
write = "header authorization bearer"
[answers]
good = [{ ok = true }]
problem_status = 200
success = { ok = { constant = true }, result = { reply = true, absent = {} } }
problem = { ok = { constant = false }, error = "row.code", text = "row.text" }
[operations.logout]
route = "POST /v2/leave"
body = false
[lacks]
send_code = "no"
register = "no"
login = "no"
login_code = "no"
reset_password = "no"
refresh = "no"
me = "no"
change_password = "no"
change_name = "no"
region = "no"
[problems]
rows = [
  { problem = "internal", code = "oops", text = "Something went wrong" },
  { problem = "*", code = "oops", reads_as = "internal", text = "Something went wrong" },
]
"#;

/// Checks a config beside which a pack of the name "mine" lies.
fn check_beside(pack: &str, config: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("packs")).unwrap();
    fs::write(directory.path().join("test.toml"), config).unwrap();
    fs::write(directory.path().join("packs/mine.toml"), pack).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["check", "-c", "test.toml"]).args(arguments).current_dir(directory.path());
    command.envs(environment.iter().copied()).output().unwrap()
}

/// Checks a config that offers a pack, with these settings of it.
fn check(pack: &str, settings: &str, arguments: &[&str]) -> Output {
    let config = format!(
        "dialects_dir = \"packs\"\n[[listener]]\naddress = \"127.0.0.1:8080\"\n\
         dialects = [\"mine\", \"canonical\"]\nsettings.mine = {{ {settings} }}\n[upstream]\nkind = \"embedded\"\n"
    );
    check_beside(pack, &config, &[&["--offline"], arguments].concat(), &[])
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

#[test]
fn dialects_without_an_operation_in_common_are_refused_and_missing_ones_are_listed() {
    let pair = |dialects: &str| {
        let config = format!(
            "dialects_dir = \"packs\"\n[[listener]]\naddress = \"127.0.0.1:8080\"\ndialects = [{dialects}]\n\
             [upstream]\nkind = \"http\"\ndialect = \"coolkit\"\naddresses = [\"127.0.0.1:9\"]\n\
             app = {{ id = \"one\", secret = \"for-this-test\" }}\n"
        );
        check_beside(LEAVING, &config, &["--offline", "--verbose"], &[])
    };
    let impossible = pair("\"shopxo\", \"mine\"");
    assert_eq!(impossible.status.code(), Some(1), "{}", text(&impossible));
    let expected = "test.toml:4:12: error: \"mine\" and the backend's \"coolkit\" have no operation in common\n  \
                    hint: leave the dialect out of `dialects`";
    assert!(text(&impossible).contains(expected), "{}", text(&impossible));
    let possible = pair("\"shopxo\"");
    assert!(possible.status.success(), "{}", text(&possible));
    let lost = "shopxo at a coolkit backend: no login_code, me\n";
    assert!(text(&possible).contains(lost), "{}", text(&possible));
}

#[test]
fn addresses_that_are_taken_and_peers_that_do_not_answer_are_warned_of_at_their_places() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = taken.local_addr().unwrap().to_string();
    let closed = "127.0.0.1:1";
    let config = format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\ndialects = [\"canonical\"]\n\
         [[listener]]\naddress = \"{there}\"\ndialects = [\"canonical\"]\n[admin]\naddress = \"127.0.0.1:0\"\n\
         [upstream]\nkind = \"http\"\ndialect = \"canonical\"\naddresses = [\"{there}\", \"{closed}\"]\n\
         [store]\nkind = \"redis\"\nurls = [\"redis://{closed}\"]\nstate_key = \"{key}\"\n\
         [seal]\nkeys = [{{ id = \"one\", secret = \"{key}\" }}]\n",
        key = "0123456789abcdef".repeat(4),
    );
    let warned = check_beside(LEAVING, &config, &[], &[]);
    assert!(warned.status.success(), "{}", text(&warned));
    let said = text(&warned);
    for expected in [
        format!("test.toml:5:11: warning: can't listen on {there}: "),
        format!("test.toml:12:15: warning: nothing answers at {closed}: "),
        format!("test.toml:15:9: warning: nothing answers at {closed}: "),
    ] {
        let expected =
            expected.replace(":12:15", &format!(":12:{}", "addresses = [\"\", ".len() + there.len() + 1));
        assert!(said.contains(&expected), "{expected}\n{said}");
    }
    assert_eq!(said.matches("warning: ").count(), 3, "{said}");
    assert!(said.matches("\n  hint: ").count() == 3, "{said}");
    let offline = text(&check_beside(LEAVING, &config, &["--offline"], &[]));
    assert!(!offline.contains("warning: "), "{offline}");
    let moved = text(&check_beside(LEAVING, &config, &[], &[("DRAGOMAN_ADMIN_LISTEN", &there)]));
    assert!(moved.contains(&format!("DRAGOMAN_ADMIN_LISTEN: error: {there} is taken by")), "{moved}");
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = other.local_addr().unwrap().to_string();
    let moved = text(&check_beside(LEAVING, &config, &[], &[("DRAGOMAN_ADMIN_LISTEN", &other)]));
    assert!(moved.contains(&format!("DRAGOMAN_ADMIN_LISTEN: warning: can't listen on {other}: ")), "{moved}");
}
