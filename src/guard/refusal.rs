//! What a guard says when it says no.

/// Which guard refused, or would have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guard {
    /// Connection, size, rate and time limits.
    Limit,
    /// The signature, the app and its permissions.
    Signature,
    /// The request's own time.
    Clock,
    /// The memory of used requests.
    Replay,
    /// How often codes are sent.
    Throttle,
    /// How often codes and passwords are tried.
    Attempts,
    /// Which requests may pass at all.
    Route,
}

impl Guard {
    /// The stable name, for metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Signature => "signature",
            Self::Clock => "clock",
            Self::Replay => "replay",
            Self::Throttle => "throttle",
            Self::Attempts => "attempts",
            Self::Route => "route",
        }
    }
}

/// One refusal, also one that a `report` mode let pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// The guard.
    pub guard: Guard,
    /// Why, as a stable snake_case name such as `unknown_app`.
    pub reason: &'static str,
}
