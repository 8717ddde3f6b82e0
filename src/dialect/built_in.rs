//! The packs that come with the binary.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::Pack;
use super::pack::Loaded;
use crate::config::{Dialect, Document, documents};

/// The name of the project's own dialect.
pub const CANONICAL: &str = "canonical";

/// Every built-in pack with its settings at their defaults, compiled once.
pub(super) fn packs() -> &'static [Arc<Pack>] {
    static PACKS: OnceLock<Vec<Arc<Pack>>> = OnceLock::new();
    PACKS.get_or_init(|| {
        let none = BTreeMap::new();
        let loaded = |(dialect, document): (&Dialect, &'static Document)| {
            match Pack::load_built_in(&file(dialect), (dialect.pack, document), &none) {
                Ok((pack, _)) => Arc::new(pack),
                Err(findings) => {
                    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
                    // A test loads them all, so no binary is made of a broken one.
                    unreachable!("the built-in pack of {} is broken:\n{}", dialect.name, findings.join("\n"))
                }
            }
        };
        documents().map(loaded).collect()
    })
}

/// A built-in pack with settings of its own; `None` where there is no such pack.
pub(super) fn with_settings(name: &str, settings: &BTreeMap<String, String>) -> Option<Loaded> {
    let (dialect, document) = documents().find(|(dialect, _)| dialect.name == name)?;
    Some(Pack::load_built_in(&file(dialect), (dialect.pack, document), settings))
}

fn file(dialect: &Dialect) -> String {
    format!("{}.toml", dialect.name)
}
