//! Turns the record of a request into metrics and a line of the access log.

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arc_swap::ArcSwap;
use thiserror::Error;

use super::labels::{self, Labels};
use super::traces::Finished;
use super::{AccessLog, Attempt, CallRecord, Exporter, Metrics, Outcome};
use crate::account::ProblemCode;
use crate::config::Traces;
use crate::guard::{Guard, Limit};
use crate::upstream::Upstream;

/// Why requests can't be observed.
#[derive(Debug, Error)]
pub enum ObserveError {
    /// The metrics contradict each other.
    #[error("can't register the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// There is no thread for the access log.
    #[error("can't start the access log's thread: {0}")]
    AccessLog(#[from] io::Error),
}

/// Sees every request once, when it is answered.
pub struct Observer {
    metrics: Metrics,
    access_log: AccessLog,
    labels: ArcSwap<Labels>,
    exporter: OnceLock<Exporter>,
}

impl Observer {
    /// An observer whose access log goes to `output`.
    ///
    /// # Errors
    /// When the metrics can't be registered or the access log can't start.
    pub fn new(labels: Labels, output: impl Write + Send + 'static) -> Result<Self, ObserveError> {
        let metrics = Metrics::new()?;
        metrics.begin(&labels);
        let dropped = metrics.series.access_log_dropped.clone();
        let lost = move |lines| dropped.inc_by(u64::try_from(lines).unwrap_or(u64::MAX));
        Ok(Self {
            metrics,
            access_log: AccessLog::start(output, lost)?,
            labels: ArcSwap::from_pointee(labels),
            exporter: OnceLock::new(),
        })
    }

    /// The metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Takes the label values of a reloaded config.
    pub fn relabel(&self, labels: Labels) {
        self.metrics.begin(&labels);
        self.labels.store(labels.into());
    }

    /// Sends the traces of calls to a collector from now on. Must be called within a runtime.
    pub fn export(&self, settings: &Traces, collector: Arc<dyn Upstream>) {
        let spans = self.metrics.series.trace_spans.clone();
        self.exporter.get_or_init(|| Exporter::start(settings, collector, spans));
    }

    /// Waits until the traces so far are sent, though not long.
    pub async fn flush(&self) {
        if let Some(exporter) = self.exporter.get() {
            exporter.flush().await;
        }
    }

    /// Counts a request, writes its line, and hands on its trace.
    pub fn record(&self, record: &CallRecord) {
        self.count(record);
        if let (Some(exporter), Some(trace)) = (self.exporter.get(), &record.trace) {
            let labels = self.labels.load();
            exporter.take(Finished::of(record, trace, &labels, Instant::now()));
        }
        if !self.access_log.append(record) {
            self.metrics.series.access_log_dropped.inc();
        }
    }

    /// Writes out the access log; what is recorded later is counted but not written.
    pub fn close(&self) {
        self.access_log.close();
    }

    fn count(&self, record: &CallRecord) {
        let metrics = &self.metrics;
        let labels = self.labels.load();
        let dialect = labels::dialect(record.dialect);
        let operation = labels::operation(record.operation);
        let app = labels.app(record.app.as_deref());
        metrics.series.requests.with_label_values(&[dialect, operation, record.outcome.name(), app]).inc();
        metrics.durations.observe(record);
        if record.old_secret {
            metrics.series.old_secret_requests.with_label_values(&[app]).inc();
        }
        if record.dropped_extensions > 0 {
            let dropped = u64::try_from(record.dropped_extensions).unwrap_or(u64::MAX);
            metrics.series.dropped_extensions.with_label_values(&[dialect]).inc_by(dropped);
        }
        for key in &record.opened_by {
            metrics.series.tokens_opened.with_label_values(&[labels.key(key)]).inc();
        }
        self.count_regions(record, &labels);
        self.count_refusals(record, dialect);
        self.count_throttle(record);
        self.count_attempts(record, &labels);
        self.count_translation_failures(record, dialect);
    }

    fn count_refusals(&self, record: &CallRecord, dialect: &str) {
        if let Some(refusal) = &record.refusal {
            let label_values = [refusal.guard.name(), refusal.reason, dialect];
            self.metrics.series.refusals.with_label_values(&label_values).inc();
        }
        for refusal in &record.would_refuse {
            let label_values = [refusal.guard.name(), refusal.reason];
            self.metrics.series.would_be_refusals.with_label_values(&label_values).inc();
        }
    }

    fn count_throttle(&self, record: &CallRecord) {
        let decisions = &self.metrics.series.throttle_decisions;
        for (limit, decision) in &record.limits {
            decisions.with_label_values(&[limit.name(), decision.name()]).inc();
        }
        if record.slowed {
            decisions.with_label_values(&[Limit::Slow.name(), "slowed"]).inc();
        }
        let refused =
            record.refusal.filter(|refusal| matches!(refusal.guard, Guard::Throttle | Guard::Attempts));
        if let Some(refusal) = refused {
            decisions.with_label_values(&[refusal.reason, "refused"]).inc();
        }
    }

    fn count_attempts(&self, record: &CallRecord, labels: &Labels) {
        let last = (record.upstream, record.region.as_deref());
        let (before, earlier) = match &record.hop {
            Some(hop) => ((Some(hop.upstream), Some(hop.region.as_str())), hop.attempts),
            None => (last, 0),
        };
        for (index, attempt) in record.attempts.iter().enumerate() {
            let (upstream, region) = if index < earlier { before } else { last };
            let (upstream, region) = (labels::dialect(upstream), labels.region(region));
            let label_values = [upstream, region, attempt.name()];
            self.metrics.series.upstream_attempts.with_label_values(&label_values).inc();
        }
    }

    fn count_regions(&self, record: &CallRecord, labels: &Labels) {
        let series = &self.metrics.series;
        let region = labels.region(record.region.as_deref());
        if record.hops > 0 {
            series.region_hops.with_label_values(&[region]).inc_by(record.hops.into());
        }
        // A call that a guard refused after its way was found went nowhere.
        let first = record.hop.as_ref().map(|hop| hop.region.as_str()).or(record.region.as_deref());
        if let (Some(by), Some(first)) = (record.routed, first) {
            series.region_routed.with_label_values(&[labels.region(Some(first)), by.name()]).inc();
        }
        if record.regions_disagree {
            series.region_disagreements.with_label_values(&[region]).inc();
        }
    }

    fn count_translation_failures(&self, record: &CallRecord, dialect: &str) {
        let failures = &self.metrics.series.translation_failures;
        let asked_nobody = record.attempts.is_empty();
        if asked_nobody && record.outcome == Outcome::Problem(ProblemCode::InvalidRequest) {
            failures.with_label_values(&[dialect, "client"]).inc();
        }
        let upstream = labels::dialect(record.upstream);
        let unintelligible = |attempt: &&Attempt| **attempt == Attempt::Unintelligible;
        for _ in record.attempts.iter().filter(unintelligible) {
            failures.with_label_values(&[upstream, "upstream"]).inc();
        }
    }
}

#[cfg(test)]
mod tests;
