//! A backend reached over HTTP/1.1: one request out in one write, one whole answer in.
//!
//! Connections come from Pingora's connector and its pool. It is the transport half of
//! `connectors::http::Connector`: the HTTP half flushes the head before the body is written, which
//! costs a second send for each call. Answers are read by Pingora's client session.
//!
//! A request is never sent twice. A pooled connection is checked for life before it is used and is
//! given up before the backend says that it will close it; if it still turns out to be closed
//! once bytes were written, the call fails, since nobody can tell whether they were read.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, Request, Response, header};
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::protocols::Stream;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::upstreams::peer::{HttpPeer, Peer};
use pingora::{BError, ErrorType};
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::addresses::Addresses;
use super::{Failure, FailureKind, Upstream};
use crate::config::HttpUpstream;

/// Calls under way to one backend, and how many may wait for their turn for how long.
const IN_FLIGHT: usize = 256;
const QUEUE: usize = 128;
const QUEUE_TIME: Duration = Duration::from_secs(1);

/// How long an idle connection is kept, unless the backend says less.
const IDLE: Duration = Duration::from_secs(30);

/// The fields of an answer that mean something to a dialect; no other is copied.
const KEPT: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::LOCATION,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
];

/// The settings name no backend that can be reached safely.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnusableUpstream {
    /// Without a name to compare, any certificate would be accepted.
    #[error("the upstream speaks TLS but has no host: give the name that its certificate must carry")]
    NoHostForTls,
    /// The host can't stand in a header field.
    #[error("the upstream's host {0:?} is no valid Host field")]
    Host(String),
    /// The secret's field can't be written.
    #[error("the upstream's secret header {0:?} has no valid name or value")]
    Secret(String),
}

/// A backend reached over HTTP.
pub struct HttpBackend {
    settings: HttpUpstream,
    addresses: Addresses,
    transport: TransportConnector,
    turns: Semaphore,
    waiting: AtomicUsize,
    /// The fields that every request carries, as they stand on the wire.
    fixed_fields: Vec<u8>,
}

impl HttpBackend {
    /// A backend with these settings; connects when it is first asked.
    ///
    /// # Errors
    /// When the settings could not be used safely.
    pub fn new(settings: HttpUpstream) -> Result<Self, UnusableUpstream> {
        if settings.tls && settings.host.is_empty() {
            return Err(UnusableUpstream::NoHostForTls);
        }
        Ok(Self {
            addresses: Addresses::new(&settings.addresses),
            transport: TransportConnector::new(Some(ConnectorOptions::new(IN_FLIGHT))),
            turns: Semaphore::new(IN_FLIGHT),
            waiting: AtomicUsize::new(0),
            fixed_fields: fixed_fields(&settings)?,
            settings,
        })
    }

    /// Waits for a turn, shortly.
    async fn turn(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, Failure> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        let _place = QueuePlace::take(&self.waiting).ok_or(undelivered(FailureKind::Busy))?;
        let until = deadline.min(Instant::now() + QUEUE_TIME);
        match timeout_at(until, self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(undelivered(FailureKind::Busy)),
        }
    }

    /// A connection to the first address that accepts one.
    async fn connect(&self, deadline: Instant) -> Result<(Stream, HttpPeer), Failure> {
        let until = deadline.min(Instant::now() + self.settings.connect_timeout);
        let addresses = timeout_at(until, self.addresses.in_turn())
            .await
            .map_err(|_| undelivered(FailureKind::ConnectTimeout))?;
        let mut failure = undelivered(FailureKind::ConnectFailed);
        for address in addresses {
            let until = deadline.min(Instant::now() + self.settings.connect_timeout);
            let peer = self.peer(address);
            if let Some(stream) = self.transport.reused_stream(&peer).await {
                return Ok((stream, peer));
            }
            // Boxed: the handshake's state is tens of kilobytes, which a call over a connection
            // that is there already would otherwise carry about as well.
            match timeout_at(until, Box::pin(self.transport.new_stream(&peer))).await {
                Ok(Ok(stream)) => return Ok((stream, peer)),
                Ok(Err(error)) => failure = undelivered(connect_failure(&error)),
                Err(_) => failure = undelivered(FailureKind::ConnectTimeout),
            }
            log::debug!("upstream {address}: {failure}");
        }
        Err(failure)
    }

    fn peer(&self, address: SocketAddr) -> HttpPeer {
        HttpPeer::new(address, self.settings.tls, server_name(&self.settings.host).to_owned())
    }

    /// The request's bytes, head and body.
    fn encode(&self, request: &Request<Bytes>) -> BytesMut {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let body = request.body();
        let mut wire =
            BytesMut::with_capacity(256 + request.headers().len() * 64 + target.len() + body.len());
        wire.put_slice(request.method().as_str().as_bytes());
        wire.put_u8(b' ');
        wire.put_slice(self.settings.base_path.as_bytes());
        wire.put_slice(target.as_bytes());
        wire.put_slice(b" HTTP/1.1\r\n");
        wire.put_slice(&self.fixed_fields);
        for (name, value) in request.headers() {
            if !self.sets_itself(name) {
                put_field(&mut wire, name.as_str(), value.as_bytes());
            }
        }
        if !body.is_empty() || !matches!(*request.method(), Method::GET | Method::HEAD | Method::DELETE) {
            put_field(&mut wire, "content-length", body.len().to_string().as_bytes());
        }
        wire.put_slice(b"\r\n");
        wire.put_slice(body);
        wire
    }

    /// Fields of the connection and of the gateway: a caller's own are not sent.
    fn sets_itself(&self, name: &HeaderName) -> bool {
        *name == header::HOST
            || *name == header::CONTENT_LENGTH
            || *name == header::CONNECTION
            || *name == header::TRANSFER_ENCODING
            || *name == header::ACCEPT_ENCODING
            || *name == header::EXPECT
            || *name == header::UPGRADE
            || self
                .settings
                .secret
                .as_ref()
                .is_some_and(|(secret, _)| secret.eq_ignore_ascii_case(name.as_str()))
    }

    /// Reads the answer's head, past informational ones.
    async fn read_head(&self, session: &mut HttpSession, deadline: Instant) -> Result<(), FailureKind> {
        let until = deadline.min(Instant::now() + self.settings.first_byte_timeout);
        let final_head = async {
            loop {
                session.read_response().await?;
                if !session.get_status().is_some_and(|status| status.is_informational() && status != 101) {
                    return Ok::<_, BError>(());
                }
            }
        };
        match timeout_at(until, final_head).await {
            Err(_) => Err(FailureKind::AnswerTimeout),
            Ok(Err(error)) if is_closed(&error) => Err(FailureKind::ClosedBeforeAnswer),
            Ok(Err(_)) => Err(FailureKind::Malformed),
            Ok(Ok(())) => Ok(()),
        }
    }

    async fn read_body(&self, session: &mut HttpSession) -> Result<Bytes, FailureKind> {
        let announced = session
            .get_header(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let bound = self.settings.answer_bytes;
        if announced.is_some_and(|length| length > bound) {
            return Err(FailureKind::TooLarge);
        }
        let mut body = BytesMut::with_capacity(announced.unwrap_or_default());
        loop {
            match session.read_body_ref().await {
                Ok(None) => return Ok(body.freeze()),
                Ok(Some(part)) if body.len() + part.len() > bound => return Err(FailureKind::TooLarge),
                Ok(Some(part)) => body.extend_from_slice(part),
                Err(error) if is_closed(&error) => return Err(FailureKind::ClosedWithinAnswer),
                Err(_) => return Err(FailureKind::Malformed),
            }
        }
    }

    /// The exchange over one connection, from the first byte written on.
    async fn exchange(
        &self,
        mut stream: Stream,
        peer: &HttpPeer,
        request: &Request<Bytes>,
        deadline: Instant,
    ) -> Result<Response<Bytes>, FailureKind> {
        let wire = self.encode(request);
        let write = async {
            stream.write_all(&wire).await?;
            stream.flush().await
        };
        match timeout_at(deadline, write).await {
            Err(_) => return Err(FailureKind::AnswerTimeout),
            Ok(Err(_)) => return Err(FailureKind::ClosedBeforeAnswer),
            Ok(Ok(())) => {}
        }
        let mut session = HttpSession::new(stream);
        self.read_head(&mut session, deadline).await?;
        let mut response = Response::new(Bytes::new());
        copy_head(&session, &mut response)?;
        if request.method() == Method::HEAD {
            return Ok(response);
        }
        *response.body_mut() = timeout_at(deadline, self.read_body(&mut session))
            .await
            .map_err(|_| FailureKind::BodyTimeout)??;
        self.release(session, peer).await;
        Ok(response)
    }

    /// Puts the connection of a complete exchange back into the pool.
    async fn release(&self, mut session: HttpSession, peer: &HttpPeer) {
        let idle = idle_time(&session);
        session.respect_keepalive();
        if idle.is_zero() {
            return;
        }
        if let Some(stream) = session.reuse().await {
            self.transport.release_stream(stream, peer.reuse_hash(), Some(idle));
        }
    }
}

#[async_trait]
impl Upstream for HttpBackend {
    async fn send(&self, request: Request<Bytes>, deadline: Instant) -> Result<Response<Bytes>, Failure> {
        let deadline = deadline.min(Instant::now() + self.settings.total_timeout);
        let _turn = self.turn(deadline).await?;
        let (stream, peer) = self.connect(deadline).await?;
        self.exchange(stream, &peer, &request, deadline)
            .await
            .map_err(|kind| Failure { kind, delivered: true })
    }
}

/// A place in the queue, given back when dropped.
struct QueuePlace<'a>(&'a AtomicUsize);

impl<'a> QueuePlace<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < QUEUE).then_some(place)
    }
}

impl Drop for QueuePlace<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

const fn undelivered(kind: FailureKind) -> Failure {
    Failure { kind, delivered: false }
}

/// A host without its port.
pub fn server_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    }
}

fn fixed_fields(settings: &HttpUpstream) -> Result<Vec<u8>, UnusableUpstream> {
    let unusable_host = || UnusableUpstream::Host(settings.host.clone());
    let host = HeaderValue::from_str(&settings.host).map_err(|_| unusable_host())?;
    let mut fields = BytesMut::new();
    put_field(&mut fields, "host", host.as_bytes());
    if let Some((name, secret)) = &settings.secret {
        let unusable = || UnusableUpstream::Secret(name.clone());
        let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
        let value = HeaderValue::from_str(secret.expose()).map_err(|_| unusable())?;
        put_field(&mut fields, field.as_str(), value.as_bytes());
    }
    Ok(fields.to_vec())
}

fn put_field(wire: &mut BytesMut, name: &str, value: &[u8]) {
    wire.put_slice(name.as_bytes());
    wire.put_slice(b": ");
    wire.put_slice(value);
    wire.put_slice(b"\r\n");
}

/// Status and the kept fields of an answer; an encoded body or a switched protocol is not what
/// was asked for.
fn copy_head(session: &HttpSession, response: &mut Response<Bytes>) -> Result<(), FailureKind> {
    let head = session.resp_header().ok_or(FailureKind::Malformed)?;
    let encoded = |coding: &HeaderValue| !coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if head.status == 101 || head.headers.get(header::CONTENT_ENCODING).is_some_and(encoded) {
        return Err(FailureKind::Malformed);
    }
    *response.status_mut() = head.status;
    for name in &KEPT {
        if let Some(value) = head.headers.get(name) {
            response.headers_mut().insert(name.clone(), value.clone());
        }
    }
    Ok(())
}

/// How long the connection may idle: a second less than the backend keeps it.
fn idle_time(session: &HttpSession) -> Duration {
    let parameters = session.get_header("keep-alive").and_then(|value| value.to_str().ok());
    let seconds = parameters.and_then(|parameters| {
        let timeout = |parameter: &str| parameter.trim().strip_prefix("timeout=")?.trim().parse::<u64>().ok();
        parameters.split(',').find_map(timeout)
    });
    match seconds {
        Some(seconds) => Duration::from_secs(seconds.saturating_sub(1)).min(IDLE),
        None => IDLE,
    }
}

fn connect_failure(error: &BError) -> FailureKind {
    match error.etype() {
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => FailureKind::ConnectTimeout,
        ErrorType::TLSHandshakeFailure | ErrorType::InvalidCert | ErrorType::HandshakeError => {
            FailureKind::TlsFailed
        }
        _ => FailureKind::ConnectFailed,
    }
}

fn is_closed(error: &BError) -> bool {
    matches!(error.etype(), ErrorType::ConnectionClosed | ErrorType::ReadError)
}

#[cfg(test)]
mod tests;
