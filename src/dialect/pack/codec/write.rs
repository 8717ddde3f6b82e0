//! From the model to the wire.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use md5::Md5;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Codec, Number, Passwords, PhoneForm, TimeForm, is_all_digits};
use crate::account::{Country, PasswordForm, Phone};
use crate::clock::Moment;
use crate::dialect::pack::field::Datum;
use crate::dialect::pack::literal::Written;
use crate::json;

/// What writing one value needs besides it.
#[derive(Debug, Clone, Copy)]
pub(in crate::dialect::pack) struct Writing {
    /// The country whose numbers are national.
    pub country: Country,
    /// The form of the passwords at hand.
    pub password_form: PasswordForm,
    /// Minutes east of Greenwich of times without a zone.
    pub zone_minutes: i32,
}

/// Why a value has no form here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect::pack) enum CantWrite {
    /// This dialect never has values of that kind.
    NoForm,
    /// This value is one that it can't hold.
    Value(&'static str),
}

impl Codec {
    /// Writes a value.
    pub fn write<'d>(&'d self, datum: &Datum<'d>, writing: Writing) -> Result<Written<'d>, CantWrite> {
        let owned = |text: String| Ok(Written::Text(Cow::Owned(text)));
        match (self, datum) {
            (Self::Text(rule), datum) => {
                let text = as_text(datum);
                let allowed = rule.allows(&text);
                allowed.then_some(Written::Text(text)).ok_or(CantWrite::Value("does not fit the other side"))
            }
            (Self::AsIs, Datum::Integer(integer)) => Ok(numeric(Number::Plain, *integer)),
            (Self::AsIs, datum) => Ok(Written::Text(as_text(datum))),
            (Self::Integer { number, least, most }, Datum::Integer(integer)) => {
                let fits = (*least..=*most).contains(integer);
                fits.then(|| numeric(*number, *integer))
                    .ok_or(CantWrite::Value("does not fit the other side"))
            }
            (Self::Integer { number, .. }, Datum::Text(text)) => match text.parse::<i64>() {
                Ok(integer) => Ok(numeric(*number, integer)),
                // An id that is no number is still the account's id.
                Err(_) => Ok(Written::Text(text.clone())),
            },
            (Self::Bool(forms), Datum::Bool(truth)) => Ok(boolean(forms.as_ref(), *truth)),
            (Self::Phone(form), Datum::Phone(phone)) => write_phone(*form, phone, writing),
            (Self::CallingCode(number), Datum::Phone(phone)) => {
                Ok(numeric(*number, phone.calling_code().into()))
            }
            (Self::CallingCode(number), Datum::Integer(code)) => Ok(numeric(*number, *code)),
            (Self::Email, Datum::Email(email)) => Ok(Written::Text(Cow::Borrowed(email.as_str()))),
            (Self::Time(form), Datum::Moment(moment)) => Ok(time(*form, *moment, writing)),
            (Self::Milliseconds(number), Datum::Integer(seconds)) => {
                let milliseconds =
                    seconds.checked_mul(1000).ok_or(CantWrite::Value("does not fit the other side"))?;
                Ok(numeric(*number, milliseconds))
            }
            (Self::Names(names), datum) => names.write(&datum.to_text()).ok_or(CantWrite::NoForm),
            (Self::Password(passwords), Datum::Text(text)) => {
                password(*passwords, text, writing.password_form)
            }
            (Self::Identity(identities, form), datum) => match datum {
                Datum::Phone(phone) if identities.phone || identities.digits_are_phones => {
                    write_phone(*form, phone, writing)
                }
                Datum::Email(email) if identities.email => Ok(Written::Text(Cow::Borrowed(email.as_str()))),
                Datum::Text(text) if identities.digits_are_phones && is_all_digits(text) => {
                    Err(CantWrite::Value("would be taken for a phone number"))
                }
                Datum::Text(text) if identities.username => Ok(Written::Text(text.clone())),
                _ => Err(CantWrite::NoForm),
            },
            (Self::Prefixed(prefix), datum) => owned(format!("{prefix}{}", datum.to_text())),
            (Self::Base64, datum) => owned(STANDARD.encode(datum.to_text().as_bytes())),
            (Self::Masked { first, last, hidden }, datum) => owned(masked(datum, *first, *last, hidden)),
            (Self::Md5, datum) => owned(crate::hexadecimal::encode(&Md5::digest(datum.to_text().as_bytes()))),
            (Self::Uuid5, datum) => {
                owned(Uuid::new_v5(&Uuid::NAMESPACE_OID, datum.to_text().as_bytes()).to_string())
            }
            (Self::IntegerOf, datum) => Ok(numeric(Number::Plain, integer_of(&datum.to_text()))),
            (Self::TokenSubject, datum) => token_subject(&datum.to_text())
                .map(|text| Written::Text(text.into()))
                .ok_or(CantWrite::NoForm),
            _ => Err(CantWrite::NoForm),
        }
    }
}

fn as_text<'d>(datum: &Datum<'d>) -> Cow<'d, str> {
    match datum {
        Datum::Text(text) => text.clone(),
        Datum::Phone(phone) => Cow::Borrowed(phone.e164()),
        Datum::Email(email) => Cow::Borrowed(email.as_str()),
        other => Cow::Owned(other.to_text().into_owned()),
    }
}

fn numeric<'d>(number: Number, integer: i64) -> Written<'d> {
    let text = Cow::Owned(integer.to_string());
    match number {
        Number::Plain => Written::Raw(text),
        Number::Quoted => Written::Text(text),
    }
}

fn boolean(forms: Option<&(super::Literal, super::Literal)>, truth: bool) -> Written<'_> {
    match forms {
        Some((yes, no)) => {
            if truth {
                yes.written()
            } else {
                no.written()
            }
        }
        None => Written::Raw(Cow::Borrowed(if truth { "true" } else { "false" })),
    }
}

fn write_phone<'d>(form: PhoneForm, phone: &'d Phone, writing: Writing) -> Result<Written<'d>, CantWrite> {
    let text = match form {
        PhoneForm::StrictE164 | PhoneForm::E164 | PhoneForm::PlusOptional => phone.e164(),
        PhoneForm::NationalWithCode => phone.national(),
        PhoneForm::National => {
            // Read back in the default country it must be the same number.
            let national = phone.national();
            if Phone::parse(national, writing.country).as_ref() != Ok(phone) {
                return Err(CantWrite::Value(
                    "is a foreign phone number, which has no form on the other side",
                ));
            }
            national
        }
    };
    Ok(Written::Text(Cow::Borrowed(text)))
}

fn time<'d>(form: TimeForm, moment: Moment, writing: Writing) -> Written<'d> {
    match form {
        TimeForm::Rfc3339 => Written::Text(Cow::Owned(moment.to_rfc3339())),
        TimeForm::Seconds(number) | TimeForm::EitherUnit(number) => numeric(number, moment.seconds()),
        TimeForm::Milliseconds(number) => numeric(number, moment.millis()),
        TimeForm::Text => {
            let local =
                Moment::from_millis(moment.millis().saturating_add(i64::from(writing.zone_minutes) * 60_000));
            let text = local.to_rfc3339();
            let date = text.get(..10).unwrap_or_default();
            let hours = text.get(11..19).unwrap_or_default();
            Written::Text(Cow::Owned(format!("{date} {hours}")))
        }
    }
}

/// Plain text is hashed for a side that wants hashes; a hash is no plain password, and passing it
/// for one would be a wrong password without anybody's saying so.
fn password<'d>(
    passwords: Passwords,
    text: &Cow<'d, str>,
    form: PasswordForm,
) -> Result<Written<'d>, CantWrite> {
    match (passwords, form) {
        (Passwords::AsTold, _) | (Passwords::Plain, PasswordForm::Plain) => Ok(Written::Text(text.clone())),
        (Passwords::Md5Hex | Passwords::Auto, PasswordForm::Md5Hex) => Ok(Written::Text(text.clone())),
        (Passwords::Md5Hex | Passwords::Auto, PasswordForm::Plain) => {
            Ok(Written::Text(Cow::Owned(crate::hexadecimal::encode(&Md5::digest(text.as_bytes())))))
        }
        (Passwords::Plain, PasswordForm::Md5Hex) => Err(CantWrite::NoForm),
    }
}

fn masked(datum: &Datum<'_>, first: usize, last: usize, hidden: &str) -> String {
    match datum {
        Datum::Phone(phone) => hide(phone.national(), first, last, hidden),
        Datum::Email(email) => hide(email.as_str(), first, last, hidden),
        other => other.to_text().into_owned(),
    }
}

fn hide(text: &str, first: usize, last: usize, hidden: &str) -> String {
    let count = text.chars().count();
    let start: String = text.chars().take(first.min(count)).collect();
    let end: String = text.chars().skip(count.saturating_sub(last).max(first)).collect();
    format!("{start}{hidden}{end}")
}

/// The greatest integer that JavaScript clients hold exactly.
const GREATEST_SAFE: i64 = (1 << 53) - 1;

/// The number that stands for an id where a dialect has numbers only: the id itself where it is an
/// integer that JavaScript holds exactly, else 52 bits of its SHA-256.
pub fn integer_of(text: &str) -> i64 {
    match text.parse::<i64>() {
        Ok(number) if (0..=GREATEST_SAFE).contains(&number) => number,
        _ => {
            let digest = Sha256::digest(text.as_bytes());
            let bits = digest.iter().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            i64::try_from(bits >> 12).unwrap_or(GREATEST_SAFE)
        }
    }
}

fn token_subject(token: &str) -> Option<String> {
    let payload = token.split('.').nth(1)?;
    let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let value = json::parse(&bytes, 8).ok()?;
    value.as_object()?.value("sub")?.as_text().map(str::to_owned)
}
