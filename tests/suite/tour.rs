//! The README's tour does what the README says, command by command.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::gateway::demo;

const README: &str = include_str!("../../README.md");

/// A block of commands, and what the README says they print; `…` stands for anything.
struct Step<'a> {
    commands: &'a str,
    printed: &'a str,
}

fn steps() -> Vec<Step<'static>> {
    let tour = README.split("<!-- tour -->").nth(1).and_then(|rest| rest.split("<!-- /tour -->").next());
    let mut steps = Vec::new();
    for part in tour.unwrap().split("```sh\n").skip(1) {
        let (commands, rest) = part.split_once("```").unwrap();
        let printed = rest.split_once("```text\n").map_or("", |(_, text)| text.split("```").next().unwrap());
        steps.push(Step { commands, printed });
    }
    steps
}

/// Whether the text is the pattern, in which `…` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.trim().split('…');
    let Some(mut rest) = text.trim().strip_prefix(pieces.next().unwrap_or_default()) else {
        return false;
    };
    let mut last = None;
    for piece in pieces {
        let Some(place) = rest.find(piece) else {
            return false;
        };
        rest = &rest[place + piece.len()..];
        last = Some(piece);
    }
    rest.is_empty() || last.is_some_and(str::is_empty)
}

#[test]
fn the_tour_of_the_readme_prints_what_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = demo(directory.path());
    let steps = steps();
    assert!(steps.len() >= 7, "the tour has only {} steps", steps.len());
    let script: String = steps.iter().map(|step| format!("{}echo '=== next'\n", step.commands)).collect();
    // The demo's ports are fixed; a test takes free ones.
    let script = script
        .replace("127.0.0.1:8080", &gateway.http.to_string())
        .replace("127.0.0.1:9090", &gateway.admin().to_string());
    let output = Command::new("bash").args(["-c", &script]).current_dir(directory.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let printed = String::from_utf8(output.stdout).unwrap();
    for (step, printed) in steps.iter().zip(printed.split("=== next\n")) {
        assert!(
            matches(step.printed, printed),
            "{}\nsays\n{printed}\ninstead of\n{}",
            step.commands,
            step.printed
        );
    }
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

#[test]
fn a_pattern_matches_only_what_it_describes() {
    assert!(matches("{\"at\":\"…\",\"region\":\"cn\"}", "{\"at\":\"12\",\"region\":\"cn\"}\n"));
    assert!(matches("a…", "abc"));
    assert!(!matches("a…c", "abcd"));
    assert!(!matches("abc", "abcd"));
    assert!(!matches("b…", "abc"));
}
