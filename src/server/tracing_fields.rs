//! The fields by which requests are followed from one server to the next: whose word is taken, and what is
//! passed on.

use http::{HeaderMap, HeaderValue};

use super::answer::REQUEST_ID;
pub use crate::observe::TRACE_PARENT;

/// What tracing systems add to it.
pub const TRACE_STATE: &str = "tracestate";

/// The longest id of a request that a proxy may give.
const LONGEST_REQUEST_ID: usize = 64;

/// The id that a trusted proxy gave a request; `None` where it gave none, two, or one of another form.
pub fn request_id(headers: &HeaderMap) -> Option<&str> {
    let id = only(headers, REQUEST_ID)?;
    let fits = (1..=LONGEST_REQUEST_ID).contains(&id.len());
    (fits && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')).then_some(id)
}

/// Whether a request says that it belongs to a trace, in a form that is none: then nothing of it is passed on.
pub fn has_broken_trace(headers: &HeaderMap) -> bool {
    match headers.contains_key(TRACE_PARENT) {
        true => !only(headers, TRACE_PARENT).is_some_and(|parent| is_trace_parent(parent.as_bytes())),
        false => headers.contains_key(TRACE_STATE),
    }
}

fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let only = values.next().filter(|_| values.next().is_none());
    only.map(HeaderValue::to_str)?.ok()
}

/// `version-traceid-parentid-flags` in lower-case hexadecimal digits, neither id all zeros. Version `ff` is none, and
/// only versions after `00` may have more.
fn is_trace_parent(text: &[u8]) -> bool {
    let digits = |part: &[u8], length| {
        part.len() == length && part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let id = |part: &[u8], length| digits(part, length) && part.iter().any(|byte| *byte != b'0');
    let mut parts = text.splitn(5, |byte| *byte == b'-');
    let mut next = || parts.next().unwrap_or_default();
    let (version, trace, parent, flags) = (next(), next(), next(), next());
    let more = parts.next().is_some();
    digits(version, 2)
        && version != b"ff"
        && id(trace, 32)
        && id(parent, 16)
        && digits(flags, 2)
        && !(more && version == b"00")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn a_request_id_is_one_field_of_letters_digits_and_hyphens() {
        let id = |values: &[&str]| {
            let fields: Vec<_> = values.iter().map(|value| ("x-request-id", *value)).collect();
            request_id(&headers(&fields)).map(str::to_owned)
        };
        let longest = "a".repeat(64);
        assert_eq!(id(&["0af76519-16CD"]).as_deref(), Some("0af76519-16CD"));
        assert_eq!(id(&[&longest]), Some(longest.clone()));
        for broken in ["", "a b", "a_b", "a\"b", "é", &(longest + "a")] {
            assert_eq!(id(&[broken]), None, "{broken:?}");
        }
        assert_eq!(id(&["a", "a"]), None);
        assert_eq!(id(&[]), None);
    }

    #[test]
    fn a_trace_of_the_grammar_is_whole() {
        let later = format!("cc{}-what-the-future-brings", &TRACE[2..]);
        for whole in [TRACE, &later, &format!("cc{}", &TRACE[2..])] {
            assert!(!has_broken_trace(&headers(&[("traceparent", whole), ("tracestate", "a=1")])), "{whole}");
        }
        assert!(!has_broken_trace(&headers(&[])));
    }

    #[test]
    fn a_trace_of_another_form_is_broken() {
        for broken in [
            String::new(),
            TRACE.to_uppercase(),
            TRACE.replace("00-", "ff-"),
            TRACE.replace("00-", "0-"),
            TRACE.replace('-', ""),
            format!("{TRACE}-"),
            format!("{TRACE}-more"),
            format!(" {TRACE}"),
            TRACE[..54].to_owned(),
            TRACE.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            TRACE.replace("b7ad6b7169203331", &"0".repeat(16)),
            TRACE.replace("b7ad6b7169203331", "b7ad6b716920333g"),
            TRACE.replace("b7ad6b7169203331", "b7ad6b7169203331b7"),
        ] {
            assert!(has_broken_trace(&headers(&[("traceparent", &broken)])), "{broken:?}");
        }
        assert!(has_broken_trace(&headers(&[("traceparent", TRACE), ("traceparent", TRACE)])));
        assert!(has_broken_trace(&headers(&[("tracestate", "a=1")])), "a state belongs to no trace");
    }
}
