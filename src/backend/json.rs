//! Reads and writes JSON with what an account must not lose or smuggle: numbers keep their text,
//! members their order, a member that stands twice is an error, and depth is bounded. One pass,
//! linear in the text.

use std::collections::HashSet;

use thiserror::Error;

/// How deep values may nest.
const MAX_DEPTH: usize = 64;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// The number's text, as it was read.
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Why a text is no acceptable JSON.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum JsonError {
    #[error("the body is no UTF-8")]
    NotUtf8,
    #[error("the body is no JSON: unexpected text at byte {0}")]
    Unexpected(usize),
    #[error("the body is no JSON: it ends too early")]
    Ended,
    #[error("the body nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("the body has a member twice in one object, near byte {0}")]
    Duplicate(usize),
}

impl Json {
    /// Reads one value that fills the whole text.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(bytes).map_err(|_| JsonError::NotUtf8)?;
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.skip_space();
        match reader.peek() {
            None => Ok(value),
            Some(_) => Err(JsonError::Unexpected(reader.at)),
        }
    }

    /// A text, or null.
    pub(super) fn text(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::Null, |text| Self::String(text.into()))
    }

    /// A whole number, or null.
    pub(super) fn number(number: Option<u64>) -> Self {
        number.map_or(Self::Null, |number| Self::Number(number.to_string()))
    }

    /// An object of the given members.
    pub(super) fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Object(members.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// Writes the value, compact.
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(text) => out.push_str(text),
            Self::String(text) => write_string(text, out),
            Self::Array(items) => write_list(out, '[', ']', items, |item, out| item.write(out)),
            Self::Object(members) => write_list(out, '{', '}', members, |(name, value), out| {
                write_string(name, out);
                out.push(':');
                value.write(out);
            }),
        }
    }

    /// The value as compact text.
    pub(super) fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }
}

fn write_list<T>(out: &mut String, open: char, close: char, items: &[T], write: impl Fn(&T, &mut String)) {
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(close);
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn unexpected(&self) -> JsonError {
        match self.peek() {
            Some(_) => JsonError::Unexpected(self.at),
            None => JsonError::Ended,
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        if depth > MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Json, JsonError> {
        let words = [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))];
        for (word, value) in words {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.unexpected())
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.expect(b'{')?;
        let mut members = Vec::new();
        let mut names = HashSet::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(members));
        }
        loop {
            self.skip_space();
            let start = self.at;
            let name = self.string()?;
            if !names.insert(name.clone()) {
                return Err(JsonError::Duplicate(start));
            }
            self.skip_space();
            self.expect(b':')?;
            members.push((name, self.value(depth + 1)?));
            self.skip_space();
            if self.peek() != Some(b',') {
                break;
            }
            self.at += 1;
        }
        self.expect(b'}')?;
        Ok(Json::Object(members))
    }

    fn array(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.expect(b'[')?;
        let mut items = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if self.peek() != Some(b',') {
                break;
            }
            self.at += 1;
        }
        self.expect(b']')?;
        Ok(Json::Array(items))
    }

    /// Finds the closing quote; serde_json unescapes, and refuses control characters and lone surrogates.
    fn string(&mut self) -> Result<String, JsonError> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            match self.peek() {
                None => return Err(JsonError::Ended),
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        let quoted = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(quoted).map_err(|_| JsonError::Unexpected(start))
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.unexpected());
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Json, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Json::Number(self.text.get(start..self.at).unwrap_or_default().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_strings_and_order_come_out_as_they_went_in() {
        let text = r#"{"z":12345678901234567890.10,"a":[1e400,-0,null,true,"é\u0000\"\\😀"],"":{}}"#;
        assert_eq!(Json::parse(text.as_bytes()).unwrap().to_text(), text);
    }

    #[test]
    fn malformed_texts_are_refused() {
        let deep = "[".repeat(1000) + &"]".repeat(1000);
        let cases: [(&[u8], JsonError); 12] = [
            (b"", JsonError::Ended),
            (b"{\"a\":1,\"a\":2}", JsonError::Duplicate(7)),
            (b"{\"a\":1,}", JsonError::Unexpected(7)),
            (b"[1 2]", JsonError::Unexpected(3)),
            (b"01", JsonError::Unexpected(1)),
            (b"1.", JsonError::Ended),
            (b"nul", JsonError::Unexpected(0)),
            (b"{} {}", JsonError::Unexpected(3)),
            (b"\"\\ud800\"", JsonError::Unexpected(0)),
            (b"\"\\", JsonError::Ended),
            (b"\xff", JsonError::NotUtf8),
            (deep.as_bytes(), JsonError::TooDeep),
        ];
        for (text, error) in cases {
            assert_eq!(Json::parse(text), Err(error), "{}", String::from_utf8_lossy(text));
        }
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json_on_what_is_json(text in r#"[\[\]{}:,"\\u0-9eE.+\-a-c truefalsn]{0,24}"#) {
            let ours = Json::parse(text.as_bytes());
            let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text);
            match ours {
                Err(JsonError::Duplicate(_)) => {}
                _ => prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}", text),
            }
        }

        #[test]
        fn every_string_survives(text in any::<String>()) {
            let written = Json::String(text.clone()).to_text();
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text.clone());
            prop_assert_eq!(Json::parse(written.as_bytes()).unwrap(), Json::String(text));
        }
    }
}
