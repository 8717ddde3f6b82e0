//! The pages for operators. Nothing here changes anything: GET and HEAD, and one POST that translates what it is given.
//!
//! A page of another origin must not read them through the operator's browser: `Host` must be one
//! of the listener's own names (a name that an attacker points at 127.0.0.1 is none), a request that
//! names another origin is refused, there is no CORS, and off loopback everything but the two probes
//! and the console's own files, which tell nothing, needs the token.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header, request};
use subtle::ConstantTimeEq;
use thiserror::Error;
use tokio::sync::watch;

use super::application::{Application, Step};
use super::lifecycle::Phase;
use super::plain::problem_json;
use crate::account::{Problem, ProblemCode, Secret};
use crate::config;
use crate::gateway::Arrival;
use crate::observe::{CallRecord, Refusal};

pub(super) mod console;
mod outbox;

pub use console::Console;
pub use outbox::OutboxEntry;

/// Where the translator's form comes from and goes to.
const TRANSLATE: &str = "/translate.json";
const JSON: &str = "application/json";

/// The admin listener would be open to strangers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AdminError {
    /// Whoever reaches the address could read the pages.
    #[error("the admin listener {0} is not on loopback: set admin.token, or listen on 127.0.0.1")]
    TokenNeeded(SocketAddr),
    /// Whoever reaches the address could read codes.
    #[error("the outbox is only shown on loopback, but the admin listener is {0}")]
    OutboxOffLoopback(SocketAddr),
}

/// Where the pages take their content from.
pub struct AdminPages {
    /// The metrics, in Prometheus' text format.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Why no calls should come although all is served; `None` when they may.
    pub unready: Box<dyn Fn() -> Option<&'static str> + Send + Sync>,
    /// What the embedded backend sent, newest first; `None` where there is no outbox.
    pub outbox: Option<Box<dyn Fn() -> Vec<OutboxEntry> + Send + Sync>>,
    /// The OpenAPI document of the canonical dialect.
    pub openapi: &'static str,
    /// What the console shows.
    pub console: Box<dyn Console>,
}

/// The admin listener's application.
pub struct AdminSite {
    address: SocketAddr,
    hosts: Vec<String>,
    token: Option<Secret>,
    pages: AdminPages,
    phase: watch::Receiver<Phase>,
}

impl AdminSite {
    /// The pages at a bound address.
    ///
    /// # Errors
    /// When the settings would open them to strangers.
    pub fn new(
        settings: &config::Admin,
        address: SocketAddr,
        pages: AdminPages,
        phase: watch::Receiver<Phase>,
    ) -> Result<Self, AdminError> {
        let has_token = settings.token.as_ref().is_some_and(|token| !token.is_empty());
        if !address.ip().is_loopback() {
            if !has_token {
                return Err(AdminError::TokenNeeded(address));
            }
            if pages.outbox.is_some() {
                return Err(AdminError::OutboxOffLoopback(address));
            }
        }
        Ok(Self { address, hosts: settings.hosts.clone(), token: settings.token.clone(), pages, phase })
    }

    fn page(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if !self.is_own_name(request) {
            let problem = Problem::new(ProblemCode::NotPermitted)
                .reason("the Host field is none of this listener's names; add it to admin.hosts");
            return problem_json(&problem);
        }
        if !is_own_origin(request) {
            let problem = Problem::new(ProblemCode::NotPermitted)
                .reason("a page of another origin asks; these pages are for themselves alone");
            return problem_json(&problem);
        }
        let path = request.uri().path();
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let translates = path == TRANSLATE;
        let is_allowed = reads || translates && request.method() == Method::POST;
        if !is_allowed {
            let mut response = problem_json(&ProblemCode::MethodNotAllowed.into());
            set(&mut response, header::ALLOW, if translates { "GET, HEAD, POST" } else { "GET, HEAD" });
            return response;
        }
        match path {
            "/livez" => return text("ok\n"),
            "/readyz" => return self.readiness(),
            _ => {}
        }
        if let Some(file) = console::file(path) {
            return file;
        }
        if !self.is_authorised(request) {
            let mut response = problem_json(&ProblemCode::TokenInvalid.into());
            set(&mut response, header::WWW_AUTHENTICATE, "Bearer");
            return response;
        }
        if reads { self.read(path) } else { self.translation(request) }
    }

    fn read(&self, path: &str) -> Response<Bytes> {
        let console = &self.pages.console;
        match (path, &self.pages.outbox) {
            ("/metrics", _) => content("text/plain; version=0.0.4; charset=utf-8", (self.pages.metrics)()),
            ("/openapi.json", _) => content(JSON, self.pages.openapi),
            ("/config", _) => content("text/plain; charset=utf-8", console.config()),
            ("/figures.json", outbox) => {
                let (state, outbox) = (self.state(), outbox.is_some());
                let figures = console.figures();
                content(
                    JSON,
                    format!("{{\"state\":\"{state}\",\"outbox\":{outbox},\"figures\":{figures}}}\n"),
                )
            }
            (TRANSLATE, _) => content(JSON, console.choices()),
            ("/outbox", Some(entries)) => content("text/html; charset=utf-8", outbox::html(&entries())),
            ("/outbox.json", Some(entries)) => content(JSON, outbox::json(&entries())),
            _ => problem_json(&ProblemCode::NotFound.into()),
        }
    }

    fn translation(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let kind = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        // A form of another page can't send this type.
        if kind != Some(JSON.as_bytes()) {
            return problem_json(&ProblemCode::UnsupportedMediaType.into());
        }
        match self.pages.console.translate(request.body()) {
            Ok(translated) => content(JSON, translated),
            Err(problem) => problem_json(&problem),
        }
    }

    /// `ready`, `draining`, or why no calls should come.
    fn state(&self) -> &'static str {
        match *self.phase.borrow() {
            Phase::Running | Phase::Paused => (self.pages.unready)().unwrap_or("ready"),
            _ => "draining",
        }
    }

    fn readiness(&self) -> Response<Bytes> {
        let state = self.state();
        let mut response = content("text/plain; charset=utf-8", format!("{state}\n"));
        if state != "ready" {
            *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
        }
        response
    }

    fn is_own_name(&self, request: &Request<Bytes>) -> bool {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let Some(name) = host.map(without_port) else {
            return false;
        };
        // An address in the Host field was typed, not resolved: no rebound name hides behind it.
        let own_address = name.parse::<IpAddr>().is_ok_and(|address| {
            address == self.address.ip() || self.address.ip().is_unspecified() || address.is_loopback()
        });
        own_address
            || name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    fn is_authorised(&self, request: &Request<Bytes>) -> bool {
        let Some(token) = &self.token else { return true };
        let given = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let given = given.and_then(|value| value.strip_prefix(b"Bearer "));
        given.is_some_and(|given| bool::from(given.ct_eq(token.expose().as_bytes())))
    }
}

impl Application for AdminSite {
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
        secured(self.page(&request))
    }

    fn refuse(
        &self,
        _arrival: &Arrival,
        _route: (),
        problem: &Problem,
        _refusal: Refusal,
        _record: &mut CallRecord,
    ) -> Response<Bytes> {
        secured(problem_json(problem))
    }
}

/// Whether a browser sends a request on behalf of these pages themselves, or of nobody's page: an address that was typed, a
/// bookmark, a link. What is no browser says neither.
fn is_own_origin(request: &Request<Bytes>) -> bool {
    let field = |name| request.headers().get(name).map(HeaderValue::as_bytes);
    let host = field(header::HOST.as_str()).unwrap_or_default();
    let same = |origin: &[u8]| {
        let authority = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    };
    if let Some(origin) = field(header::ORIGIN.as_str()) {
        return same(origin);
    }
    let followed = field("sec-fetch-mode") == Some(b"navigate") && request.method() == Method::GET;
    followed || matches!(field("sec-fetch-site"), None | Some(b"same-origin" | b"none"))
}

/// A host without its port and without the brackets of an IPv6 address.
fn without_port(host: &str) -> &str {
    if let Some((address, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

fn text(body: &'static str) -> Response<Bytes> {
    content("text/plain; charset=utf-8", body)
}

fn content(kind: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    set(&mut response, header::CONTENT_TYPE, kind);
    response
}

/// The answer with the fields that keep browsers from doing more with it than show it.
fn secured(mut response: Response<Bytes>) -> Response<Bytes> {
    // Only what this listener itself serves is loaded, run or asked.
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                  frame-ancestors 'none'; base-uri 'none'; form-action 'none'; \
                  require-trusted-types-for 'script'; trusted-types 'none'";
    set(&mut response, header::CONTENT_SECURITY_POLICY, policy);
    set(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(&mut response, header::REFERRER_POLICY, "no-referrer");
    set(&mut response, header::CACHE_CONTROL, "no-store");
    set(&mut response, header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    response
}

fn set(response: &mut Response<Bytes>, name: header::HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}

#[cfg(test)]
mod tests;
