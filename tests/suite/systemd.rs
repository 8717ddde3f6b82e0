//! The unit: well-formed, and as closed as systemd can tell.

use std::fs;
use std::process::{Command, Output};

use crate::support::tools::source;

fn systemd_analyze(arguments: &[&str]) -> Output {
    let run = Command::new("systemd-analyze").arg("--no-pager").args(arguments).output();
    run.expect("systemd-analyze is missing: `make test` installs it")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn systemd_has_nothing_to_say_about_the_unit() {
    let directory = tempfile::tempdir().unwrap();
    let unit = directory.path().join("dragoman.service");
    let text = fs::read_to_string(source("systemd/dragoman.service")).unwrap();
    // `verify` looks for the programs where the package will put them.
    assert!(text.contains("ExecStart=/usr/bin/dragoman run -c /etc/dragoman/dragoman.toml\n"));
    fs::write(&unit, text.replace("/usr/bin/dragoman", env!("CARGO_BIN_EXE_dragoman"))).unwrap();
    let verified = systemd_analyze(&["verify", "--man=no", unit.to_str().unwrap()]);
    assert!(verified.status.success() && said(&verified).is_empty(), "{}", said(&verified));
}

#[test]
fn the_unit_is_exposed_to_one_and_a_half_at_most() {
    let unit = source("systemd/dragoman.service");
    let judged = systemd_analyze(&["security", "--offline=true", "--threshold=15", unit.to_str().unwrap()]);
    assert!(judged.status.success(), "{}", said(&judged));
    assert!(said(&judged).contains("Overall exposure level for dragoman.service: "), "{}", said(&judged));
}
