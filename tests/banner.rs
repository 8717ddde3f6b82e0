//! The requests that `run` shows can be pasted as they stand: a shell runs them against a `curl`
//! that writes down what it was asked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use dragoman::cli::{Bound, banner};
use dragoman::config::Settings;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_dragoman");

/// Writes each argument on a line of its own and an empty line after them; to the outbox it answers.
const CURL: &str = "#!/bin/sh
case \"$*\" in *outbox.json*) echo '[{\"to\": \"x\", \"code\": \"123456\"},{\"code\":\"000000\"}]'; exit;; esac
for argument; do printf '%s\\n' \"$argument\"; done >>asked
echo >>asked
";

fn requests_of(dialect: &str) -> Vec<Vec<String>> {
    let settings = Settings::demo(&|_| None).unwrap();
    let bound =
        Bound { listeners: vec![([127, 0, 0, 1], 1234).into()], admin: Some(([127, 0, 0, 1], 5678).into()) };
    let text = banner(&settings, &bound, PROGRAM);
    let script = text.split(&format!("# {dialect}\n")).nth(1).unwrap();
    let script = script.split("\n# ").next().unwrap();

    let directory = tempfile::tempdir().unwrap();
    let curl = directory.path().join("curl");
    fs::write(&curl, CURL).unwrap();
    fs::set_permissions(&curl, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("sh")
        .args(["-e", "-c", script])
        .env("PATH", path)
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{script}");
    let asked = fs::read_to_string(directory.path().join("asked")).unwrap();
    let requests = asked.trim_end().split("\n\n");
    requests.map(|request| request.lines().map(str::to_owned).collect()).collect()
}

fn after<'a>(request: &'a [String], option: &str) -> &'a str {
    let place = request.iter().position(|argument| argument == option).unwrap();
    &request[place + 1]
}

fn paths(requests: &[Vec<String>]) -> Vec<&str> {
    requests
        .iter()
        .map(|request| {
            let url = request.iter().find(|argument| argument.starts_with("http://"));
            url.unwrap().strip_prefix("http://127.0.0.1:1234").unwrap()
        })
        .collect()
}

#[test]
fn canonical_requests_ask_for_a_code_register_and_log_in() {
    let requests = requests_of("canonical");
    assert_eq!(paths(&requests), ["/v1/verification-codes", "/v1/accounts", "/v1/sessions"]);
    let bodies: Vec<Value> =
        requests.iter().map(|request| serde_json::from_str(after(request, "-d")).unwrap()).collect();
    assert_eq!(bodies[0]["purpose"], "register");
    assert_eq!(bodies[1]["verification"]["code"], "123456");
    assert_eq!(bodies[1]["phone"], bodies[0]["phone"]);
    assert_eq!(bodies[2]["password"], bodies[1]["password"]);
}

#[test]
fn coolkit_requests_are_signed_by_the_demo_app() {
    let requests = requests_of("coolkit");
    assert_eq!(paths(&requests), ["/api/sms", "/api/user/register", "/api/user/login"]);
    let mut nonces = Vec::new();
    for request in &requests {
        let body = after(request, "-d");
        let read: Value = serde_json::from_str(body).unwrap();
        assert!(read["ts"].as_i64().unwrap() > 1_700_000_000);
        let nonce = read["nonce"].as_str().unwrap().to_owned();
        assert!(nonce.len() == 8 && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{nonce}");
        nonces.push(nonce);
        let field = request.iter().find_map(|argument| argument.strip_prefix("Authorization: "));
        let verified = Command::new(PROGRAM)
            .args(["verify", "--demo", "--body", body, "--signature", field.unwrap()])
            .output()
            .unwrap();
        assert!(verified.status.success(), "{request:?}");
    }
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), requests.len());
    let register: Value = serde_json::from_str(after(&requests[1], "-d")).unwrap();
    assert_eq!(register["verificationCode"], "123456");
}
