//! The exchange: detect, decode, guard, route, encode, upstream, decode, encode. No sockets and
//! no Pingora types: bytes in, bytes out.

use std::net::IpAddr;

use bytes::Bytes;
use http::{Request, Response, request};
use tokio::time::Instant;

use crate::account::{Operation, Problem};
use crate::observe::{CallRecord, Refusal};

/// What the edge knows of a request besides its bytes.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Which of the config's listeners it came in at.
    pub listener: usize,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The id that the answer and the upstream request carry.
    pub request_id: String,
    /// When the whole call must be over.
    pub deadline: Instant,
}

/// What is done with a request, decided from its head alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// An account call: read the body, then [`Gateway::exchange`].
    Account {
        /// Index of the dialect that claims it, within the gateway.
        dialect: usize,
        /// The operation; the body may still tell a login with a code from one with a password.
        operation: Operation,
    },
    /// Passed on as it is, streaming.
    PassThrough,
    /// Answered at once with [`Gateway::refuse`].
    Refused {
        /// Index of the dialect that answers, within the gateway.
        dialect: usize,
        /// The answer is one of not_found, method_not_allowed, unsupported_media_type or invalid_request.
        code: crate::account::ProblemCode,
    },
}

/// The exchange and all it needs.
pub struct Gateway {}

impl Gateway {
    /// Decides what is done with a request.
    pub fn route(&self, _arrival: &Arrival, _head: &request::Parts) -> Route {
        unimplemented!()
    }

    /// Answers an account call, and writes what happened into `record`.
    pub async fn exchange(
        &self,
        _arrival: &Arrival,
        _route: Route,
        _request: Request<Bytes>,
        _record: &mut CallRecord,
    ) -> Response<Bytes> {
        unimplemented!()
    }

    /// Answers with a problem, in the dialect of the route: what the edge itself refuses (too
    /// large, too slow, too many) comes through here as well.
    pub fn refuse(
        &self,
        _arrival: &Arrival,
        _route: Route,
        _problem: &Problem,
        _refusal: Refusal,
        _record: &mut CallRecord,
    ) -> Response<Bytes> {
        unimplemented!()
    }
}
