//! The metrics, on a registry of their own: prefix `dragoman_`, base units, and labels from
//! closed sets only.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use serde_json::Value;

use super::labels::{self, Labels};
use super::{CallRecord, figures};
use crate::account::Operation;
use crate::config::{DIALECTS, Listener, Settings};

/// Seconds of a whole call: the backend's answer dominates.
const CALL_BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Seconds of the gateway's own share: microseconds, with the service level goals among them.
const OWN_BUCKETS: &[f64] =
    &[0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 1.0];

/// Declares the counters and gauges with their names, texts and labels in one table.
macro_rules! series {
    ($($field:ident $kind:ident $name:literal [$($label:literal)*] $help:literal;)+) => {
        /// Every counter and gauge of the gateway.
        pub(super) struct Series {
            $(pub $field: $kind,)+
        }

        impl Series {
            fn register(registry: &Registry) -> prometheus::Result<Self> {
                Ok(Self { $($field: register(registry, $kind::make(Opts::new($name, $help), &[$($label),*])?)?,)+ })
            }
        }
    };
}

series! {
    requests IntCounterVec "dragoman_requests_total" ["dialect" "operation" "outcome" "app"]
        "Requests answered, by how they ended.";
    refusals IntCounterVec "dragoman_refusals_total" ["guard" "reason" "dialect"]
        "Requests that a guard refused.";
    would_be_refusals IntCounterVec "dragoman_would_be_refusals_total" ["guard" "reason"]
        "Requests that a guard in report mode let pass and would have refused.";
    old_secret_requests IntCounterVec "dragoman_old_secret_requests_total" ["app"]
        "Requests signed with an app's old secret.";
    dropped_extensions IntCounterVec "dragoman_dropped_extensions_total" ["dialect"]
        "Members of requests and accounts that only another dialect has a place for, by the client's dialect.";
    tokens_opened IntCounterVec "dragoman_tokens_opened_total" ["key"]
        "Tokens of the gateway's own that callers brought and a key opened, by the key's id.";
    upstream_attempts IntCounterVec "dragoman_upstream_attempts_total" ["upstream" "region" "result"]
        "Tries at the backend, by result.";
    translation_failures IntCounterVec "dragoman_translation_failures_total" ["dialect" "side"]
        "Messages that could not be understood: requests of clients, answers of backends.";
    region_hops IntCounterVec "dragoman_region_hops_total" ["region"]
        "Calls sent on to another region, by the region that they were sent on to.";
    region_routed IntCounterVec "dragoman_region_routed_total" ["region" "by"]
        "Calls that went to another region at once: where their session is, or their account was found before.";
    region_disagreements IntCounterVec "dragoman_region_disagreements_total" ["region"]
        "Answers that named the region that had just been asked: two gateways or backends disagree.";
    access_log_dropped IntCounter "dragoman_access_log_dropped_lines_total" []
        "Access-log lines dropped because the output was too slow or gone.";
    in_flight IntGauge "dragoman_in_flight_requests" []
        "Requests under way.";
    connections IntGauge "dragoman_connections" []
        "Client connections that are open.";
    refused_connections IntCounterVec "dragoman_refused_connections_total" ["limit"]
        "Connections closed at once, by the limit that they were over.";
    failed_handshakes IntCounterVec "dragoman_failed_handshakes_total" ["reason"]
        "Connections that ended before their first request: no TLS, no PROXY header, or too slow.";
    certificate_expiry IntGaugeVec "dragoman_certificate_expiry_timestamp_seconds" ["listener" "certificate"]
        "When a certificate that a listener shows ends, in seconds since the Unix epoch.";
    certificate_renewals IntCounterVec "dragoman_certificate_renewals_total" ["result"]
        "Certificates that were found renewed on disk: taken, or of no use.";
    forgotten_proxy_suspected IntGauge "dragoman_forgotten_proxy_suspected" []
        "Whether most of the last thousand calls came from one address that is no trusted proxy (1) or not (0).";
    replay_entries IntGauge "dragoman_replay_entries" []
        "Signed requests that the replay guard remembers.";
    replay_entries_bound IntGauge "dragoman_replay_entries_bound" []
        "Signed requests that the replay guard may remember.";
    throttle_decisions IntCounterVec "dragoman_throttle_decisions_total" ["limit" "decision"]
        "What the throttle's limits decided: an event kept, returned or refused, or an attempt slowed.";
    throttle_entries IntGauge "dragoman_throttle_entries" []
        "Sends and attempts that the throttle remembers.";
    throttle_entries_bound IntGauge "dragoman_throttle_entries_bound" []
        "Sends and attempts that the throttle may remember.";
    send_budget IntGauge "dragoman_throttle_send_budget" []
        "Sends that all callers together may ask for in an hour; 0 is no bound.";
    data_dir_size IntGauge "dragoman_data_dir_size_bytes" []
        "Size of the file system of the data directory; 0 where there is none.";
    data_dir_free IntGauge "dragoman_data_dir_free_bytes" []
        "What is free on the file system of the data directory.";
    trace_spans IntCounterVec "dragoman_trace_spans_total" ["result"]
        "Spans of traces, by what became of them: exported, dropped since too many waited, failed at the collector.";
    config_reloads IntCounterVec "dragoman_config_reloads_total" ["result"]
        "Config reloads.";
    config_last_reload_successful IntGauge "dragoman_config_last_reload_successful" []
        "Whether the config that was loaded last is the one that runs (1) or was refused (0).";
    config_info IntGaugeVec "dragoman_config_info" ["hash"]
        "The config that runs, as a hash of its settings; the value is always 1.";
    build_info IntGaugeVec "dragoman_build_info" ["version"]
        "The version that runs; the value is always 1.";
}

/// Every metric of the gateway.
pub struct Metrics {
    registry: Registry,
    pub(super) series: Series,
    pub(super) durations: Durations,
    refreshers: Mutex<Vec<Refresh>>,
}

/// Writes down what another part counts.
type Refresh = Arc<dyn Fn(&Metrics) + Send + Sync>;

impl Metrics {
    /// All metrics, registered.
    ///
    /// # Errors
    /// When two of them bear one name.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let series = Series::register(&registry)?;
        series.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        series.config_last_reload_successful.set(1);
        for result in ["success", "failure"] {
            series.config_reloads.with_label_values(&[result]);
        }
        for result in ["success", "failure"] {
            series.certificate_renewals.with_label_values(&[result]);
        }
        let durations = Durations::register(&registry)?;
        Ok(Self { registry, series, durations, refreshers: Mutex::default() })
    }

    /// Shows what is alarming from its first time on as zero before that: an increase has two ends.
    pub(super) fn begin(&self, labels: &Labels) {
        for region in labels.regions() {
            self.series.region_disagreements.with_label_values(&[region]);
        }
    }

    /// Includes what another part measures itself.
    ///
    /// # Errors
    /// When one of these bears the name of another metric.
    pub fn include(&self, collectors: Vec<Box<dyn Collector>>) -> prometheus::Result<()> {
        collectors.into_iter().try_for_each(|collector| self.registry.register(collector))
    }

    /// Has `refresh` write down what other parts count, each time before the metrics are read.
    pub fn before_reading(&self, refresh: impl Fn(&Self) + Send + Sync + 'static) {
        self.refreshers().push(Arc::new(refresh));
    }

    /// Tells how many connections are open and how many requests are under way.
    pub fn set_load(&self, connections: usize, requests: usize) {
        self.series.connections.set(gauge_value(connections));
        self.series.in_flight.set(gauge_value(requests));
    }

    /// Tells whether most calls come from one address that is no trusted proxy.
    pub fn set_forgotten_proxy_suspected(&self, suspected: bool) {
        self.series.forgotten_proxy_suspected.set(i64::from(suspected));
    }

    /// Tells how full the replay memory is.
    pub fn set_replay_entries(&self, entries: usize, bound: usize) {
        self.series.replay_entries.set(gauge_value(entries));
        self.series.replay_entries_bound.set(gauge_value(bound));
    }

    /// Tells how full the throttle's memory is.
    pub fn set_throttle_entries(&self, entries: usize, bound: usize) {
        self.series.throttle_entries.set(gauge_value(entries));
        self.series.throttle_entries_bound.set(gauge_value(bound));
    }

    /// Tells how many connections were closed at once since the start: over the bound on all,
    /// and over the bound on one address.
    pub fn set_refused_connections(&self, over_all: u64, over_address: u64) {
        for (limit, count) in [("all", over_all), ("address", over_address)] {
            let counter = self.series.refused_connections.with_label_values(&[limit]);
            counter.inc_by(count.saturating_sub(counter.get()));
        }
    }

    /// Tells how many connections ended before their first request since the start, by the reason.
    pub fn set_failed_handshakes(&self, counts: impl Iterator<Item = (&'static str, u64)>) {
        for (reason, count) in counts {
            let counter = self.series.failed_handshakes.with_label_values(&[reason]);
            counter.inc_by(count.saturating_sub(counter.get()));
        }
    }

    /// Tells when the certificates of these listeners end; they are numbered as in the config.
    pub fn set_certificates(&self, listeners: &[Listener]) {
        let gauge = &self.series.certificate_expiry;
        gauge.reset();
        for listener in listeners {
            for (index, files) in listener.tls.iter().enumerate() {
                let Ok(end) = files.not_after() else { continue };
                let label_values = [listener.address.to_string(), index.to_string()];
                gauge.with_label_values(&label_values).set(end.seconds());
            }
        }
    }

    /// Counts certificates that were found renewed.
    pub fn certificates_renewed(&self, success: bool) {
        let result = if success { "success" } else { "failure" };
        self.series.certificate_renewals.with_label_values(&[result]).inc();
    }

    /// Counts a reload.
    pub fn config_reloaded(&self, success: bool) {
        let result = if success { "success" } else { "failure" };
        self.series.config_reloads.with_label_values(&[result]).inc();
        self.series.config_last_reload_successful.set(i64::from(success));
    }

    /// Tells which config runs.
    pub fn set_config(&self, settings: &Settings) {
        self.series.config_info.reset();
        self.series.config_info.with_label_values(&[&settings.hash()]).set(1);
        self.series.send_budget.set(settings.throttle.budget_per_hour.unwrap_or(0).into());
    }

    /// Tells from now on how full the file system of the data directory is.
    pub fn watch_disk(&self, directory: PathBuf) {
        self.before_reading(move |metrics| {
            let Ok(space) = rustix::fs::statvfs(&directory) else { return };
            let bytes =
                |blocks: u64| i64::try_from(blocks.saturating_mul(space.f_frsize)).unwrap_or(i64::MAX);
            metrics.series.data_dir_size.set(bytes(space.f_blocks));
            // What is kept back for root is not free for the gateway.
            metrics.series.data_dir_free.set(bytes(space.f_bavail));
        });
    }

    /// All metrics in Prometheus's text form.
    pub fn render(&self) -> String {
        let text = TextEncoder::new().encode_to_string(&self.gather());
        text.unwrap_or_else(|error| format!("# the metrics can't be written: {error}\n"))
    }

    /// All metrics as JSON, for a page that draws them: what [`Self::render`] has, with histograms summed over their
    /// labels.
    pub fn figures(&self) -> Value {
        figures::of(&self.gather())
    }

    fn gather(&self) -> Vec<MetricFamily> {
        let refreshers = self.refreshers().clone();
        for refresh in refreshers {
            refresh(self);
        }
        self.registry.gather()
    }

    fn refreshers(&self) -> MutexGuard<'_, Vec<Refresh>> {
        self.refreshers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gauge_value(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The two durations of a call, found by position: a request pays for no hash and no lock.
pub(super) struct Durations {
    whole: HistogramVec,
    own: HistogramVec,
    cells: Vec<OnceLock<(Histogram, Histogram)>>,
}

impl Durations {
    fn register(registry: &Registry) -> prometheus::Result<Self> {
        let histograms = |name, help, buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            register(registry, HistogramVec::new(options, &["dialect", "operation"])?)
        };
        let whole = histograms(
            "dragoman_request_duration_seconds",
            "Whole duration of a request, from its first byte to the last byte of its answer.",
            CALL_BUCKETS,
        )?;
        let own = histograms(
            "dragoman_own_duration_seconds",
            "The gateway's own share of a request's duration, without client and backend.",
            OWN_BUCKETS,
        )?;
        let cells = vec![OnceLock::new(); (DIALECTS.len() + 1) * (Operation::ALL.len() + 1)];
        Ok(Self { whole, own, cells })
    }

    /// Observes one call.
    pub fn observe(&self, record: &CallRecord) {
        let call = [labels::dialect(record.dialect), labels::operation(record.operation)];
        let children = || (self.whole.with_label_values(&call), self.own.with_label_values(&call));
        let dialect = DIALECTS.iter().position(|known| Some(known.name) == record.dialect);
        let operation = record.operation.map_or(Operation::ALL.len(), |operation| operation as usize);
        let cell =
            dialect.and_then(|dialect| self.cells.get(dialect * (Operation::ALL.len() + 1) + operation));
        let observe = |(whole, own): &(Histogram, Histogram)| {
            whole.observe(record.duration.as_secs_f64());
            own.observe(record.own_duration().as_secs_f64());
        };
        match cell {
            Some(cell) => observe(cell.get_or_init(children)),
            // An operator's own dialect is looked up each time.
            None => observe(&children()),
        }
    }
}

fn register<T: Collector + Clone + 'static>(registry: &Registry, metric: T) -> prometheus::Result<T> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// Makes a counter or gauge; those without labels are given none.
trait Kind: Sized {
    fn make(options: Opts, labels: &[&str]) -> prometheus::Result<Self>;
}

impl Kind for IntCounter {
    fn make(options: Opts, _labels: &[&str]) -> prometheus::Result<Self> {
        Self::with_opts(options)
    }
}

impl Kind for IntGauge {
    fn make(options: Opts, _labels: &[&str]) -> prometheus::Result<Self> {
        Self::with_opts(options)
    }
}

impl Kind for IntCounterVec {
    fn make(options: Opts, labels: &[&str]) -> prometheus::Result<Self> {
        Self::new(options, labels)
    }
}

impl Kind for IntGaugeVec {
    fn make(options: Opts, labels: &[&str]) -> prometheus::Result<Self> {
        Self::new(options, labels)
    }
}
