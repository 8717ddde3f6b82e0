//! What the clients of a listener's dialects can't ask of the backend, because its dialect has no form for it.

use std::io::Write;

use crate::account::Operation;
use crate::cli::Failure;
use crate::config::{Finding, Listener, Locator, Settings, Severity, Site, Upstream};
use crate::dialect::{Dialect, Dialects, Pack};

const EMBEDDED: &str = "canonical";

/// A listener's dialect whose clients the backend could not answer at all.
pub(super) fn findings(settings: &Settings, dialects: &Dialects, locator: &Locator<'_>) -> Vec<Finding> {
    let offered = settings.listeners.iter().enumerate();
    let offered = offered.flat_map(|(index, listener)| {
        let backend = backend(settings, listener);
        listener.dialects.iter().map(move |name| (index, name, backend))
    });
    offered
        .filter(|(_, name, backend)| {
            let pair = dialects.get(name).zip(dialects.get(backend));
            pair.is_some_and(|(client, upstream)| carried(client, upstream).next().is_none())
        })
        .map(|(index, name, backend)| {
            let message = format!("{name:?} and the backend's {backend:?} have no operation in common");
            let hint = "leave the dialect out of `dialects`; `dragoman dialects` shows what each of them has";
            locator.finding(Site::Dialects(index), Severity::Error, message, hint)
        })
        .collect()
}

/// Tells what of each dialect that is offered the backend can't be asked.
pub(super) fn write(out: &mut impl Write, settings: &Settings, dialects: &Dialects) -> Result<(), Failure> {
    let offered = settings.listeners.iter().flat_map(|listener| {
        let backend = backend(settings, listener);
        listener.dialects.iter().map(move |name| (name.as_str(), backend))
    });
    let mut told: Vec<(&str, &str)> = Vec::new();
    for (name, backend) in offered {
        let pair = dialects.get(name).zip(dialects.get(backend));
        let Some((client, upstream)) = pair.filter(|_| !told.contains(&(name, backend))) else { continue };
        told.push((name, backend));
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

/// The dialect of the backend that a listener's calls go to first.
fn backend<'a>(settings: &'a Settings, listener: &Listener) -> &'a str {
    let upstream = settings.upstream_of(settings.region_of(listener));
    upstream.and_then(Upstream::http).map_or(EMBEDDED, |http| &http.dialect)
}
