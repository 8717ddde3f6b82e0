//! One request: parsed, routed, read, answered, recorded.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, header, request};
use pingora::BError;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Stream;
use pingora::protocols::http::v1::server::HttpSession;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::{self, Framing, REQUEST_ID};
use super::application::{Application, Step};
use super::body::{self, NoBody};
use super::connection::{Reusable, linger};
use super::fault::EdgeFault;
use super::head;
use super::load::CallShare;
use super::pass::{self, Passage};
use super::request_id::request_id;
use super::service::{Service, Serving};
use super::tracing_fields::{TRACE_PARENT, TRACE_STATE, has_broken_trace};
use crate::clock::{Clock, SystemClock};
use crate::gateway::Arrival;
use crate::observe::{CallRecord, Outcome};

/// What an application gets beyond the call's deadline to say in its own words that it is over.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where requests of a connection come from.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// Which of the config's listeners.
    pub listener: usize,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// Whether the connection is encrypted.
    pub secure: bool,
}

/// A request on its way.
pub struct Call<'a, A: Application> {
    service: &'a Service<A>,
    serving: Arc<Serving<A>>,
    arrival: Arrival,
    record: CallRecord,
    arrived: Instant,
    secure: bool,
}

impl<'a, A: Application> Call<'a, A> {
    /// A request whose first byte was there at `arrived`.
    pub fn new(service: &'a Service<A>, origin: Origin, arrived: Instant) -> Self {
        let Origin { listener, client, secure } = origin;
        let request_id = request_id();
        let record = CallRecord::new(SystemClock.now(), request_id.clone(), client);
        let serving = service.serving();
        let deadline = arrived + serving.limits.call_timeout;
        let arrival = Arrival { listener, client, request_id, deadline };
        Self { service, serving, arrival, record, arrived, secure }
    }

    /// Serves it; `buffer` holds its head and what came with it.
    pub async fn serve(mut self, stream: Stream, buffer: BytesMut, keep_alive: bool) -> Reusable {
        let raw = self.serving.proxy.as_ref().map(|_| buffer.clone());
        let mut session = HttpSession::new(stream);
        session.set_pipelining_enabled(true);
        session.set_read_timeout(None);
        session.set_pipelined_prefix(buffer);
        if !matches!(session.read_request().await, Ok(Some(_))) {
            let unread = head::salvage(b"");
            Box::pin(self.refuse_head(session.into_inner(), &unread, EdgeFault::Malformed)).await;
            return None;
        }
        self.find_client(session.req_header());
        let route = self.serving.application.route(&self.arrival, session.req_header());
        if !self.serving.is_within_rate(self.arrival.client, self.arrived) {
            return self.refuse(session, route, EdgeFault::TooOften, keep_alive).await;
        }
        let serving = Arc::clone(&self.serving);
        match (serving.application.step(route), &serving.proxy, raw) {
            (Step::Answer, ..) => self.answer(session, route, keep_alive).await,
            (Step::Refuse(code), ..) => self.refuse(session, route, EdgeFault::Route(code), keep_alive).await,
            (Step::PassThrough, Some(proxy), Some(raw)) => {
                let Some(share) = self.service.load().call() else {
                    return self.refuse(session, route, EdgeFault::TooManyCalls, keep_alive).await;
                };
                let passage = self.into_passage(route, share, keep_alive);
                Box::pin(pass::serve(proxy, session.into_inner(), raw, passage, &serving.limits)).await
            }
            (Step::PassThrough, ..) => {
                self.refuse(session, route, EdgeFault::NowhereToPass, keep_alive).await
            }
        }
    }

    /// From here on the client is who a trusted proxy says it is, and the request has the id that it gave.
    fn find_client(&mut self, head: &RequestHeader) {
        let Some(peer) = self.arrival.client else { return };
        let client = Some(self.service.client(peer, &head.headers));
        self.arrival.client = client;
        self.record.client = client;
        if let Some(id) = self.service.request_id(peer, &head.headers) {
            id.clone_into(&mut self.arrival.request_id);
            id.clone_into(&mut self.record.request_id);
        }
    }

    fn into_passage(self, route: A::Route, share: CallShare, keep_alive: bool) -> Passage<A> {
        Passage {
            application: Arc::clone(&self.serving.application),
            route,
            arrival: self.arrival,
            record: self.record,
            arrived: self.arrived,
            secure: self.secure,
            share,
            sink: Arc::clone(self.service.sink()),
            keep_alive,
            tried: Vec::new(),
            lease: None,
        }
    }

    /// Refuses a request whose head was not let in, and ends the connection.
    pub async fn refuse_head(mut self, mut stream: Stream, head: &request::Parts, fault: EdgeFault) {
        let route = self.serving.application.route(&self.arrival, head);
        let response = self.refusal(route, fault);
        let framing = Framing { head_only: head.method == Method::HEAD, keep_alive: false };
        if self.write(&mut stream, &response, framing).await {
            linger(stream).await;
        }
    }

    async fn answer(&mut self, mut session: HttpSession, route: A::Route, keep_alive: bool) -> Reusable {
        if is_encoded(session.req_header()) {
            return self.refuse(session, route, EdgeFault::ContentEncoding, keep_alive).await;
        }
        let (body_bytes, body_timeout) = (self.serving.limits.body_bytes, self.serving.limits.body_timeout);
        let mut share = self.service.load().body();
        let waited = Instant::now();
        let until = self.arrival.deadline.min(waited + body_timeout);
        let body = match body::read(&mut session, body_bytes, until, &mut share).await {
            Ok(body) => body,
            Err(NoBody::Refused(fault)) => {
                // After malformed chunks nobody knows where the next request would begin.
                let readable = matches!(fault, EdgeFault::BodyTooLarge | EdgeFault::TooManyBytes);
                return self.refuse(session, route, fault, keep_alive && readable).await;
            }
            Err(NoBody::ClientGone) => {
                self.finish(Outcome::ClientGone);
                return None;
            }
        };
        self.record.bytes_received = body.len() as u64;
        self.record.client_duration += waited.elapsed();
        // Only now is it under way: who sends a body slowly takes nobody's place.
        let Some(_call) = self.service.load().call() else {
            return self.refuse(session, route, EdgeFault::TooManyCalls, keep_alive).await;
        };
        let head = take_head(&mut session);
        let head_only = head.method == Method::HEAD;
        let (mut stream, rest, keep_alive) = release(session, keep_alive).await?;
        let request = Request::from_parts(head, body);
        // Boxed, since an exchange is large and most connections idle.
        let answer =
            Box::pin(self.serving.application.answer(&self.arrival, route, request, &mut self.record));
        let response = match timeout_at(self.arrival.deadline + LAST_WORDS, answer).await {
            Ok(response) => response,
            Err(_) => self.refusal(route, EdgeFault::CallTooSlow),
        };
        let framing = Framing { head_only, keep_alive };
        let sent = self.write(&mut stream, &response, framing).await;
        if sent && keep_alive {
            return Some((stream, rest));
        }
        if sent {
            // Nothing can be done for a client that is gone by now.
            let _ = AsyncWriteExt::shutdown(&mut stream).await;
        }
        None
    }

    /// Refuses a request whose head was let in. The connection goes on if its body can be skipped.
    /// Boxed, since every idle connection would otherwise keep room for this rare way.
    fn refuse<'b>(
        &'b mut self,
        mut session: HttpSession,
        route: A::Route,
        fault: EdgeFault,
        keep_alive: bool,
    ) -> Pin<Box<dyn Future<Output = Reusable> + Send + 'b>> {
        Box::pin(async move {
            let head_only = session.req_header().method == Method::HEAD;
            let unread = !session.is_body_done();
            let response = self.refusal(route, fault);
            if unread && keep_alive && body::is_skippable(&session) {
                return self.answer_and_skip(session, response).await;
            }
            let (mut stream, rest, keep_alive) = release(session, keep_alive && !unread).await?;
            let sent = self.write(&mut stream, &response, Framing { head_only, keep_alive }).await;
            if sent && keep_alive {
                return Some((stream, rest));
            }
            if sent {
                linger(stream).await;
            }
            None
        })
    }

    /// Writes the answer while the body still comes in, then reads that away. Pingora's session
    /// writes here: it alone knows where the body ends.
    async fn answer_and_skip(&mut self, mut session: HttpSession, response: Response<Bytes>) -> Reusable {
        let waited = Instant::now();
        let until = self.arrival.deadline.min(waited + self.serving.limits.body_timeout);
        let status = response.status();
        let length = response.body().len();
        let sent = timeout_at(until, write_through(&mut session, response, &self.arrival.request_id)).await;
        let sent = matches!(sent, Ok(Ok(())));
        self.record.client_duration += waited.elapsed();
        self.record.status = status.as_u16();
        self.record.bytes_sent = if sent { length as u64 } else { 0 };
        self.finish(if sent { self.record.outcome } else { Outcome::ClientGone });
        if !sent || !matches!(timeout_at(until, session.drain_request_body()).await, Ok(Ok(()))) {
            return None;
        }
        let (stream, rest, keep_alive) = release(session, true).await?;
        keep_alive.then_some((stream, rest))
    }

    fn refusal(&mut self, route: A::Route, fault: EdgeFault) -> Response<Bytes> {
        let problem = fault.problem();
        let refusal = fault.refusal();
        self.record.outcome = Outcome::Problem(problem.code);
        self.record.refusal = Some(refusal);
        self.serving.application.refuse(&self.arrival, route, &problem, refusal, &mut self.record)
    }

    /// Writes the answer and records the call; whether the client took it.
    async fn write(&mut self, stream: &mut Stream, response: &Response<Bytes>, framing: Framing) -> bool {
        let waited = Instant::now();
        let wire = answer::encode(response, framing, &self.arrival.request_id);
        let write = async {
            stream.write_all(&wire).await?;
            stream.flush().await
        };
        let sent = matches!(timeout(self.serving.limits.body_timeout, write).await, Ok(Ok(())));
        self.record.client_duration += waited.elapsed();
        self.record.status = response.status().as_u16();
        if sent {
            self.record.bytes_sent = response.body().len() as u64;
        }
        let outcome = if sent { self.record.outcome } else { Outcome::ClientGone };
        self.finish(outcome);
        sent
    }

    fn finish(&mut self, outcome: Outcome) {
        self.record.outcome = outcome;
        self.record.duration = self.arrived.elapsed();
        self.service.sink().record(&self.record);
    }
}

/// Whether the body is anything but itself.
fn is_encoded(head: &RequestHeader) -> bool {
    let encodings = head.headers.get_all(header::CONTENT_ENCODING);
    encodings.iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Takes the head out of a session that needs it no more, without copying a field.
fn take_head(session: &mut HttpSession) -> request::Parts {
    let (nothing, ()) = Request::new(()).into_parts();
    let mut head: request::Parts =
        std::mem::replace(session.req_header_mut(), RequestHeader::from(nothing)).into();
    if has_broken_trace(&head.headers) {
        head.headers.remove(TRACE_PARENT);
        head.headers.remove(TRACE_STATE);
    }
    head
}

/// Writes an answer by Pingora's session, which may go on after it although the body is unread.
async fn write_through(
    session: &mut HttpSession,
    response: Response<Bytes>,
    request_id: &str,
) -> Result<(), BError> {
    let (parts, body) = response.into_parts();
    let mut head = ResponseHeader::from(parts);
    head.insert_header(header::CONTENT_LENGTH, body.len())?;
    head.insert_header(REQUEST_ID, request_id)?;
    session.set_close_on_response_before_downstream_finish(false);
    session.write_response_header(Box::new(head)).await?;
    session.write_body(&body).await?;
    session.finish_body().await?;
    Ok(())
}

/// The stream of a session that is over, what was read of the next request, and whether there
/// may be one.
async fn release(session: HttpSession, keep_alive: bool) -> Option<(Stream, BytesMut, bool)> {
    if !keep_alive || !session.will_keepalive() {
        return Some((session.into_inner(), BytesMut::new(), false));
    }
    let (stream, rest) = session.reuse().await.ok()??.into_parts();
    Some((stream, rest.unwrap_or_default(), true))
}
