//! The README's tour does what the README says, command by command.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::document::Document;
use crate::support::gateway::demo;

const README: &str = include_str!("../../README.md");

#[test]
fn the_tour_of_the_readme_prints_what_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = demo(directory.path());
    let tour = Document::part(README, "tour");
    assert!(tour.steps() >= 7, "the tour has only {} steps", tour.steps());
    // The demo's ports are fixed; a test takes free ones.
    let places = [("127.0.0.1:8080", gateway.http), ("127.0.0.1:9090", gateway.admin())];
    tour.prints_what_it_says(directory.path(), &[], &places);
}

#[test]
fn the_requests_that_the_demo_shows_work_when_they_are_pasted() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = demo(directory.path());
    // The addresses, for which the start waits, are printed first.
    let deadline = Instant::now() + Duration::from_secs(60);
    while !gateway.printed().contains("say /sessions") && Instant::now() < deadline {
        thread::yield_now();
    }
    let printed = gateway.printed();
    let (_, requests) = printed.split_once("take another phone.\n\n# ").unwrap();
    let mut shown = Vec::new();
    for part in requests.split("\n\n# ") {
        let (dialect, commands) = part.split_once('\n').unwrap();
        let commands = commands.lines().take_while(|line| !line.starts_with("{\"time\""));
        let script: Vec<&str> = commands.collect();
        let output = Command::new("sh").args(["-c", &script.join("\n")]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{dialect}");
        let answers = String::from_utf8(output.stdout).unwrap();
        // The register and the login both open a session.
        let token = match dialect {
            "coolkit" => "\"at\":\"",
            "qingzhenyun" | "shopxo" => "\"token\":\"",
            _ => "\"access_token\":\"",
        };
        assert_eq!(answers.matches(token).count(), 2, "{dialect}: {answers}");
        shown.push(dialect);
    }
    assert_eq!(shown, ["coolkit", "qingzhenyun", "discuzq", "shopxo", "canonical"]);
}
