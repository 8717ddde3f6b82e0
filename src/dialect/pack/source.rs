//! Where values come from when a message is written: a call, a reply or a problem, and what
//! surrounds it.

mod fields;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::IpAddr;

use super::field::{Datum, Field};
use crate::account::{Call, Extensions, Identifier, PasswordForm, Problem, Reply};
use crate::dialect::{Asked, Sending};
use crate::sign::nonce;
use fields::secret;

pub(super) use fields::{of_account, of_call, of_session};

/// Gives a message's values.
pub(super) trait Source {
    /// Whether a value that has no form is an error; else it counts as absent.
    const STRICT: bool;

    fn get(&self, field: Field) -> Option<Datum<'_>>;

    /// What the model does not name.
    fn extensions(&self) -> Option<&Extensions>;

    /// The names that the account goes by, those that the caller gave first, for a message of a dialect.
    fn identities(&self, _dialect: &str) -> Vec<Datum<'_>> {
        Vec::new()
    }

    fn password_form(&self) -> PasswordForm {
        PasswordForm::Plain
    }
}

/// A call on its way to a backend.
pub(super) struct CallSource<'a> {
    pub call: &'a Call,
    pub sending: &'a Sending<'a>,
    /// What the call's `identifier` is, by its shape.
    pub identifier: Option<Identifier>,
    /// The client's address as text, once somebody asks for it.
    address: OnceCell<String>,
}

impl<'a> CallSource<'a> {
    pub fn new(call: &'a Call, sending: &'a Sending<'a>) -> Self {
        let classify = |text: &String| Identifier::classify(text, sending.default_country);
        let identifier = call.identifier.as_ref().map(classify);
        Self { call, sending, identifier, address: OnceCell::new() }
    }

    fn address(&self) -> Option<&str> {
        let address = self.sending.client_address?;
        Some(self.address.get_or_init(|| address.to_string()))
    }

    fn of_gateway(&self, field: Field) -> Option<Datum<'_>> {
        match field {
            Field::GatewayClientAddress => self.address().map(Datum::text),
            Field::GatewayForwarded => {
                let (before, after) = match self.sending.client_address? {
                    IpAddr::V4(_) => ("for=", ""),
                    IpAddr::V6(_) => ("for=\"[", "]\""),
                };
                Some(Datum::Text(Cow::Owned([before, self.address()?, after].concat())))
            }
            _ => of_sending(self.sending, field),
        }
    }
}

impl Source for CallSource<'_> {
    const STRICT: bool = true;

    fn get(&self, field: Field) -> Option<Datum<'_>> {
        if field.is_of_gateway() {
            return self.of_gateway(field);
        }
        let said = of_call(self.call, field);
        if said.is_some() || self.identifier.is_none() {
            return said;
        }
        match (field, &self.identifier) {
            (Field::Phone, Some(Identifier::Phone(phone))) => Some(Datum::Phone(phone)),
            (Field::Email, Some(Identifier::Email(email))) => Some(Datum::Email(email)),
            (Field::Username, Some(Identifier::Username(name))) => Some(Datum::text(name)),
            _ => None,
        }
    }

    fn extensions(&self) -> Option<&Extensions> {
        Some(&self.call.extensions)
    }

    fn identities(&self, dialect: &str) -> Vec<Datum<'_>> {
        // What kind of name it is its own dialect need not be told: it goes there as it came.
        if let Some(identifier) = &self.call.identifier
            && self.call.client.dialect == dialect
        {
            return vec![Datum::text(identifier)];
        }
        [Field::Username, Field::Phone, Field::Email]
            .into_iter()
            .filter_map(|field| self.get(field))
            .collect()
    }

    fn password_form(&self) -> PasswordForm {
        self.call.password_form
    }
}

fn of_sending<'a>(sending: &Sending<'a>, field: Field) -> Option<Datum<'a>> {
    let owned = |text: String| Some(Datum::Text(Cow::Owned(text)));
    let header = |value: Option<&'a http::HeaderValue>| value?.to_str().ok().map(Datum::text);
    match field {
        Field::GatewayAppId => sending.app.map(|app| Datum::text(&app.id)),
        Field::GatewayTime => Some(Datum::Moment(sending.now)),
        Field::GatewayNonce => owned(nonce(sending.random)),
        Field::GatewayUuid => {
            owned(uuid::Builder::from_random_bytes(sending.random.to_le_bytes()).into_uuid().to_string())
        }
        Field::GatewayRequestId => Some(Datum::text(sending.request_id)),
        Field::GatewayIdempotencyKey => sending.idempotency_key.map(Datum::text),
        Field::GatewayTraceparent => header(sending.traceparent),
        Field::GatewayAcceptLanguage => header(sending.accept_language),
        _ => None,
    }
}

/// A reply on its way to a client.
pub(super) struct ReplySource<'a> {
    pub asked: &'a Asked<'a>,
    pub reply: &'a Reply,
    /// The success message of the operation.
    pub message: &'a str,
}

impl Source for ReplySource<'_> {
    const STRICT: bool = false;

    fn get(&self, field: Field) -> Option<Datum<'_>> {
        let seconds =
            |seconds: Option<u64>| seconds.and_then(|seconds| seconds.try_into().ok()).map(Datum::Integer);
        match field {
            Field::ReplyRegion => self.reply.region.as_deref().map(Datum::text),
            Field::ReplyBaseUrl => self.reply.base_url.as_deref().map(Datum::text),
            Field::ReplyChallenge => secret(self.reply.challenge.as_ref()),
            Field::ReplyExpiresIn => seconds(self.reply.expires_in),
            Field::ReplyResendIn => seconds(self.reply.resend_in),
            Field::ReplyMessage => Some(Datum::text(self.message)),
            _ => {
                let session = || of_session(self.reply.session.as_ref()?, field);
                let account = || of_account(self.reply.account.as_ref()?, field);
                session().or_else(account).or_else(|| of_asked(self.asked, field))
            }
        }
    }

    fn extensions(&self) -> Option<&Extensions> {
        self.reply.account.as_ref().map(|account| &account.extensions)
    }
}

/// A problem on its way to a client, with the row that says how.
pub(super) struct ProblemSource<'a> {
    pub asked: &'a Asked<'a>,
    pub problem: &'a Problem,
    pub code: Option<(Cow<'a, str>, bool)>,
    pub status: u16,
    pub text: Cow<'a, str>,
    pub wire_field: Option<&'a str>,
}

impl Source for ProblemSource<'_> {
    const STRICT: bool = false;

    fn get(&self, field: Field) -> Option<Datum<'_>> {
        let problem = self.problem;
        let number =
            |number: Option<u64>| number.and_then(|number| number.try_into().ok()).map(Datum::Integer);
        match field {
            Field::ProblemCode => Some(Datum::text(problem.code.name())),
            Field::ProblemTitle => Some(Datum::text(problem.code.title())),
            Field::ProblemDetail => Some(Datum::Text(Cow::Owned(problem.detail()))),
            Field::ProblemField => problem.field.as_deref().map(Datum::text),
            Field::ProblemWireField => self.wire_field.map(Datum::text),
            Field::ProblemReason => problem.reason.as_deref().map(Datum::text),
            Field::ProblemRetryAfter => number(problem.retry_after),
            Field::ProblemAttemptsLeft => number(problem.attempts_left.map(u64::from)),
            Field::ProblemRegion => problem.region.as_deref().map(Datum::text),
            Field::ProblemBindToken => secret(problem.bind_token.as_ref()),
            Field::ProblemOperation => problem.operation.map(|operation| Datum::text(operation.name())),
            Field::RowCode => {
                let (code, quoted) = self.code.as_ref()?;
                match code.parse() {
                    Ok(number) if !quoted => Some(Datum::Integer(number)),
                    _ => Some(Datum::Text(Cow::Borrowed(code))),
                }
            }
            Field::RowStatus => Some(Datum::Integer(self.status.into())),
            Field::RowText => Some(Datum::text(&self.text)).filter(|_| !self.text.is_empty()),
            _ => of_asked(self.asked, field),
        }
    }

    fn extensions(&self) -> Option<&Extensions> {
        None
    }
}

fn of_asked<'a>(asked: &Asked<'a>, field: Field) -> Option<Datum<'a>> {
    match field {
        Field::GatewayRegion => Some(Datum::text(asked.region)),
        Field::GatewayTime => Some(Datum::Moment(asked.now)),
        Field::GuardNonce => asked.signed.map(|signed| Datum::text(&signed.nonce)),
        Field::GuardTime => asked.signed.map(|signed| Datum::Moment(signed.time)),
        Field::ClientAppId => asked.signed.map(|signed| Datum::text(&signed.app_id)),
        _ => of_call(asked.call?, field),
    }
}
