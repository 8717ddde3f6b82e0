//! Every line's field belongs where it stands, in a place that this message has.

use super::Lint;
use super::codecs;
use super::members;
use super::messages::{Message, Side, belongs, fields_read, messages};
use crate::config::suggestion;
use crate::dialect::pack::codec::Codec;
use crate::dialect::pack::field::{Field, Given, Kind};
use crate::dialect::pack::members::{Direction, Line, Piece, ValueLine, What};
use crate::dialect::pack::message::{BodyForm, Place};
use crate::dialect::pack::target::{CallTarget, ReplyTarget, Target};

pub(super) fn check(lint: &Lint<'_>) {
    for message in messages(lint) {
        level(lint, &message, message.lines, true);
        members::fields_once(lint, &message);
        if let Some(case) = message.case {
            alternatives(lint, &message, "one_of", &case.one_of, case.at.one_of);
            alternatives(lint, &message, "any_of", &case.any_of, case.at.any_of);
            settable(lint, &message, &case.sets, case.at.sets);
            for route in &case.routes {
                settable(lint, &message, &route.sets, route.offset);
            }
        }
        if message.side == Side::Problem {
            tells_codes(lint, &message);
        }
    }
}

fn level(lint: &Lint<'_>, message: &Message<'_>, lines: &[Line], outermost: bool) {
    members::names_once(lint, message, lines, outermost);
    for line in lines {
        if outermost {
            place(lint, message, line);
        }
        idle(lint, line);
        match &line.what {
            What::Value(value) => {
                fields(lint, message, line, value);
                codecs::check(lint, message, line, value, lines);
                settable(lint, message, &value.sets, line.offset);
            }
            What::Object(inner) => level(lint, message, inner, false),
            What::Template(pieces) => {
                for piece in pieces {
                    if let Piece::Field(field) = piece {
                        written(lint, message, line, *field);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Keys that change nothing where they stand.
fn idle(lint: &Lint<'_>, line: &Line) {
    let name = &line.name;
    match line.direction {
        Direction::Write if !line.aliases.is_empty() => {
            let message = format!("`{name}` is only written, and aliases are only read");
            lint.error(line.offset, message, "take out `aliases`, or `only = \"write\"`");
        }
        Direction::Read if line.absent.is_some() => {
            let message = format!("`{name}` is only read, and `absent` is only written");
            lint.error(line.offset, message, "take out `absent`, or `only = \"read\"`");
        }
        _ => {}
    }
}

fn fields(lint: &Lint<'_>, message: &Message<'_>, line: &Line, value: &ValueLine) {
    let (side, reads) = (message.side, line.reads() && !value.agrees);
    if let Some(field) = value.field().filter(|field| reads && !side.reads(*field)) {
        let text = match side {
            Side::Always => format!("`{}` is never read: these members are only written", line.name),
            _ => format!("reading {} can't set `{}`", message.name(), field.name()),
        };
        let hint = match (side.writes(field), namesake(message, field)) {
            (true, None) => "add `only = \"write\"`: the field is known when this is written".to_owned(),
            (true, Some(meant)) => {
                format!("did you mean `{}`? If not, add `only = \"write\"`: it is known then", meant.name())
            }
            (false, _) => elsewhere(message, field),
        };
        return lint.error(line.offset, text, hint);
    }
    if value.agrees && !matches!(value.field(), Some(Field::Password | Field::NewPassword)) {
        let message = format!("`agrees` does not work for `{}`", value.field().map_or("", Field::name));
        lint.error(line.offset, message, "only `password` and `new_password` are compared: take it out");
    }
    if line.writes() {
        value.fields.iter().for_each(|field| written(lint, message, line, *field));
    }
}

fn written(lint: &Lint<'_>, message: &Message<'_>, line: &Line, field: Field) {
    if !message.side.writes(field) {
        let text = format!("`{}` has no value where {} is written", field.name(), message.name());
        lint.error(line.offset, text, elsewhere(message, field));
    }
}

/// Where the field belongs, or the field of this message that was probably meant.
fn elsewhere(message: &Message<'_>, field: Field) -> String {
    match namesake(message, field) {
        Some(meant) => format!("it belongs to {}; did you mean `{}`?", belongs(field), meant.name()),
        None => format!("it belongs to {}", belongs(field)),
    }
}

/// The field of this message with the same last name: `phone` and `account.phone`.
fn namesake(message: &Message<'_>, field: Field) -> Option<Field> {
    let last = |field: Field| field.name().rsplit('.').next();
    Field::ALL.iter().copied().find(|of| message.side.reads(*of) && last(*of) == last(field))
}

/// Where a member may stand depends on what the message has.
fn place(lint: &Lint<'_>, message: &Message<'_>, line: &Line) {
    let place =
        if line.place == Place::Usual { message.usual.first().unwrap_or(&Place::Body) } else { &line.place };
    let name = &line.name;
    let wrong = match (message.side, place) {
        (
            Side::Reply | Side::Problem,
            Place::Query | Place::Path | Place::BasicUser | Place::BasicPassword,
        ) => Some((format!("an answer has no place for `{name}`"), "answers have a body and header fields")),
        (Side::Always, Place::Body | Place::Path) => Some((
            format!("`{name}` can't stand in every request"),
            "write it as `\"header …\"` or `\"query …\"`, or add it to the operations by a group",
        )),
        (Side::Call, Place::Body) if message.operation.is_some_and(|plan| !plan.has_body) => Some((
            format!("{} has no body, where `{name}` would stand", message.name()),
            "add `place = \"query\"` to the operation, or take out `body = false`",
        )),
        (Side::Call, Place::Form)
            if !lint.plan.requests.body.forms.iter().any(|form| *form != BodyForm::Json) =>
        {
            Some((
                format!("`{name}` is read from forms, and requests are never forms"),
                "write it as `\"query …\"`, or add \"form\" to `body` of [requests]",
            ))
        }
        (Side::Call, place)
            if !matches!(place, Place::Body) && matches!(line.what, What::Object(_)) && line.writes() =>
        {
            Some((format!("the object `{name}` can only stand in a body"), "write it as `\"body …\"`"))
        }
        _ => None,
    };
    if let Some((text, hint)) = wrong {
        lint.error(line.offset, text, hint);
    }
}

/// Of alternatives each is a field that the request can have.
fn alternatives(lint: &Lint<'_>, message: &Message<'_>, key: &str, lists: &[Vec<Field>], offset: usize) {
    let there = fields_read(message.lines);
    let sets = message.case.into_iter().flat_map(|case| case.sets.iter().map(|(field, _)| *field));
    let there: Vec<Field> = there.into_iter().chain(sets).collect();
    for field in lists.iter().flatten().filter(|field| !there.contains(field)) {
        let names: Vec<&str> = there.iter().map(|field| field.name()).collect();
        let text = format!("`{key}` names `{}`, which no line of {} holds", field.name(), message.name());
        lint.error(offset, text, suggestion(field.name(), &names));
    }
}

/// Whether a field takes the value that something else sets.
fn settable(lint: &Lint<'_>, message: &Message<'_>, sets: &[(Field, Box<str>)], offset: usize) {
    for (field, value) in sets {
        let given = Given::Text(value.as_ref().into());
        let set = match (message.side, message.operation) {
            (Side::Call, Some(plan)) => CallTarget::new(plan.operation).set(*field, given),
            (Side::Reply, _) => ReplyTarget::default().set(*field, given),
            _ => Err("is set by nothing here"),
        };
        if set.is_err() {
            let text = format!("{} can't set `{}` to {value:?}", message.name(), field.name());
            let hint = if !message.side.reads(*field) {
                elsewhere(message, *field)
            } else if field.kind() == Kind::Integer {
                "write a number".to_owned()
            } else {
                "read it from a member of its own".to_owned()
            };
            lint.error(offset, text, hint);
        }
    }
}

/// Without what a problem is called nothing could be read; and what rows say must be written.
fn tells_codes(lint: &Lint<'_>, message: &Message<'_>) {
    let offset = message.lines.first().map_or(0, |line| line.offset);
    let there = fields_read(message.lines);
    if !there.contains(&Field::RowCode)
        && !there.contains(&Field::ProblemCode)
        && !there.contains(&Field::RowText)
    {
        let hint = "name the member that holds its code: `code = \"row.code\"`";
        lint.error(offset, "nothing in [answers.problem] tells which problem it is", hint);
    }
    for (field, used) in [
        (Field::RowCode, lint.plan.problems.rows.iter().find(|row| row.code.is_some())),
        (Field::RowText, lint.plan.problems.rows.iter().find(|row| row.matches.is_some())),
    ] {
        if let Some(row) = used
            && !there.contains(&field)
        {
            let text =
                format!("rows name what `{}` is, and no line of [answers.problem] reads it", field.name());
            lint.error(row.offset, text, format!("add `member = \"{}\"` to [answers.problem]", field.name()));
        }
    }
}

impl Codec {
    /// Whether a member of it may hold a phone without being one.
    pub(super) fn takes_phones(&self) -> bool {
        matches!(self, Self::Identity(identities, _) if identities.digits_are_phones)
    }
}
