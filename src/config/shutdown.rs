//! How the process stops.

use std::time::Duration;

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
