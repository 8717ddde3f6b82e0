//! The region that this backend was told it serves.

use bytes::Bytes;
use http::Request;

use crate::account::{Operation, Problem};
use crate::backend::State;
use crate::backend::answer::Answer;
use crate::backend::decode;
use crate::backend::json::Json;
use crate::backend::request;

pub(super) fn show(state: &State, request: &Request<Bytes>) -> Result<Answer, Problem> {
    for (name, value) in request::query(request)? {
        match name.as_str() {
            "phone" => drop(decode::phone(&Json::String(value))?),
            "email" => drop(decode::email(&Json::String(value))?),
            "country_calling_code" => check_calling_code(&value)?,
            _ => {}
        }
    }
    let Some(region) = &state.region else {
        return Err(Problem::not_supported(Operation::Region));
    };
    Ok(Answer::ok(Json::object([
        ("region", Json::String(region.clone())),
        ("base_url", Json::Null),
    ])))
}

fn check_calling_code(text: &str) -> Result<(), Problem> {
    let good = (1..=3).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with('0');
    match good {
        true => Ok(()),
        false => Err(Problem::invalid(
            "country_calling_code",
            "must be 1 to 3 digits, such as 86",
        )),
    }
}
