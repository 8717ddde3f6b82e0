//! Calls from web pages of other origins: whose pages may ask, and read the answers (the Fetch Standard's CORS).

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW, HeaderValue, ORIGIN, VARY,
};
use http::{Method, Response, StatusCode, request};

/// What pages may read of an answer's head: where tokens are, and how long to wait.
const EXPOSED: HeaderValue = HeaderValue::from_static("authorization, ratelimit, retry-after, x-request-id");

/// How long a browser need not ask again, in seconds: the longest that all of them keep to.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// A request of a page that may ask.
pub struct CrossOrigin {
    origin: HeaderValue,
    /// The fields that the page wants to send, where its browser asks first whether it may.
    preflight: Option<HeaderValue>,
}

impl CrossOrigin {
    /// The request's origin, if it is one of `allowed`.
    pub fn of(head: &request::Parts, allowed: &[HeaderValue]) -> Option<Self> {
        let origin = head.headers.get(ORIGIN).filter(|origin| allowed.contains(origin))?.clone();
        let asks = head.method == Method::OPTIONS && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let fields = head.headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        let preflight = asks.then(|| fields.unwrap_or_else(|| HeaderValue::from_static("content-type")));
        Some(Self { origin, preflight })
    }

    /// Lets the page read an answer.
    pub fn open(&self, response: &mut Response<Bytes>) {
        let fields = response.headers_mut();
        fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.origin.clone());
        fields.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        fields.append(VARY, HeaderValue::from_static("origin"));
    }

    /// What a browser is told that asks first, made of the refusal that OPTIONS gets otherwise: `Allow` names the
    /// path's methods.
    pub fn answer(&self, refusal: &Response<Bytes>) -> Option<Response<Bytes>> {
        let (wanted, methods) = (self.preflight.as_ref()?, refusal.headers().get(ALLOW)?);
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let fields = response.headers_mut();
        fields.insert(ACCESS_CONTROL_ALLOW_METHODS, methods.clone());
        fields.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        fields.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        Some(response)
    }
}
