//! How calls are shared among the addresses of a backend, and when one of them gets none.

use std::time::Duration;

use super::address::path;
use crate::config::reader::{Node, Table};
use crate::config::value::{duration, number};

/// How calls are shared among the addresses of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balancing {
    /// Whose turn it is.
    pub policy: Policy,
    /// When an address that fails gets no calls for a while; `None` when never.
    pub ejection: Option<Ejection>,
    /// How addresses are asked whether they are well; `None` when they are not.
    pub health_check: Option<HealthCheck>,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// One after the other.
    RoundRobin,
    /// The one with the fewest calls under way.
    LeastConnections,
}

/// When an address that fails gets no calls, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ejection {
    /// Failures in a row: refused connections, resets, time-outs. Never answers.
    pub failures: usize,
    /// How long it gets none the first time; twice as long each further time in a row.
    pub first: Duration,
    /// How long at most.
    pub longest: Duration,
}

/// How addresses are asked whether they are well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked for; an answer of 200 to 299 is good.
    pub path: String,
    /// How often.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Bad checks in a row after which an address gets no calls.
    pub unhealthy: usize,
    /// Good checks in a row after which it gets calls again.
    pub healthy: usize,
}

impl Default for Balancing {
    fn default() -> Self {
        Self { policy: Policy::RoundRobin, ejection: Some(Ejection::default()), health_check: None }
    }
}

impl Default for Ejection {
    fn default() -> Self {
        Self { failures: 3, first: Duration::from_secs(10), longest: Duration::from_secs(300) }
    }
}

impl Balancing {
    /// Reads `balance`, `ejection` and `health_check` of `[upstream]`.
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let policies = [("round_robin", Policy::RoundRobin), ("least_connections", Policy::LeastConnections)];
        let policy = table.read("balance", |node| node.choice(&policies));
        Self {
            policy: policy.unwrap_or(Policy::RoundRobin),
            ejection: table.read("ejection", ejection).unwrap_or(Some(Ejection::default())),
            health_check: table
                .read("health_check", |node| node.table("health_check", HealthCheck::read))
                .flatten(),
        }
    }
}

fn ejection(node: Node<'_>) -> Option<Option<Ejection>> {
    if node.value().as_str() == Some("off") {
        return Some(None);
    }
    node.table("ejection", Ejection::read).map(Some)
}

impl Ejection {
    fn read(table: &mut Table<'_>) -> Self {
        let defaults = Self::default();
        let mut time = |key, default| {
            let bounds = Duration::from_millis(10)..=Duration::from_secs(86_400);
            table.read(key, |node| duration(node, bounds)).unwrap_or(default)
        };
        let (first, longest) = (time("first", defaults.first), time("longest", defaults.longest));
        let failures = table.read("failures", |node| number(node, 1..=1_000)).unwrap_or(defaults.failures);
        if longest < first {
            table.error("longest", "`longest` is shorter than `first`", "raise `longest` or lower `first`");
        }
        Self { failures, first, longest }
    }
}

impl HealthCheck {
    fn read(table: &mut Table<'_>) -> Option<Self> {
        let path = table.need("path", path);
        let mut wait = |key, default| {
            let bounds = Duration::from_millis(10)..=Duration::from_secs(3_600);
            table.read(key, |node| duration(node, bounds)).unwrap_or(Duration::from_secs(default))
        };
        let (interval, timeout) = (wait("interval", 5), wait("timeout", 2));
        let mut checks = |key, default| table.read(key, |node| number(node, 1..=100)).unwrap_or(default);
        let (unhealthy, healthy) = (checks("unhealthy", 3), checks("healthy", 2));
        if timeout > interval {
            table.error(
                "timeout",
                "`timeout` is longer than `interval`, so checks would pile up",
                "lower `timeout` or raise `interval`",
            );
        }
        Some(Self { path: path?, interval, timeout, unhealthy, healthy })
    }
}
