//! HTTP/1.1 messages as text: a start line, header fields, an empty line, a body. For people: line ends may be LF, and
//! what a saved `curl -i` shows before the answer itself is passed over.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, Response, StatusCode, Uri};
use thiserror::Error;

/// A message.
#[derive(Debug)]
pub enum Message {
    /// What a client sends.
    Request(Request<Bytes>),
    /// What it is answered.
    Answer(Response<Bytes>),
}

/// What is wrong with a text, and in which line, from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {message}")]
pub struct TextError {
    /// The line.
    pub line: usize,
    /// What is wrong with it.
    pub message: &'static str,
}

/// Reads a message. Fields about the framing of a connection are left out: the body is what follows the empty line, all
/// of it, but for one line end that an editor adds where no length says otherwise.
///
/// # Errors
/// When the text is no message.
pub fn parse(text: &[u8]) -> Result<Message, TextError> {
    let mut lines = Lines { rest: text, number: 0 };
    loop {
        let start = lines.next().filter(|line| !line.is_empty());
        let line = lines.number.max(1);
        let fail = |message| TextError { line, message };
        let start = start.ok_or_else(|| fail("no start line, such as `POST /v1/sessions HTTP/1.1`"))?;
        let start = std::str::from_utf8(start).map_err(|_| fail("the start line is no UTF-8 text"))?;
        let mut words = start.split(' ').filter(|word| !word.is_empty());
        let first = words.next().unwrap_or_default();
        if first.starts_with("HTTP/") {
            let status = words.next().and_then(|word| word.parse().ok()).and_then(valid_status);
            let status =
                status.ok_or_else(|| fail("no status after the version, such as `HTTP/1.1 200 OK`"))?;
            let fields = lines.fields()?;
            // Such as `100 Continue`: the answer itself is yet to come.
            if status.is_informational() {
                continue;
            }
            let mut answer = Response::new(body(&fields, lines.rest));
            *answer.status_mut() = status;
            *answer.headers_mut() = unframed(fields);
            return Ok(Message::Answer(answer));
        }
        let method = Method::from_bytes(first.as_bytes()).map_err(|_| fail("no method before the path"))?;
        let target = words.next().and_then(|word| word.parse::<Uri>().ok());
        let target = target.ok_or_else(|| fail("no path after the method, such as `POST /v1/sessions`"))?;
        if words.next().is_some_and(|word| !word.starts_with("HTTP/")) || words.next().is_some() {
            return Err(fail("the start line has more than method, path and `HTTP/1.1`"));
        }
        let fields = lines.fields()?;
        let mut request = Request::new(body(&fields, lines.rest));
        *request.method_mut() = method;
        *request.uri_mut() = target;
        *request.headers_mut() = unframed(fields);
        return Ok(Message::Request(request));
    }
}

/// The text of a request.
pub fn request(request: &Request<Bytes>) -> Vec<u8> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let start = format!("{} {target} HTTP/1.1", request.method());
    write(&start, request.headers(), request.body())
}

/// The text of an answer.
pub fn answer(answer: &Response<Bytes>) -> Vec<u8> {
    let reason = answer.status().canonical_reason().unwrap_or_default();
    let start = format!("HTTP/1.1 {} {reason}", answer.status().as_u16());
    write(start.trim_end(), answer.headers(), answer.body())
}

/// A field's name as people write it: `Content-Type`.
pub fn field_name(name: &HeaderName) -> String {
    let mut after_hyphen = true;
    let capital = |c: char| {
        let capital = if after_hyphen { c.to_ascii_uppercase() } else { c };
        after_hyphen = c == '-';
        capital
    };
    name.as_str().chars().map(capital).collect()
}

fn write(start: &str, fields: &HeaderMap, body: &Bytes) -> Vec<u8> {
    let mut text = format!("{start}\r\n").into_bytes();
    let mut put = |name: &str, value: &[u8]| {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value);
        text.extend_from_slice(b"\r\n");
    };
    for (name, value) in fields {
        put(&field_name(name), value.as_bytes());
    }
    if !body.is_empty() {
        put("Content-Length", body.len().to_string().as_bytes());
    }
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(body);
    text
}

fn valid_status(number: u16) -> Option<StatusCode> {
    StatusCode::from_u16(number).ok().filter(|status| status.as_u16() < 600)
}

fn body(fields: &HeaderMap, rest: &[u8]) -> Bytes {
    let length = fields.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let line_ends = |bytes: &[u8]| bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
    match length.and_then(|length| rest.split_at_checked(length)) {
        Some((body, beyond)) if line_ends(beyond) => Bytes::copy_from_slice(body),
        // Somebody edited the body.
        _ => {
            let body = rest.strip_suffix(b"\n").unwrap_or(rest);
            Bytes::copy_from_slice(body.strip_suffix(b"\r").unwrap_or(body))
        }
    }
}

fn unframed(mut fields: HeaderMap) -> HeaderMap {
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION] {
        fields.remove(name);
    }
    fields
}

struct Lines<'a> {
    rest: &'a [u8],
    /// Of the line that was read last, from 1.
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let end = memchr::memchr(b'\n', self.rest);
        let (line, rest) = match end.and_then(|end| self.rest.split_at_checked(end + 1)) {
            Some((line, rest)) => (line, rest),
            None => (self.rest, &[][..]),
        };
        self.rest = rest;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Every field up to the empty line.
    fn fields(&mut self) -> Result<HeaderMap, TextError> {
        let mut fields = HeaderMap::new();
        while let Some(line) = self.next().filter(|line| !line.is_empty()) {
            let fail = |message| TextError { line: self.number, message };
            let colon = memchr::memchr(b':', line);
            let (name, value) = colon
                .and_then(|colon| Some((line.get(..colon)?, line.get(colon + 1..)?)))
                .ok_or_else(|| fail("no header field, and no empty line before the body"))?;
            let name = HeaderName::from_bytes(name).map_err(|_| fail("no name of a header field"))?;
            let value = HeaderValue::from_bytes(value.trim_ascii())
                .map_err(|_| fail("no value of a header field"))?;
            fields.append(name, value);
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed_request(text: &str) -> Request<Bytes> {
        match parse(text.as_bytes()).unwrap() {
            Message::Request(request) => request,
            Message::Answer(_) => panic!("{text}"),
        }
    }

    fn parsed_answer(text: &str) -> Response<Bytes> {
        match parse(text.as_bytes()).unwrap() {
            Message::Answer(answer) => answer,
            Message::Request(_) => panic!("{text}"),
        }
    }

    #[test]
    fn both_line_ends_are_read_and_the_standards_are_written() {
        let text = "POST /v1/sessions?a=1 HTTP/1.1\nContent-Type: application/json\n\n{\"a\":1}\n";
        let expected = "POST /v1/sessions?a=1 HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
        for text in [text.to_owned(), text.replace('\n', "\r\n"), expected.to_owned()] {
            assert_eq!(String::from_utf8(request(&parsed_request(&text))).unwrap(), expected);
        }
    }

    #[test]
    fn what_curl_shows_before_an_answer_is_passed_over() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/2 201 \r\ntransfer-encoding: chunked\r\nx: y\r\n\r\n{}";
        let read = parsed_answer(text);
        assert_eq!(answer(&read), b"HTTP/1.1 201 Created\r\nX: y\r\nContent-Length: 2\r\n\r\n{}");
    }

    #[test]
    fn a_length_that_fits_keeps_line_ends_and_one_that_does_not_is_passed_over() {
        let with_length = |length: &str, body: &str| {
            let text = format!("HTTP/1.1 200 OK\nContent-Length: {length}\n\n{body}");
            String::from_utf8(parsed_answer(&text).body().to_vec()).unwrap()
        };
        assert_eq!(with_length("4", "abc\n"), "abc\n");
        assert_eq!(with_length("3", "abc\n"), "abc");
        assert_eq!(with_length("9", "abc\n"), "abc");
        assert_eq!(with_length("1", "abc"), "abc");
    }

    #[test]
    fn a_text_that_is_no_message_is_told_by_its_line() {
        for (text, line) in [
            ("", 1),
            ("\n", 1),
            ("{\"a\":1}", 1),
            ("POST", 1),
            ("POST /x y z", 1),
            ("HTTP/1.1 OK\n\n", 1),
            ("HTTP/1.1 999 Odd\n\n", 1),
            ("POST /x HTTP/1.1\nA: b\n{}", 3),
            ("POST /x HTTP/1.1\nA b: c\n\n", 2),
            ("HTTP/1.1 100 Continue\n\n", 2),
        ] {
            let error = parse(text.as_bytes()).expect_err(text);
            assert_eq!(error.line, line, "{text:?}: {error}");
        }
    }
}
