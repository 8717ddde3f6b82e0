//! What is known of one request once it is answered: the one event that feeds log and metrics.

use std::net::IpAddr;
use std::time::Duration;

use super::Trace;
use crate::account::{Operation, ProblemCode};
use crate::clock::Moment;
use crate::guard::{Decision, Limit, RateLimit, Refusal};
use crate::upstream::FailureKind;

/// How one try at the backend ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attempt {
    /// A whole answer came and was understood.
    Answered,
    /// A whole answer came that no dialect rule understands.
    Unintelligible,
    /// No whole answer came.
    Failed(FailureKind),
}

impl Attempt {
    /// The stable name, for metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Unintelligible => "unintelligible",
            Self::Failed(kind) => kind.name(),
        }
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Outcome {
    /// A good answer.
    #[default]
    Success,
    /// A bad one.
    Problem(ProblemCode),
    /// Passed through to the backend, whatever that said.
    PassedThrough,
    /// The client went away, or never sent a whole request.
    ClientGone,
}

impl Outcome {
    /// The stable name, for metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Problem(code) => code.name(),
            Self::PassedThrough => "passed_through",
            Self::ClientGone => "client_gone",
        }
    }
}

/// A region that was asked and named another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// Its name.
    pub region: String,
    /// The dialect of its backend.
    pub upstream: &'static str,
    /// How many of the call's tries at a backend were there: the first ones.
    pub attempts: usize,
}

/// Why a call went to another region than the caller's at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RoutedBy {
    /// Its session, or its challenge, is of that region.
    Session,
    /// Its account was found there before.
    Learned,
}

impl RoutedBy {
    /// The stable name, for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Learned => "learned",
        }
    }
}

/// What is known of one request once it is answered. Holds no secret and no body, and of the
/// target only what the routes made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRecord {
    /// When its first byte was there.
    pub time: Moment,
    /// The id that the answer and the upstream request carry.
    pub request_id: String,
    /// The client's address, where the connection has one.
    pub client: Option<IpAddr>,
    /// The dialect in which it is answered.
    pub dialect: Option<&'static str>,
    /// What was asked for, once it is known.
    pub operation: Option<Operation>,
    /// The app that signed, only if the config names it.
    pub app: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// The HTTP status that the client saw; 0 when there was none.
    pub status: u16,
    /// The guard that refused it.
    pub refusal: Option<Refusal>,
    /// What guards in `report` mode would have refused it for.
    pub would_refuse: Vec<Refusal>,
    /// What became of its events in the throttle's limits.
    pub limits: Vec<(Limit, Decision)>,
    /// The limit of the throttle that makes the next call wait.
    pub rate_limit: Option<RateLimit>,
    /// Whether it had to wait, because its account was tried too often.
    pub slowed: bool,
    /// Whether the app's old secret verified the signature.
    pub old_secret: bool,
    /// The ids of the keys that opened tokens of the gateway's own.
    pub opened_by: Vec<String>,
    /// Members that the model does not name, and the other side's dialect neither.
    pub dropped_extensions: usize,
    /// Each try at the backend.
    pub attempts: Vec<Attempt>,
    /// The dialect of the backend that was asked.
    pub upstream: Option<&'static str>,
    /// The region that answered.
    pub region: Option<String>,
    /// How often the call was sent on to another region.
    pub hops: u8,
    /// The region that was asked before that.
    pub hop: Option<Hop>,
    /// Why another region than the caller's was asked first.
    pub routed: Option<RoutedBy>,
    /// Whether a backend named the region that had just been asked.
    pub regions_disagree: bool,
    /// Its trace, if it is traced.
    pub trace: Option<Box<Trace>>,
    /// From the first byte of the request to the last byte of the answer.
    pub duration: Duration,
    /// The part of it spent waiting for the backend.
    pub upstream_duration: Duration,
    /// The part of it spent waiting for the client's body and for the client to take the answer.
    pub client_duration: Duration,
    /// Body bytes received.
    pub bytes_received: u64,
    /// Body bytes sent.
    pub bytes_sent: u64,
}

impl CallRecord {
    /// A record of a request that has just arrived.
    pub fn new(time: Moment, request_id: String, client: Option<IpAddr>) -> Self {
        Self {
            time,
            request_id,
            client,
            dialect: None,
            operation: None,
            app: None,
            outcome: Outcome::Success,
            status: 0,
            refusal: None,
            would_refuse: Vec::new(),
            limits: Vec::new(),
            rate_limit: None,
            slowed: false,
            old_secret: false,
            opened_by: Vec::new(),
            dropped_extensions: 0,
            attempts: Vec::new(),
            upstream: None,
            region: None,
            hops: 0,
            hop: None,
            routed: None,
            regions_disagree: false,
            trace: None,
            duration: Duration::ZERO,
            upstream_duration: Duration::ZERO,
            client_duration: Duration::ZERO,
            bytes_received: 0,
            bytes_sent: 0,
        }
    }

    /// The gateway's own share of the duration.
    pub fn own_duration(&self) -> Duration {
        self.duration.saturating_sub(self.upstream_duration).saturating_sub(self.client_duration)
    }
}
