//! What operators see of the shared store.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts};

/// Seconds of one question: a network's round trip up to the time-out.
const BUCKETS: &[f64] = &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25];

/// The reasons that errors are counted by.
const REASONS: &[&str] = &["timeout", "connection", "refused", "full", "away", "breaker_open", "generation"];

/// The figures of one store.
#[derive(Clone)]
pub struct Figures {
    errors: IntCounterVec,
    latency: Histogram,
    clock_offset: Gauge,
    breaker_open: IntGauge,
    connected: IntGauge,
    alone: IntGauge,
    alone_decisions: IntCounterVec,
    written_back: IntCounter,
}

impl Figures {
    /// Figures that are all zero.
    ///
    /// # Errors
    /// When their names or labels are unfit, which they are not.
    pub fn new() -> prometheus::Result<Self> {
        let errors = IntCounterVec::new(
            Opts::new("dragoman_store_errors_total", "Questions to the shared store that failed, by reason."),
            &["reason"],
        )?;
        for reason in REASONS {
            errors.with_label_values(&[*reason]);
        }
        let alone_decisions = IntCounterVec::new(
            Opts::new(
                "dragoman_throttle_alone_decisions_total",
                "Calls that the throttle decided without the shared store: by its own counts, or refused.",
            ),
            &["decision"],
        )?;
        for decision in ["local", "refused"] {
            alone_decisions.with_label_values(&[decision]);
        }
        let latency = HistogramOpts::new(
            "dragoman_store_duration_seconds",
            "How long the shared store took to answer a question of a guard.",
        );
        Ok(Self {
            errors,
            latency: Histogram::with_opts(latency.buckets(BUCKETS.to_vec()))?,
            clock_offset: Gauge::new(
                "dragoman_store_clock_offset_seconds",
                "How far the shared store's clock is ahead of this instance's.",
            )?,
            breaker_open: IntGauge::new(
                "dragoman_store_breaker_open",
                "Whether calls are refused without asking the shared store (1).",
            )?,
            connected: IntGauge::new(
                "dragoman_store_connected",
                "Whether there is a checked connection to the shared store (1).",
            )?,
            alone: IntGauge::new(
                "dragoman_throttle_alone",
                "Whether the throttle goes without the shared store, or has still to tell it what it counted (1).",
            )?,
            alone_decisions,
            written_back: IntCounter::new(
                "dragoman_throttle_written_back_total",
                "Events that were written to the shared store when it was back.",
            )?,
        })
    }

    /// All of them, for a registry.
    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.errors.clone()),
            Box::new(self.latency.clone()),
            Box::new(self.clock_offset.clone()),
            Box::new(self.breaker_open.clone()),
            Box::new(self.connected.clone()),
            Box::new(self.alone.clone()),
            Box::new(self.alone_decisions.clone()),
            Box::new(self.written_back.clone()),
        ]
    }

    pub(super) fn error(&self, reason: &str) {
        self.errors.with_label_values(&[reason]).inc();
    }

    pub(super) fn took(&self, duration: Duration) {
        self.latency.observe(duration.as_secs_f64());
    }

    pub(super) fn set_clock_offset(&self, millis: i64) {
        let size = Duration::from_millis(millis.unsigned_abs()).as_secs_f64();
        self.clock_offset.set(if millis < 0 { -size } else { size });
    }

    pub(super) fn set_breaker_open(&self, open: bool) {
        self.breaker_open.set(i64::from(open));
    }

    pub(super) fn set_connected(&self, connected: bool) {
        self.connected.set(i64::from(connected));
    }

    pub(super) fn set_alone(&self, alone: bool) {
        self.alone.set(i64::from(alone));
    }

    pub(super) fn decided_alone(&self, decision: &str) {
        self.alone_decisions.with_label_values(&[decision]).inc();
    }

    pub(super) fn wrote_back(&self, events: usize) {
        self.written_back.inc_by(u64::try_from(events).unwrap_or(u64::MAX));
    }
}
