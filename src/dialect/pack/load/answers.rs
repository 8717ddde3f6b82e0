//! `[answers]`: how good and bad answers look, and how they are told apart.

use http::header::HeaderValue;

use super::{Context, lines, values};
use crate::config::reader::{Node, Place as FilePlace, Table};
use crate::dialect::pack::literal::Literal;
use crate::dialect::pack::members::Line;
use crate::dialect::pack::message::{BodyForm, BodyRules};
use crate::dialect::pack::plan::{Answers, Condition, ProblemStatus, Subject, Test};

/// What the file says of answers; the envelope goes around each operation's own reply.
pub(super) struct Read {
    pub answers: Answers,
    /// What stands around the reply of an operation; without one the reply is the whole answer.
    pub envelope: Option<Vec<Enveloped>>,
    /// The status of good answers.
    pub status: u16,
}

/// One line of the envelope.
#[derive(Clone)]
pub(super) enum Enveloped {
    Line(Box<Line>),
    /// The place of the operation's own reply, and what is written where it has none.
    Reply {
        name: Box<str>,
        absent: Option<Literal>,
    },
}

pub(super) fn read<'a>(table: &mut Table<'a>, context: &Context<'a>) -> Read {
    let forms = table.read("body", values::body_forms).unwrap_or_else(|| vec![BodyForm::Json]);
    let usual_type = if forms.first() == Some(&BodyForm::Form) {
        "application/x-www-form-urlencoded"
    } else {
        "application/json"
    };
    let content_type =
        table.read("content_type", values::header_value).unwrap_or(HeaderValue::from_static(usual_type));
    let problem_content_type =
        table.read("problem_content_type", values::header_value).unwrap_or_else(|| content_type.clone());
    let good =
        table.read("good", |node| node.list(|item| item.table("good", conditions))).unwrap_or_default();
    let good = if good.is_empty() {
        vec![vec![Condition { subject: Subject::HttpStatus, test: Test::Successful, offset: 0 }]]
    } else {
        good
    };
    let envelope =
        table.read("success", |node| node.table("[answers.success]", |table| read_envelope(table, context)));
    let problem =
        table.need("problem", |node| node.table("[answers.problem]", |table| lines::read(table, context)));
    let problem_status = table.read("problem_status", |node| read_problem_status(node, context));
    let answers = Answers {
        body: BodyRules { forms, any_content_type: true },
        content_type,
        problem_content_type,
        empty_is_absent: table.read("empty_is_absent", Node::boolean).unwrap_or(false),
        good,
        problem: problem.unwrap_or_default(),
        problem_status: problem_status.unwrap_or(ProblemStatus::OfRow),
    };
    Read { answers, envelope, status: table.read("status", values::status).unwrap_or(200) }
}

fn read_envelope<'a>(table: &mut Table<'a>, context: &Context<'a>) -> Vec<Enveloped> {
    let mut envelope = Vec::new();
    for (key, place, node) in table.entries() {
        let Some((wire_place, name)) = values::place(table.reader, &place, key) else { continue };
        if node.value().as_table().is_some_and(|table| table.contains_key("reply")) {
            let absent = node.table("the reply's place", |table| {
                table.read("reply", Node::boolean);
                table.read("absent", |node| values::chosen_literal(node, &context.chosen))
            });
            envelope.push(Enveloped::Reply { name, absent: absent.flatten() });
        } else if let Some(line) = lines::line(node, name, wire_place, &place, context) {
            envelope.push(Enveloped::Line(Box::new(line)));
        }
    }
    if !envelope.iter().any(|line| matches!(line, Enveloped::Reply { .. })) {
        let hint = "say where it stands: `data = { reply = true }`";
        table.reader.error(table.own_place(), "the envelope has no place for the reply", hint);
    }
    envelope
}

/// `row`, a status for all problems, or `ok except 401 404`.
fn read_problem_status(node: Node<'_>, context: &Context<'_>) -> Option<ProblemStatus> {
    if node.value().as_integer().is_some() {
        return values::status(node).map(ProblemStatus::Fixed);
    }
    let text = context.chosen.fill(node.text()?);
    let words: Vec<&str> = text.split(' ').collect();
    let parsed = match words.as_slice() {
        ["row"] => Some(ProblemStatus::OfRow),
        ["ok", "except", codes @ ..] => codes
            .iter()
            .map(|code| code.parse().ok())
            .collect::<Option<Vec<_>>>()
            .map(ProblemStatus::OkExcept),
        _ => None,
    };
    parsed.or_else(|| {
        node.fail(
            "not a rule for the status of problems",
            "write \"row\", a number, or \"ok except 401 404\"",
        )
    })
}

/// `{ error = 0 }`, `{ "http status" = "2xx", errors = "missing" }`: all must hold.
pub(super) fn conditions(table: &mut Table<'_>) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for (key, place, node) in table.entries() {
        conditions.extend(condition(table, key, &place, node));
    }
    conditions
}

fn condition<'a>(table: &Table<'a>, key: &str, place: &FilePlace, node: Node<'a>) -> Option<Condition> {
    let subject = if key == "http status" {
        Subject::HttpStatus
    } else {
        let (wire_place, name) = values::place(table.reader, place, key)?;
        Subject::Member { place: wire_place, path: name.split('.').map(Into::into).collect() }
    };
    let test = match node.value().as_str() {
        Some("present") => Test::Present,
        Some("missing") => Test::Missing,
        Some("2xx") if matches!(subject, Subject::HttpStatus) => Test::Successful,
        _ if node.value().as_array().is_some_and(|items| !items.is_empty()) => {
            Test::Is(node.list(values::literal)?)
        }
        _ => Test::Is(vec![values::literal(node)?]),
    };
    Some(Condition { subject, test, offset: place.offset() })
}
