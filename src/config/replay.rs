//! How much the replay guard may remember.

use super::OnStoreError;
use super::reader::Table;
use super::value::number;

/// Among which gateways a signed call passes once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReplayScope {
    /// All that reach the same backends: they share a store.
    #[default]
    Store,
    /// Those of one region: the operator knows that others, which reach the same backends, remember by themselves.
    Region,
}

/// Bounds of the replay memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Live entries in all; at the bound new signed calls are refused.
    pub entries: usize,
    /// Live entries of one app.
    pub entries_per_app: usize,
    /// Among which gateways a signed call passes once.
    pub scope: ReplayScope,
    /// What is done while a shared store is away.
    pub on_store_error: OnStoreError,
}

impl Default for Replay {
    fn default() -> Self {
        Self {
            entries: 2_000_000,
            entries_per_app: 1_000_000,
            scope: ReplayScope::default(),
            on_store_error: OnStoreError::default(),
        }
    }
}

impl Replay {
    /// Reads `[replay]`.
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let default = Self::default();
        let mut count = |key| table.read(key, |node| number(node, 1..=100_000_000));
        let entries = count("entries").unwrap_or(default.entries);
        let given_per_app = count("entries_per_app");
        let entries_per_app = given_per_app.unwrap_or(default.entries_per_app.min(entries));
        if entries_per_app > entries {
            table.error(
                "entries_per_app",
                "one app may not hold more entries than all together",
                format!("choose at most {entries}, the value of `entries`"),
            );
        }
        let scopes = [("store", ReplayScope::Store), ("region", ReplayScope::Region)];
        let scope = table.read("scope", |node| node.choice(&scopes)).unwrap_or_default();
        let on_store_error = OnStoreError::read(table).unwrap_or_default();
        Self { entries, entries_per_app, scope, on_store_error }
    }
}
