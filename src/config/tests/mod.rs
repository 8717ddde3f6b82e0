//! Every kind of finding, with the position that it points to.

mod changes;
mod dialects;
mod form;
mod listeners;
mod regions;
mod seal;
mod sections;
pub(super) mod sites;
mod sources;
mod store;

use super::*;

const OPEN: &str = "[[listener]]\naddress = \"127.0.0.1:8080\"\n[upstream]\nkind = \"embedded\"\n";

fn environment(name: &str) -> Option<String> {
    match name {
        "APP_SECRET" => Some("from the environment".to_owned()),
        "STATE_KEY" => Some("0123456789abcdef0123456789abcdef".to_owned()),
        "SEAL_KEY" => Some("5ea1".repeat(16)),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn findings(text: &str) -> Vec<Finding> {
    match Settings::parse("test.toml", text, &environment) {
        Ok((_, warnings)) => warnings,
        Err(findings) => findings,
    }
}

fn settings(text: &str) -> Settings {
    match Settings::parse("test.toml", text, &environment) {
        Ok((settings, _)) => settings,
        Err(findings) => panic!("{}", lines(&findings)),
    }
}

fn lines(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

/// Proves that `text` has a finding of `message` that points at the mark `«` in it.
fn points_at(text: &str, severity: Severity, message: &str) {
    let (before, after) = text.split_once('«').expect("a mark");
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let findings = findings(&format!("{before}{after}"));
    let found = findings.iter().find(|finding| {
        finding.message.contains(message)
            && (finding.line, finding.column) == (line, column)
            && finding.severity == severity
            && !finding.hint.is_empty()
    });
    let Some(found) = found else {
        panic!("no {message:?} at {line}:{column} among\n{}", lines(&findings));
    };
    sites::proven(found);
}

fn error(text: &str, message: &str) {
    points_at(text, Severity::Error, message);
}

fn warning(text: &str, message: &str) {
    points_at(text, Severity::Warning, message);
}

fn with(rest: &str) -> String {
    format!("{OPEN}{rest}")
}

/// What several gateways need.
const SEAL: &str = "[seal]\nkeys = [{ id = \"one\", secret = \"env:SEAL_KEY\" }]\n";

fn app(rest: &str) -> String {
    with(&format!("[[app]]\nid = \"one\"\nsecrets = [\"env:APP_SECRET\"]\n{rest}"))
}

fn upstream(rest: &str) -> String {
    format!("[[listener]]\naddress = \"127.0.0.1:8080\"\n[upstream]\nkind = \"http\"\n{rest}")
}
