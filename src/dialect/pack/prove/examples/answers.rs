//! Answers of examples.

use std::borrow::Cow;

use bytes::Bytes;
use http::Response;

use super::super::{READING, asked};
use super::Trial;
use crate::account::{Call, Problem, Reply, Secret};
use crate::dialect::Dialect;
use crate::dialect::pack::field::{Datum, Field};
use crate::dialect::pack::source::{ReplySource, Source as _};

impl Trial<'_, '_> {
    /// Reads the answer, holds it to what it means, and writes it again.
    pub(super) fn answer(&self, call: &Call, body: &str) {
        let mut answer = Response::builder().status(self.example.status.unwrap_or(200));
        for header in self.example.headers.iter().filter(|_| self.example.request.is_none()) {
            let (name, value) = header.split_once(':').unwrap_or((header, ""));
            answer = answer.header(name.trim(), value.trim());
        }
        let Ok(answer) = answer.body(Bytes::from(body.to_owned())) else {
            return self.fail("has no valid headers", "write headers as `\"name: value\"`");
        };
        match (self.pack.read_answer(call, &answer, READING), self.means_problem()) {
            (Ok(reply), false) => self.reply_means(call, &reply),
            (Err(problem), true) => {
                self.problem_means(&problem);
                self.problem_again(call, &problem);
            }
            (Ok(_), true) => self.fail(
                "is read as a good answer, and means a problem",
                "change `means`, or `good` of [answers]",
            ),
            (Err(problem), false) => {
                let hint =
                    format!("write `means = {{ problem = \"{}\" }}` if that is right", problem.code.name());
                self.fail(format!("is read as the problem `{}`", problem.code.name()), hint);
            }
        }
    }

    fn reply_means(&self, call: &Call, reply: &Reply) {
        let asked = asked(call.operation, call, None);
        let source = ReplySource { asked: &asked, reply, message: "" };
        for meaning in &self.example.means {
            match Field::from_name(&meaning.name) {
                Some(field) if field.is_of_reply() => {
                    self.compare(meaning, source.get(field).map(|datum| datum.to_text().into_owned().into()));
                }
                Some(field) if field.is_of_call() && self.example.request.is_some() => {}
                _ if meaning.name == "operation" => {}
                _ => self.unknown(meaning),
            }
        }
        let hint = "let its lines be written too";
        let again = match self.pack.write_reply(&asked, reply) {
            Ok(answer) => self.pack.read_answer(call, &answer, READING),
            Err(problem) => Err(problem),
        };
        let again = match again {
            Ok(again) => again,
            Err(problem) => {
                return self.fail(
                    format!("is not understood when it is written again: {}", problem.code.name()),
                    hint,
                );
            }
        };
        let second = ReplySource { reply: &again, ..source };
        let message = Field::ReplyMessage;
        for field in Field::ALL.iter().copied().filter(|field| field.is_of_reply() && *field != message) {
            let (first, again) = (source.get(field), second.get(field));
            if first.is_some() && first.as_ref().map(Datum::to_text) != again.as_ref().map(Datum::to_text) {
                self.fail(format!("says another `{}` when it is written again", field.name()), hint);
            }
        }
    }

    pub(super) fn problem_means(&self, problem: &Problem) {
        for meaning in &self.example.means {
            let text = |text: Option<&str>| text.map(|text| Cow::Owned(text.to_owned()));
            let number = |number: Option<u64>| number.map(|number| Cow::Owned(number.to_string()));
            let value = match meaning.name.trim_start_matches("problem.") {
                "problem" | "code" => Some(problem.code.name().into()),
                "field" => text(problem.field.as_deref()),
                "reason" => text(problem.reason.as_deref()),
                "retry_after" => number(problem.retry_after),
                "attempts_left" => number(problem.attempts_left.map(Into::into)),
                "region" => text(problem.region.as_deref()),
                "bind_token" => text(problem.bind_token.as_ref().map(Secret::expose)),
                "operation" => continue,
                name if Field::from_name(name).is_some_and(Field::is_of_call)
                    && self.example.answer.is_some() =>
                {
                    continue;
                }
                _ => {
                    self.unknown(meaning);
                    continue;
                }
            };
            self.compare(meaning, value);
        }
    }

    /// What is written for the problem reads as the problem, or as what its row says.
    fn problem_again(&self, call: &Call, problem: &Problem) {
        let asked = asked(call.operation, call, None);
        let answer = self.pack.write_problem(&asked, problem);
        let row = self.pack.plan.problems.row(problem, &asked);
        let allowed = |code| code == problem.code || row.is_some_and(|row| row.reads_as.contains(&code));
        match self.pack.read_answer(call, &answer, READING) {
            Err(again) if allowed(again.code) => {}
            Err(again) => self.fail(
                format!("is the problem `{}` when it is written again", again.code.name()),
                "see the rows of [problems] that say the two",
            ),
            Ok(_) => self.fail("is a good answer when it is written again", "see `good` of [answers]"),
        }
    }
}
