//! The packs that come with the binary.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::Pack;
use crate::config::DIALECTS;

/// The name of the project's own dialect.
pub const CANONICAL: &str = "canonical";

/// Every built-in pack with its settings at their defaults, compiled once.
pub(super) fn packs() -> &'static [Arc<Pack>] {
    static PACKS: OnceLock<Vec<Arc<Pack>>> = OnceLock::new();
    PACKS.get_or_init(|| DIALECTS.iter().map(|dialect| load(dialect.name, dialect.pack)).collect())
}

fn load(name: &str, text: &str) -> Arc<Pack> {
    match Pack::load_built_in(&format!("{name}.toml"), text, &BTreeMap::new()) {
        Ok((pack, _)) => Arc::new(pack),
        Err(findings) => {
            let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
            // A test loads them all, so no binary is made of a broken one.
            unreachable!("the built-in pack of {name} is broken:\n{}", findings.join("\n"))
        }
    }
}
