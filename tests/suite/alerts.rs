//! The shipped alert rules and the dashboard: they work, and they speak of metrics that exist.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::coolkit::{App, call, login};
use crate::support::gateway::House;
use crate::support::redis::RedisServer;
use crate::support::tools::{source, tool};
use crate::support::upstream::{Fault, FaultyUpstream};

fn promtool(arguments: &[&str]) {
    let output =
        Command::new(tool("bin/promtool")).args(arguments).current_dir(source("config")).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

fn rules() -> String {
    fs::read_to_string(source("config/alerts.yml")).unwrap()
}

/// The expressions of every panel of the dashboard.
fn dashboard_expressions() -> Vec<String> {
    let text = fs::read_to_string(source("config/grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// The words of an expression that can only be the names of metrics.
fn metric_names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_metric = |word: &&str| word.starts_with("dragoman_") || word.starts_with("process_");
    words.filter(is_metric).map(str::to_owned).collect()
}

/// The names of all series that the gateway may show, from the source of its metrics: those with labels
/// are not in `/metrics` before they are first counted.
fn declared_names() -> BTreeSet<String> {
    let files = ["src/observe/metrics.rs", "src/upstream/figures.rs"];
    let text = files.map(|file| fs::read_to_string(source(file)).unwrap()).concat();
    text.split('"').filter(|word| word.starts_with("dragoman_")).map(str::to_owned).collect()
}

#[test]
fn the_alert_rules_are_well_formed_and_pass_their_unit_tests() {
    promtool(&["check", "rules", "alerts.yml"]);
    promtool(&["test", "rules", "alerts.test.yml", "alerts.month.test.yml"]);
}

#[test]
fn every_alert_has_a_unit_test_and_a_line_in_the_runbook() {
    let tests = ["config/alerts.test.yml", "config/alerts.month.test.yml"]
        .map(|file| fs::read_to_string(source(file)).unwrap())
        .concat();
    let runbook = fs::read_to_string(source("docs/operations.md")).unwrap();
    let rules = rules();
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 20);
    for alert in alerts {
        assert!(tests.contains(&format!("  - name: {alert}\n")), "{alert} has no unit test");
        assert!(runbook.contains(&format!("### {alert}\n")), "{alert} is not in docs/operations.md");
    }
}

#[test]
fn rules_and_dashboard_speak_only_of_metrics_that_exist() {
    let (app, redis) = (App::sample(), RedisServer::start());
    let backend = FaultyUpstream::start(Fault::Down);
    let gateway = House::in_front_of(backend.address, &[&app]).sharing(redis.url()).start();
    call(gateway.http, &app, "/api/user/login", login("+8613800138711", "nobody-has-this"));
    let metrics = gateway.metrics_with("dragoman_requests_total{");
    let mut known = declared_names();
    known.extend(
        metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).map(str::to_owned),
    );
    let histogram_parts =
        |name: &str| ["_bucket", "_sum", "_count"].map(|part| name.strip_suffix(part).map(str::to_owned));
    let expressions = dashboard_expressions();
    let used = metric_names(&(rules() + &expressions.join("\n")));
    assert!(used.len() > 15, "{used:?}");
    for name in &used {
        let histogram = histogram_parts(name)
            .into_iter()
            .flatten()
            .any(|base| metrics.contains(&format!("# TYPE {base} histogram")));
        assert!(known.contains(name) || histogram, "{name} is no metric of the gateway");
    }
}
