//! The golden files, run by the real program; and that they hold what the source documents print.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_dragoman");
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
const HINT: &str = "scripts/golden-from-fixtures.py makes what is missing";

fn dragoman(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).env_remove("CLICOLOR_FORCE").output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn read(file: &Path) -> Value {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}; {HINT}", file.display()));
    serde_json::from_str(&text).unwrap()
}

fn golden(dialect: &str, name: &str) -> Value {
    read(&Path::new(GOLDEN).join(dialect).join(format!("{name}.json")))
}

#[test]
fn every_golden_file_holds() {
    let ended = dragoman(&["test", GOLDEN]);
    let said = stdout(&ended);
    assert_eq!(ended.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    let count: usize = said.split(' ').next().unwrap().parse().unwrap();
    assert!(said.ends_with(&format!("{count} cases: {count} good, 0 not\n")), "{said}");
    assert!(count > 300, "{said}");
}

#[test]
fn every_dialect_has_golden_files() {
    let dialects: Value = serde_json::from_slice(&dragoman(&["dialects", "--json"]).stdout).unwrap();
    for dialect in dialects.as_array().unwrap() {
        let name = dialect["name"].as_str().unwrap();
        let folder = Path::new(GOLDEN).join(name);
        assert!(fs::read_dir(&folder).is_ok_and(|mut files| files.next().is_some()), "{name}: {HINT}");
    }
}

#[test]
fn every_printed_example_is_a_golden_file_on_both_sides() {
    let seeds: Value = serde_json::from_str(include_str!("fixtures/seed-examples.json")).unwrap();
    for seed in seeds.as_array().unwrap() {
        let (dialect, name) = seed["name"].as_str().unwrap().split_once('.').unwrap();
        let name = name.replace(['{', '}'], "");
        let backend = golden(dialect, &format!("{name}.backend"));
        assert_eq!(backend["upstream"], dialect);
        assert_eq!(backend["upstream_answer"]["body"], seed["response"]["body"], "{name}");
        let client = golden(dialect, &name);
        assert_eq!(client["client"], dialect);
        if seed.get("request").is_some() {
            assert_eq!(client["request"], seed["request"], "{name}");
        }
        // Through the canonical dialect and back, a printed answer is what it was.
        if dialect == "coolkit" && seed.get("emit").is_none() {
            assert_eq!(client["client_answer"]["body"].to_string(), seed["response"]["body"].to_string());
        }
    }
}

#[test]
fn every_recorded_exchange_is_a_golden_file() {
    for line in include_str!("fixtures/shopxo-recorded.jsonl").lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let case = golden("shopxo", &format!("recorded.{}", record["name"].as_str().unwrap()));
        assert_eq!(case["request"]["target"], record["request"]["target"]);
        assert_eq!(case["request"].get("body"), record["request"].get("body").filter(|body| !body.is_null()));
    }
}

/// A directory with one case in it.
struct Case {
    directory: tempfile::TempDir,
}

impl Case {
    fn new(case: &Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("below")).unwrap();
        let made = Self { directory };
        fs::write(made.file(), case.to_string()).unwrap();
        made
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("below/case.json")
    }

    fn test(&self, arguments: &[&str], colour: &[(&str, &str)]) -> (Option<i32>, String) {
        let mut command = Command::new(PROGRAM);
        command.arg("test").arg(self.directory.path()).args(arguments);
        command.env_remove("NO_COLOR").envs(colour.iter().copied());
        let output = command.output().unwrap();
        let said = stdout(&output) + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), said)
    }
}

fn wrong() -> Value {
    json!({
        "client": "canonical",
        "upstream": "coolkit",
        "now": "2019-05-16T10:57:29Z",
        "operation": "login",
        "upstream_answer": "HTTP/1.1 200 OK\n\n{\"error\":404}",
        "problem": { "code": "account_exists" },
    })
}

#[test]
fn a_difference_is_shown_and_ends_with_1() {
    let case = Case::new(&wrong());
    let (code, said) = case.test(&[], &[]);
    let expected = format!(
        "{}: problem\n    {{\n  -   \"code\": \"account_exists\"\n  +   \"code\": \"account_not_found\"\n    }}\n\
         1 case: 0 good, 1 not\n",
        case.file().display()
    );
    assert_eq!((code, said), (Some(1), expected));
    let coloured = case.test(&[], &[("CLICOLOR_FORCE", "1")]).1;
    assert!(coloured.contains("\u{1b}[31m  -"), "{coloured:?}");
    let plain = case.test(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).1;
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
}

#[test]
fn bless_writes_what_is_and_keeps_what_is_given() {
    let case = Case::new(&wrong());
    let blessed = case.test(&["--bless"], &[]);
    assert_eq!(blessed, (Some(0), "1 case: 1 good, 0 not, 1 written\n".to_owned()));
    assert_eq!(case.test(&[], &[]), (Some(0), "1 case: 1 good, 0 not\n".to_owned()));
    let written = read(&case.file());
    assert_eq!(written["upstream_answer"], wrong()["upstream_answer"]);
    assert_eq!(written["problem"], json!({ "code": "account_not_found" }));
    assert_eq!(written["client_answer"]["status"], 404);
}

#[test]
fn a_file_that_is_no_case_is_told_with_cause_and_hint() {
    let change = |member: &str, value: Value| {
        let mut case = wrong();
        case[member] = value;
        case
    };
    let mut silent = wrong();
    silent.as_object_mut().unwrap().remove("problem");
    for (case, said) in [
        (change("clients", json!("coolkit")), "unknown field `clients`"),
        (change("client", json!("coolkitt")), "did you mean `coolkit`?"),
        (change("operation", json!("logon")), "did you mean `login`?"),
        (change("now", json!("today")), "`now` is no time"),
        (change("request", json!("POST /v1/sessions\n\n{}")), "`operation` beside `request`"),
        (change("upstream_answer", json!("nonsense")), "line 1: "),
        (change("settings", json!({ "coolkit": { "numbers": "text" } })), "no setting `numbers`"),
        (silent, "nothing is expected"),
    ] {
        let (code, printed) = Case::new(&case).test(&[], &[]);
        assert_eq!(code, Some(1));
        assert!(printed.contains(said) && printed.contains("case.json: error: "), "{printed}");
    }
    let empty = tempfile::tempdir().unwrap();
    let ended = dragoman(&["test", empty.path().to_str().unwrap()]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).starts_with("error: no case in "));
}
