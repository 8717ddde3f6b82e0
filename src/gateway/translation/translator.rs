//! One message in all dialects: what the console shows. Every step is that of [`Translation`]; what only a running
//! exchange would know – a challenge from the call before, a name that the gateway makes up – has a stand-in.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::asked_for::{AskedForError, all_asked_for, asked_for};
use super::chosen::chosen;
use super::{Refused, Side, Translation, notes};
use crate::account::{Call, Country, Operation, Problem, Secret};
use crate::clock::Moment;
use crate::config::{DialectSettings, Regions, Settings, UpstreamApp, suggestion};
use crate::dialect::{Dialect, Pack, Understood, call_form, problem_form, reply_form};
use crate::gateway::BuildError;
use crate::gateway::flow::{code_login, names_of_own};
use crate::gateway::roster::Roster;
use crate::http_text::{self, Message, TextError};

/// The app as which a stand-in signs: the configured one would make of the console a place to have things signed.
const STAND_IN_APP: &str = "your-app-id";
/// Behind the beginning of a name that the gateway makes up.
const STAND_IN_DIGITS: &str = "000000";
const STAND_IN_CHALLENGE: &str = "<the challenge that came with the code>";
const STAND_IN_BINDING: &str = "<the token that the answer before brings>";

/// Every dialect of a gateway, on both sides.
#[derive(Debug)]
pub struct Translator {
    dialects: Vec<Sides>,
    country: Country,
    regions: Regions,
    json_depth: usize,
}

/// A dialect as its clients and as its backends speak it: their settings may differ.
#[derive(Debug)]
struct Sides {
    client: Arc<Pack>,
    upstream: Arc<Pack>,
}

/// A message to translate.
#[derive(Deserialize)]
pub struct Pasted {
    /// The dialect that it is in.
    pub from: String,
    /// HTTP/1.1 text.
    pub message: String,
    /// What an answer answers, as `login` or `send_code/register/sms`.
    #[serde(default)]
    pub operation: Option<String>,
}

/// Why a message can't be translated at all.
#[derive(Debug, Error)]
pub enum PastedError {
    /// There is no such dialect.
    #[error("unknown dialect {0:?}: {1}")]
    UnknownDialect(String, String),
    /// It is no message.
    #[error("this is no HTTP message: {0}")]
    NoMessage(#[from] TextError),
    /// An answer without a word about its request.
    #[error("an answer is understood by what was asked for: choose an operation")]
    NoOperation,
    /// What was asked for is unknown.
    #[error(transparent)]
    AskedFor(#[from] AskedForError),
}

/// A message in all other dialects.
#[derive(Debug, Serialize)]
pub struct SideBySide {
    /// `request` or `answer`.
    pub kind: &'static str,
    /// What it says, in the model's own words; `None` where it can't be read.
    pub canonical: Option<Value>,
    /// Why it can't be read.
    pub unreadable: Option<Unsaid>,
    /// Each other dialect.
    pub versions: Vec<Version>,
}

/// A message in one dialect.
#[derive(Debug, Serialize)]
pub struct Version {
    /// The dialect.
    pub dialect: &'static str,
    /// The messages, most often one.
    pub messages: Vec<String>,
    /// Why there is none.
    pub unsaid: Option<Unsaid>,
    /// What is lost, or done besides.
    pub notes: Vec<String>,
}

/// Something that a dialect has no form for.
#[derive(Debug, Serialize)]
pub struct Unsaid {
    /// The problem's stable name.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
    /// What the client is answered instead.
    pub answer: String,
}

/// What a form for messages offers.
#[derive(Debug, Serialize)]
pub struct Choices {
    /// The dialects.
    pub dialects: Vec<&'static str>,
    /// What an answer may answer.
    pub operations: Vec<String>,
}

impl Translator {
    /// Between all dialects that the settings know.
    pub(in crate::gateway) fn new(settings: &Settings, roster: &mut Roster) -> Result<Self, BuildError> {
        let [client, upstream] = chosen(Some(settings), None, &[]);
        let none = BTreeMap::new();
        let mut dialects = Vec::new();
        for name in roster.names() {
            let with = |chosen: &DialectSettings| roster.pack(name, chosen.get(name).unwrap_or(&none));
            dialects.push(Sides { client: with(&client)?, upstream: with(&upstream)? });
        }
        let (country, regions) = (settings.default_country, settings.regions.clone());
        Ok(Self { dialects, country, regions, json_depth: settings.limits.json_depth })
    }

    /// What a form for messages offers.
    pub fn choices(&self) -> Choices {
        Choices { dialects: self.dialects.iter().map(Sides::name).collect(), operations: all_asked_for() }
    }

    /// Translates a message into every other dialect.
    ///
    /// # Errors
    /// When it is no message of a known dialect.
    pub fn translate(&self, pasted: &Pasted, now: Moment, random: u128) -> Result<SideBySide, PastedError> {
        let Some(from) = self.dialects.iter().find(|sides| sides.name() == pasted.from) else {
            let hint = suggestion(&pasted.from, &self.choices().dialects);
            return Err(PastedError::UnknownDialect(pasted.from.clone(), hint));
        };
        let between = |client: &Sides, upstream: &Sides| Translation {
            country: self.country,
            json_depth: self.json_depth,
            regions: self.regions.clone(),
            random,
            app: Some(stand_in_app(random)),
            ..Translation::new(Arc::clone(&client.client), Arc::clone(&upstream.upstream), now)
        };
        let others = self.dialects.iter().filter(|sides| sides.name() != from.name());
        match http_text::parse(pasted.message.as_bytes())? {
            Message::Request(request) => {
                let others = others.map(|other| between(from, other)).collect::<Vec<_>>();
                Ok(of_request(&between(from, from), &others, request))
            }
            Message::Answer(answer) => {
                let operation = pasted.operation.as_deref().filter(|operation| !operation.is_empty());
                let call = asked_for(operation.ok_or(PastedError::NoOperation)?)?;
                let others = others.map(|other| between(other, from)).collect::<Vec<_>>();
                Ok(of_answer(&between(from, from), &others, &call, &answer))
            }
        }
    }
}

impl Sides {
    fn name(&self) -> &'static str {
        self.client.name()
    }
}

fn of_request(alone: &Translation, others: &[Translation], request: Request<Bytes>) -> SideBySide {
    let (head, body) = request.into_parts();
    let understood = match alone.read(&head, &body) {
        Ok(understood) => understood,
        Err(refused) => return SideBySide::unreadable("request", unsaid_of(*refused)),
    };
    let version = |translation: &Translation| {
        let mut version = Version::of(&translation.upstream);
        version.notes = notes::beside_request(translation, &understood.call);
        for call in stand_ins(translation, &understood.call) {
            let understood = Understood { call, proof: understood.proof.clone() };
            match translation.forwarded(&head, &understood) {
                Ok(request) => {
                    version.notes.extend(notes::lost_in_request(translation, &understood.call, &request));
                    version.messages.push(text(&http_text::request(&request)));
                }
                Err(refused) if refused.side == Side::Gateway => {
                    version.notes.push("the gateway answers this itself, from its table of regions".into());
                    version.messages.push(text(&http_text::answer(&refused.answer)));
                }
                Err(refused) => return version.without_words(unsaid_of(*refused)),
            }
        }
        if translation.upstream.signs() {
            version.notes.push("a stand-in signs here; the gateway signs as the app of [upstream]".into());
        }
        version
    };
    let canonical = Some(call_form(&understood));
    SideBySide {
        kind: "request",
        canonical,
        unreadable: None,
        versions: others.iter().map(version).collect(),
    }
}

fn of_answer(
    alone: &Translation,
    others: &[Translation],
    call: &Call,
    answer: &Response<Bytes>,
) -> SideBySide {
    let own = alone.answer(&alone.unasked(call.clone()), answer);
    let canonical = match (&own.told, own.failed) {
        (Err(_), Some(problem)) => {
            let answer = text(&http_text::answer(&own.answer));
            return SideBySide::unreadable("answer", Unsaid::new(&problem, answer));
        }
        (Ok(reply), _) => reply_form(reply),
        (Err(problem), None) => problem_form(problem),
    };
    let version = |translation: &Translation| {
        let translated = translation.answer(&translation.unasked(call.clone()), answer);
        let mut version = Version::of(&translation.client);
        version.notes = translated.notes;
        let answer = text(&http_text::answer(&translated.answer));
        match translated.failed {
            Some(problem) => version.without_words(Unsaid::new(&problem, answer)),
            None => {
                version.messages.push(answer);
                version
            }
        }
    };
    let versions = others.iter().map(version).collect();
    SideBySide { kind: "answer", canonical: Some(canonical), unreadable: None, versions }
}

/// The calls that a client's call becomes, with stand-ins for what is not known without the exchange.
fn stand_ins(translation: &Translation, call: &Call) -> Vec<Call> {
    let (client, upstream) = (translation.client.habits(), translation.upstream.habits());
    let mut call = call.clone();
    if upstream.carries_challenge
        && !client.carries_challenge
        && let Some(verification) = &mut call.verification
    {
        verification.challenge.get_or_insert_with(|| Secret::from(STAND_IN_CHALLENGE));
    }
    let Some(prefix) = names_of_own(upstream, &call) else { return vec![call] };
    let first = code_login(&call);
    call.verification = None;
    call.bind_token = Some(Secret::from(STAND_IN_BINDING));
    call.username.get_or_insert_with(|| format!("{prefix}{STAND_IN_DIGITS}"));
    vec![first, call]
}

fn stand_in_app(random: u128) -> UpstreamApp {
    UpstreamApp { id: STAND_IN_APP.to_owned(), secret: Secret::new(format!("{random:032x}")) }
}

fn unsaid_of(refused: Refused) -> Unsaid {
    let problem = refused.told.err().unwrap_or_else(|| Problem::not_supported(Operation::Region));
    Unsaid::new(&problem, text(&http_text::answer(&refused.answer)))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl SideBySide {
    fn unreadable(kind: &'static str, unsaid: Unsaid) -> Self {
        Self { kind, canonical: None, unreadable: Some(unsaid), versions: Vec::new() }
    }
}

impl Version {
    fn of(pack: &Pack) -> Self {
        Self { dialect: pack.name(), messages: Vec::new(), unsaid: None, notes: Vec::new() }
    }

    fn without_words(mut self, unsaid: Unsaid) -> Self {
        self.messages.clear();
        self.unsaid = Some(unsaid);
        self
    }
}

impl Unsaid {
    fn new(problem: &Problem, answer: String) -> Self {
        Self { code: problem.code.name(), detail: problem.detail(), answer }
    }
}

#[cfg(test)]
mod tests;
