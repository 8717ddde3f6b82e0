//! Serves a plain function from request to answer over the same edge: for the embedded backend's
//! own server and for tests. Every request is answered by it, and nothing passes through.

use std::future::Future;

use bytes::Bytes;
use http::{Request, Response, request};

use super::application::{Application, Step};
use crate::account::Problem;
use crate::gateway::Arrival;
use crate::observe::{CallRecord, Outcome, Refusal};
use crate::problem_details;

/// Something that answers every request.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    fn handle(&self, request: Request<Bytes>) -> impl Future<Output = Response<Bytes>> + Send;

    /// Says what the edge refuses.
    fn problem(&self, problem: &Problem) -> Response<Bytes>;
}

/// A handler as something that the edge serves.
pub struct Plain<H>(pub H);

impl<H: Handler> Application for Plain<H> {
    type Route = ();

    fn route(&self, _arrival: &Arrival, _head: &request::Parts) {}

    fn step(&self, _route: ()) -> Step {
        Step::Answer
    }

    async fn answer(
        &self,
        _arrival: &Arrival,
        _route: (),
        request: Request<Bytes>,
        _record: &mut CallRecord,
    ) -> Response<Bytes> {
        self.0.handle(request).await
    }

    fn refuse(
        &self,
        _arrival: &Arrival,
        _route: (),
        problem: &Problem,
        refusal: Refusal,
        record: &mut CallRecord,
    ) -> Response<Bytes> {
        record.outcome = Outcome::Problem(problem.code);
        record.refusal = Some(refusal);
        self.0.problem(problem)
    }
}

/// A problem as RFC 9457 JSON, for what no dialect answers.
pub fn problem_json(problem: &Problem) -> Response<Bytes> {
    let body = problem_details::write(problem, problem.code.title());
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = http::StatusCode::from_u16(problem.code.status()).unwrap_or_default();
    let json = http::HeaderValue::from_static(problem_details::MEDIA_TYPE);
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    }
    response
}
