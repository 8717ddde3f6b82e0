//! What the routes read of a request besides its members: its form, its token, its key, its caller's address.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Request};

use super::decode;
use super::json::Json;
use crate::account::{Call, Operation, Problem, ProblemCode, Secret};

/// Bytes of a body.
const MAX_BODY: usize = 64 * 1024;
const MAX_KEY: usize = 255;

/// Reads the body of an operation that takes JSON.
pub(super) fn read_call(operation: Operation, request: &Request<Bytes>) -> Result<Call, Problem> {
    let headers = request.headers();
    if !is_json(headers) || is_encoded(headers) {
        return Err(Problem::new(ProblemCode::UnsupportedMediaType)
            .reason("the body must be application/json without a Content-Encoding"));
    }
    if request.body().len() > MAX_BODY {
        return Err(ProblemCode::PayloadTooLarge.into());
    }
    let body =
        Json::parse(request.body()).map_err(|error| Problem::malformed(format!("the body {error}")))?;
    decode::read_call(operation, &body)
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut parts = content_type.unwrap_or_default().split(';');
    let essence = parts.next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        && parts.all(|parameter| match parameter.trim().split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
                value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// The access token, from the one place where it may stand.
pub(super) fn access_token(headers: &HeaderMap) -> Result<Secret, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(ProblemCode::TokenInvalid.into());
    };
    let token = value.to_str().ok().and_then(|value| value.split_once(' '));
    match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
            Ok(Secret::new(token.trim()))
        }
        _ => Err(ProblemCode::TokenInvalid.into()),
    }
}

/// The `Idempotency-Key`, where there is one.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&[u8]>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = value.as_bytes();
    let visible = key.iter().all(|byte| (b'!'..=b'~').contains(byte));
    if values.next().is_some() || key.is_empty() || key.len() > MAX_KEY || !visible {
        return Err(Problem::invalid(
            "Idempotency-Key",
            "must be one text of 1 to 255 visible ASCII characters",
        ));
    }
    Ok(Some(key))
}

/// The client's address, as the gateway in front tells it: the last hop that it names.
pub(super) fn client_address(headers: &HeaderMap) -> Option<IpAddr> {
    let value = headers.get_all("x-forwarded-for").iter().next_back()?;
    let last = value.to_str().ok()?.rsplit(',').next()?;
    last.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: &'static str, values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_json_in_utf8_is_json() {
        for good in ["application/json", "Application/JSON; charset=\"UTF-8\"", "application/json;v=1"] {
            assert!(is_json(&headers("content-type", &[good])), "{good}");
        }
        for bad in ["", "text/plain", "application/json; charset=gbk", "application/jsonp"] {
            assert!(!is_json(&headers("content-type", &[bad])), "{bad}");
        }
    }

    #[test]
    fn a_token_stands_once_behind_bearer() {
        let token = |values: &[&'static str]| access_token(&headers("authorization", values));
        assert_eq!(token(&["bearer  abc"]).unwrap(), Secret::from("abc"));
        for bad in [&["Basic abc"][..], &["Bearer "], &["Bearer"], &["Bearer a", "Bearer b"], &[]] {
            assert_eq!(token(bad).unwrap_err().code, ProblemCode::TokenInvalid, "{bad:?}");
        }
    }

    #[test]
    fn the_client_address_is_the_last_hop() {
        let address = |value| client_address(&headers("x-forwarded-for", &[value]));
        assert_eq!(address("10.0.0.1, 192.0.2.7"), "192.0.2.7".parse().ok());
        assert_eq!(address("unknown"), None);
    }
}
