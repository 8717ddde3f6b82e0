//! Every mistake that a pack can have is told with its place and a way out: `tests/packs/broken.txt` makes one at a
//! time in a good pack and shows what is said of it.
//!
//! With `DRAGOMAN_BLESS=1` the test writes down what is said now.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

const GOOD: &str = include_str!("../../../../tests/packs/good.toml");

/// One broken pack: what is taken out of the good one, what stands there instead, and what is said of it.
#[derive(Default)]
struct Broken {
    name: String,
    out: Vec<String>,
    instead: Vec<String>,
    said: String,
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packs/broken.txt")
}

fn broken_packs(text: &str) -> Vec<Broken> {
    let mut all: Vec<Broken> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# ") {
            all.push(Broken { name: name.to_owned(), ..Broken::default() });
            continue;
        }
        let Some(broken) = all.last_mut() else { continue };
        match line.split_at_checked(2) {
            Some(("- ", rest)) => broken.out.push(rest.to_owned()),
            Some(("+ ", rest)) => broken.instead.push(rest.to_owned()),
            _ if line.is_empty() => {}
            _ => broken.said.extend([line, "\n"]),
        }
    }
    all
}

/// Everything that is said of a pack, by loading or, if that finds nothing, by proving.
fn said_of(text: &str) -> String {
    let findings = match Pack::load("parcel.toml", text, &Default::default()) {
        Ok((pack, findings)) => findings.into_iter().chain(pack.prove()).collect(),
        Err(findings) => findings,
    };
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

#[test]
fn the_pack_that_is_broken_below_is_good() {
    assert_eq!(said_of(GOOD), "");
}

#[test]
fn every_broken_pack_is_refused_with_place_message_and_hint() {
    let text = fs::read_to_string(file()).unwrap();
    let mut now = text.split("# ").next().unwrap().to_owned();
    let mut accepted: Vec<String> = Vec::new();
    for broken in broken_packs(&text) {
        let (out, instead) = (broken.out.join("\n"), broken.instead.join("\n"));
        assert_eq!(GOOD.matches(&out).count(), 1, "{}: {out:?} is not there once", broken.name);
        let said = said_of(&GOOD.replacen(&out, &instead, 1));
        if !said.contains(": error: ") {
            accepted.push(broken.name.clone());
        }
        let lines =
            |mark, lines: &[String]| lines.iter().map(|line| format!("{mark} {line}\n")).collect::<String>();
        let (out, instead) = (lines('-', &broken.out), lines('+', &broken.instead));
        now += &format!("# {}\n{out}{instead}{said}\n", broken.name);
    }
    if std::env::var_os("DRAGOMAN_BLESS").is_some() {
        fs::write(file(), &now).unwrap();
    }
    assert!(accepted.is_empty(), "not refused: {accepted:#?}");
    assert_eq!(now.trim_end(), text.trim_end());
}

#[test]
fn at_least_fifty_packs_are_broken_in_thirty_ways() {
    let text = fs::read_to_string(file()).unwrap();
    let all = broken_packs(&text);
    // What differs only in names and numbers is one kind.
    let kind = |broken: &Broken| {
        let first = broken.said.lines().next().unwrap_or_default();
        let message = first.split(": error: ").nth(1).unwrap_or_default();
        message.split(['`', '"']).step_by(2).collect::<String>()
    };
    let kinds: BTreeSet<String> = all.iter().map(kind).collect();
    let names: BTreeSet<&str> = all.iter().map(|broken| broken.name.as_str()).collect();
    assert_eq!(names.len(), all.len());
    assert!(all.len() >= 50 && kinds.len() >= 30, "{} packs, {} kinds", all.len(), kinds.len());
}
