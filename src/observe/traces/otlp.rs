//! Spans in OTLP's JSON form (opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding"): ids as hexadecimal digits,
//! enums as numbers, 64-bit numbers as text.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::parent::digits;
use super::{Step, StepKind, Trace};
use crate::clock::Moment;
use crate::guard::Refusal;
use crate::observe::labels::{self, Labels};
use crate::observe::{CallRecord, Outcome};

// OTLP's numbers of `SPAN_KIND_…` and `STATUS_CODE_…`.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
const UNSET: u8 = 0;
const ERROR: u8 = 2;

/// A traced call that is over.
#[derive(Debug)]
pub(in crate::observe) struct Finished {
    pub trace: Trace,
    /// When its first byte came.
    pub time: Moment,
    pub duration: Duration,
    /// When it was over, by the clock of its steps.
    pub end: Instant,
    /// Whether the gateway or its backend failed; a refusal is no failure.
    pub failed: bool,
    pub dialect: &'static str,
    pub operation: &'static str,
    pub outcome: &'static str,
    pub app: String,
    pub region: String,
    pub status: u16,
    pub hops: u8,
    pub refusal: Option<Refusal>,
}

/// An `ExportTraceServiceRequest`.
pub(super) fn request(service: &str, calls: &[Finished]) -> String {
    let spans: Vec<Value> = calls.iter().flat_map(Finished::spans).collect();
    let version = env!("CARGO_PKG_VERSION");
    let resource = json!({"attributes": [text("service.name", service), text("service.version", version)]});
    let scope = json!({"name": "dragoman", "version": version});
    json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": spans}]}]})
        .to_string()
}

impl Finished {
    /// Of the record of a call that ended at `end`.
    pub fn of(record: &CallRecord, trace: &Trace, labels: &Labels, end: Instant) -> Self {
        let failed = matches!(record.outcome, Outcome::Problem(code) if code.status() >= 500);
        Self {
            trace: trace.clone(),
            time: record.time,
            duration: record.duration,
            end,
            failed,
            dialect: labels::dialect(record.dialect),
            operation: labels::operation(record.operation),
            outcome: record.outcome.name(),
            app: labels.app(record.app.as_deref()).to_owned(),
            region: labels.region(record.region.as_deref()).to_owned(),
            status: record.status,
            hops: record.hops,
            refusal: record.refusal,
        }
    }

    fn spans(&self) -> impl Iterator<Item = Value> {
        std::iter::once(self.whole()).chain(self.trace.steps.iter().map(|step| self.step(step)))
    }

    fn whole(&self) -> Value {
        let mut attributes = vec![
            text("dragoman.dialect", self.dialect),
            text("dragoman.operation", self.operation),
            text("dragoman.outcome", self.outcome),
            text("dragoman.app", &self.app),
            text("dragoman.region", &self.region),
            number("dragoman.hops", self.hops.into()),
            number("http.response.status_code", self.status),
        ];
        attributes.extend(self.refusal.iter().flat_map(refused));
        let mut span = json!({
            "traceId": digits(&self.trace.id),
            "spanId": digits(&self.trace.span),
            "name": format!("{} {}", self.dialect, self.operation),
            "kind": SERVER,
            "startTimeUnixNano": self.nanoseconds(Duration::ZERO),
            "endTimeUnixNano": self.nanoseconds(self.duration),
            "attributes": attributes,
            "status": {"code": if self.failed { ERROR } else { UNSET }},
        });
        if let Some(parent) = &self.trace.parent {
            span["parentSpanId"] = digits(parent).into();
        }
        span
    }

    fn step(&self, step: &Step) -> Value {
        let (name, kind, attributes, failed) = match &step.kind {
            StepKind::Guards(refusal) => ("guards", INTERNAL, decision(*refusal), false),
            StepKind::Limits(refusal) => ("limits", INTERNAL, decision(*refusal), false),
            StepKind::Attempt(upstream, attempt) => {
                let result = attempt.map_or("not_sent", |attempt| attempt.name());
                let upstream = text("dragoman.upstream", upstream.unwrap_or("unknown"));
                let attributes = vec![upstream, text("dragoman.result", result)];
                ("upstream", CLIENT, attributes, !matches!(result, "answered" | "not_sent"))
            }
        };
        json!({
            "traceId": digits(&self.trace.id),
            "spanId": digits(&step.id),
            "parentSpanId": digits(&self.trace.span),
            "name": name,
            "kind": kind,
            "startTimeUnixNano": self.nanoseconds(self.since_begin(step.start)),
            "endTimeUnixNano": self.nanoseconds(self.since_begin(step.end)),
            "attributes": attributes,
            "status": {"code": if failed { ERROR } else { UNSET }},
        })
    }

    fn since_begin(&self, moment: Instant) -> Duration {
        self.duration.saturating_sub(self.end.saturating_duration_since(moment))
    }

    /// Nanoseconds since the Unix epoch.
    fn nanoseconds(&self, offset: Duration) -> String {
        let begin = u128::try_from(self.time.millis()).unwrap_or_default() * 1_000_000;
        (begin + offset.as_nanos()).to_string()
    }
}

fn decision(refusal: Option<Refusal>) -> Vec<Value> {
    let decision = text("dragoman.decision", if refusal.is_some() { "refused" } else { "passed" });
    std::iter::once(decision).chain(refusal.iter().flat_map(refused)).collect()
}

fn refused(refusal: &Refusal) -> [Value; 2] {
    [text("dragoman.guard", refusal.guard.name()), text("dragoman.reason", refusal.reason)]
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn number(key: &str, value: u16) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}
