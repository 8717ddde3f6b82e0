//! A fixed set of values of each kind: ordinary ones, and those at which codecs fail.

use crate::account::{Email, Phone};
use crate::clock::Moment;
use crate::dialect::pack::codec::{Codec, Names, TextRule, TimeForm};
use crate::dialect::pack::field::{Datum, Field, Kind};

/// A value of the model.
#[derive(Debug)]
pub(super) enum Sample {
    Text(String),
    Phone(Phone),
    Email(Email),
    Moment(Moment),
    Integer(i64),
    Bool(bool),
}

impl Sample {
    pub fn datum(&self) -> Datum<'_> {
        match self {
            Self::Text(text) => Datum::text(text),
            Self::Phone(phone) => Datum::Phone(phone),
            Self::Email(email) => Datum::Email(email),
            Self::Moment(moment) => Datum::Moment(*moment),
            Self::Integer(number) => Datum::Integer(*number),
            Self::Bool(truth) => Datum::Bool(*truth),
        }
    }
}

/// Names, scripts, spaces, what looks like JSON, like a number, like a hole.
const TEXTS: &[&str] = &[
    "",
    "alice",
    "Alice_01",
    "张三",
    "李四 🐼",
    " in spaces ",
    "\"quoted\" \\ / <b>",
    "0012",
    "1",
    "true",
    "null",
    "{field}",
    "a@b.c",
    "line\nbreak\ttab",
    "a=b&c=d%20+",
    "e\u{301}\u{200d}\u{feff}",
];
const PHONES: &[&str] = &[
    "+8613800138001",
    "+8619912345678",
    "+12025550123",
    "+442079460958",
    "+491701234567",
    "+85291234567",
    "+390669812345",
    "+6591234567",
];
const EMAILS: &[&str] = &["alice@example.com", "Alice.B+tag@Example.co.uk", "张三@example.com", "a@b.c"];
/// The first moment, before and after 2³¹ s, with and without milliseconds, the year 3000. Not zero: many servers
/// write it for "never".
const MILLISECONDS: &[i64] =
    &[1_000, 1_558_004_249_000, 1_558_004_249_091, 2_147_483_647_999, 2_147_483_648_000, 32_503_680_000_001];
const INTEGERS: &[i64] = &[0, 1, 4, 6, 86, 300, 2_592_000, 2_147_483_648, 9_007_199_254_740_993, i64::MAX];
const CALLING_CODES: &[i64] = &[1, 7, 44, 86, 852, 999];

/// Values for a field, of which some may have no form in this codec.
pub(super) fn of(field: Field, codec: &Codec) -> Vec<Sample> {
    let text = |text: &&str| Sample::Text((*text).to_owned());
    match (codec, field.kind()) {
        (Codec::Names(names), kind) => own_names(names, kind),
        (Codec::Identity(..), _) => {
            let names = ["alice", "Alice_01", "张三"].iter().map(text);
            names.chain(phones()).chain(emails()).collect()
        }
        (Codec::AsIs, _) => {
            TEXTS.iter().map(text).chain(INTEGERS.iter().copied().map(Sample::Integer)).collect()
        }
        // Another text than a number has only a number of its own, which nobody reads as that text.
        (Codec::IntegerOf, _) => ["0", "1", "42", "9007199254740991"].iter().map(text).collect(),
        (Codec::Integer { .. }, Kind::Text) => {
            ["0", "1", "42", "9007199254740993"].iter().map(text).collect()
        }
        (Codec::CallingCode(_), _) => CALLING_CODES.iter().copied().map(Sample::Integer).collect(),
        (Codec::Text(rule), _) => TEXTS.iter().map(text).chain(of_rule(rule)).collect(),
        (_, Kind::Text | Kind::Secret | Kind::Name(_)) => TEXTS.iter().map(text).collect(),
        (_, Kind::Password) => passwords(),
        (_, Kind::Phone) => phones().collect(),
        (_, Kind::Email) => emails().collect(),
        (_, Kind::Moment) => MILLISECONDS.iter().map(|of| Sample::Moment(Moment::from_millis(*of))).collect(),
        (_, Kind::Integer) => INTEGERS.iter().copied().map(Sample::Integer).collect(),
        (_, Kind::Bool) => vec![Sample::Bool(true), Sample::Bool(false)],
    }
}

fn phones() -> impl Iterator<Item = Sample> {
    PHONES.iter().filter_map(|text| Phone::from_e164(text).ok()).map(Sample::Phone)
}

fn emails() -> impl Iterator<Item = Sample> {
    EMAILS.iter().filter_map(|text| Email::parse(text).ok()).map(Sample::Email)
}

/// Plain ones, and one that is a hash by its looks.
fn passwords() -> Vec<Sample> {
    let texts = ["correct horse", "пароль 密码 🔑", "12345678", "0f0e0d0c0b0a09080706050403020100"];
    texts.iter().map(|text| Sample::Text((*text).to_owned())).collect()
}

/// The shortest and the longest text of a rule, out of its first and last characters.
fn of_rule(rule: &TextRule) -> Vec<Sample> {
    let first = rule.characters.first().map_or('a', |(first, _)| *first);
    let last = rule.characters.last().map_or('z', |(_, last)| *last);
    let longest = rule.most.unwrap_or(rule.least.max(300));
    let text = |character: char, count| Sample::Text(std::iter::repeat_n(character, count).collect());
    vec![text(first, rule.least), text(last, longest.min(4096))]
}

/// The names that have a wire value of their own; many to one is what `written` and `else_written` are for.
fn own_names(names: &Names, kind: Kind) -> Vec<Sample> {
    let all: Vec<&str> = match kind {
        Kind::Name(all) => all.to_vec(),
        _ => names.rows.iter().map(|(_, name)| name.as_ref()).collect(),
    };
    let written = |name: &&str| names.written.iter().any(|(of, _)| **of == **name);
    let has_row = |name: &&str| names.rows.iter().any(|(_, of)| **of == **name);
    let own = all.into_iter().filter(|name| !name.is_empty() && has_row(name) && !written(name));
    own.map(|name| Sample::Text(name.to_owned())).collect()
}

/// What is left of a moment in a form that counts seconds.
pub(super) fn at_precision(codec: &Codec, moment: Moment) -> Moment {
    match codec {
        Codec::Time(TimeForm::Rfc3339 | TimeForm::Milliseconds(_)) => moment,
        _ => Moment::from_seconds(moment.seconds()),
    }
}
