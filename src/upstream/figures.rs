//! What operators see of the backends: which addresses take calls, and how many are under way.
//!
//! An address is known by its place in the config, from 0 on: a closed set, whatever a name stands
//! for at the moment.

use prometheus::core::Collector;
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts};

/// The figures of all backends.
#[derive(Clone)]
pub struct Figures {
    address_up: IntGaugeVec,
    ejections: IntCounterVec,
    recoveries: IntCounterVec,
    calls: IntGaugeVec,
}

/// The figures of one region's backend.
pub struct RegionFigures {
    all: Option<(Figures, String)>,
    in_flight: IntGauge,
    waiting: IntGauge,
}

/// Why an address gets no calls for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It accepts no connection, or none that TLS can trust.
    Connect,
    /// Connections end before an answer is whole.
    Reset,
    /// Answers do not come in time.
    Timeout,
    /// Its health checks fail.
    Check,
}

impl Cause {
    /// The stable name, for metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Check => "check",
        }
    }

    const ALL: [Self; 4] = [Self::Connect, Self::Reset, Self::Timeout, Self::Check];
}

impl Figures {
    /// Figures of no backend yet.
    ///
    /// # Errors
    /// When their names or labels are unfit, which they are not.
    pub fn new() -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str, labels| IntGaugeVec::new(Opts::new(name, help), labels);
        let counter = |name: &str, help: &str, labels| IntCounterVec::new(Opts::new(name, help), labels);
        Ok(Self {
            address_up: gauge(
                "dragoman_upstream_address_up",
                "Whether a backend's address, by its place in the config, takes calls (1) or was ejected (0).",
                &["region", "address"],
            )?,
            ejections: counter(
                "dragoman_upstream_ejections_total",
                "How often an address of a backend was ejected, by cause.",
                &["region", "address", "cause"],
            )?,
            recoveries: counter(
                "dragoman_upstream_recoveries_total",
                "How often an ejected address of a backend took its whole share of calls again.",
                &["region", "address"],
            )?,
            calls: gauge(
                "dragoman_upstream_calls",
                "Calls to a backend that are in flight, and those that wait for their turn.",
                &["region", "state"],
            )?,
        })
    }

    /// All of them, for a registry.
    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.address_up.clone()),
            Box::new(self.ejections.clone()),
            Box::new(self.recoveries.clone()),
            Box::new(self.calls.clone()),
        ]
    }

    /// Those of one region's backend with this many configured addresses; further ones, of a config
    /// before, are no longer shown.
    pub fn region(&self, region: &str, addresses: usize) -> RegionFigures {
        for index in 0..addresses {
            let address = index.to_string();
            self.address_up.with_label_values(&[region, &address]).set(1);
            self.recoveries.with_label_values(&[region, &address]);
            for cause in Cause::ALL {
                self.ejections.with_label_values(&[region, &address, cause.name()]);
            }
        }
        // Numbered without a gap, so the first one that was never there ends them.
        let mut gone = addresses;
        while self.address_up.remove_label_values(&[region, &gone.to_string()]).is_ok() {
            gone += 1;
        }
        RegionFigures {
            in_flight: self.calls.with_label_values(&[region, "in_flight"]),
            waiting: self.calls.with_label_values(&[region, "waiting"]),
            all: Some((self.clone(), region.to_owned())),
        }
    }
}

impl RegionFigures {
    /// Figures that nobody sees.
    ///
    /// # Errors
    /// When their names are unfit, which they are not.
    pub fn unseen() -> prometheus::Result<Self> {
        let gauge = || IntGauge::new("unseen", "Nobody sees this.");
        Ok(Self { all: None, in_flight: gauge()?, waiting: gauge()? })
    }

    pub(super) fn set_address(&self, index: usize, up: bool) {
        if let Some((figures, region)) = &self.all {
            figures.address_up.with_label_values(&[region, &index.to_string()]).set(i64::from(up));
        }
    }

    pub(super) fn ejected(&self, index: usize, cause: Cause) {
        if let Some((figures, region)) = &self.all {
            figures.ejections.with_label_values(&[region, &index.to_string(), cause.name()]).inc();
        }
    }

    pub(super) fn recovered(&self, index: usize) {
        if let Some((figures, region)) = &self.all {
            figures.recoveries.with_label_values(&[region, &index.to_string()]).inc();
        }
    }

    /// Counts a call in flight until it is dropped.
    pub(super) fn in_flight(&self) -> Counted<'_> {
        Counted::one_more(&self.in_flight)
    }

    /// Counts a call that waits until it is dropped.
    pub(super) fn waiting(&self) -> Counted<'_> {
        Counted::one_more(&self.waiting)
    }
}

/// One more, until dropped.
pub(super) struct Counted<'a>(&'a IntGauge);

impl<'a> Counted<'a> {
    fn one_more(gauge: &'a IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
