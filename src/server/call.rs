//! One request: routed, read, answered, recorded. What is the same over both versions of HTTP
//! stands here; how it is read and how its answer leaves is in [`v1`] and [`v2`].

mod v1;
mod v2;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use pingora::BError;
use pingora::http::{RequestHeader, ResponseHeader};
use tokio::time::{Instant, timeout_at};

use super::answer::REQUEST_ID;
use super::application::{Application, Step};
use super::body::{self, Incoming, NoBody};
use super::cross_origin::CrossOrigin;
use super::entrance::Entrance;
use super::fault::EdgeFault;
use super::load::{BodyShare, CallShare};
use super::pass::Passage;
use super::request_id::request_id;
use super::service::{Proxy, Service, Serving};
use super::stream_head::take_head;
use super::tracing_fields::{TRACE_PARENT, TRACE_STATE, has_broken_trace};
use crate::account::ProblemCode;
use crate::clock::{Clock, SystemClock};
use crate::gateway::{Arrival, MovedToken, Onward};
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
    /// The page that asks, where pages of its origin may.
    page: Option<CrossOrigin>,
    /// What becomes of its token, where it passes through.
    moved_token: Option<MovedToken>,
}

/// What is done with a request, decided from its head and the load.
enum Decision {
    Answer,
    PassThrough(CallShare),
    Refuse(EdgeFault),
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
        Self { service, serving, arrival, record, arrived, secure, page: None, moved_token: None }
    }

    /// Routes it, and counts it among its client's calls; what passes through is under way from here on.
    fn decide(&mut self, head: &RequestHeader) -> (A::Route, Decision) {
        self.find_client(head);
        let origins = self.serving.entrance(self.arrival.listener).map_or(&[][..], Entrance::cors_origins);
        self.page = if origins.is_empty() { None } else { CrossOrigin::of(head, origins) };
        let route = self.serving.application.route(&self.arrival, head);
        if !self.serving.is_within_rate(self.arrival.client, self.arrived) {
            return (route, Decision::Refuse(EdgeFault::TooOften));
        }
        let decision = match self.serving.application.step(route) {
            Step::Answer if is_encoded(head) => Decision::Refuse(EdgeFault::ContentEncoding),
            Step::Answer => Decision::Answer,
            Step::Refuse(code) => Decision::Refuse(EdgeFault::Route(code)),
            Step::PassThrough if self.serving.proxies.is_empty() => {
                Decision::Refuse(EdgeFault::NowhereToPass)
            }
            Step::PassThrough => match self.service.load().passage() {
                Some(share) => Decision::PassThrough(share),
                None => Decision::Refuse(EdgeFault::TooManyCalls),
            },
        };
        (route, decision)
    }

    /// The proxy to the backend of its session's region.
    async fn proxy(&mut self, head: &RequestHeader) -> Result<Proxy<A>, EdgeFault> {
        let application = Arc::clone(&self.serving.application);
        let onward = application.passes_to(&self.arrival, head, &mut self.record).await;
        let Onward { region, token } = onward.map_err(|problem| EdgeFault::Route(problem.code))?;
        self.moved_token = token;
        self.serving.proxies.get(&region).cloned().ok_or(EdgeFault::NowhereToPass)
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

    /// Reads the body of an account call; its shares, of bodies and of calls under way, are held until the answer.
    async fn read_body(
        &mut self,
        incoming: &mut impl Incoming,
    ) -> Result<(Bytes, (BodyShare, CallShare)), NoBody> {
        let (body_bytes, body_timeout) = (self.serving.limits.body_bytes, self.serving.limits.body_timeout);
        let mut share = self.service.load().body();
        let waited = Instant::now();
        let until = self.arrival.deadline.min(waited + body_timeout);
        let body = body::read(incoming, body_bytes, until, &mut share).await?;
        self.record.bytes_received = body.len() as u64;
        self.record.client_duration += waited.elapsed();
        // Only now is it under way: who sends a body slowly takes nobody's place.
        let call = self.service.load().call().ok_or(NoBody::Refused(EdgeFault::TooManyCalls))?;
        Ok((body, (share, call)))
    }

    /// Asks the application.
    async fn ask(&mut self, route: A::Route, request: Request<Bytes>) -> Response<Bytes> {
        // Boxed, since an exchange is large and most connections idle.
        let answer =
            Box::pin(self.serving.application.answer(&self.arrival, route, request, &mut self.record));
        match timeout_at(self.arrival.deadline + LAST_WORDS, answer).await {
            Ok(mut response) => {
                if let Some(page) = &self.page {
                    page.open(&mut response);
                }
                response
            }
            Err(_) => self.refusal(route, EdgeFault::CallTooSlow),
        }
    }

    fn refusal(&mut self, route: A::Route, fault: EdgeFault) -> Response<Bytes> {
        let problem = fault.problem();
        let refusal = fault.refusal();
        self.record.outcome = Outcome::Problem(problem.code);
        self.record.refusal = Some(refusal);
        let mut response =
            self.serving.application.refuse(&self.arrival, route, &problem, refusal, &mut self.record);
        if let Some(page) = &self.page {
            let asked_first = matches!(fault, EdgeFault::Route(ProblemCode::MethodNotAllowed));
            if let Some(allowed) = page.answer(&response).filter(|_| asked_first) {
                self.record.outcome = Outcome::Success;
                self.record.refusal = None;
                response = allowed;
            }
            page.open(&mut response);
        }
        response
    }

    fn into_passage(
        self,
        route: A::Route,
        head: &RequestHeader,
        share: CallShare,
        keep_alive: bool,
    ) -> Passage<A> {
        Passage {
            application: Arc::clone(&self.serving.application),
            route,
            arrival: self.arrival,
            record: self.record,
            arrived: self.arrived,
            secure: self.secure,
            moved_token: self.moved_token,
            share,
            sink: Arc::clone(self.service.sink()),
            keep_alive,
            may_be_quiet: may_be_quiet(head),
            tried: Vec::new(),
            lease: None,
        }
    }

    /// Records the call whose answer was written, or not, since `waited`.
    fn answered(&mut self, status: u16, bytes: usize, sent: bool, waited: Instant) {
        self.record.client_duration += waited.elapsed();
        self.record.status = status;
        if sent {
            self.record.bytes_sent = bytes as u64;
        }
        self.finish(if sent { self.record.outcome } else { Outcome::ClientGone });
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

/// The request as the application gets it; the session needs its head no more.
fn whole(head: &mut RequestHeader, body: Bytes) -> Request<Bytes> {
    let mut head = take_head(head);
    if has_broken_trace(&head.headers) {
        head.headers.remove(TRACE_PARENT);
        head.headers.remove(TRACE_STATE);
    }
    Request::from_parts(head, body)
}

/// Whether long silence is what was asked for: another protocol, or events as they happen.
fn may_be_quiet(head: &RequestHeader) -> bool {
    let accepts = head.headers.get_all(header::ACCEPT).iter();
    let mut kinds = accepts.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    head.headers.contains_key(header::UPGRADE)
        || kinds.any(|kind| kind.trim().to_ascii_lowercase().starts_with("text/event-stream"))
}

/// The head of an answer that a session of Pingora writes.
fn answer_head(response: Response<()>, length: usize, request_id: &str) -> Result<ResponseHeader, BError> {
    let (parts, ()) = response.into_parts();
    let mut head = ResponseHeader::from(parts);
    head.insert_header(header::CONTENT_LENGTH, length)?;
    head.insert_header(REQUEST_ID, request_id)?;
    Ok(head)
}
