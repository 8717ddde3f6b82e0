//! `multipart/form-data` (RFC 7578), as far as account calls need it: short text members.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};

use crate::account::Problem;
use crate::json::Object;

/// More parts than any account call has.
const MOST_PARTS: usize = 256;

pub(super) fn read<'a>(body: &'a Bytes, headers: &HeaderMap) -> Result<Object<'a>, Problem> {
    let malformed = || Problem::malformed("the body is no valid multipart form");
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).ok_or_else(malformed)?;
    let boundary = boundary(declared).ok_or_else(malformed)?;
    let text = std::str::from_utf8(body).map_err(|_| malformed())?;
    let pairs = parts(text, &boundary).ok_or_else(malformed)?;
    super::message::nest(pairs.into_iter()).ok_or_else(|| Problem::malformed("the body has a member twice"))
}

/// The boundary of the declared type: 1 to 70 characters (RFC 2046, section 5.1.1).
fn boundary(declared: &str) -> Option<String> {
    let parameter = declared.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
    })?;
    (1..=70).contains(&parameter.len()).then(|| format!("--{parameter}"))
}

fn parts<'a>(text: &'a str, boundary: &str) -> Option<Vec<(Cow<'a, str>, Cow<'a, str>)>> {
    let mut pairs = Vec::new();
    let mut rest = text.split_once(boundary)?.1;
    while !rest.starts_with("--") {
        let part = rest.strip_prefix("\r\n")?;
        let (fields, content) = part.split_once("\r\n\r\n")?;
        let end = content.find(&format!("\r\n{boundary}"))?;
        let value = content.get(..end)?;
        rest = content.get(end + 2 + boundary.len()..)?;
        if let Some(name) = name_of(fields) {
            pairs.push((Cow::Borrowed(name), Cow::Borrowed(value)));
        }
        if pairs.len() > MOST_PARTS {
            return None;
        }
    }
    Some(pairs)
}

/// The name of a part that is no file.
fn name_of(fields: &str) -> Option<&str> {
    let is_disposition = |line: &&str| line.to_ascii_lowercase().starts_with("content-disposition:");
    let disposition = fields.split("\r\n").find(is_disposition)?;
    if disposition.contains("filename") {
        return None;
    }
    let (_, rest) = disposition.split_once("name=\"")?;
    rest.split_once('"').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(body: &str) -> Result<Vec<(String, String)>, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "multipart/form-data; boundary=X".parse().unwrap());
        let body = Bytes::from(body.to_owned());
        let object = read(&body, &headers)?;
        let text = |member: &crate::json::Member<'_>| {
            (member.name.to_string(), member.value.as_str().unwrap_or_default().to_owned())
        };
        Ok(object.iter().map(text).collect())
    }

    #[test]
    fn text_parts_are_members_and_files_are_not() {
        let body = "--X\r\nContent-Disposition: form-data; name=\"accounts\"\r\n\r\nalice\r\n\
                    --X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\nzzz\r\n--X--\r\n";
        assert_eq!(read_text(body).unwrap(), [("accounts".to_owned(), "alice".to_owned())]);
    }

    #[test]
    fn a_broken_form_is_told() {
        for body in
            ["", "--X", "--X\r\n", "--Y\r\n\r\n--Y--", "--X\r\nContent-Disposition: x; name=\"a\"\r\n\r\nb"]
        {
            assert!(read_text(body).is_err(), "{body:?}");
        }
    }
}
