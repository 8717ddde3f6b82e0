//! What the clients of a listener's dialects can't ask of the backend, because its dialect has no form for it.

use std::io::Write;

use crate::account::Operation;
use crate::cli::Failure;
use crate::config::{Finding, Locator, Settings, Severity, Site};
use crate::dialect::{Dialect, Dialects, Pack};

const EMBEDDED: &str = "canonical";

/// A listener's dialect whose clients the backend could not answer at all.
pub(super) fn findings(settings: &Settings, dialects: &Dialects, locator: &Locator<'_>) -> Vec<Finding> {
    let backend = backend(settings);
    let Some(upstream) = dialects.get(backend) else { return Vec::new() };
    let offered = settings.listeners.iter().enumerate();
    let offered =
        offered.flat_map(|(index, listener)| listener.dialects.iter().map(move |name| (index, name)));
    offered
        .filter(|(_, name)| {
            dialects.get(name).is_some_and(|client| carried(client, upstream).next().is_none())
        })
        .map(|(index, name)| {
            let message = format!("{name:?} and the backend's {backend:?} have no operation in common");
            let hint = "leave the dialect out of `dialects`; `dragoman dialects` shows what each of them has";
            locator.finding(Site::Dialects(index), Severity::Error, message, hint)
        })
        .collect()
}

/// Tells what of each dialect that is offered the backend can't be asked.
pub(super) fn write(out: &mut impl Write, settings: &Settings, dialects: &Dialects) -> Result<(), Failure> {
    let backend = backend(settings);
    let Some(upstream) = dialects.get(backend) else { return Ok(()) };
    let mut told: Vec<&String> = Vec::new();
    for name in settings.listeners.iter().flat_map(|listener| &listener.dialects) {
        let Some(client) = dialects.get(name).filter(|_| !told.contains(&name)) else { continue };
        told.push(name);
        let has = Operation::ALL.iter().filter(|operation| asked(client, **operation));
        let lost: Vec<&str> =
            has.filter(|operation| !upstream.has(**operation)).map(|operation| operation.name()).collect();
        if !lost.is_empty() {
            writeln!(out, "{name} at a {backend} backend: no {}", lost.join(", "))?;
        }
    }
    Ok(())
}

/// The operations that clients of one dialect can ask of a backend of another.
fn carried<'a>(client: &'a Pack, upstream: &'a Pack) -> impl Iterator<Item = Operation> + 'a {
    let all = Operation::ALL.iter().copied();
    all.filter(|operation| asked(client, *operation) && upstream.has(*operation))
}

/// Whether clients ask it of the backend; region queries are answered here.
fn asked(client: &Pack, operation: Operation) -> bool {
    operation != Operation::Region && client.has(operation)
}

fn backend(settings: &Settings) -> &str {
    settings.upstream.http().map_or(EMBEDDED, |http| &http.dialect)
}
