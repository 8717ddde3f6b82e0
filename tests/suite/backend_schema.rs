//! A schema-driven fuzzer holds the embedded backend to its own OpenAPI document.

use std::process::Command;

use crate::support::gateway::backend;
use crate::support::tools::{source, tool};

#[test]
fn schemathesis_finds_no_violation_of_the_openapi_document() {
    let directory = tempfile::tempdir().unwrap();
    let backend = backend(directory.path());
    let output = Command::new(tool("python/bin/schemathesis"))
        .arg("--config-file")
        .arg(source("tests/schemathesis.toml"))
        .env("SCHEMATHESIS_HOOKS", source("tests/schemathesis_hooks.py"))
        .env("DRAGOMAN_OUTBOX", directory.path().join("data/outbox.jsonl"))
        .arg("run")
        .arg(format!("http://{}/openapi.json", backend.http))
        .args(["--checks", "all", "--no-color", "--seed", "20260101", "--max-examples", "50"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}{}", String::from_utf8_lossy(&output.stderr));
}
