//! A compiled pack at work: the dialect interface over its plan.

mod answers;
mod moved_token;
mod requests_read;
mod requests_written;

pub use moved_token::MovedToken;

use bytes::Bytes;
use http::{Request, Response, request};

use super::Pack;
use super::members::{ReadRules, WriteRules};
use super::message::Place;
use super::plan::Plan;
use super::routes::{Found, Target};
use crate::account::{Call, Country, Operation, Phone, Problem, Reply, Secret};
use crate::dialect::{Asked, Claim, Dialect, Habits, Language, Reading, Sending, Understood};

impl Dialect for Pack {
    fn name(&self) -> &'static str {
        self.plan.name
    }

    fn signs(&self) -> bool {
        self.plan.signs
    }

    fn habits(&self) -> &Habits {
        &self.plan.habits
    }

    fn needs_randomness(&self) -> bool {
        self.plan.needs_randomness
    }

    fn challenged_phone(&self, challenge: &Secret) -> Result<Option<Phone>, Problem> {
        let Some(form) = &self.plan.challenge else { return Ok(None) };
        let phone = form.phone(challenge.expose());
        phone.map(Some).ok_or_else(|| Problem::invalid("verification.challenge", "is not valid"))
    }

    fn has(&self, operation: Operation) -> bool {
        self.plan.operation(operation).is_some()
    }

    fn claim(&self, target: Target<'_>) -> Claim {
        match self.plan.routes.find(target) {
            Found::Foreign => Claim::Foreign,
            Found::WrongMethod => Claim::WrongMethod,
            Found::Ambiguous => Claim::Ambiguous,
            Found::Route(route, _) => {
                let route = self.plan.routes.entries.get(route);
                let first = route.and_then(|route| route.operations.first());
                match first.and_then(|index| self.plan.operations.get(*index)) {
                    Some(operation) => Claim::Operation(operation.operation),
                    None => Claim::NoOperation,
                }
            }
        }
    }

    fn read_call(
        &self,
        _operation: Operation,
        head: &request::Parts,
        body: &Bytes,
        reading: Reading,
    ) -> Result<Understood, Problem> {
        requests_read::read_call(&self.plan, head, body, reading)
    }

    fn write_reply(&self, asked: &Asked<'_>, reply: &Reply) -> Result<Response<Bytes>, Problem> {
        answers::write_reply(&self.plan, asked, reply)
    }

    fn write_problem(&self, asked: &Asked<'_>, problem: &Problem) -> Response<Bytes> {
        answers::write_problem(&self.plan, asked, problem)
    }

    fn write_call(&self, call: &Call, sending: &Sending<'_>) -> Result<Request<Bytes>, Problem> {
        requests_written::write_call(&self.plan, call, sending)
    }

    fn read_answer(&self, call: &Call, answer: &Response<Bytes>, reading: Reading) -> Result<Reply, Problem> {
        answers::read_answer(&self.plan, call, answer, reading)
    }

    fn wrong_region(&self, codes: &[String], answer: &Response<Bytes>, reading: Reading) -> Option<Problem> {
        answers::wrong_region(&self.plan, codes, answer, reading)
    }

    fn tokens_of_head(&self, head: &request::Parts) -> Vec<Secret> {
        requests_read::tokens_of_head(&self.plan, head)
    }
}

impl Plan {
    fn read_rules<'p>(&'p self, reading: Reading, usual: &'p [Place], request: bool) -> ReadRules<'p> {
        ReadRules {
            dialect: self.name,
            empty_is_absent: if request {
                self.requests.empty_is_absent
            } else {
                self.answers.empty_is_absent
            },
            usual,
            keep_within: self.requests.keep_within.as_deref().filter(|_| request),
            country: reading.default_country,
            known_phone: None,
            zone_minutes: self.zone_minutes,
        }
    }

    fn write_rules<'p>(
        &'p self,
        country: Country,
        usual: &'p Place,
        within: Option<&'p str>,
    ) -> WriteRules<'p> {
        WriteRules {
            dialect: self.name,
            usual,
            country,
            zone_minutes: self.zone_minutes,
            beaten: &[],
            keep_within: within,
        }
    }
}

impl Pack {
    /// The language of texts for a caller that names none.
    pub fn default_language(&self) -> Language {
        self.plan.default_language()
    }
}
