//! What passes through: Pingora's proxy streams it to the backend and back.
//!
//! The proxy reads the head anew from the bytes that the connection kept. What the edge knows of
//! the request travels as the connection's user context, the one value that Pingora carries into
//! a request's own context.

use std::any::Any;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header;
use pingora::apps::HttpServerApp;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Stream;
use pingora::protocols::http::{ServerSession, v2};
use pingora::proxy::{FailToProxy, HttpProxy, ProxyHttp, Session, http_proxy};
use pingora::upstreams::peer::HttpPeer;
use pingora::{BError, Error, ErrorSource, ErrorType, Result};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::answer::REQUEST_ID;
use super::application::{Application, RecordSink};
use super::connection::Reusable;
use super::fault::EdgeFault;
use super::load::CallShare;
use super::pass_fields;
use super::pass_target::PassTarget;
use super::stream_head::take_head;
use crate::account::{Problem, ProblemCode};
use crate::config::Limits;
use crate::gateway::{Arrival, MovedToken};
use crate::observe::{Attempt, CallRecord, Guard, Outcome, Refusal};
use crate::upstream::FailureKind;
use crate::upstream::balancer::Lease;

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
    /// Whether its connection is encrypted.
    pub secure: bool,
    /// What becomes of its session's token.
    pub moved_token: Option<MovedToken>,
    /// Its share of what passes through.
    pub share: CallShare,
    /// Takes the record.
    pub sink: Arc<dyn RecordSink>,
    /// Whether the connection may go on.
    pub keep_alive: bool,
    /// Whether both sides may be silent for long.
    pub may_be_quiet: bool,
    /// The addresses of the backend that it was tried at.
    pub tried: Vec<SocketAddr>,
    /// Its share of the address that it is tried at now.
    pub lease: Option<Lease>,
}

/// How long a backend or a client may be silent where that is what was asked for.
pub const QUIET: Duration = Duration::from_secs(300);

/// Pingora's hooks.
pub struct PassThrough<A: Application> {
    target: PassTarget,
    application: PhantomData<fn() -> A>,
}

impl<A: Application> PassThrough<A> {
    /// A proxy to the target.
    pub fn proxy(target: PassTarget) -> HttpProxy<Self> {
        let application = PhantomData;
        http_proxy(&Arc::new(target.template.server_conf()), Self { target, application })
    }
}

/// Pingora is never told to stop: connections end here.
static NEVER: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

/// Passes one request through. `raw` is its head and what came with it.
pub async fn serve<A: Application>(
    proxy: &Arc<HttpProxy<PassThrough<A>>>,
    stream: Stream,
    raw: BytesMut,
    passage: Passage<A>,
    limits: &Limits,
) -> Reusable {
    let mut session = ServerSession::new_http1(stream);
    session.set_pipelined_prefix(raw);
    let silence = if passage.may_be_quiet { QUIET } else { limits.body_timeout };
    session.set_read_timeout(Some(silence));
    session.set_write_timeout(Some(limits.body_timeout));
    session.set_total_drain_timeout(Some(limits.body_timeout));
    session.set_connection_user_context(Some(Box::new(passage)));
    let reused = proxy.process_new_http(session, &NEVER.subscribe()).await?;
    let (stream, _settings) = reused.consume();
    Some((stream, BytesMut::new()))
}

/// The same for a stream of HTTP/2, whose head was read. Silence of its client is bounded by how long
/// the backend may be silent.
pub async fn serve_stream<A: Application>(
    proxy: &Arc<HttpProxy<PassThrough<A>>>,
    mut session: v2::server::HttpSession,
    passage: Passage<A>,
    limits: &Limits,
) {
    session.set_write_timeout(Some(limits.body_timeout));
    session.set_total_drain_timeout(Some(limits.body_timeout));
    let carried = Carried(Arc::new(Mutex::new(Some(Box::new(passage)))));
    let mut head = take_head(session.req_header_mut());
    head.extensions.insert(carried);
    *session.req_header_mut() = head.into();
    proxy.process_new_http(ServerSession::new_http2(session), &NEVER.subscribe()).await;
}

/// A passage under way with its request's head: streams of HTTP/2 have no context of their own.
struct Carried<A: Application>(Arc<Mutex<Option<Box<Passage<A>>>>>);

impl<A: Application> Clone for Carried<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A: Application> Carried<A> {
    fn take(&self) -> Option<Box<Passage<A>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
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

    async fn early_request_filter(&self, session: &mut Session, ctx: &mut Self::CTX) -> Result<()> {
        if let Some(carried) = session.req_header().extensions.get::<Carried<A>>() {
            *ctx = carried.take();
        }
        Ok(())
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        // What is known already is good enough, if the resolver takes too long.
        let _ = timeout(self.target.settings.connect_timeout, self.target.balancer.resolve()).await;
        let tried = ctx.as_ref().map_or(&[][..], |passage| &passage.tried);
        let Some(lease) = self.target.balancer.pick(tried) else {
            return Err(
                Error::explain(ErrorType::ConnectNoRoute, "no address of the upstream is known").into_up()
            );
        };
        let mut peer = self.target.peer(lease.address(), session.is_upgrade_req());
        if ctx.as_ref().is_some_and(|passage| passage.may_be_quiet) {
            peer.options.read_timeout = Some(QUIET);
        }
        if let Some(passage) = ctx {
            passage.lease = Some(lease);
        }
        Ok(Box::new(peer))
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut Self::CTX,
        mut error: BError,
    ) -> BError {
        let lease = ctx.as_mut().and_then(|passage| passage.lease.take());
        let (Some(passage), Some(lease)) = (ctx, lease) else { return error };
        if let Some(failure) = failure_of(&error) {
            self.target.balancer.failed(&lease, failure);
        }
        passage.tried.push(lease.address());
        error.set_retry(self.target.balancer.has_other(&passage.tried));
        error
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: BError,
        ctx: &mut Self::CTX,
        client_reused: bool,
    ) -> BError {
        let lease = ctx.as_ref().and_then(|passage| passage.lease.as_ref());
        // A long stream may end in any way, and a client that sends its body slowly, or one that the
        // backend hangs up on, must not be able to have addresses ejected: only silence after a
        // whole request counts.
        let counts = session.response_written().is_none() && session.as_mut().is_body_done();
        if let (true, Some(lease), Some(failure)) = (counts, lease, failure_of(&error)) {
            self.target.balancer.failed(lease, failure);
        }
        // The same rule as for account calls; only reads may be sent again.
        if session.req_header().method.is_safe() && !session.as_ref().retry_buffer_truncated() {
            error.retry.decide_reuse(client_reused);
        } else {
            error.set_retry(false);
        }
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream: &mut RequestHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        pass_fields::strip(upstream);
        upstream.insert_header(header::HOST, &self.target.template.host)?;
        if let Some((name, secret)) = &self.target.template.secret {
            upstream.insert_header(name.clone(), secret)?;
        }
        if let Some(passage) = ctx {
            pass_fields::introduce(upstream, &passage.arrival, session.req_header(), passage.secure)?;
            if let Some(moved) = &passage.moved_token {
                pass_fields::move_token(upstream, moved)?;
            }
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
            if let Some(lease) = &passage.lease {
                self.target.balancer.answered(lease);
            }
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
        ErrorType::InvalidHTTPHeader | ErrorType::InvalidH2 | ErrorType::H2Downgrade => {
            FailureKind::Malformed
        }
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError | ErrorType::H2Error => {
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
