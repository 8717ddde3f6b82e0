//! The region that this backend was told it serves.

use bytes::Bytes;
use http::Request;

use crate::account::{Operation, Problem};
use crate::backend::State;
use crate::backend::answer::Answer;
use crate::backend::decode;
use crate::backend::json::Json;
use crate::query::Query;

pub(super) fn show(state: &State, request: &Request<Bytes>) -> Result<Answer, Problem> {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let query = query.ok_or_else(|| Problem::malformed("the query's escapes are malformed"))?;
    if query.has_duplicates() {
        return Err(Problem::malformed("the query has a parameter twice"));
    }
    for pair in query.iter() {
        let value = || Json::String(pair.value.to_string());
        match pair.name.as_ref() {
            "phone" => drop(decode::phone(&value())?),
            "email" => drop(decode::email(&value())?),
            "country_calling_code" => check_calling_code(&pair.value)?,
            _ => {}
        }
    }
    let Some(region) = &state.region else {
        return Err(Problem::not_supported(Operation::Region));
    };
    Ok(Answer::ok(Json::object([("region", Json::String(region.clone())), ("base_url", Json::Null)])))
}

fn check_calling_code(text: &str) -> Result<(), Problem> {
    let good = (1..=3).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with('0');
    match good {
        true => Ok(()),
        false => Err(Problem::invalid("country_calling_code", "must be 1 to 3 digits, such as 86")),
    }
}
