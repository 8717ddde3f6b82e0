//! The packs that come with the binary.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::Pack;

/// The name of the project's own dialect.
pub const CANONICAL: &str = "canonical";

/// Name and text of each built-in pack. The order is that of claims on a shared path: who signs comes first.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("coolkit", include_str!("../../dialects/coolkit.toml")),
    ("qingzhenyun", include_str!("../../dialects/qingzhenyun.toml")),
    ("discuzq", include_str!("../../dialects/discuzq.toml")),
    ("shopxo", include_str!("../../dialects/shopxo.toml")),
    (CANONICAL, include_str!("../../dialects/canonical.toml")),
];

/// Every built-in pack with its settings at their defaults, compiled once.
pub(super) fn packs() -> &'static [Arc<Pack>] {
    static PACKS: OnceLock<Vec<Arc<Pack>>> = OnceLock::new();
    PACKS.get_or_init(|| BUILT_IN.iter().map(|(name, text)| load(name, text)).collect())
}

fn load(name: &str, text: &str) -> Arc<Pack> {
    match Pack::load(&format!("{name}.toml"), text, &BTreeMap::new()) {
        Ok((pack, _)) => Arc::new(pack),
        Err(findings) => {
            let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
            // A test loads them all, so no binary is made of a broken one.
            unreachable!("the built-in pack of {name} is broken:\n{}", findings.join("\n"))
        }
    }
}
