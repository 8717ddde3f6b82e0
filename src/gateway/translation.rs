//! One exchange without guards, backend and memory: what a client's request becomes at the backend, and the backend's
//! answer at the client. For people who look at messages, and for golden files; every step is the live path's own.
//!
//! What the gateway alone knows stays out: tokens and challenges that it sealed are taken and given as they are.

mod asked_for;
mod chosen;
mod notes;
mod translator;

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, request};

use super::exchange::{fill_gaps, known_purpose};
use super::route::Routes;
use super::sends::{code_length, idempotency_key};
use super::{Route, allow, bad_answer};
use crate::account::{Call, Country, Operation, Problem, ProblemCode, Reply};
use crate::clock::Moment;
use crate::config::{Regions, UpstreamApp};
use crate::dialect::{Asked, Dialect, Language, Pack, Proof, Reading, Sending, Understood};
use crate::region::{Elsewhere, RegionTable};

pub use asked_for::{AskedForError, asked_for};
pub use chosen::chosen;
pub use translator::{Pasted, PastedError, SideBySide, Translator};

/// Two dialects, and what an exchange between them needs besides its messages.
#[derive(Debug, Clone)]
pub struct Translation {
    /// What the client speaks.
    pub client: Arc<Pack>,
    /// What the backend speaks.
    pub upstream: Arc<Pack>,
    /// The app as which the gateway signs, where the backend's dialect signs.
    pub app: Option<UpstreamApp>,
    /// The time of the exchange.
    pub now: Moment,
    /// Random bits, for nonces and request ids.
    pub random: u128,
    /// The country of phones without a country code.
    pub country: Country,
    /// This gateway's region and the table of all.
    pub regions: Regions,
    /// How deep JSON may nest.
    pub json_depth: usize,
}

/// Who could not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The client's message is no good call of its dialect.
    Client,
    /// The other dialect can't say it, or its answer can't be understood.
    Upstream,
    /// Nobody failed: the gateway answers such calls itself.
    Gateway,
}

/// What a client gets when its request does not reach the backend.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Who is the cause.
    pub side: Side,
    /// Good where the gateway answers itself.
    pub told: Result<Reply, Problem>,
    /// What the client is answered.
    pub answer: Response<Bytes>,
}

/// A client's request on its way to the backend.
#[derive(Debug, Clone)]
pub struct TranslatedRequest {
    /// The call, where the request could be read.
    pub understood: Option<Understood>,
    /// The backend's request, or why there is none.
    pub outcome: Result<Request<Bytes>, Box<Refused>>,
    /// What got lost on the way, or what the gateway does besides, in sentences for people.
    pub notes: Vec<String>,
}

/// A backend's answer on its way to the client.
#[derive(Debug, Clone)]
pub struct TranslatedAnswer {
    /// What the backend said.
    pub told: Result<Reply, Problem>,
    /// What the client is answered.
    pub answer: Response<Bytes>,
    /// Why the client's answer is not what the backend said: it can't be understood, or not be said.
    pub failed: Option<Problem>,
    /// What got lost on the way, or what the gateway does besides, in sentences for people.
    pub notes: Vec<String>,
}

impl Translation {
    /// Between two dialects, with the settings of a gateway that nobody configured.
    pub fn new(client: Arc<Pack>, upstream: Arc<Pack>, now: Moment) -> Self {
        let (country, regions) = (Country::CHINA, Regions::default());
        let json_depth = crate::config::Limits::default().json_depth;
        Self { client, upstream, app: None, now, random: 0, country, regions, json_depth }
    }

    /// Makes of a client's request what the backend is sent.
    pub fn request(&self, request: Request<Bytes>) -> TranslatedRequest {
        let (head, body) = request.into_parts();
        let understood = match self.read(&head, &body) {
            Ok(understood) => understood,
            Err(refused) => {
                return TranslatedRequest { understood: None, outcome: Err(refused), notes: Vec::new() };
            }
        };
        let mut notes = notes::beside_request(self, &understood.call);
        let outcome = self.forwarded(&head, &understood);
        if let Ok(request) = &outcome {
            notes.extend(notes::lost_in_request(self, &understood.call, request));
        }
        TranslatedRequest { understood: Some(understood), outcome, notes }
    }

    /// Reads a client's request.
    ///
    /// # Errors
    /// What the client is answered instead.
    pub fn read(&self, head: &request::Parts, body: &Bytes) -> Result<Understood, Box<Refused>> {
        let route = Routes::alone(self.client.clone()).route(0, head);
        let language = Language::preferred(&head.headers);
        let refuse = |operation, problem: Problem| {
            let asked = self.asked(operation, None, language);
            let mut answer = bad_answer(&self.client, &asked, &problem);
            allow(&mut answer, route);
            Err(Box::new(Refused { side: Side::Client, told: Err(problem), answer }))
        };
        let operation = match route {
            Route::Account { operation, .. } => operation,
            Route::Refused { code, .. } => return refuse(None, code.into()),
            Route::PassThrough => return refuse(None, ProblemCode::NotFound.into()),
        };
        let mut understood = match self.client.read_call(operation, head, body, self.reading()) {
            Ok(understood) => understood,
            Err(problem) => return refuse(Some(operation), problem),
        };
        let call = &mut understood.call;
        call.client.dialect = self.client.name();
        if let Proof::Signature(signed) = &understood.proof {
            call.client.app_id = Some(signed.app_id.clone());
        }
        if call.operation == Operation::SendCode {
            call.code_length = code_length(call, self.client.habits());
        }
        Ok(understood)
    }

    fn forwarded(
        &self,
        head: &request::Parts,
        understood: &Understood,
    ) -> Result<Request<Bytes>, Box<Refused>> {
        let call = &understood.call;
        let language = Language::preferred(&head.headers);
        let asked = self.asked(Some(call.operation), Some(understood), language);
        let refuse = |problem: Problem| {
            let answer = bad_answer(&self.client, &asked, &problem);
            Box::new(Refused { side: Side::Upstream, told: Err(problem), answer })
        };
        if call.operation == Operation::Region {
            let reply = RegionTable::new(&self.regions, self.country).answer(call, &self.regions.own);
            let answer = self.client.write_reply(&asked, &reply).map_err(refuse)?;
            return Err(Box::new(Refused { side: Side::Gateway, told: Ok(reply), answer }));
        }
        known_purpose(call).map_err(refuse)?;
        let request_id = format!("{:032x}", self.random);
        let signature = head.headers.get(http::header::AUTHORIZATION);
        let idempotency_key = idempotency_key(call, signature, || self.random);
        let sending = Sending {
            app: self.app.as_ref(),
            random: self.random,
            idempotency_key: idempotency_key.as_deref(),
            accept_language: head.headers.get(http::header::ACCEPT_LANGUAGE),
            traceparent: head.headers.get("traceparent"),
            ..Sending::new(self.now, self.country, &request_id)
        };
        self.upstream.write_call(call, &sending).map_err(refuse)
    }

    /// Makes of the backend's answer to a call what its client is answered.
    pub fn answer(&self, understood: &Understood, answer: &Response<Bytes>) -> TranslatedAnswer {
        let call = &understood.call;
        let asked = self.asked(Some(call.operation), Some(understood), None);
        let mut failed = None;
        let told =
            self.upstream.read_answer(call, answer, self.reading()).map(|reply| fill_gaps(reply, call));
        let told = told.map_err(|problem| self.located(call, problem));
        if let Err(problem) = &told
            && problem.code == ProblemCode::UpstreamUnintelligible
        {
            failed = Some(problem.clone());
        }
        let response = match &told {
            Ok(reply) => self.client.write_reply(&asked, reply).unwrap_or_else(|problem| {
                let answer = bad_answer(&self.client, &asked, &problem);
                failed = Some(problem);
                answer
            }),
            Err(problem) => bad_answer(&self.client, &asked, problem),
        };
        let mut notes = notes::beside_answer(self, call, &told);
        if failed.is_none() {
            notes.extend(notes::lost_in_answer(self, call, &told, &response));
        }
        TranslatedAnswer { told, answer: response, failed, notes }
    }

    /// A region that the backend named becomes one of the table, or an error that names none.
    fn located(&self, call: &Call, problem: Problem) -> Problem {
        if problem.code != ProblemCode::WrongRegion {
            return problem;
        }
        match RegionTable::new(&self.regions, self.country).elsewhere(call, &problem, &self.regions.own) {
            Elsewhere::Region(region) => problem.region(region.name.clone()),
            Elsewhere::Same => ProblemCode::Internal.into(),
            Elsewhere::Nowhere => ProblemCode::UpstreamUnintelligible.into(),
        }
    }

    /// A call of which only the operation is known.
    pub fn unasked(&self, mut call: Call) -> Understood {
        call.client.dialect = self.client.name();
        Understood { call, proof: Proof::None }
    }

    fn reading(&self) -> Reading {
        Reading { default_country: self.country, json_depth: self.json_depth }
    }

    fn asked<'a>(
        &'a self,
        operation: Option<Operation>,
        understood: Option<&'a Understood>,
        language: Option<Language>,
    ) -> Asked<'a> {
        let signed = understood.and_then(|understood| match &understood.proof {
            Proof::Signature(signed) => Some(signed),
            Proof::Token | Proof::None => None,
        });
        Asked {
            call: understood.map(|understood| &understood.call),
            signed,
            language,
            ..Asked::new(operation, self.country, self.now, &self.regions.own)
        }
    }

    fn same(&self) -> bool {
        self.client.name() == self.upstream.name()
    }
}
