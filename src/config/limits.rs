//! Bounds on what one client, one call and all of them together may take.

use std::time::Duration;

use super::reader::Table;
use super::value::{duration, number, number_or_off, size};

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

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3_600);
const MIB: usize = 1024 * 1024;
const MILLION: usize = 1_000_000;

impl Limits {
    /// Reads `[limits]`.
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let default = Self::default();
        let limits = Self::counts(table, default);
        let limits = Self::sizes(table, limits);
        let limits = Self::times(table, limits);
        if limits.body_bytes > limits.body_bytes_in_all {
            table.error(
                "body_size_in_all",
                "`body_size_in_all` is smaller than one body of `body_size`",
                "raise `body_size_in_all` or lower `body_size`",
            );
        }
        if limits.header_timeout > limits.call_timeout || limits.body_timeout > limits.call_timeout {
            table.error(
                "call_timeout",
                "`call_timeout` is shorter than `header_timeout` or `body_timeout`, which it includes",
                "raise `call_timeout` or lower the others",
            );
        }
        limits
    }

    fn counts(table: &mut Table<'_>, limits: Self) -> Self {
        let mut count = |key, default| table.read(key, |node| number(node, 1..=MILLION)).unwrap_or(default);
        let connections = count("connections", limits.connections);
        let in_flight = count("in_flight", limits.in_flight);
        let json_depth = table.read("json_depth", |node| number(node, 1..=128));
        let burst = table.read("burst_per_address", |node| number(node, 0..=MILLION));
        let mut per_address = |key| table.read(key, |node| number_or_off(node, 1..=MILLION));
        let to_u32 = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            connections,
            in_flight,
            connections_per_address: per_address("connections_per_address")
                .unwrap_or(limits.connections_per_address),
            calls_per_second_per_address: per_address("calls_per_second_per_address")
                .map_or(limits.calls_per_second_per_address, |count| count.map(to_u32)),
            burst_per_address: burst.map_or(limits.burst_per_address, to_u32),
            json_depth: json_depth.unwrap_or(limits.json_depth),
            ..limits
        }
    }

    fn sizes(table: &mut Table<'_>, limits: Self) -> Self {
        let mut bytes = |key, bounds, default| table.read(key, |node| size(node, bounds)).unwrap_or(default);
        Self {
            header_bytes: bytes("header_size", 1024..=MIB, limits.header_bytes),
            body_bytes: bytes("body_size", 256..=64 * MIB, limits.body_bytes),
            body_bytes_in_all: bytes("body_size_in_all", 256..=1024 * 1024 * MIB, limits.body_bytes_in_all),
            ..limits
        }
    }

    fn times(table: &mut Table<'_>, limits: Self) -> Self {
        let mut time =
            |key, default| table.read(key, |node| duration(node, MILLISECOND..=HOUR)).unwrap_or(default);
        Self {
            header_timeout: time("header_timeout", limits.header_timeout),
            body_timeout: time("body_timeout", limits.body_timeout),
            call_timeout: time("call_timeout", limits.call_timeout),
            keepalive: time("keepalive", limits.keepalive),
            ..limits
        }
    }
}
