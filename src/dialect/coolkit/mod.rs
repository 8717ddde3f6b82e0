//! The dialect of the coolkit (eWeLink) cloud's v1 HTTP API.
//!
//! Facts come from the vendor's documentation of 2019-06 to 2020-10, from third-party clients'
//! code, and from running those clients. Every answer is HTTP 200: real clients throw on anything
//! else, or turn a redirected POST into a GET.

mod answer;
mod call;
mod problem;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{Method, Request, Response, request};

use super::{Asked, Claim, Dialect, Proof, Reading, Sending, Understood};
use crate::account::{Call, Operation, Problem, Purpose, Reply};

/// The dialect's name.
pub const NAME: &str = "coolkit";

/// Of every message, both ways.
const CONTENT_TYPE: &str = "application/json; charset=utf-8";

/// How a caller shows who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Authentication {
    Signature,
    Token,
}

/// One operation's place.
struct Place {
    operation: Operation,
    method: Method,
    path: &'static str,
    authentication: Authentication,
}

const PLACES: &[Place] = &[
    place(Operation::Register, Method::POST, "/api/user/register", Authentication::Signature),
    place(Operation::Login, Method::POST, "/api/user/login", Authentication::Signature),
    place(Operation::ResetPassword, Method::POST, "/api/user/password/reset", Authentication::Signature),
    place(Operation::SendCode, Method::POST, "/api/sms", Authentication::Signature),
    place(Operation::Refresh, Method::GET, "/api/user/refresh", Authentication::Signature),
    place(Operation::Region, Method::GET, "/api/user/region", Authentication::Signature),
    place(Operation::ChangePassword, Method::POST, "/api/user/password", Authentication::Token),
];

const fn place(
    operation: Operation,
    method: Method,
    path: &'static str,
    authentication: Authentication,
) -> Place {
    Place { operation, method, path, authentication }
}

/// `sendType` of `/api/sms`.
const SEND_TYPES: &[(&str, Purpose)] =
    &[("0", Purpose::Register), ("1", Purpose::ResetPassword), ("3", Purpose::DeleteAccount)];

/// The `sendType` that asks for a code to bind WeChat: it sends one, and has no counterpart in the model.
const WECHAT_SEND_TYPE: &str = "4";

/// `user.lang` and the languages that it stands for.
const LANGUAGES: &[(&str, &str)] = &[("cn", "zh-CN"), ("en", "en")];

/// Wire names of the model's fields: in one operation, or, where none is named, in all.
const FIELD_NAMES: &[(&str, Option<Operation>, &str)] = &[
    ("phone", Some(Operation::SendCode), "to"),
    ("phone", None, "phoneNumber"),
    ("identifier", None, "phoneNumber"),
    ("email", None, "email"),
    ("verification.code", None, "verificationCode"),
    ("password", None, "password"),
    ("new_password", Some(Operation::ChangePassword), "newPassword"),
    ("new_password", None, "password"),
    ("old_password", None, "oldPassword"),
    ("refresh_token", None, "rt"),
    ("purpose", None, "sendType"),
    ("country_calling_code", None, "country_code"),
    ("client.app_id", None, "appid"),
    ("guard.nonce", None, "nonce"),
    ("guard.time", None, "ts"),
];

fn wire_name(field: &str, operation: Option<Operation>) -> &str {
    let fits = |of: &Option<Operation>| of.is_none() || *of == operation;
    FIELD_NAMES.iter().find(|(name, of, _)| *name == field && fits(of)).map_or(field, |(_, _, wire)| wire)
}

/// The coolkit dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Coolkit;

impl Dialect for Coolkit {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signs(&self) -> bool {
        true
    }

    fn needs_session(&self, operation: Operation) -> bool {
        operation.opens_session()
    }

    fn claim(&self, method: &Method, path: &str) -> Claim {
        match PLACES.iter().find(|place| place.path == path) {
            None => Claim::Foreign,
            Some(place) if place.method == *method => Claim::Operation(place.operation),
            Some(_) => Claim::WrongMethod,
        }
    }

    fn read_call(
        &self,
        operation: Operation,
        head: &request::Parts,
        body: &Bytes,
        reading: Reading,
    ) -> Result<Understood, Problem> {
        let authentication = PLACES
            .iter()
            .find(|place| place.operation == operation)
            .map(|place| place.authentication)
            .ok_or_else(|| Problem::not_supported(operation))?;
        let understood = call::read(operation, head, body, reading)?;
        match authentication {
            Authentication::Signature => Ok(understood),
            Authentication::Token => Ok(Understood { proof: Proof::Token, ..understood }),
        }
    }

    fn write_reply(&self, asked: &Asked<'_>, reply: &Reply) -> Result<Response<Bytes>, Problem> {
        answer::write(asked, reply)
    }

    fn write_problem(&self, asked: &Asked<'_>, problem: &Problem) -> Response<Bytes> {
        problem::write(asked, problem)
    }

    fn write_call(&self, call: &Call, sending: &Sending<'_>) -> Result<Request<Bytes>, Problem> {
        call::write(call, sending)
    }

    fn read_answer(
        &self,
        call: &Call,
        response: &Response<Bytes>,
        reading: Reading,
    ) -> Result<Reply, Problem> {
        answer::read(call, response, reading)
    }
}
