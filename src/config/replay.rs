//! How much the replay guard may remember.

/// Bounds of the replay memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Live entries in all; at the bound new signed calls are refused.
    pub entries: usize,
    /// Live entries of one app.
    pub entries_per_app: usize,
}

impl Default for Replay {
    fn default() -> Self {
        Self { entries: 2_000_000, entries_per_app: 1_000_000 }
    }
}
