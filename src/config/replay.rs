//! How much the replay guard may remember.

use super::OnStoreError;
use super::reader::Table;
use super::value::number;

/// Bounds of the replay memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Live entries in all; at the bound new signed calls are refused.
    pub entries: usize,
    /// Live entries of one app.
    pub entries_per_app: usize,
    /// What is done while a shared store is away.
    pub on_store_error: OnStoreError,
}

impl Default for Replay {
    fn default() -> Self {
        Self { entries: 2_000_000, entries_per_app: 1_000_000, on_store_error: OnStoreError::default() }
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
        Self { entries, entries_per_app, on_store_error: OnStoreError::read(table).unwrap_or_default() }
    }
}
