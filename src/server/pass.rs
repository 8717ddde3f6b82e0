//! What passes through: Pingora's proxy streams it to the backend and back.
//!
//! The proxy reads the head anew from the bytes that the connection kept. What the edge knows of
//! the request travels as the connection's user context, the one value that Pingora carries into
//! a request's own context.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, header};
use pingora::apps::HttpServerApp;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::proxy::{FailToProxy, HttpProxy, ProxyHttp, Session, http_proxy};
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use pingora::{BError, Error, ErrorSource, ErrorType, Result};
use tokio::sync::watch;
use tokio::time::Instant;

use super::answer::REQUEST_ID;
use super::application::{Application, RecordSink};
use super::connection::Reusable;
use super::fault::EdgeFault;
use super::load::CallShare;
use super::pass_fields;
use crate::account::{Problem, ProblemCode};
use crate::config::{HttpUpstream, Limits};
use crate::gateway::Arrival;
use crate::observe::{Attempt, CallRecord, Guard, Outcome, Refusal};
use crate::upstream::FailureKind;
use crate::upstream::addresses::Addresses;
use crate::upstream::http::{UnusableUpstream, server_name};

/// Where requests pass to.
pub struct PassTarget {
    settings: HttpUpstream,
    addresses: Addresses,
    host: HeaderValue,
    secret: Option<(HeaderName, HeaderValue)>,
}

impl PassTarget {
    /// The backend of these settings.
    ///
    /// # Errors
    /// When the settings could not be used safely.
    pub fn new(settings: HttpUpstream) -> Result<Self, UnusableUpstream> {
        if settings.tls && settings.host.is_empty() {
            return Err(UnusableUpstream::NoHostForTls);
        }
        let host = HeaderValue::from_str(&settings.host);
        let host = host.map_err(|_| UnusableUpstream::Host(settings.host.clone()))?;
        let secret = match &settings.secret {
            None => None,
            Some((name, secret)) => {
                let unusable = || UnusableUpstream::Secret(name.clone());
                let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
                let value = HeaderValue::from_str(secret.expose()).map_err(|_| unusable())?;
                Some((field, value))
            }
        };
        let addresses = Addresses::new(&settings.addresses);
        Ok(Self { settings, addresses, host, secret })
    }
}

/// One request that passes through: all that the edge knows of it.
pub struct Passage<A: Application> {
    /// Answers when the backend does not.
    pub application: Arc<A>,
    /// What the head decided.
    pub route: A::Route,
    /// Where the request came from.
    pub arrival: Arrival,
    /// What is known of it so far.
    pub record: CallRecord,
    /// When its first byte was there.
    pub arrived: Instant,
    /// Its share of the calls under way.
    pub share: CallShare,
    /// Takes the record.
    pub sink: Arc<dyn RecordSink>,
    /// Whether the connection may go on.
    pub keep_alive: bool,
    /// How often a connection to the backend was tried.
    pub tries: usize,
}

/// Pingora's hooks.
pub struct PassThrough<A: Application> {
    target: PassTarget,
    application: PhantomData<fn() -> A>,
}

impl<A: Application> PassThrough<A> {
    /// A proxy to the target.
    pub fn proxy(target: PassTarget) -> HttpProxy<Self> {
        let application = PhantomData;
        http_proxy(&Arc::new(ServerConf::default()), Self { target, application })
    }
}

/// Passes one request through. `raw` is its head and what came with it.
pub async fn serve<A: Application>(
    proxy: &Arc<HttpProxy<PassThrough<A>>>,
    stream: Stream,
    raw: BytesMut,
    passage: Passage<A>,
    limits: &Limits,
) -> Reusable {
    static NEVER: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));
    let mut session = ServerSession::new_http1(stream);
    session.set_pipelined_prefix(raw);
    session.set_read_timeout(Some(limits.body_timeout));
    session.set_write_timeout(Some(limits.body_timeout));
    session.set_total_drain_timeout(Some(limits.body_timeout));
    session.set_connection_user_context(Some(Box::new(passage)));
    let reused = proxy.process_new_http(session, &NEVER.subscribe()).await?;
    let (stream, _settings) = reused.consume();
    Some((stream, BytesMut::new()))
}

#[async_trait]
impl<A: Application> ProxyHttp for PassThrough<A> {
    type CTX = Option<Box<Passage<A>>>;

    fn new_ctx(&self) -> Self::CTX {
        None
    }

    fn on_connection_reuse(
        &self,
        session: &mut Session,
        ctx: &mut Self::CTX,
        passage: Box<dyn Any + Send + Sync>,
    ) {
        *ctx = passage.downcast().ok();
        if !ctx.as_ref().is_some_and(|passage| passage.keep_alive) {
            session.set_keepalive(None);
        }
    }

    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        let addresses = self.target.addresses.in_turn().await;
        if let Some(passage) = ctx {
            passage.tries += 1;
        }
        // Each try gets the addresses in the next turn, so that a second try meets another one.
        let Some(address) = addresses.first() else {
            return Err(
                Error::explain(ErrorType::ConnectNoRoute, "no address of the upstream is known").into_up()
            );
        };
        let settings = &self.target.settings;
        let mut peer = HttpPeer::new(*address, settings.tls, server_name(&settings.host).to_owned());
        peer.options.total_connection_timeout = Some(settings.connect_timeout);
        peer.options.read_timeout = Some(settings.first_byte_timeout);
        peer.options.write_timeout = Some(settings.first_byte_timeout);
        peer.options.idle_timeout = Some(Duration::from_secs(30));
        Ok(Box::new(peer))
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut Self::CTX,
        mut error: BError,
    ) -> BError {
        let tries = ctx.as_ref().map_or(usize::MAX, |passage| passage.tries);
        error.set_retry(tries < self.target.settings.addresses.len());
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream: &mut RequestHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        pass_fields::strip(upstream);
        upstream.insert_header(header::HOST, &self.target.host)?;
        if let Some((name, secret)) = &self.target.secret {
            upstream.insert_header(name.clone(), secret)?;
        }
        if let Some(passage) = ctx {
            pass_fields::introduce(upstream, &passage.arrival, session.req_header())?;
        }
        if !self.target.settings.base_path.is_empty() {
            let path = [self.target.settings.base_path.as_bytes(), upstream.raw_path()].concat();
            upstream.set_raw_path(&path)?;
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        if let Some(passage) = ctx {
            response.insert_header(REQUEST_ID, &passage.arrival.request_id)?;
        }
        Ok(())
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Self::CTX) -> FailToProxy {
        let unanswered = FailToProxy { error_code: 0, can_reuse_downstream: false };
        let Some(passage) = ctx else { return unanswered };
        let Some(failure) = failure_of(error) else {
            // Of what the edge let in, Pingora still refuses some of what `Connection` may name.
            if *error.etype() == ErrorType::InvalidHTTPHeader && session.response_written().is_none() {
                let fault = EdgeFault::Malformed;
                let error_code = answer(session, passage, &fault.problem(), fault.refusal()).await;
                return FailToProxy { error_code, can_reuse_downstream: false };
            }
            passage.record.outcome = Outcome::ClientGone;
            return unanswered;
        };
        passage.record.attempts.push(Attempt::Failed(failure));
        if session.response_written().is_some() {
            return unanswered;
        }
        let error_code = refuse(session, passage, failure).await;
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Self::CTX) {
        let Some(passage) = ctx.take() else { return };
        let Passage { mut record, arrived, sink, share, .. } = *passage;
        if error.is_none() {
            record.outcome = Outcome::PassedThrough;
            record.attempts.push(Attempt::Answered);
        }
        record.status = session.response_written().map_or(0, |head| head.status.as_u16());
        record.bytes_received = session.body_bytes_read() as u64;
        record.bytes_sent = session.body_bytes_sent() as u64;
        record.duration = arrived.elapsed();
        sink.record(&record);
        drop(share);
    }

    fn suppress_error_log(&self, _session: &Session, _ctx: &Self::CTX, _error: &Error) -> bool {
        // The record says it, once.
        true
    }

    fn request_summary(&self, _session: &Session, ctx: &Self::CTX) -> String {
        // Pingora's own prints the query, and with it tokens.
        ctx.as_ref().map_or_else(String::new, |passage| passage.arrival.request_id.clone())
    }
}

/// How the backend failed; `None` when it was the client.
fn failure_of(error: &Error) -> Option<FailureKind> {
    if *error.esource() == ErrorSource::Downstream {
        return None;
    }
    Some(match error.etype() {
        ErrorType::ConnectTimedout => FailureKind::ConnectTimeout,
        ErrorType::TLSHandshakeFailure | ErrorType::TLSHandshakeTimedout | ErrorType::InvalidCert => {
            FailureKind::TlsFailed
        }
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => FailureKind::AnswerTimeout,
        ErrorType::InvalidHTTPHeader => FailureKind::Malformed,
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError => {
            FailureKind::ClosedBeforeAnswer
        }
        _ => FailureKind::ConnectFailed,
    })
}

/// Answers in the backend's place, in the dialect of the route.
async fn refuse<A: Application>(
    session: &mut Session,
    passage: &mut Passage<A>,
    failure: FailureKind,
) -> u16 {
    let code = match failure {
        FailureKind::ConnectTimeout | FailureKind::AnswerTimeout => ProblemCode::UpstreamTimeout,
        FailureKind::Malformed => ProblemCode::UpstreamUnintelligible,
        _ => ProblemCode::UpstreamUnavailable,
    };
    let refusal = Refusal { guard: Guard::Route, reason: failure.name() };
    let status = answer(session, passage, &Problem::new(code), refusal).await;
    // The backend failed; no guard refused.
    passage.record.refusal = None;
    status
}

async fn answer<A: Application>(
    session: &mut Session,
    passage: &mut Passage<A>,
    problem: &Problem,
    refusal: Refusal,
) -> u16 {
    passage.record.outcome = Outcome::Problem(problem.code);
    let Passage { application, arrival, route, record, .. } = passage;
    let response = application.refuse(arrival, *route, problem, refusal, record);
    let (parts, body) = response.into_parts();
    let status = parts.status.as_u16();
    if let Err(error) = write(session, ResponseHeader::from(parts), body, &passage.arrival.request_id).await {
        log::debug!("the client did not take the refusal: {error}");
    }
    status
}

async fn write(session: &mut Session, mut head: ResponseHeader, body: Bytes, request_id: &str) -> Result<()> {
    head.insert_header(header::CONTENT_LENGTH, body.len())?;
    head.insert_header(REQUEST_ID, request_id)?;
    session.set_keepalive(None);
    session.write_response_header(Box::new(head), body.is_empty()).await?;
    session.write_response_body(Some(body), true).await
}
