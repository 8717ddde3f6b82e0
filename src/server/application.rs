//! What the edge serves: something that decides from a request's head what is done with it, and
//! answers. The gateway, the admin pages and the embedded backend's own server are three of them.

use std::future::Future;

use bytes::Bytes;
use http::{Request, Response, request};

use crate::account::{Problem, ProblemCode};
use crate::gateway::{Arrival, Onward};
use crate::observe::{CallRecord, Refusal};

/// What the edge does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Reads the body and asks [`Application::answer`].
    Answer,
    /// Streams it to the backend and back.
    PassThrough,
    /// Answers at once with [`Application::refuse`].
    Refuse(ProblemCode),
}

/// Something that requests are for.
pub trait Application: Send + Sync + 'static {
    /// What the head decided; handed back with every later question about the request.
    type Route: Copy + Send + Sync + 'static;

    /// Decides from the head alone.
    fn route(&self, arrival: &Arrival, head: &request::Parts) -> Self::Route;

    /// What a decision means for the edge.
    fn step(&self, route: Self::Route) -> Step;

    /// The region to whose backend a request goes with [`Step::PassThrough`], by the name under which the
    /// service has it, and what becomes of its token; notes the region in `record`.
    ///
    /// # Errors
    /// The problem that the caller is told when that can't be found out now.
    fn passes_to(
        &self,
        _arrival: &Arrival,
        _head: &request::Parts,
        _record: &mut CallRecord,
    ) -> impl Future<Output = Result<Onward, Problem>> + Send {
        std::future::ready(Ok(Onward::default()))
    }

    /// Answers a request whose body is there, and writes what happened into `record`.
    fn answer(
        &self,
        arrival: &Arrival,
        route: Self::Route,
        request: Request<Bytes>,
        record: &mut CallRecord,
    ) -> impl Future<Output = Response<Bytes>> + Send;

    /// Answers with a problem: what the edge itself refuses comes through here as well.
    fn refuse(
        &self,
        arrival: &Arrival,
        route: Self::Route,
        problem: &Problem,
        refusal: Refusal,
        record: &mut CallRecord,
    ) -> Response<Bytes>;
}

/// Takes the one event of each request.
pub trait RecordSink: Send + Sync + 'static {
    /// Counts and logs one request.
    fn record(&self, record: &CallRecord);
}

/// Drops every event: for listeners whose requests are no calls.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoRecords;

impl RecordSink for NoRecords {
    fn record(&self, _record: &CallRecord) {}
}
