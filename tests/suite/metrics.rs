//! What `/metrics` says is well-formed and counts what really happened.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::coolkit::{App, call, login, register};
use crate::support::gateway::House;
use crate::support::tools::tool;

#[test]
fn promtool_has_nothing_to_say_about_the_metrics() {
    let app = App::sample();
    let gateway = House::embedded(&[&app]).start();
    register(&gateway, &app, "+8613800138701", "a-fine-password");
    let impostor = App::new(&app.id, "not-the-secret-of-this-app");
    let refused = call(gateway.http, &impostor, "/api/user/login", login("+8613800138701", "x"));
    assert_eq!(refused["error"], 406);
    let metrics = gateway.metrics_with("dragoman_refusals_total{");
    assert!(metrics.contains("dragoman_refusals_total{"), "{metrics}");

    let mut promtool = Command::new(tool("bin/promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}\n{metrics}");
}

#[test]
fn each_accepted_signed_request_is_remembered_once() {
    let app = App::sample();
    let gateway = House::embedded(&[&app]).start();
    for _ in 0..5 {
        call(gateway.http, &app, "/api/user/login", login("+8613800138702", "nobody-has-this"));
    }
    let metrics = gateway.metrics();
    let entries = metrics.lines().find(|line| line.starts_with("dragoman_replay_entries "));
    assert_eq!(entries, Some("dragoman_replay_entries 5"), "{metrics}");
}
