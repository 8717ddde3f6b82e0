//! Talks to the backend: one request out, one answer in, within a deadline.

mod addresses;
pub mod balancer;
mod coding;
pub mod figures;
pub mod http;
pub mod peer;

use ::http::{Request, Response};
use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;
use tokio::time::Instant;

/// Why no whole answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum FailureKind {
    /// No address accepted a connection.
    #[error("connection refused")]
    ConnectFailed,
    /// No connection within the connect deadline.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// The certificate or the handshake was not accepted.
    #[error("TLS handshake failed")]
    TlsFailed,
    /// Connected, but no answer within the deadline.
    #[error("no answer in time")]
    AnswerTimeout,
    /// The answer began and did not end within the deadline.
    #[error("the answer did not end in time")]
    BodyTimeout,
    /// The connection ended before the answer began.
    #[error("closed before the answer")]
    ClosedBeforeAnswer,
    /// The connection ended within the answer.
    #[error("closed within the answer")]
    ClosedWithinAnswer,
    /// What came was no HTTP.
    #[error("the answer is no HTTP")]
    Malformed,
    /// The answer is larger than the bound.
    #[error("the answer is too large")]
    TooLarge,
    /// Too many calls are under way already.
    #[error("too many calls under way")]
    Busy,
}

impl FailureKind {
    /// Every kind, for metrics.
    pub const ALL: &[Self] = &[
        Self::ConnectFailed,
        Self::ConnectTimeout,
        Self::TlsFailed,
        Self::AnswerTimeout,
        Self::BodyTimeout,
        Self::ClosedBeforeAnswer,
        Self::ClosedWithinAnswer,
        Self::Malformed,
        Self::TooLarge,
        Self::Busy,
    ];

    /// The stable name, for metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConnectFailed => "connect_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::TlsFailed => "tls_failed",
            Self::AnswerTimeout => "answer_timeout",
            Self::BodyTimeout => "body_timeout",
            Self::ClosedBeforeAnswer => "closed_before_answer",
            Self::ClosedWithinAnswer => "closed_within_answer",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Busy => "busy",
        }
    }
}

/// No whole answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{kind}")]
pub struct Failure {
    /// Why.
    pub kind: FailureKind,
    /// Whether a byte of the request may have reached the backend.
    pub delivered: bool,
}

/// A backend that answers requests.
#[async_trait]
pub trait Upstream: Send + Sync {
    /// Sends one request and reads the whole answer, until `deadline` at the latest. The request
    /// carries the path, the fields and the body of the dialect; addressing is the upstream's.
    ///
    /// # Errors
    /// When no whole answer came. A request is delivered at most once, save where no byte of it
    /// can have been read.
    async fn send(&self, request: Request<Bytes>, deadline: Instant) -> Result<Response<Bytes>, Failure>;
}
