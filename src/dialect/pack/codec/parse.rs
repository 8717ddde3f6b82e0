//! Codecs as packs name them: a word or two, then parameters.

use super::{Codec, Identities, Literal, Names, Number, Passwords, PhoneForm, TextRule, TimeForm};
use crate::dialect::pack::field::Kind;

/// The names of all codecs, for hints.
pub(in crate::dialect::pack) const NAMES: &[&str] = &[
    "text",
    "integer",
    "bool",
    "phone",
    "calling code",
    "email",
    "time",
    "milliseconds",
    "password",
    "identity",
    "prefixed",
    "base64",
    "masked",
    "md5",
    "uuid5",
    "integer of",
    "token subject",
];

/// Reads a codec such as `time seconds quoted`; the error says what is allowed instead.
pub(in crate::dialect::pack) fn parse(text: &str) -> Result<Codec, String> {
    // What follows `prefixed` is taken as it stands, spaces included.
    if let Some(prefix) = text.strip_prefix("prefixed ") {
        return Ok(Codec::Prefixed(prefix.into()));
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["text", rest @ ..] => text_rule(rest).map(Codec::Text),
        ["integer", "of"] => Ok(Codec::IntegerOf),
        ["integer", rest @ ..] => integer(rest),
        ["bool"] => Ok(Codec::Bool(None)),
        ["bool", forms] => boolean(forms, false),
        ["bool", forms, "quoted"] => boolean(forms, true),
        ["phone", rest @ ..] => phone(rest).map(Codec::Phone),
        ["calling", "code", rest @ ..] => number(rest).map(Codec::CallingCode),
        ["email"] => Ok(Codec::Email),
        ["time", rest @ ..] => time(rest).map(Codec::Time),
        ["milliseconds", rest @ ..] => number(rest).map(Codec::Milliseconds),
        ["password", rest @ ..] => password(rest).map(Codec::Password),
        ["identity", rest @ ..] => identity(rest),
        ["base64"] => Ok(Codec::Base64),
        ["masked", first, last, hidden] => match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) => Ok(Codec::Masked { first, last, hidden: (*hidden).into() }),
            _ => Err("`masked` takes how many characters stay in front and at the end, and what stands between: `masked 3 4 ****`".to_owned()),
        },
        ["md5"] => Ok(Codec::Md5),
        ["uuid5"] => Ok(Codec::Uuid5),
        ["token", "subject"] => Ok(Codec::TokenSubject),
        [first, ..] => Err(crate::config::suggestion(first, NAMES)),
        [] => Err(crate::config::suggestion(text, NAMES)),
    }
}

/// The codec of a field for which none is named.
pub(in crate::dialect::pack) fn of_kind(kind: Kind, lenient: bool) -> Codec {
    match kind {
        Kind::Text | Kind::Secret => Codec::Text(TextRule { lenient, ..TextRule::default() }),
        Kind::Password => Codec::Password(Passwords::Plain),
        Kind::Phone => Codec::Phone(PhoneForm::E164),
        Kind::Email => Codec::Email,
        Kind::Moment => Codec::Time(TimeForm::Rfc3339),
        Kind::Integer => Codec::Integer { number: Number::Plain, least: i64::MIN, most: i64::MAX },
        Kind::Bool => Codec::Bool(None),
        Kind::Name(names) => Codec::Names(Names {
            rows: names
                .iter()
                .map(|name| (Literal { text: (*name).into(), quoted: true }, (*name).into()))
                .collect(),
            ..Names::default()
        }),
    }
}

fn text_rule(words: &[&str]) -> Result<TextRule, String> {
    let mut rule = TextRule::default();
    for word in words {
        if *word == "lenient" {
            rule.lenient = true;
        } else if *word == "spaceless" {
            rule.spaceless = true;
        } else if *word == "unmistakable" {
            rule.unmistakable = true;
        } else if let Some((least, most)) = word.split_once("..") {
            let bounds = (least.parse(), most.parse());
            let (Ok(least), Ok(most)) = bounds else {
                return Err(format!(
                    "{word:?} is no range: write the least and the greatest length, `2..18`"
                ));
            };
            rule.least = least;
            rule.most = Some(most);
        } else {
            rule.characters = ranges(word).ok_or_else(|| {
                format!("{word:?} says no characters: write ranges and single ones, `A-Za-z0-9_`")
            })?;
        }
    }
    Ok(rule)
}

fn ranges(word: &str) -> Option<Vec<(char, char)>> {
    let characters: Vec<char> = word.chars().collect();
    let mut ranges = Vec::new();
    let mut rest = characters.as_slice();
    while let [first, tail @ ..] = rest {
        match tail {
            ['-', last, tail @ ..] if first <= last => {
                ranges.push((*first, *last));
                rest = tail;
            }
            ['-', _, ..] => return None,
            _ => {
                ranges.push((*first, *first));
                rest = tail;
            }
        }
    }
    (!ranges.is_empty()).then_some(ranges)
}

fn number(words: &[&str]) -> Result<Number, String> {
    match words {
        [] | ["plain"] => Ok(Number::Plain),
        ["quoted"] => Ok(Number::Quoted),
        _ => Err("a number is `plain` or `quoted`".to_owned()),
    }
}

fn integer(words: &[&str]) -> Result<Codec, String> {
    let (mut least, mut most, mut form) = (i64::MIN, i64::MAX, Number::Plain);
    for word in words {
        match word.split_once("..").map(|(least, most)| (least.parse(), most.parse())) {
            Some((Ok(from), Ok(to))) => (least, most) = (from, to),
            Some(_) => return Err(format!("{word:?} is no range: write `4..8`")),
            None => form = number(&[word])?,
        }
    }
    Ok(Codec::Integer { number: form, least, most })
}

fn boolean(forms: &str, quoted: bool) -> Result<Codec, String> {
    let literal = |text: &str| Literal { text: text.into(), quoted };
    match forms.split_once('/') {
        Some((yes, no)) => Ok(Codec::Bool(Some((literal(yes), literal(no))))),
        None => Err("write what stands for true and for false: `bool 1/0`".to_owned()),
    }
}

fn phone(words: &[&str]) -> Result<PhoneForm, String> {
    match words {
        [] => Ok(PhoneForm::E164),
        ["strict"] => Ok(PhoneForm::StrictE164),
        ["plus-optional"] => Ok(PhoneForm::PlusOptional),
        ["national"] => Ok(PhoneForm::National),
        ["national", "with", "code"] => Ok(PhoneForm::NationalWithCode),
        _ => Err("a phone is `phone`, `phone strict`, `phone plus-optional`, `phone national` or `phone national with code`".to_owned()),
    }
}

fn time(words: &[&str]) -> Result<TimeForm, String> {
    match words {
        [] => Ok(TimeForm::Rfc3339),
        ["seconds", "or", "milliseconds", rest @ ..] => number(rest).map(TimeForm::EitherUnit),
        ["seconds", rest @ ..] => number(rest).map(TimeForm::Seconds),
        ["milliseconds", rest @ ..] => number(rest).map(TimeForm::Milliseconds),
        ["text"] => Ok(TimeForm::Text),
        _ => Err("a time is `time`, `time seconds`, `time milliseconds`, `time seconds or milliseconds` or `time text`".to_owned()),
    }
}

fn password(words: &[&str]) -> Result<Passwords, String> {
    match words {
        ["plain"] => Ok(Passwords::Plain),
        ["md5_hex"] => Ok(Passwords::Md5Hex),
        ["auto"] => Ok(Passwords::Auto),
        ["as", "told"] => Ok(Passwords::AsTold),
        _ => Err("a password is `password plain`, `password md5_hex`, `password auto` or `password as told`"
            .to_owned()),
    }
}

fn identity(words: &[&str]) -> Result<Codec, String> {
    let mut identities = Identities::default();
    let split = words.iter().position(|word| !matches!(*word, "username" | "phone" | "email" | "digits"));
    let (kinds, form) = words.split_at(split.unwrap_or(words.len()));
    for kind in kinds {
        match *kind {
            "username" => identities.username = true,
            "phone" => identities.phone = true,
            "email" => identities.email = true,
            _ => identities.digits_are_phones = true,
        }
    }
    if kinds.is_empty() {
        return Err(
            "say which it takes: `identity username phone email`, then how phones are written".to_owned()
        );
    }
    phone(form).map(|form| Codec::Identity(identities, form))
}
