//! The gate in front of Pingora's parser: finds the end of a request's head and refuses what two
//! parsers could read in two ways.
//!
//! Pingora bounds a head at 1 MiB, has no deadline for it, repairs targets with spaces, accepts
//! bare line feeds and a request that has both framings. Here a head is bounded exactly, and all
//! of that is refused before Pingora sees a byte. What it checks well itself (tokens in names,
//! control characters in values) is left to it.

use http::{Method, Uri, request};
use memchr::memchr;
use thiserror::Error;

/// The most header fields that a request may have.
pub const MAX_FIELDS: usize = 100;

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HeadFault {
    /// The start line has not the form `METHOD target HTTP/1.x`.
    #[error("the request line is not `METHOD target HTTP/1.1`")]
    RequestLine,
    /// The target does not begin with a slash, or has a character that must be escaped.
    #[error("the request target must be a path with every space and control character escaped")]
    Target,
    /// A line does not end in CR LF.
    #[error("a header line must end in CR LF")]
    LineEnding,
    /// A field goes on in a second line.
    #[error("a header field must not be folded")]
    Folded,
    /// There are more fields than anybody needs.
    #[error("too many header fields")]
    TooManyFields,
    /// There is no `Host`.
    #[error("the Host header field is missing")]
    HostMissing,
    /// There is more than one `Host`.
    #[error("the Host header field is there more than once")]
    HostRepeated,
    /// Where the body ends can be read in two ways.
    #[error("Content-Length and Transfer-Encoding leave it open where the body ends")]
    Framing,
}

impl HeadFault {
    /// The stable name, for metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RequestLine => "request_line",
            Self::Target => "target",
            Self::LineEnding => "line_ending",
            Self::Folded => "folded_field",
            Self::TooManyFields => "too_many_fields",
            Self::HostMissing => "host_missing",
            Self::HostRepeated => "host_repeated",
            Self::Framing => "framing",
        }
    }
}

/// Reads a head line by line as it comes in; no byte is looked at twice, however slowly they come.
#[derive(Debug, Default)]
pub struct HeadScan {
    line_start: usize,
    searched: usize,
    seen_request_line: bool,
    old_version: bool,
    fields: usize,
    hosts: usize,
    chunked: bool,
    length: Option<u64>,
}

impl HeadScan {
    /// Goes on in `bytes`, which begin where they began the last time. The head's length, once
    /// all of it is there.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, HeadFault> {
        while let Some(unsearched) = bytes.get(self.searched..) {
            let Some(line_feed) = memchr(b'\n', unsearched) else {
                self.searched = bytes.len();
                return Ok(None);
            };
            let line_end = self.searched + line_feed;
            let line = bytes.get(self.line_start..line_end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").ok_or(HeadFault::LineEnding)?;
            self.searched = line_end + 1;
            self.line_start = self.searched;
            if !self.seen_request_line {
                self.request_line(line)?;
            } else if line.is_empty() {
                self.whole()?;
                return Ok(Some(self.line_start));
            } else {
                self.field(line)?;
            }
        }
        Ok(None)
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), HeadFault> {
        if line.is_empty() {
            // Some clients end a body with a line end too many (RFC 9112, section 2.2); one is forgiven.
            return if self.line_start == 2 { Ok(()) } else { Err(HeadFault::RequestLine) };
        }
        let mut parts = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(HeadFault::RequestLine);
        };
        if parts.next().is_some() || method.is_empty() || !method.iter().all(u8::is_ascii_alphabetic) {
            return Err(HeadFault::RequestLine);
        }
        let unescaped = |byte: &u8| *byte <= b' ' || *byte == 0x7f || *byte == b'#';
        if target.first() != Some(&b'/') || target.iter().any(unescaped) {
            return Err(HeadFault::Target);
        }
        self.old_version = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            _ => return Err(HeadFault::RequestLine),
        };
        self.seen_request_line = true;
        Ok(())
    }

    fn field(&mut self, line: &[u8]) -> Result<(), HeadFault> {
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(HeadFault::TooManyFields);
        }
        match line.first().map(u8::to_ascii_lowercase) {
            Some(b' ' | b'\t') => return Err(HeadFault::Folded),
            Some(b'h') => {
                if let Some(host) = value_of(line, "host") {
                    self.hosts += usize::from(!host.is_empty());
                }
            }
            Some(b'c') => {
                if let Some(length) = value_of(line, "content-length") {
                    self.content_length(length)?;
                }
            }
            Some(b't') => {
                if let Some(coding) = value_of(line, "transfer-encoding") {
                    if self.chunked || self.old_version || !coding.eq_ignore_ascii_case(b"chunked") {
                        return Err(HeadFault::Framing);
                    }
                    self.chunked = true;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn content_length(&mut self, digits: &[u8]) -> Result<(), HeadFault> {
        if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
            return Err(HeadFault::Framing);
        }
        let length = digits.iter().fold(0, |sum: u64, digit| sum * 10 + u64::from(digit - b'0'));
        match self.length.replace(length) {
            Some(other) if other != length => Err(HeadFault::Framing),
            _ => Ok(()),
        }
    }

    fn whole(&self) -> Result<(), HeadFault> {
        match self.hosts {
            0 => return Err(HeadFault::HostMissing),
            1 => {}
            _ => return Err(HeadFault::HostRepeated),
        }
        if self.chunked && self.length.is_some() {
            return Err(HeadFault::Framing);
        }
        Ok(())
    }
}

/// The value of a line's field if it has that name.
fn value_of<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (field, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    field.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
}

/// What can still be read of a head that is refused: method and target, so that the refusal is
/// written in the dialect that the target belongs to; else `GET /`.
pub fn salvage(bytes: &[u8]) -> request::Parts {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut parts = line.split(|byte| *byte == b' ');
    let (mut head, ()) = http::Request::new(()).into_parts();
    if let Some(method) = parts.next().and_then(|method| Method::from_bytes(method).ok()) {
        head.method = method;
    }
    let target = parts.next().filter(|target| target.first() == Some(&b'/'));
    if let Some(target) = target.and_then(|target| Uri::try_from(target).ok()) {
        head.uri = target;
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(head: &str) -> Result<Option<usize>, HeadFault> {
        HeadScan::default().advance(head.as_bytes())
    }

    fn scan_fields(fields: &str) -> Result<Option<usize>, HeadFault> {
        scan(&format!("POST /a HTTP/1.1\r\n{fields}\r\n"))
    }

    #[test]
    fn a_plain_head_is_found_whole_and_byte_by_byte() {
        let head = b"POST /api/user/login?x=1 HTTP/1.1\r\nhost: a\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(HeadScan::default().advance(head), Ok(Some(head.len() - 3)));
        let mut slow = HeadScan::default();
        for end in 0..head.len() - 3 {
            assert_eq!(slow.advance(&head[..end]), Ok(None));
        }
        assert_eq!(slow.advance(&head[..head.len() - 3]), Ok(Some(head.len() - 3)));
    }

    #[test]
    fn one_empty_line_in_front_is_forgiven_and_no_more() {
        assert_eq!(scan("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(Some(29)));
        assert_eq!(scan("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), Err(HeadFault::RequestLine));
    }

    #[test]
    fn request_lines_that_two_parsers_could_read_differently_are_refused() {
        for line in [
            "GET  / HTTP/1.1",
            "GET / b HTTP/1.1",
            "GET /",
            " GET / HTTP/1.1",
            "GET / HTTP/2.0",
            "PRI * HTTP/2.0",
        ] {
            let result = scan(&format!("{line}\r\nHost: a\r\n\r\n"));
            assert!(matches!(result, Err(HeadFault::RequestLine | HeadFault::Target)), "{line}");
        }
        for target in ["http://a/b", "a:443", "*", "/a\tb", "/a\x01", "/a\x7f", "/a#b", "//x y"] {
            let result = scan(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
            assert!(matches!(result, Err(HeadFault::Target | HeadFault::RequestLine)), "{target}");
        }
    }

    #[test]
    fn bare_line_feeds_and_folded_fields_are_refused() {
        assert_eq!(scan("GET / HTTP/1.1\nHost: a\n\n"), Err(HeadFault::LineEnding));
        assert_eq!(scan_fields("Host: a\nX: b\r\n"), Err(HeadFault::LineEnding));
        assert_eq!(scan_fields("Host: a\r\n b\r\n"), Err(HeadFault::Folded));
        assert_eq!(scan_fields("Host: a\r\n\tb\r\n"), Err(HeadFault::Folded));
    }

    #[test]
    fn exactly_one_host_is_needed() {
        assert_eq!(scan_fields("X: a\r\n"), Err(HeadFault::HostMissing));
        assert_eq!(scan_fields("Host:\r\n"), Err(HeadFault::HostMissing));
        assert_eq!(scan_fields("Host: a\r\nHOST: a\r\n"), Err(HeadFault::HostRepeated));
    }

    #[test]
    fn every_doubtful_framing_is_refused() {
        for fields in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: -1\r\n",
            "Content-Length:\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding: identity\r\n",
        ] {
            let result = scan_fields(&format!("Host: a\r\n{fields}"));
            assert_eq!(result, Err(HeadFault::Framing), "{fields}");
        }
        let same_twice = "Host: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n";
        assert!(matches!(scan_fields(same_twice), Ok(Some(_))));
        let old = scan("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(old, Err(HeadFault::Framing));
    }

    #[test]
    fn the_number_of_fields_is_bounded() {
        let fields = "X: y\r\n".repeat(MAX_FIELDS);
        assert_eq!(scan_fields(&format!("Host: a\r\n{fields}")), Err(HeadFault::TooManyFields));
    }

    #[test]
    fn method_and_target_are_salvaged_where_they_can_be() {
        let head = salvage(b"POST /api/user/login HTTP/1.1\r\nBroken");
        assert_eq!((head.method, head.uri.path()), (Method::POST, "/api/user/login"));
        for bytes in [&b""[..], b"\x16\x03\x01", b"GET http://a/ HTTP/1.1\r\n"] {
            assert_eq!(salvage(bytes).uri.path(), "/");
        }
    }
}
