//! Bounds on what one client, one call and all of them together may take.

use std::time::Duration;

/// Bounds; the defaults protect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections from one client address; `None` for no bound (the demo).
    pub connections_per_address: Option<usize>,
    /// Calls a second from one client address; `None` for no bound (the demo).
    pub calls_per_second_per_address: Option<u32>,
    /// Calls that one client address may make at once on top of the rate.
    pub burst_per_address: u32,
    /// Calls under way in all.
    pub in_flight: usize,
    /// Bytes of a request's start line and header fields.
    pub header_bytes: usize,
    /// The longest wait for them, once the first byte is there.
    pub header_timeout: Duration,
    /// Bytes of an account call's body.
    pub body_bytes: usize,
    /// The longest wait for the body.
    pub body_timeout: Duration,
    /// The longest that a call may take in all.
    pub call_timeout: Duration,
    /// How long an idle connection is kept.
    pub keepalive: Duration,
    /// How deep JSON may nest.
    pub json_depth: usize,
    /// Body bytes held in memory in all.
    pub body_bytes_in_all: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: Some(256),
            calls_per_second_per_address: Some(50),
            burst_per_address: 100,
            in_flight: 2_000,
            header_bytes: 16 * 1024,
            header_timeout: Duration::from_secs(10),
            body_bytes: 64 * 1024,
            body_timeout: Duration::from_secs(15),
            call_timeout: Duration::from_secs(30),
            keepalive: Duration::from_secs(60),
            json_depth: 64,
            body_bytes_in_all: 256 * 1024 * 1024,
        }
    }
}
