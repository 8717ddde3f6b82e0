//! Which fields of a passed-through request the backend sees: none that pretend to come from a
//! proxy, and those that tell where the request really came from.

use http::{HeaderName, header};
use pingora::Result;
use pingora::http::RequestHeader;

use super::answer::REQUEST_ID;
use super::tracing_fields::{TRACE_PARENT, TRACE_STATE, has_broken_trace};
use crate::gateway::{Arrival, MovedToken};

/// Names that only a trusted proxy may set, or that some backends route by.
const FORGEABLE: [&str; 9] = [
    "forwarded",
    "x-real-ip",
    "idempotency-key",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    REQUEST_ID,
];

/// Prefixes of such names.
const FORGEABLE_PREFIXES: [&str; 2] = ["dragoman-", "x-forwarded-"];

/// Removes what a client must not say. A name with `_` or `.` goes too: some backends read it as
/// the same name with `-`.
pub fn strip(request: &mut RequestHeader) {
    let names: Vec<HeaderName> = request.headers.keys().filter(|name| is_forgeable(name)).cloned().collect();
    for name in &names {
        request.remove_header(name);
    }
    if has_broken_trace(&request.headers) {
        request.remove_header(TRACE_PARENT);
        request.remove_header(TRACE_STATE);
    }
}

fn is_forgeable(name: &HeaderName) -> bool {
    let name = name.as_str();
    FORGEABLE.contains(&name)
        || FORGEABLE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || name.contains(['_', '.'])
}

/// Puts the session's token where the backend wants it.
pub fn move_token(request: &mut RequestHeader, moved: &MovedToken) -> Result<()> {
    for name in &moved.removed {
        request.remove_header(name);
    }
    if let Some((name, value)) = &moved.inserted {
        request.insert_header(name.clone(), value.clone())?;
    }
    match &moved.target {
        Some(target) => request.set_raw_path(target.as_bytes()),
        None => Ok(()),
    }
}

/// Says where the request came from and which it is.
pub fn introduce(
    request: &mut RequestHeader,
    arrival: &Arrival,
    client: &RequestHeader,
    secure: bool,
) -> Result<()> {
    let scheme = if secure { "https" } else { "http" };
    request.insert_header(REQUEST_ID, &arrival.request_id)?;
    request.insert_header("X-Forwarded-Proto", scheme)?;
    let Some(address) = arrival.client else {
        return Ok(());
    };
    request.insert_header("X-Forwarded-For", address.to_string())?;
    let node = if address.is_ipv6() { format!("\"[{address}]\"") } else { address.to_string() };
    let host = client.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.filter(|host| !host.contains(['"', '\\']));
    let forwarded = match host {
        Some(host) => format!("for={node};host=\"{host}\";proto={scheme}"),
        None => format!("for={node};proto={scheme}"),
    };
    request.insert_header(header::FORWARDED, forwarded)
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn request(fields: &[&str]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for name in fields {
            request.append_header((*name).to_owned(), "forged").unwrap();
        }
        request
    }

    #[test]
    fn what_a_client_must_not_say_is_removed() {
        let mut request = request(&[
            "Dragoman-App",
            "Forwarded",
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "X-Real-IP",
            "Idempotency-Key",
            "X-Request-Id",
            "X_Forwarded_For",
            "X.Real.IP",
            "X-Original-URL",
            "X-HTTP-Method-Override",
            "Accept",
        ]);
        strip(&mut request);
        let left: Vec<_> = request.headers.keys().collect();
        assert_eq!(left, ["accept"]);
    }

    #[test]
    fn a_trace_is_passed_on_only_if_it_is_one() {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for (parent, left) in [(trace, 2), ("forged", 0)] {
            let mut request = request(&["tracestate"]);
            request.insert_header("traceparent", parent).unwrap();
            strip(&mut request);
            assert_eq!(request.headers.len(), left, "{parent}");
        }
    }

    #[test]
    fn the_backend_learns_who_really_asks() {
        let arrival = Arrival {
            listener: 0,
            client: Some("2001:db8::1".parse().unwrap()),
            request_id: "abc".to_owned(),
            deadline: Instant::now(),
        };
        let mut client = request(&[]);
        client.insert_header("Host", "shop.example").unwrap();
        let mut upstream = request(&[]);
        introduce(&mut upstream, &arrival, &client, true).unwrap();
        assert_eq!(upstream.headers["x-request-id"], "abc");
        assert_eq!(upstream.headers["x-forwarded-for"], "2001:db8::1");
        assert_eq!(upstream.headers["x-forwarded-proto"], "https");
        assert_eq!(upstream.headers["forwarded"], "for=\"[2001:db8::1]\";host=\"shop.example\";proto=https");
    }
}
