//! Traces of account calls: one span for the whole call, one for each decision of the guards, one for each try at the
//! backend. Their attributes come from the closed sets that metrics have.
//!
//! The OpenTelemetry SDK would bring gRPC's messages and a second HTTP client, and does not tell how many spans it
//! drops. What is needed of it is small: the one record of a call has everything, and OTLP has a form in JSON.

mod exporter;
mod otlp;
mod parent;

use std::time::Instant;

use http::HeaderValue;

pub use exporter::Exporter;
pub(super) use otlp::Finished;
use parent::TraceParent;

use super::Attempt;
use crate::guard::Refusal;

/// The header field that carries a trace from one process to the next.
pub const TRACE_PARENT: &str = "traceparent";

type TraceId = [u8; 16];
type SpanId = [u8; 8];

/// Decides which calls are traced.
#[derive(Debug, Clone)]
pub struct Tracer {
    /// Trace ids whose last eight bytes are below this; the same ids at every process with the same share.
    below: u64,
    all: bool,
}

/// The trace of a call under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    id: TraceId,
    /// The span of the whole call.
    span: SpanId,
    parent: Option<SpanId>,
    steps: Vec<Step>,
}

/// A part of the call.
#[derive(Debug, Clone, PartialEq)]
struct Step {
    id: SpanId,
    start: Instant,
    end: Instant,
    kind: StepKind,
}

/// What a part of the call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// Signature, clock and replay were checked.
    Guards(Option<Refusal>),
    /// The throttle's limits were asked.
    Limits(Option<Refusal>),
    /// A backend of a dialect was tried; `None` where nothing was sent.
    Attempt(Option<&'static str>, Option<Attempt>),
}

/// A step that has begun.
#[derive(Debug)]
pub struct Begun {
    id: SpanId,
    start: Instant,
    /// What the other side learns of the trace.
    pub traceparent: HeaderValue,
}

impl Tracer {
    /// Traces this share of the calls, 0 to 1.
    pub fn new(share: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it saturates, which is meant"
        )]
        let below = (share * 2_f64.powi(64)) as u64;
        Self { below, all: share >= 1.0 }
    }

    /// Begins the trace of a call. A parent that follows the grammar gives its trace and its place in it; whether it was
    /// sampled there is not asked, since anybody can say so.
    pub fn begin(&self, parent: Option<&HeaderValue>) -> Option<Box<Trace>> {
        let parent = parent.and_then(|parent| TraceParent::parse(parent.as_bytes()));
        let id = match &parent {
            Some(parent) => parent.trace,
            None => fresh()?,
        };
        let [.., a, b, c, d, e, f, g, h] = id;
        if !self.all && u64::from_be_bytes([a, b, c, d, e, f, g, h]) >= self.below {
            return None;
        }
        let parent = parent.map(|parent| parent.span);
        Some(Box::new(Trace { id, span: fresh()?, parent, steps: Vec::new() }))
    }
}

impl Trace {
    /// Begins a step.
    pub fn step(&self) -> Option<Begun> {
        let id = fresh()?;
        let traceparent = TraceParent { trace: self.id, span: id }.to_header();
        Some(Begun { id, start: Instant::now(), traceparent })
    }

    /// Ends a step.
    pub fn end(&mut self, begun: Begun, kind: StepKind) {
        self.steps.push(Step { id: begun.id, start: begun.start, end: Instant::now(), kind });
    }

    /// How many spans there are.
    fn spans(&self) -> usize {
        1 + self.steps.len()
    }
}

/// An id that nobody foresees and that is not all zeros, which would be none.
fn fresh<const SIZE: usize>() -> Option<[u8; SIZE]> {
    let mut id = [0; SIZE];
    getrandom::fill(&mut id).ok()?;
    id.iter().any(|byte| *byte != 0).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    #[test]
    fn a_good_parent_is_joined_whatever_it_says_of_sampling() {
        let trace = Tracer::new(1.0).begin(Some(&HeaderValue::from_static(PARENT))).unwrap();
        assert_eq!(trace.parent, Some([0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]));
        let told = trace.step().unwrap().traceparent;
        let told = told.to_str().unwrap();
        assert!(told.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && told.ends_with("-01"), "{told}");
        assert!(!told.contains("b7ad6b7169203331"), "the next process is a child of the step: {told}");
    }

    #[test]
    fn a_broken_parent_is_no_parent() {
        let trace = Tracer::new(1.0).begin(Some(&HeaderValue::from_static("00-0-0-01"))).unwrap();
        assert_eq!(trace.parent, None);
        assert_ne!(trace.id, [0; 16]);
    }

    #[test]
    fn about_the_wished_share_of_the_calls_is_traced() {
        let traced = |share| (0..4_000).filter(|_| Tracer::new(share).begin(None).is_some()).count();
        assert_eq!((traced(0.0), traced(1.0)), (0, 4_000));
        // Further off than by chance once in many millions of runs.
        assert!((800..1_200).contains(&traced(0.25)), "{}", traced(0.25));
    }

    #[test]
    fn every_process_decides_alike_for_the_same_trace() {
        let tracer = Tracer::new(0.5);
        for trace in ["0af7651916cd43dd0448eb211c80319c", "0af7651916cd43dde448eb211c80319c"] {
            let parent = HeaderValue::from_str(&format!("00-{trace}-b7ad6b7169203331-01")).unwrap();
            let first = tracer.begin(Some(&parent)).is_some();
            assert!((0..20).all(|_| tracer.begin(Some(&parent)).is_some() == first));
        }
    }
}
