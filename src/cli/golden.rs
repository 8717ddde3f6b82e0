//! Golden files: one exchange each, as JSON; docs/golden.md has the form. What is expected and what is come out as the
//! same kind of value, so that they are compared, shown and written in one way.

mod difference;
mod message;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Failure, packs};
use crate::account::{Country, Secret};
use crate::clock::Moment;
use crate::config::{DialectSettings, Region, Regions, UpstreamApp};
use crate::dialect::{Dialects, Understood, call_form, problem_form, reply_form};
use crate::gateway::{Translation, asked_for};

pub use difference::write_difference;
use message::{answer_of, request_of, value_of_answer, value_of_request};

/// The time of a case that says none.
const USUAL_TIME: &str = "2026-01-01T00:00:00Z";

/// One exchange, and what is expected of it. What is not there is not compared.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    about: Option<String>,
    client: String,
    upstream: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    settings: DialectSettings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    now: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app: Option<App>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    regions: BTreeMap<String, Vec<u16>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    call: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upstream_request: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upstream_answer: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reply: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    problem: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_answer: Option<Value>,
}

/// The app as which the gateway signs. A golden file is no place for a secret that protects something.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct App {
    id: String,
    secret: String,
}

/// One member that is not what was expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The member, such as `upstream_request`.
    pub member: &'static str,
    /// What the file says.
    pub expected: Value,
    /// What is; null where there is no such thing.
    pub actual: Value,
}

impl Case {
    /// The same exchange with everything that becomes of it.
    ///
    /// # Errors
    /// When it names what there is not, or its messages are none.
    pub fn run(&self, dialects: &Dialects) -> Result<Self, Failure> {
        let translation = self.translation(dialects)?;
        let mut actual = Self {
            call: None,
            upstream_request: None,
            reply: None,
            problem: None,
            client_answer: None,
            ..self.clone()
        };
        let understood = match (&self.request, &self.operation) {
            (Some(request), None) => actual.ask(&translation, request)?,
            (None, Some(operation)) => Some(translation.unasked(asked_for(operation)?)),
            (Some(_), Some(_)) => {
                return Err(
                    Failure::new("`operation` beside `request`").hint("the request says it: take it out")
                );
            }
            (None, None) => return Err(Failure::new("neither `request` nor `operation` is there")),
        };
        match (&self.upstream_answer, understood) {
            (Some(answer), Some(understood)) => actual.answer(&translation, &understood, answer)?,
            (Some(_), None) => {
                let message = "the request does not reach the backend, so there is nothing to answer";
                return Err(Failure::new(message).hint("take `upstream_answer` out"));
            }
            (None, Some(_)) if self.request.is_none() => {
                return Err(Failure::new("`operation` without `upstream_answer`"));
            }
            (None, _) => {}
        }
        Ok(actual)
    }

    /// The client's half; the call, if the backend hears of it.
    fn ask(&mut self, translation: &Translation, request: &Value) -> Result<Option<Understood>, Failure> {
        let translated = translation.request(request_of(request)?);
        self.call = translated.understood.as_ref().map(call_form);
        match translated.outcome {
            Ok(request) => {
                self.upstream_request = Some(value_of_request(&request));
                Ok(translated.understood)
            }
            Err(refused) => {
                self.reply = refused.told.as_ref().ok().map(reply_form);
                self.problem = refused.told.as_ref().err().map(problem_form);
                self.client_answer = Some(value_of_answer(&refused.answer));
                Ok(None)
            }
        }
    }

    /// The backend's half.
    fn answer(
        &mut self,
        translation: &Translation,
        understood: &Understood,
        answer: &Value,
    ) -> Result<(), Failure> {
        let translated = translation.answer(understood, &answer_of(answer)?);
        self.reply = translated.told.as_ref().ok().map(reply_form);
        // What could be read and not be said is a problem of the exchange too.
        let problem = translated.told.as_ref().err().or(translated.failed.as_ref());
        self.problem = problem.map(problem_form);
        self.client_answer = Some(value_of_answer(&translated.answer));
        Ok(())
    }

    fn translation(&self, dialects: &Dialects) -> Result<Translation, Failure> {
        let client = packs::pack(dialects, &self.client, &self.settings)?;
        let upstream = packs::pack(dialects, &self.upstream, &self.settings)?;
        let time = self.now.as_deref().unwrap_or(USUAL_TIME);
        let now = Moment::from_rfc3339(time)
            .ok_or_else(|| Failure::new("`now` is no time").hint(format!("write it as {USUAL_TIME}")))?;
        let mut translation = Translation::new(client, upstream, now);
        translation.random = self.seed.unwrap_or_default().into();
        translation.app = self
            .app
            .as_ref()
            .map(|app| UpstreamApp { id: app.id.clone(), secret: Secret::from(app.secret.as_str()) });
        if let Some(country) = &self.country {
            translation.country = country.parse::<Country>().map_err(|_| {
                Failure::new("`country` is none").hint("give an ISO 3166-1 alpha-2 code such as \"CN\"")
            })?;
        }
        if !self.regions.is_empty() {
            let table = self
                .regions
                .iter()
                .map(|(name, codes)| Region { calling_codes: codes.clone(), ..Region::named(name) });
            translation.regions = Regions { table: table.collect(), ..translation.regions };
        }
        if let Some(region) = &self.region {
            translation.regions.own.clone_from(region);
        }
        Ok(translation)
    }

    /// Where what is differs from what is expected here.
    ///
    /// # Errors
    /// When an expected message is none, or nothing is expected at all.
    pub fn differences(&self, actual: &Self) -> Result<Vec<Difference>, Failure> {
        let mut differences = Vec::new();
        let mut expects = false;
        for ((member, expected), (_, actual)) in self.outcome().into_iter().zip(actual.outcome()) {
            let Some(expected) = expected else { continue };
            expects = true;
            let expected = message::in_one_form(member, expected)?;
            let actual = actual.cloned().unwrap_or(Value::Null);
            // Members of a message's body have an order.
            let ordered = matches!(member, "upstream_request" | "client_answer");
            let (expected_text, actual_text) = (expected.to_string(), actual.to_string());
            let same = if ordered { expected_text == actual_text } else { expected == actual };
            if !same {
                differences.push(Difference { member, expected, actual });
            }
        }
        if !expects {
            return Err(Failure::new("nothing is expected").hint("`--bless` writes down what is"));
        }
        Ok(differences)
    }

    fn outcome(&self) -> [(&'static str, Option<&Value>); 5] {
        [
            ("call", self.call.as_ref()),
            ("upstream_request", self.upstream_request.as_ref()),
            ("reply", self.reply.as_ref()),
            ("problem", self.problem.as_ref()),
            ("client_answer", self.client_answer.as_ref()),
        ]
    }
}
