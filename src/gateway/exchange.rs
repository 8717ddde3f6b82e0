//! One account call's way through the gateway and back.

use bytes::Bytes;
use http::header::{ACCEPT_LANGUAGE, AUTHORIZATION, HeaderValue};
use http::{Response, request};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::backends::RegionBackend;
use super::flow::own_account;
use super::follow::{self, Followed};
use super::sends::{code_length, first_bits, idempotency_key};
use super::trust::{Opened, Renewal, Sides};
use super::{Arrival, Gateway, Route};
use crate::account::{Account, Call, Extensions, Operation, Problem, ProblemCode, Reply};
use crate::dialect::{Asked, CANONICAL, Dialect, Language, Pack, Proof, Sending, Signed, Understood};
use crate::guard::{Admission, Guard, Refusal, SignedRequest};
use crate::observe::{Attempt, CallRecord, Outcome, TRACE_PARENT};
use crate::store::Receipt;
use crate::upstream::{Failure, FailureKind};

/// Seconds after which a busy gateway may be asked again.
const BUSY_SECONDS: u64 = 1;

pub(super) async fn run(
    gateway: &Gateway,
    arrival: &Arrival,
    route: Route,
    head: &request::Parts,
    body: &Bytes,
    record: &mut CallRecord,
) -> Response<Bytes> {
    let dialect = gateway.answering_dialect(arrival, route);
    let language = Language::preferred(&head.headers);
    let Route::Account { operation, .. } = route else {
        let asked = gateway.asked(arrival, None, language);
        return gateway.tell(dialect, &asked, &ProblemCode::NotFound.into(), record);
    };
    record.dialect = Some(dialect.name());
    record.operation = Some(operation);
    let parent = head.headers.get(TRACE_PARENT);
    record.trace = gateway.tracer.as_ref().and_then(|tracer| tracer.begin(parent));
    let understood = match dialect.read_call(operation, head, body, gateway.reading()) {
        Ok(understood) => understood,
        Err(problem) => {
            let asked = gateway.asked(arrival, Some(operation), language);
            return gateway.tell(dialect, &asked, &problem, record);
        }
    };
    let Understood { mut call, proof } = understood;
    call.client.dialect = dialect.name();
    record.operation = Some(call.operation);
    let signed = match &proof {
        Proof::Signature(signed) => Some(signed),
        Proof::Token | Proof::None => None,
    };
    let home = gateway.backends.home(arrival.listener);
    let mut exchange = Exchange { gateway, client: dialect, arrival, head, body, backend: home, once: false };
    let told = exchange.answer(&mut call, signed, record).await;
    let told = told.map_err(|problem| follow::tell(problem, home, record));
    let asked = Asked { call: Some(&call), signed, ..gateway.asked(arrival, Some(call.operation), language) };
    match told.and_then(|reply| dialect.write_reply(&asked, &fill_gaps(reply, &call))) {
        Ok(response) => {
            record.outcome = Outcome::Success;
            record.status = response.status().as_u16();
            response
        }
        Err(problem) => gateway.tell(dialect, &asked, &problem, record),
    }
}

/// One call under way to one region.
#[derive(Clone, Copy)]
pub(super) struct Exchange<'a> {
    pub(super) gateway: &'a Gateway,
    /// The dialect that the caller speaks.
    pub(super) client: &'a Pack,
    pub(super) arrival: &'a Arrival,
    head: &'a request::Parts,
    body: &'a Bytes,
    /// The backend that is asked.
    pub(super) backend: &'a RegionBackend,
    /// Whether the replay guard lets this very request pass no second time.
    once: bool,
}

impl<'a> Exchange<'a> {
    /// The same call to another region.
    pub(super) fn at(self, backend: &'a RegionBackend) -> Self {
        Self { backend, ..self }
    }

    /// The call's whole way; `self` asks the region that serves the caller.
    async fn answer(
        &mut self,
        call: &mut Call,
        signed: Option<&Signed>,
        record: &mut CallRecord,
    ) -> Result<Reply, Problem> {
        let receipt = match signed {
            Some(signed) => self.traced_guard(call, signed, record).await?,
            None => None,
        };
        self.once = receipt.is_some();
        if call.operation == Operation::Region {
            return Ok(self.gateway.regions.answer(call, &self.backend.region));
        }
        let now = self.gateway.clock.now();
        let home = self.backend;
        let start = self.start(call, now).await?;
        record.routed = start.by;
        let first = self.at(start.backend);
        note_dropped(&call.extensions, first.sides().upstream, record);
        let mut opened = self.gateway.open(first.sides(), call, now).await?;
        record.opened_by.append(&mut opened.keys);
        let admission = match first.admitted(call, record).await {
            Ok(admission) => admission,
            Err(problem) => {
                // Only a success spends what holds once.
                if let Some(spent) = opened.receipt {
                    self.gateway.trust.tokens.give_back(spent).await;
                }
                return Err(problem);
            }
        };
        if let Some(token) = first.renew(Renewal::BeforeTheCall, call, &mut opened, record).await {
            call.token = Some(token);
        }
        let told = first.attempt(call, record).await;
        let Followed { exchange, told, untouched } = first.follow(home, start, call, told, record).await;
        self.gateway.settle(admission, &told, record).await;
        match told {
            Ok(reply) => {
                let mut reply = exchange.handed(call, &mut opened, reply, record).await?;
                exchange.remember(home, &mut reply).await?;
                Ok(reply)
            }
            Err(Told { problem, undone }) => {
                if let Some(spent) = opened.receipt {
                    self.gateway.trust.tokens.give_back(spent).await;
                }
                let problem = follow::tell(problem, home, record);
                self.give_back(call, &problem, undone, receipt.filter(|_| untouched)).await;
                exchange.remember_binding(home, &problem).await?;
                Err(self.gateway.hand_binding(exchange.sides(), call, problem, now))
            }
        }
    }

    /// Asks one region, with what it had handed out for this call before.
    pub(super) async fn attempt(&self, call: &mut Call, record: &mut CallRecord) -> Result<Reply, Told> {
        let now = self.gateway.clock.now();
        match self.gateway.recall(self.sides(), call, now).await {
            Ok(()) => self.perform(call, record).await,
            Err(problem) => Err(Told { problem: self.unless_never_sent(call, problem), undone: true }),
        }
    }

    /// Finds out what the limits must know, and reserves what the call takes from them.
    async fn admitted(&self, call: &mut Call, record: &mut CallRecord) -> Result<Admission, Problem> {
        self.look_up(call, record).await?;
        if call.operation == Operation::SendCode {
            call.code_length = code_length(call, self.client.habits());
        }
        self.traced_limits(call, record).await
    }

    /// Makes of the backend's good answer what this client can use.
    async fn handed(
        &self,
        call: &Call,
        opened: &mut Opened,
        reply: Reply,
        record: &mut CallRecord,
    ) -> Result<Reply, Problem> {
        let mut reply = self.with_session(call, reply, record).await?;
        if call.operation == Operation::WhoAmI {
            own_account(call, &reply)?;
        }
        self.renew(Renewal::AfterTheCall, call, opened, record).await;
        if let Some(account) = &reply.account {
            note_dropped(&account.extensions, self.client, record);
        }
        let now = self.gateway.clock.now();
        self.gateway.hand_challenge(self.sides(), call, &mut reply, now).await?;
        self.gateway.hand_session(self.sides(), call, opened.session.as_ref(), &mut reply, now)?;
        Ok(reply)
    }

    pub(super) fn sides(&self) -> Sides<'a> {
        Sides::of(self.gateway, self.client, self.backend)
    }

    /// Lets the guards decide, and notes what they found.
    pub(super) async fn guard(
        &self,
        call: &mut Call,
        signed: &Signed,
        record: &mut CallRecord,
    ) -> Result<Option<Receipt>, Problem> {
        let authorization = self.head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let request = SignedRequest {
            operation: call.operation,
            signed,
            authorization,
            query: self.head.uri.query().unwrap_or_default(),
            body: self.body,
        };
        match self.gateway.guards.admit(&request).await {
            Ok(admitted) => {
                record.app.clone_from(&admitted.app_id);
                record.old_secret = admitted.old_secret;
                record.would_refuse = admitted.would_refuse;
                call.client.app_id = admitted.app_id;
                Ok(admitted.receipt)
            }
            Err(refused) => {
                record.app = refused.app_id;
                record.refusal = Some(refused.refusal);
                record.would_refuse = refused.would_refuse;
                Err(refused.problem)
            }
        }
    }

    /// Encodes, sends, decodes: one try at the backend, which may learn of the trace that it belongs to.
    pub(super) async fn try_once(
        &self,
        call: &Call,
        traceparent: Option<&HeaderValue>,
        record: &mut CallRecord,
    ) -> Result<Reply, Told> {
        known_purpose(call).map_err(|problem| Told { problem, undone: true })?;
        let dialect = self.sides().upstream;
        record.upstream = Some(dialect.name());
        record.region = Some(self.backend.region.to_string());
        let signature = self.head.headers.get(AUTHORIZATION).filter(|_| self.once);
        let idempotency_key = idempotency_key(call, signature, || self.random());
        let mut sending = self.sending(idempotency_key.as_deref());
        sending.traceparent = traceparent.or(sending.traceparent);
        let request = dialect.write_call(call, &sending).map_err(|problem| Told { problem, undone: true })?;
        let sent = Instant::now();
        let answer = self.backend.upstream.send(request, self.arrival.deadline).await;
        record.upstream_duration += sent.elapsed();
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => {
                record.attempts.push(Attempt::Failed(failure.kind));
                if failure.kind == FailureKind::Busy {
                    record.refusal = Some(Refusal { guard: Guard::Limit, reason: "upstream_busy" });
                }
                return Err(Told { problem: problem_of(failure), undone: !failure.delivered });
            }
        };
        let read = self.read(call, &answer).map_err(|problem| self.located(call, problem, record));
        let unintelligible =
            matches!(&read, Err(problem) if problem.code == ProblemCode::UpstreamUnintelligible);
        record.attempts.push(if unintelligible { Attempt::Unintelligible } else { Attempt::Answered });
        read.map_err(|problem| Told { problem, undone: false })
    }

    /// Reads a backend's answer, which may say in ways that its dialect does not know that the account
    /// lives in another region.
    fn read(&self, call: &Call, answer: &Response<Bytes>) -> Result<Reply, Problem> {
        let (gateway, dialect) = (self.gateway, self.sides().upstream);
        if let Some(region) = gateway.regions.redirect(answer) {
            return Err(Problem::new(ProblemCode::WrongRegion).region(region.name.clone()));
        }
        let told = dialect.read_answer(call, answer, gateway.reading());
        let codes = gateway.regions.codes();
        if told.is_ok() || codes.is_empty() {
            return told;
        }
        told.map_err(|problem| dialect.wrong_region(codes, answer, gateway.reading()).unwrap_or(problem))
    }

    /// Whether the backend's dialect has a form for a call, which is not sent.
    pub(super) fn rehearse(&self, call: &Call) -> Result<(), Problem> {
        self.sides().upstream.write_call(call, &self.sending(None)).map(drop)
    }

    fn sending<'s>(&'s self, idempotency_key: Option<&'s str>) -> Sending<'s> {
        Sending {
            now: self.gateway.clock.now(),
            default_country: self.gateway.default_country,
            app: self.backend.app.as_ref(),
            random: if self.sides().upstream.needs_randomness() { self.random() } else { 0 },
            request_id: &self.arrival.request_id,
            idempotency_key,
            client_address: self.arrival.client,
            accept_language: self.head.headers.get(ACCEPT_LANGUAGE),
            traceparent: self.head.headers.get(TRACE_PARENT),
        }
    }

    /// Bits that nobody foresees, or a digest of the request's id should the system have none.
    fn random(&self) -> u128 {
        let mut random = [0; 16];
        if getrandom::fill(&mut random).is_err() {
            tracing::error!("the system gave no random bytes; the request's id serves");
            return first_bits(Sha256::new_with_prefix(&self.arrival.request_id));
        }
        u128::from_be_bytes(random)
    }

    /// A request of which provably nothing came may be sent again by its sender: it was told
    /// another region, or not a byte of it reached the backend.
    async fn give_back(&self, call: &Call, problem: &Problem, undone: bool, receipt: Option<Receipt>) {
        let harmless = matches!(call.operation, Operation::Login | Operation::LoginCode | Operation::Refresh);
        let nothing_done = undone || problem.code == ProblemCode::WrongRegion;
        if let (true, true, Some(receipt)) = (harmless, nothing_done, receipt) {
            let regions = self.gateway.regions.size().try_into().unwrap_or(u8::MAX);
            self.gateway.guards.replay().give_back(receipt, regions).await;
        }
    }
}

/// A bad end, and whether the backend provably did nothing.
pub(super) struct Told {
    pub(super) problem: Problem,
    pub(super) undone: bool,
}

/// The client's dialect may have purposes that no other one has.
pub(super) fn known_purpose(call: &Call) -> Result<(), Problem> {
    match (call.operation, call.purpose) {
        (Operation::SendCode, None) => Err(Problem::not_supported(call.operation)),
        _ => Ok(()),
    }
}

/// Members that the model does not name go to their own dialect only, and whole to a canonical peer.
fn note_dropped(extensions: &Extensions, receiver: &Pack, record: &mut CallRecord) {
    if receiver.name() != CANONICAL {
        record.dropped_extensions += extensions.foreign_to(receiver.name());
    }
}

fn problem_of(failure: Failure) -> Problem {
    match failure.kind {
        FailureKind::ConnectFailed
        | FailureKind::ConnectTimeout
        | FailureKind::TlsFailed
        | FailureKind::ClosedBeforeAnswer
        | FailureKind::ClosedWithinAnswer => ProblemCode::UpstreamUnavailable.into(),
        FailureKind::AnswerTimeout | FailureKind::BodyTimeout => ProblemCode::UpstreamTimeout.into(),
        FailureKind::Malformed | FailureKind::TooLarge => ProblemCode::UpstreamUnintelligible.into(),
        FailureKind::Busy => Problem::new(ProblemCode::Overloaded).retry_after(BUSY_SECONDS),
    }
}

/// What the call said fills what the backend's account leaves open.
pub(super) fn fill_gaps(mut reply: Reply, call: &Call) -> Reply {
    let renamed = call.operation == Operation::ChangeName;
    if !call.operation.opens_session() && !renamed {
        return reply;
    }
    let account = reply.account.get_or_insert_with(Account::default);
    if account.phone.is_none() {
        account.phone.clone_from(&call.phone);
    }
    if account.email.is_none() {
        account.email.clone_from(&call.email);
    }
    if account.username.is_none() {
        account.username.clone_from(&call.username);
    }
    if renamed && account.nickname.is_none() {
        account.nickname.clone_from(&call.nickname);
    }
    reply
}
