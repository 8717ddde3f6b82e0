//! Commands in documents, run as they stand there, and what the documents say they print.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// A block of commands, and what the document says they print; `…` stands for anything.
struct Step<'a> {
    commands: &'a str,
    printed: &'a str,
}

/// The commands of a part of a document.
pub struct Document<'a> {
    steps: Vec<Step<'a>>,
}

impl<'a> Document<'a> {
    /// What stands between `<!-- NAME -->` and `<!-- /NAME -->`.
    pub fn part(text: &'a str, name: &str) -> Self {
        let part = text.split_once(&format!("<!-- {name} -->")).expect("the part begins").1;
        let part = part.split_once(&format!("<!-- /{name} -->")).expect("the part ends").0;
        let step = |part: &'a str| {
            let (commands, rest) = part.split_once("```").expect("the block ends");
            let printed =
                rest.split_once("```text\n").map_or("", |(_, text)| text.split("```").next().unwrap());
            Step { commands, printed }
        };
        Self { steps: part.split("```sh\n").skip(1).map(step).collect() }
    }

    /// How many blocks there are.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// Runs all of it in one shell, with other addresses in the place of those that it names.
    pub fn prints_what_it_says(
        &self,
        directory: &Path,
        environment: &[(&str, &str)],
        places: &[(&str, SocketAddr)],
    ) {
        let script: String =
            self.steps.iter().map(|step| format!("{}echo '=== next'\n", step.commands)).collect();
        let script =
            places.iter().fold(script, |script, (named, real)| script.replace(named, &real.to_string()));
        let output = Command::new("bash")
            .args(["-c", &script])
            .current_dir(directory)
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let printed = String::from_utf8(output.stdout).unwrap();
        for (step, printed) in self.steps.iter().zip(printed.split("=== next\n")) {
            let (commands, pattern) = (step.commands, step.printed);
            assert!(matches(pattern, printed), "{commands}\nsays\n{printed}\ninstead of\n{pattern}");
        }
    }
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
fn a_pattern_matches_only_what_it_describes() {
    assert!(matches("{\"at\":\"…\",\"region\":\"cn\"}", "{\"at\":\"12\",\"region\":\"cn\"}\n"));
    assert!(matches("a…", "abc"));
    assert!(!matches("a…c", "abcd"));
    assert!(!matches("abc", "abcd"));
    assert!(!matches("b…", "abc"));
}
