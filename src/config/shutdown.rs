//! How the process stops.

use std::time::Duration;

use super::reader::Table;
use super::value::duration;

/// The stop order's two waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shutdown {
    /// How long connections are still accepted after `/readyz` turned false.
    pub drain_delay: Duration,
    /// How long calls under way may take after that.
    pub grace: Duration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { drain_delay: Duration::from_secs(5), grace: Duration::from_secs(15) }
    }
}

impl Shutdown {
    /// Reads `[shutdown]`.
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let default = Self::default();
        let mut wait =
            |key| table.read(key, |node| duration(node, Duration::ZERO..=Duration::from_secs(300)));
        Self {
            drain_delay: wait("drain_delay").unwrap_or(default.drain_delay),
            grace: wait("grace").unwrap_or(default.grace),
        }
    }
}
