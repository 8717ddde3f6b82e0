//! The project's own dialect: the canonical model's plain wire form, and the contract that a new
//! backend implements. JSON, snake_case; times RFC 3339, phones E.164, errors RFC 9457.

mod answer;
mod call;
mod problem;

use bytes::Bytes;
use http::{Method, Request, Response, request};

use super::{Asked, Claim, Dialect, Reading, Sending, Understood};
use crate::account::{Call, Operation, Problem, Reply};

/// The dialect's name.
pub const NAME: &str = "canonical";

/// One operation's place. A login by code shares the place of the login by password: the body tells.
struct Place {
    operation: Operation,
    method: Method,
    path: &'static str,
    /// The status of a good answer.
    status: u16,
}

const fn place(operation: Operation, method: Method, path: &'static str, status: u16) -> Place {
    Place { operation, method, path, status }
}

const PLACES: &[Place] = &[
    place(Operation::SendCode, Method::POST, "/v1/verification-codes", 202),
    place(Operation::Register, Method::POST, "/v1/accounts", 201),
    place(Operation::Login, Method::POST, "/v1/sessions", 201),
    place(Operation::LoginCode, Method::POST, "/v1/sessions", 201),
    place(Operation::ResetPassword, Method::POST, "/v1/password-resets", 200),
    place(Operation::Refresh, Method::POST, "/v1/sessions/refresh", 200),
    place(Operation::LogOut, Method::DELETE, "/v1/sessions/current", 204),
    place(Operation::WhoAmI, Method::GET, "/v1/accounts/me", 200),
    place(Operation::ChangeName, Method::PATCH, "/v1/accounts/me", 200),
    place(Operation::ChangePassword, Method::PUT, "/v1/accounts/me/password", 204),
    place(Operation::Region, Method::GET, "/v1/region", 200),
];

fn place_of(operation: Operation) -> Option<&'static Place> {
    PLACES.iter().find(|place| place.operation == operation)
}

/// The canonical dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Canonical;

impl Dialect for Canonical {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signs(&self) -> bool {
        false
    }

    fn needs_session(&self, _operation: Operation) -> bool {
        false
    }

    fn claim(&self, method: &Method, path: &str) -> Claim {
        let mut claim = Claim::Foreign;
        for place in PLACES.iter().filter(|place| place.path == path) {
            if place.method == *method {
                return Claim::Operation(place.operation);
            }
            claim = Claim::WrongMethod;
        }
        claim
    }

    fn read_call(
        &self,
        operation: Operation,
        head: &request::Parts,
        body: &Bytes,
        reading: Reading,
    ) -> Result<Understood, Problem> {
        call::read(operation, head, body, reading)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_place() {
        for operation in Operation::ALL {
            assert!(place_of(*operation).is_some(), "{operation:?}");
        }
    }
}
