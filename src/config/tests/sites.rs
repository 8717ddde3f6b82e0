//! Every place in `src/config` that can note a finding has a test that proves position and hint of it.
//!
//! A place is a line of code. Which line noted a finding is known by `#[track_caller]`; tests that proved a
//! finding say so with [`proven`], and the test below runs all of them and compares with the code.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

/// Names the file to which the tests of this module write which places they proved.
const PROVEN: &str = "DRAGOMAN_PROVEN_FINDINGS";

thread_local! {
    /// What this thread's files were found to have, and where in the code that was noted.
    static NOTED: RefCell<Vec<(String, &'static Location<'static>)>> = const { RefCell::new(Vec::new()) };
}

/// Remembers which line noted a finding.
#[track_caller]
pub(in crate::config) fn note(message: &str) {
    let place = Location::caller();
    NOTED.with_borrow_mut(|noted| noted.push((message.to_owned(), place)));
}

/// Says that a test proved position, message and hint of this finding.
pub(super) fn proven(finding: &Finding) {
    assert!(!finding.hint.is_empty(), "no hint: {finding}");
    let Some(path) = std::env::var_os(PROVEN) else { return };
    let noted = NOTED.with_borrow(|noted| {
        let of_this = |(message, _): &&(String, _)| *message == finding.message;
        noted.iter().rev().find(of_this).map(|(_, place)| format!("{}:{}\n", place.file(), place.line()))
    });
    let line = noted.unwrap_or_else(|| panic!("{finding} was noted nowhere"));
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("a file");
    file.write_all(line.as_bytes()).expect("written");
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let (directories, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let directories = directories.iter().filter(|path| !path.ends_with("tests"));
    files.into_iter().chain(directories.flat_map(|path| sources(path))).collect()
}

/// Every line that notes a finding, as `file:line`.
fn places() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut places = BTreeSet::new();
    for path in sources(&root.join("src/config")) {
        let text = fs::read_to_string(&path).expect("readable");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let file = path.strip_prefix(root).expect("inside").display().to_string();
        for (index, line) in code.lines().enumerate() {
            let notes =
                [".error(", ".warning(", ".fail(", ".wrong_type("].iter().any(|call| line.contains(call));
            if notes && !line.trim_start().starts_with("//") {
                places.insert(format!("{file}:{}", index + 1));
            }
        }
    }
    places
}

#[test]
fn every_finding_that_the_code_can_note_is_proven_with_its_position_by_a_test() {
    if std::env::var_os(PROVEN).is_some() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("proven");
    let tests = Command::new(std::env::current_exe().expect("this program"))
        .args(["config::", "--quiet"])
        .env(PROVEN, &path)
        .output()
        .expect("the tests of this module");
    assert!(tests.status.success(), "{}", String::from_utf8_lossy(&tests.stdout));
    let text = fs::read_to_string(path).expect("what they proved");
    let proven: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let unproven: Vec<String> = places().difference(&proven).cloned().collect();
    assert!(proven.len() > 90, "{} places only", proven.len());
    assert!(unproven.is_empty(), "no test proves what is noted at\n{}", unproven.join("\n"));
}
