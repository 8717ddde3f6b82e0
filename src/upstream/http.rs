//! A backend reached over HTTP: one request out, one whole answer in.
//!
//! Connections come from Pingora's connectors and their pools. Of HTTP/1.1 only the transport half
//! is used for requests: Pingora flushes the head before the body is written, which costs a second
//! send for each call.
//!
//! A request is never sent twice, unless the backend provably got nothing of it: no connection came
//! about, or a stream of HTTP/2 was refused. A pooled connection is checked for life before it is
//! used and is given up before the backend says that it will close it; if it still turns out to be
//! closed once bytes were written, the call fails, since nobody can tell whether they were read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, header};
use pingora::connectors::http::v2::Connector;
use pingora::protocols::Stream;
use pingora::protocols::http::client::HttpSession;
use pingora::protocols::http::v2::client::Http2Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{BError, ErrorType};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::balancer::{Balancer, Lease};
use super::coding::Coding;
use super::figures::RegionFigures;
use super::peer::PeerTemplate;
use super::{Failure, FailureKind, Upstream};
use crate::config::{HttpUpstream, HttpVersion};
use v2::Unanswered;

pub use super::peer::UnusableUpstream;

mod check;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

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

/// A backend reached over HTTP.
pub struct HttpBackend {
    settings: HttpUpstream,
    template: PeerTemplate,
    balancer: Arc<Balancer>,
    connector: Connector,
    turns: Semaphore,
    waiting: AtomicUsize,
    /// The fields that every request of HTTP/1.1 carries, as they stand on the wire.
    fixed_fields: Vec<u8>,
}

/// A connection, or a stream of one, that a request can be sent over.
enum Link {
    V1(Stream),
    V2(Box<Http2Session>),
}

impl HttpBackend {
    /// A backend with these settings; connects when it is first asked.
    ///
    /// # Errors
    /// When the settings could not be used safely.
    pub fn new(settings: HttpUpstream) -> Result<Self, UnusableUpstream> {
        let figures = RegionFigures::unseen();
        Self::counted(settings, figures.map_err(|error| UnusableUpstream::Figures(error.to_string()))?)
    }

    /// The same, with figures that somebody may see.
    ///
    /// # Errors
    /// When the settings could not be used safely.
    pub fn counted(settings: HttpUpstream, figures: RegionFigures) -> Result<Self, UnusableUpstream> {
        let template = PeerTemplate::new(&settings)?;
        let in_flight = settings.concurrency.in_flight;
        Ok(Self {
            balancer: Arc::new(Balancer::new(&settings, figures)),
            connector: Connector::new(Some(template.connector_options(in_flight))),
            turns: Semaphore::new(in_flight),
            waiting: AtomicUsize::new(0),
            fixed_fields: v1::fixed_fields(&template),
            template,
            settings,
        })
    }

    /// What shares the calls among the addresses.
    pub fn balancer(&self) -> &Arc<Balancer> {
        &self.balancer
    }

    /// Waits for a turn, shortly.
    async fn turn(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, Failure> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        let concurrency = &self.settings.concurrency;
        let place = QueuePlace::take(&self.waiting, concurrency.queue);
        let _place = place.ok_or(undelivered(FailureKind::Busy))?;
        let _counted = self.balancer.figures().waiting();
        let until = deadline.min(Instant::now() + concurrency.queue_timeout);
        match timeout_at(until, self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(undelivered(FailureKind::Busy)),
        }
    }

    /// A connection to an address, from the pool if there is one.
    async fn connect(&self, peer: &HttpPeer, deadline: Instant) -> Result<Link, FailureKind> {
        let until = deadline.min(Instant::now() + self.settings.connect_timeout);
        let version = self.template.version();
        if version != HttpVersion::One {
            let reused = Box::pin(self.connector.reused_http_session(peer));
            let reused = timeout_at(until, reused).await.map_err(|_| FailureKind::ConnectTimeout)?;
            if let Ok(Some(session)) = reused {
                return Ok(Link::V2(Box::new(session)));
            }
        }
        if version != HttpVersion::Two
            && let Some(stream) = self.connector.transport().reused_stream(peer).await
        {
            return Ok(Link::V1(stream));
        }
        // Boxed: the handshake's state is tens of kilobytes, which a call over a connection
        // that is there already would otherwise carry about as well.
        Box::pin(self.connect_anew(peer, until)).await
    }

    /// A new connection to an address.
    async fn connect_anew(&self, peer: &HttpPeer, until: Instant) -> Result<Link, FailureKind> {
        let connecting = async {
            if self.template.version() == HttpVersion::One {
                return Ok(Link::V1(self.connector.transport().new_stream(peer).await?));
            }
            match self.connector.new_http_session::<_, ()>(peer).await? {
                HttpSession::H1(session) => Ok(Link::V1(session.into_inner())),
                HttpSession::H2(session) => Ok(Link::V2(Box::new(session))),
                HttpSession::Custom(()) => Err(pingora::Error::new(ErrorType::ConnectError)),
            }
        };
        match timeout_at(until, connecting).await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(error)) => Err(connect_failure(&error)),
            Err(_) => Err(FailureKind::ConnectTimeout),
        }
    }

    /// Asks one address after the other until a request was sent to one.
    async fn send_in_turn(
        &self,
        request: &Request<Bytes>,
        deadline: Instant,
        is_own: bool,
    ) -> Result<Response<Bytes>, Failure> {
        let until = deadline.min(Instant::now() + self.settings.connect_timeout);
        let resolved = timeout_at(until, self.balancer.resolve()).await;
        resolved.map_err(|_| undelivered(FailureKind::ConnectTimeout))?;
        let mut tried = Vec::new();
        let mut refused = false;
        let mut failure = undelivered(FailureKind::ConnectFailed);
        while let Some(lease) = self.balancer.pick(&tried) {
            let begun = Instant::now();
            let peer = self.template.peer(lease.address());
            let answer = match self.connect(&peer, deadline).await {
                Ok(Link::V1(stream)) => {
                    self.exchange_v1(stream, &peer, request, deadline).await.map_err(Unanswered::Failed)
                }
                Ok(Link::V2(session)) => Box::pin(self.exchange_v2(*session, &peer, request, deadline)).await,
                Err(kind) => {
                    log::debug!("upstream {}: {kind}", lease.address());
                    self.blame(&lease, kind, is_own, begun);
                    failure = undelivered(kind);
                    tried.push(lease.address());
                    continue;
                }
            };
            match answer {
                Ok(answer) => {
                    self.balancer.answered(&lease);
                    return Ok(answer);
                }
                Err(Unanswered::Refused) if !refused => refused = true,
                Err(Unanswered::Refused) => return Err(undelivered(FailureKind::ClosedBeforeAnswer)),
                Err(Unanswered::Failed(kind)) => {
                    self.blame(&lease, kind, is_own, begun);
                    return Err(Failure { kind, delivered: true });
                }
            }
        }
        Err(failure)
    }

    /// Has a failure count against an address, unless it was only the caller who had too little time:
    /// a client that sends its request slowly must not be able to have addresses ejected.
    fn blame(&self, lease: &Lease, kind: FailureKind, is_own: bool, begun: Instant) {
        let patience = match kind {
            FailureKind::ConnectTimeout => self.settings.connect_timeout,
            FailureKind::AnswerTimeout => self.settings.first_byte_timeout,
            FailureKind::BodyTimeout => self.settings.total_timeout,
            _ => Duration::ZERO,
        };
        if is_own || begun.elapsed() >= patience {
            self.balancer.failed(lease, kind);
        }
    }

    /// The answer without its content coding.
    fn decoded(
        &self,
        mut response: Response<Bytes>,
        coding: Option<Coding>,
    ) -> Result<Response<Bytes>, FailureKind> {
        if let Some(coding) = coding {
            let decoded = coding.decode(response.body(), self.settings.answer_bytes)?;
            *response.body_mut() = decoded;
        }
        Ok(response)
    }
}

#[async_trait]
impl Upstream for HttpBackend {
    async fn send(&self, request: Request<Bytes>, deadline: Instant) -> Result<Response<Bytes>, Failure> {
        let own = Instant::now() + self.settings.total_timeout;
        let until = deadline.min(own);
        let _turn = self.turn(until).await?;
        let _counted = self.balancer.figures().in_flight();
        self.send_in_turn(&request, until, own <= deadline).await
    }
}

/// A place in the queue, given back when dropped.
struct QueuePlace<'a>(&'a AtomicUsize);

impl<'a> QueuePlace<'a> {
    fn take(waiting: &'a AtomicUsize, bound: usize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < bound).then_some(place)
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

/// Status and the kept fields of an answer, and how its body is encoded; a switched protocol is not
/// what was asked for.
fn kept_head(
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<(Response<Bytes>, Option<Coding>), FailureKind> {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(FailureKind::Malformed);
    }
    let coding = Coding::of(headers)?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    for name in &KEPT {
        if let Some(value) = headers.get(name) {
            response.headers_mut().insert(name.clone(), value.clone());
        }
    }
    Ok((response, coding))
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
