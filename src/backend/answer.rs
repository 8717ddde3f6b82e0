//! Writes answers: JSON, or a problem after RFC 9457.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::json::Json;
use super::store::codes::RESEND_SECONDS;
use crate::account::{Problem, ProblemCode};
use crate::problem_details;

/// A good answer before it is bytes.
pub(super) struct Answer {
    status: StatusCode,
    body: Option<Json>,
    fields: Vec<(HeaderName, String)>,
}

impl Answer {
    pub(super) fn ok(body: Json) -> Self {
        Self::with(StatusCode::OK, body)
    }

    pub(super) fn created(body: Json) -> Self {
        Self::with(StatusCode::CREATED, body)
    }

    pub(super) fn accepted(body: Json) -> Self {
        Self::with(StatusCode::ACCEPTED, body)
    }

    pub(super) fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: None, fields: Vec::new() }
    }

    fn with(status: StatusCode, body: Json) -> Self {
        Self { status, body: Some(body), fields: Vec::new() }
    }

    /// The same, with the fields that tell how long no other code is sent.
    pub(super) fn with_send_limit(mut self, wait: u64) -> Self {
        self.fields.extend(send_limit(wait));
        self
    }
}

impl From<Answer> for Response<Bytes> {
    fn from(answer: Answer) -> Self {
        let body = answer.body.map(|body| body.to_text().into_bytes());
        response(answer.status, "application/json", body, answer.fields)
    }
}

/// A bad answer. `allow` lists the methods of the path, with `method_not_allowed`.
pub(super) fn problem_response(problem: &Problem, allow: Option<&str>) -> Response<Bytes> {
    let status = StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut fields = Vec::new();
    if let Some(seconds) = problem.retry_after {
        fields.push((RETRY_AFTER, seconds.to_string()));
    }
    if let (ProblemCode::SendTooFrequent, Some(seconds)) = (problem.code, problem.retry_after) {
        fields.extend(send_limit(seconds));
    }
    if let Some(methods) = allow {
        fields.push((ALLOW, methods.to_owned()));
    }
    if status == StatusCode::UNAUTHORIZED {
        fields.push((WWW_AUTHENTICATE, "Bearer".to_owned()));
    }
    let body = problem_details::write(problem, problem.code.title());
    response(status, problem_details::MEDIA_TYPE, Some(body), fields)
}

/// The fields of the IETF httpapi draft: one send each [`RESEND_SECONDS`], the next one in `wait`.
fn send_limit(wait: u64) -> [(HeaderName, String); 2] {
    [
        (HeaderName::from_static("ratelimit"), format!("\"send\";r=0;t={wait}")),
        (HeaderName::from_static("ratelimit-policy"), format!("\"send\";q=1;w={RESEND_SECONDS}")),
    ]
}

fn response(
    status: StatusCode,
    content_type: &'static str,
    body: Option<Vec<u8>>,
    fields: Vec<(HeaderName, String)>,
) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    if let Some(body) = body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        *response.body_mut() = Bytes::from(body);
    }
    response
}
