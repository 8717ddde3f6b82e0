//! What the edge itself refuses, as problems that an application writes in its caller's dialect.

use crate::account::{Problem, ProblemCode};
use crate::observe::{Guard, Refusal};

use super::head::HeadFault;

/// Why the edge does not let a request in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeFault {
    /// The head can be read in more than one way.
    Head(HeadFault),
    /// The head is no HTTP.
    Malformed,
    /// The head is larger than the bound.
    HeadTooLarge,
    /// The head did not come in time.
    HeadTooSlow,
    /// The body is larger than the bound.
    BodyTooLarge,
    /// The body did not come in time.
    BodyTooSlow,
    /// The body's chunks can't be told apart.
    BodyMalformed,
    /// The body is compressed.
    ContentEncoding,
    /// The client's address calls more often than it may.
    TooOften,
    /// As many calls are under way as may be.
    TooManyCalls,
    /// As many body bytes are held as may be.
    TooManyBytes,
    /// The answer was not there when the call's time was over.
    CallTooSlow,
    /// There is nowhere to pass the request on to.
    NowhereToPass,
    /// The application decided so from the head.
    Route(ProblemCode),
}

impl EdgeFault {
    /// The problem that the caller is told.
    pub fn problem(self) -> Problem {
        match self {
            Self::Head(fault) => Problem::malformed(fault.to_string()),
            Self::Malformed => Problem::malformed("the request head is not valid HTTP/1.1"),
            Self::HeadTooLarge => Problem::new(ProblemCode::PayloadTooLarge)
                .reason("the request line and header fields are too large"),
            Self::HeadTooSlow => Problem::malformed("the request head did not arrive in time"),
            Self::BodyTooLarge => Problem::new(ProblemCode::PayloadTooLarge).reason("the body is too large"),
            Self::BodyTooSlow => Problem::malformed("the body did not arrive in time"),
            Self::BodyMalformed => Problem::malformed("the body's chunks are malformed"),
            Self::ContentEncoding => Problem::new(ProblemCode::UnsupportedMediaType)
                .reason("the body must not have a Content-Encoding"),
            Self::TooOften => Problem::new(ProblemCode::RateLimited).retry_after(jittered_wait()),
            Self::TooManyCalls | Self::TooManyBytes => {
                Problem::new(ProblemCode::Overloaded).retry_after(jittered_wait())
            }
            Self::CallTooSlow => ProblemCode::UpstreamTimeout.into(),
            Self::NowhereToPass => ProblemCode::NotFound.into(),
            Self::Route(code) => code.into(),
        }
    }

    /// The guard and the stable reason, for metrics and logs.
    pub const fn refusal(self) -> Refusal {
        let (guard, reason) = match self {
            Self::Head(fault) => (Guard::Limit, fault.name()),
            Self::Malformed => (Guard::Limit, "malformed_head"),
            Self::HeadTooLarge => (Guard::Limit, "header_bytes"),
            Self::HeadTooSlow => (Guard::Limit, "header_timeout"),
            Self::BodyTooLarge => (Guard::Limit, "body_bytes"),
            Self::BodyTooSlow => (Guard::Limit, "body_timeout"),
            Self::BodyMalformed => (Guard::Limit, "malformed_body"),
            Self::ContentEncoding => (Guard::Limit, "content_encoding"),
            Self::TooOften => (Guard::Limit, "address_rate"),
            Self::TooManyCalls => (Guard::Limit, "in_flight"),
            Self::TooManyBytes => (Guard::Limit, "body_bytes_in_all"),
            Self::CallTooSlow => (Guard::Limit, "call_timeout"),
            Self::NowhereToPass => (Guard::Route, "nowhere_to_pass"),
            Self::Route(code) => (Guard::Route, code.name()),
        };
        Refusal { guard, reason }
    }
}

/// One to three seconds, so that callers who were refused together do not come back together.
fn jittered_wait() -> u64 {
    1 + super::request_id::random() % 3
}
