//! A codec reads what it writes: shown on values of each kind, for each line that goes both ways.

use std::borrow::Cow;

use super::samples::{self, Sample};
use crate::account::{Country, Identifier, PasswordForm};
use crate::dialect::pack::codec::{Codec, Passwords, Reading, Writing};
use crate::dialect::pack::field::{Datum, Given};
use crate::dialect::pack::lint::Lint;
use crate::dialect::pack::lint::messages::{Message, Side, messages};
use crate::dialect::pack::literal::Written;
use crate::dialect::pack::members::{Line, ValueLine, What};
use crate::dialect::pack::message::{BodyForm, Place};
use crate::json::{self, Value};

pub(super) fn check(lint: &Lint<'_>) {
    let mut done = Vec::new();
    for message in messages(lint) {
        if message.side != Side::Always {
            level(lint, &message, message.lines, &mut done);
        }
    }
}

/// A group's line stands in many messages, and is tried once each side.
fn level(lint: &Lint<'_>, message: &Message<'_>, lines: &[Line], done: &mut Vec<(Side, usize)>) {
    for line in lines.iter().filter(|line| line.reads() && line.writes()) {
        match &line.what {
            What::Value(value)
                if !value.agrees && value.codec.reads() && !done.contains(&(message.side, line.offset)) =>
            {
                done.push((message.side, line.offset));
                inverts(lint, message, line, (value, lines));
            }
            What::Object(inner) => level(lint, message, inner, done),
            _ => {}
        }
    }
}

fn inverts(lint: &Lint<'_>, message: &Message<'_>, line: &Line, (value, beside): (&ValueLine, &[Line])) {
    let Some(field) = value.field() else { return };
    let zone_minutes = lint.plan.zone_minutes;
    let password_form = match &value.codec {
        Codec::Password(Passwords::Md5Hex | Passwords::Auto) => PasswordForm::Md5Hex,
        _ => PasswordForm::Plain,
    };
    // Plain passwords become hashes where hashes are wanted: only those come back as they were.
    let is_sent = |sample: &&Sample| {
        let hashes = password_form == PasswordForm::Md5Hex;
        !hashes || matches!(sample, Sample::Text(text) if crate::dialect::pack::codec::is_md5_hex(text))
    };
    let samples = samples::of(field, &value.codec);
    for country in [Country::CHINA, "DE".parse().unwrap_or(Country::CHINA)] {
        let writing = Writing { country, password_form, zone_minutes };
        for sample in samples.iter().filter(is_sent) {
            let datum = sample.datum();
            let Ok(written) = value.codec.write(&datum, writing) else { continue };
            let Some(wire) = on_the_wire(lint, message, line, &written) else { continue };
            let code =
                value.code_member.as_deref().and_then(|name| calling_code(beside, name, &datum, writing));
            // Where the member beside it is not of the model, the call says which phone it is.
            let known_phone = match &datum {
                Datum::Phone(phone) if code.is_none() => Some(*phone),
                _ => None,
            };
            let reading = Reading { country, calling_code: code.as_deref(), known_phone, zone_minutes };
            let read = value.codec.read(&wire, reading);
            let back = match &read {
                Ok(given) if same(&value.codec, &datum, given, country) => continue,
                Ok(given) => format!("read as {:?}", text_of(given)),
                Err(reason) => format!("not read: it {reason}"),
            };
            let (put, name) = (datum.to_text(), &line.name);
            let text = format!(
                "`{name}` does not read what it writes: {put:?} is written as {:?} and {back}",
                written.plain()
            );
            let hint = "change `codec` or `values`, or say what only goes one way with `only`";
            return lint.error(line.offset, text, hint);
        }
    }
}

/// The value as a reader finds it; `None` where it means that there is none.
fn on_the_wire<'w>(
    lint: &Lint<'_>,
    message: &Message<'_>,
    line: &Line,
    written: &'w Written<'_>,
) -> Option<Value<'w>> {
    let request = message.side == Side::Call;
    let (body, empty_is_absent) = match request {
        true => (&lint.plan.requests.body, lint.plan.requests.empty_is_absent),
        false => (&lint.plan.answers.body, lint.plan.answers.empty_is_absent),
    };
    let place = if line.place == Place::Usual { message.usual.first()? } else { &line.place };
    let is_json = *place == Place::Body && body.forms.first() == Some(&BodyForm::Json);
    let value = match written {
        Written::Raw(raw) if is_json => json::parse(raw.as_bytes(), 8).ok()?,
        other => Value::String(Cow::Borrowed(if is_json { text(other) } else { other.plain() })),
    };
    let absent = value.is_null() || (empty_is_absent && value.is_blank());
    (!absent).then_some(value)
}

fn text<'w>(written: &'w Written<'_>) -> &'w str {
    match written {
        Written::Text(text) | Written::Raw(text) => text,
    }
}

/// What the member beside a national number holds.
fn calling_code(beside: &[Line], name: &str, datum: &Datum<'_>, writing: Writing) -> Option<String> {
    let line = beside.iter().find(|line| line.is_named(name))?;
    let What::Value(value) = &line.what else { return None };
    value.codec.write(datum, writing).ok().map(|written| written.plain().to_owned())
}

/// Whether what was read is what was written, as precisely as the codec is.
fn same(codec: &Codec, datum: &Datum<'_>, given: &Given<'_>, country: Country) -> bool {
    match (datum, given) {
        (Datum::Phone(phone), Given::Phone(read)) => *phone == read,
        (Datum::Phone(phone), Given::Text(text)) => {
            Identifier::classify(text, country) == Identifier::Phone((*phone).clone())
        }
        (Datum::Email(email), Given::Email(read)) => *email == read,
        (Datum::Moment(moment), Given::Moment(read)) => samples::at_precision(codec, *moment) == *read,
        (Datum::Bool(truth), Given::Bool(read)) => truth == read,
        (datum, given) => datum.to_text() == text_of(given),
    }
}

fn text_of<'g>(given: &'g Given<'_>) -> Cow<'g, str> {
    match given {
        Given::Text(text) | Given::Password(text, _) => Cow::Borrowed(text),
        Given::Phone(phone) => Cow::Borrowed(phone.e164()),
        Given::Email(email) => Cow::Borrowed(email.as_str()),
        Given::Moment(moment) => Cow::Owned(moment.to_rfc3339()),
        Given::Integer(number) => Cow::Owned(number.to_string()),
        Given::Bool(truth) => Cow::Owned(truth.to_string()),
    }
}
