//! From the wire into the model.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::{Codec, Identities, Passwords, PhoneForm, TextRule, TimeForm, is_all_digits};
use crate::account::{Country, Email, PasswordForm, Phone};
use crate::clock::Moment;
use crate::dialect::pack::field::Given;
use crate::json::Value;

/// A number of seconds at or above this counts milliseconds: as seconds it would lie past the year 5000.
const SMALLEST_MILLISECONDS: i64 = 100_000_000_000;

/// What reading one value needs besides it.
#[derive(Debug, Clone, Copy)]
pub(in crate::dialect::pack) struct Reading<'a> {
    /// The country of phones without a code.
    pub country: Country,
    /// The calling code that stands beside a national number.
    pub calling_code: Option<&'a str>,
    /// The phone that a national number without a calling code is, if it has these digits.
    pub known_phone: Option<&'a Phone>,
    /// Minutes east of Greenwich of times without a zone.
    pub zone_minutes: i32,
}

impl Codec {
    /// Reads a value, or says for people what is wrong with it.
    pub fn read<'v>(&'v self, value: &'v Value<'_>, reading: Reading<'_>) -> Result<Given<'v>, &'static str> {
        match self {
            Self::Text(rule) => text(rule, value).map(Given::Text),
            Self::Integer { least, most, .. } => integer(value)
                .filter(|number| (*least..=*most).contains(number))
                .map(Given::Integer)
                .ok_or("is no whole number in the allowed range"),
            Self::Bool(forms) => boolean(forms.as_ref(), value).map(Given::Bool),
            Self::Phone(form) => phone(*form, string(value)?, reading).map(Given::Phone),
            Self::CallingCode(_) => {
                let code =
                    plain(value).map(|text| text.trim_start_matches('+')).and_then(|text| text.parse().ok());
                code.filter(|code| (1..=999).contains(code))
                    .map(Given::Integer)
                    .ok_or("is no country calling code")
            }
            Self::Email => {
                let email = value.as_str().and_then(|text| Email::parse(text).ok());
                email.map(Given::Email).ok_or("is no e-mail address")
            }
            Self::Time(form) => time(*form, value, reading).map(Given::Moment).ok_or("is no time"),
            Self::Milliseconds(_) => {
                integer(value).map(|milliseconds| Given::Integer(milliseconds / 1000)).ok_or("is no duration")
            }
            Self::Names(names) => {
                let name = names.read(value).ok_or("is not one of the allowed values")?;
                Ok(Given::Text(Cow::Borrowed(name)))
            }
            Self::Password(passwords) => password(*passwords, string(value)?),
            Self::Identity(identities, form) => identity(*identities, *form, string(value)?, reading),
            Self::Prefixed(prefix) => {
                let rest = string(value)?.strip_prefix(&**prefix);
                rest.map(|rest| Given::Text(Cow::Borrowed(rest))).ok_or("does not begin as it must")
            }
            Self::Base64 => {
                base64(string(value)?).map(|text| Given::Text(Cow::Owned(text))).ok_or("is no base64")
            }
            Self::IntegerOf if value.as_object().is_some() => {
                let number = integer(value).ok_or("is no whole number")?;
                Ok(Given::Text(Cow::Owned(number.to_string())))
            }
            Self::AsIs | Self::IntegerOf => {
                text(&TextRule { lenient: true, ..TextRule::default() }, value).map(Given::Text)
            }
            Self::Masked { .. } | Self::Md5 | Self::Uuid5 | Self::TokenSubject => Err("is never read"),
        }
    }
}

fn plain<'v>(value: &'v Value<'_>) -> Option<&'v str> {
    value.as_text()
}

/// A string, or a number for its digits: apps that send phones and codes as numbers are many.
fn string<'v>(value: &'v Value<'_>) -> Result<&'v str, &'static str> {
    plain(value).ok_or("must be a string")
}

fn text<'v>(rule: &TextRule, value: &'v Value<'_>) -> Result<Cow<'v, str>, &'static str> {
    let text = match value {
        Value::String(text) => text.as_ref(),
        Value::Number(text) if rule.lenient => text,
        Value::Bool(truth) if rule.lenient => {
            if *truth {
                "true"
            } else {
                "false"
            }
        }
        _ => return Err("must be a string"),
    };
    let text = match rule.spaceless && text.contains(char::is_whitespace) {
        true => Cow::Owned(text.split_whitespace().collect()),
        false => Cow::Borrowed(text),
    };
    rule.allows(&text).then_some(text).ok_or("has a length or characters that are not accepted")
}

fn integer(value: &Value<'_>) -> Option<i64> {
    match value {
        // {"high": h, "low": l}: how a JavaScript client of 2018 writes a 64-bit number.
        Value::Object(object) => {
            let high = object.value("high").and_then(Value::as_integer)?;
            let low = object.value("low").and_then(Value::as_integer)?;
            high.checked_mul(1 << 32)?.checked_add(low.rem_euclid(1 << 32))
        }
        value => value.as_integer(),
    }
}

fn boolean(
    forms: Option<&(super::Literal, super::Literal)>,
    value: &Value<'_>,
) -> Result<bool, &'static str> {
    match (forms, value) {
        (None, Value::Bool(truth)) => Ok(*truth),
        (None, _) => Err("must be true or false"),
        (Some((yes, _)), value) if yes.is(value) || *value == Value::Bool(true) => Ok(true),
        (Some((_, no)), value) if no.is(value) || *value == Value::Bool(false) => Ok(false),
        (Some(_), _) => Err("is neither of the two allowed values"),
    }
}

fn phone(form: PhoneForm, text: &str, reading: Reading<'_>) -> Result<Phone, &'static str> {
    // 138****8000: what is left of its digits may well be a possible number.
    if text.contains('*') {
        return Err("is a phone number with hidden digits");
    }
    match form {
        PhoneForm::StrictE164 => {
            Phone::from_e164(text).map_err(|_| "is no phone number in E.164 (+8613800138001)")
        }
        PhoneForm::PlusOptional => {
            Phone::parse_plus_optional(text, reading.country).map_err(|_| "is no phone number")
        }
        PhoneForm::E164 => Phone::parse(text, reading.country).map_err(|_| "is no phone number"),
        PhoneForm::National => {
            // A hidden digit (138****8000) makes a number that is none.
            let phone = Phone::parse(text, reading.country).map_err(|_| "is no phone number")?;
            let is_national = Phone::parse(phone.national(), reading.country).as_ref() == Ok(&phone);
            is_national.then_some(phone).ok_or("is a foreign phone number, which has no form here")
        }
        PhoneForm::NationalWithCode => {
            let known = reading.known_phone.filter(|known| known.national() == text);
            if let (Some(known), None) = (known, reading.calling_code) {
                return Ok(known.clone());
            }
            let international = text.trim_start().starts_with(['+', '＋']);
            let parsed = match reading.calling_code {
                Some(code) if !international && code != "86" => Phone::from_parts(code, text),
                _ => Phone::parse(text, Country::CHINA),
            };
            parsed.map_err(|_| "is no phone number")
        }
    }
}

fn time(form: TimeForm, value: &Value<'_>, reading: Reading<'_>) -> Option<Moment> {
    match form {
        TimeForm::Rfc3339 => Moment::from_rfc3339(value.as_str()?),
        // Zero is how these servers write "never".
        TimeForm::Seconds(_) => integer(value).filter(|number| *number != 0).map(Moment::from_seconds),
        TimeForm::Milliseconds(_) => integer(value).filter(|number| *number != 0).map(Moment::from_millis),
        TimeForm::EitherUnit(_) => {
            let number = integer(value)?;
            let milliseconds = number >= SMALLEST_MILLISECONDS;
            Some(if milliseconds { Moment::from_millis(number) } else { Moment::from_seconds(number) })
        }
        TimeForm::Text => {
            let (date, hours) = value.as_str()?.trim().split_once(' ')?;
            let local = Moment::from_rfc3339(&format!("{date}T{hours}Z"))?;
            Some(Moment::from_millis(local.millis() - i64::from(reading.zone_minutes) * 60_000))
        }
    }
}

/// Whether a text looks like the MD5 that newer clients send in a password's place.
pub(in crate::dialect::pack) fn is_md5_hex(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn password(passwords: Passwords, text: &str) -> Result<Given<'_>, &'static str> {
    let form = match passwords {
        Passwords::Plain | Passwords::AsTold => PasswordForm::Plain,
        Passwords::Md5Hex if is_md5_hex(text) => PasswordForm::Md5Hex,
        Passwords::Md5Hex => return Err(crate::account::Problem::WRONG_FORM),
        Passwords::Auto if is_md5_hex(text) => PasswordForm::Md5Hex,
        Passwords::Auto => PasswordForm::Plain,
    };
    Ok(Given::Password(Cow::Borrowed(text), form))
}

fn identity<'v>(
    identities: Identities,
    form: PhoneForm,
    text: &'v str,
    reading: Reading<'_>,
) -> Result<Given<'v>, &'static str> {
    if identities.digits_are_phones && is_all_digits(text) {
        return phone(form, text, reading).map(Given::Phone);
    }
    // Where no username counts, the shape alone says which of the two it is.
    if identities.phone && identities.email && !identities.username {
        return match Email::parse(text) {
            Ok(email) => Ok(Given::Email(email)),
            Err(_) => phone(form, text, reading)
                .map(Given::Phone)
                .map_err(|_| "is neither a phone number nor an e-mail address"),
        };
    }
    Ok(Given::Text(Cow::Borrowed(text)))
}

fn base64(text: &str) -> Option<String> {
    let bytes = STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()?;
    String::from_utf8(bytes).ok()
}
