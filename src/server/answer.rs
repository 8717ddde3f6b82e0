//! Writes an answer as HTTP/1.1 into one buffer, so that head and body leave in one write.
//!
//! Pingora writes head and body separately, and its buffering of the two is not open to streams
//! that a caller accepted itself.

use std::io::Write;
use std::sync::Mutex;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderName, Response, StatusCode, header};

use crate::clock::{Clock, Moment, SystemClock};

/// The field that tells the caller its request's id.
pub const REQUEST_ID: &str = "x-request-id";

/// How an answer is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    /// Whether the request was a HEAD: the answer's fields without its body.
    pub head_only: bool,
    /// Whether the connection goes on after it.
    pub keep_alive: bool,
}

/// The answer's bytes, head and body.
pub fn encode(response: &Response<Bytes>, framing: Framing, request_id: &str) -> BytesMut {
    let status = response.status();
    let bodiless =
        status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    let body = if bodiless || framing.head_only { &[][..] } else { response.body() };
    let mut wire = BytesMut::with_capacity(256 + response.headers().len() * 64 + body.len());
    wire.put_slice(b"HTTP/1.1 ");
    wire.put_slice(status.as_str().as_bytes());
    wire.put_u8(b' ');
    wire.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    wire.put_slice(b"\r\n");
    for (name, value) in response.headers() {
        if !ours(name) {
            put_field(&mut wire, name.as_str(), value.as_bytes());
        }
    }
    put_field(&mut wire, REQUEST_ID, request_id.as_bytes());
    put_date(&mut wire);
    let connection: &[u8] = if framing.keep_alive { b"keep-alive" } else { b"close" };
    put_field(&mut wire, "connection", connection);
    if !bodiless {
        let mut writer = (&mut wire).writer();
        // Writing to memory that grows does not fail.
        let _ = write!(writer, "content-length: {}\r\n", response.body().len());
    }
    wire.put_slice(b"\r\n");
    wire.put_slice(body);
    wire
}

/// Fields that belong to the connection: an application's own are not written.
fn ours(name: &HeaderName) -> bool {
    name == header::CONNECTION
        || name == header::CONTENT_LENGTH
        || name == header::TRANSFER_ENCODING
        || name == header::DATE
        || name == REQUEST_ID
}

fn put_field(wire: &mut BytesMut, name: &str, value: &[u8]) {
    wire.put_slice(name.as_bytes());
    wire.put_slice(b": ");
    wire.put_slice(value);
    wire.put_slice(b"\r\n");
}

/// `Date` of this second, formatted once a second.
fn put_date(wire: &mut BytesMut) {
    static CACHED: Mutex<(i64, String)> = Mutex::new((i64::MIN, String::new()));
    let now = SystemClock.now();
    let Ok(mut cached) = CACHED.lock() else {
        return put_field(wire, "date", now.to_http_date().as_bytes());
    };
    if cached.0 != now.seconds() {
        *cached = (now.seconds(), Moment::from_seconds(now.seconds()).to_http_date());
    }
    put_field(wire, "date", cached.1.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: Framing = Framing { head_only: false, keep_alive: true };

    fn text(response: &Response<Bytes>, framing: Framing) -> String {
        String::from_utf8(encode(response, framing, "id").to_vec()).unwrap()
    }

    fn answer(status: u16) -> Response<Bytes> {
        Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .header("content-length", "999")
            .header("connection", "x")
            .body(Bytes::from_static(b"{}"))
            .unwrap()
    }

    #[test]
    fn head_and_body_have_one_right_length() {
        let text = text(&answer(200), KEPT);
        assert!(text.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"), "{text}");
        assert!(text.ends_with("connection: keep-alive\r\ncontent-length: 2\r\n\r\n{}"), "{text}");
        assert!(text.contains("\r\ndate: ") && text.contains(" GMT\r\n"));
    }

    #[test]
    fn a_head_request_gets_the_length_without_the_body() {
        let framing = Framing { head_only: true, keep_alive: false };
        let text = text(&answer(200), framing);
        assert!(text.ends_with("connection: close\r\ncontent-length: 2\r\n\r\n"), "{text}");
    }

    #[test]
    fn no_content_and_not_modified_have_neither_body_nor_length() {
        for status in [204, 304] {
            let text = text(&answer(status), KEPT);
            assert!(text.ends_with("connection: keep-alive\r\n\r\n"), "{text}");
            assert!(!text.contains("content-length"), "{text}");
        }
    }
}
