//! Problems as RFC 9457 JSON, the canonical dialect's form of a bad answer: for that dialect, for
//! the embedded backend that implements it, and for whatever the server answers without a dialect.

use crate::account::{Operation, Problem, Secret};
use crate::json::ObjectWriter;

/// The media type.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What stands before the code in `type`.
pub const TYPE_PREFIX: &str = "urn:dragoman:problem:";

/// Writes a problem: the members of RFC 9457 with this title, the code, and what is known besides.
pub fn write(problem: &Problem, title: &str) -> Vec<u8> {
    let code = problem.code;
    let mut body = ObjectWriter::new();
    body.string("type", &format!("{TYPE_PREFIX}{}", code.name()));
    body.string("title", title);
    body.integer("status", i64::from(code.status()));
    body.string("detail", &problem.detail());
    body.string("code", code.name());
    body.string_if("field", problem.field.as_deref());
    body.string_if("reason", problem.reason.as_deref());
    if let Some(seconds) = problem.retry_after {
        body.raw("retry_after", &seconds.to_string());
    }
    if let Some(attempts) = problem.attempts_left {
        body.integer("attempts_left", i64::from(attempts));
    }
    body.string_if("region", problem.region.as_deref());
    body.string_if("bind_token", problem.bind_token.as_ref().map(Secret::expose));
    body.string_if("operation", problem.operation.map(Operation::name));
    body.finish()
}
