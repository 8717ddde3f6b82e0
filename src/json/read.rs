//! Reads a text in one pass.

use std::borrow::Cow;
use std::collections::HashSet;

use thiserror::Error;

use super::{Member, Object, Value, plain_length};

/// Up to this many members, names are compared pair by pair; beyond, through a set.
const SMALL_OBJECT: usize = 16;

/// Room for so many members is made at once.
const USUAL_MEMBERS: usize = 8;

/// Why a text is not acceptable JSON. Holds nothing of the text but a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JsonError {
    /// The bytes are no UTF-8.
    #[error("is not UTF-8 (byte {0})")]
    NotUtf8(usize),
    /// A character stands where none may.
    #[error("is no JSON (byte {0})")]
    Unexpected(usize),
    /// The text ends too early.
    #[error("ends within a JSON value")]
    Incomplete,
    /// It nests deeper than the bound.
    #[error("nests deeper than {0} levels")]
    TooDeep(usize),
    /// An object has a name twice.
    #[error("has a member twice (byte {0})")]
    Duplicate(usize),
}

/// Reads one JSON text (RFC 8259), at most `depth` levels deep.
///
/// # Errors
/// When it is no UTF-8, no JSON, nests too deep, or has a name twice in one object.
pub fn parse(bytes: &[u8], depth: usize) -> Result<Value<'_>, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|error| JsonError::NotUtf8(error.valid_up_to()))?;
    let mut reader = Reader { text, position: 0, depth, levels_left: depth };
    reader.skip_space();
    let value = reader.value()?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.unexpected()),
    }
}

struct Reader<'a> {
    text: &'a str,
    position: usize,
    depth: usize,
    levels_left: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn unexpected(&self) -> JsonError {
        if self.position >= self.text.len() {
            JsonError::Incomplete
        } else {
            JsonError::Unexpected(self.position)
        }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return Err(self.unexpected());
        }
        self.position += 1;
        Ok(())
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.position).unwrap_or_default()
    }

    fn value(&mut self) -> Result<Value<'a>, JsonError> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            _ => Err(self.unexpected()),
        }
    }

    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Value<'a>, JsonError>,
    ) -> Result<Value<'a>, JsonError> {
        self.levels_left = self.levels_left.checked_sub(1).ok_or(JsonError::TooDeep(self.depth))?;
        self.position += 1;
        self.skip_space();
        let value = read(self);
        self.levels_left += 1;
        value
    }

    fn object(&mut self) -> Result<Value<'a>, JsonError> {
        if self.peek() == Some(b'}') {
            self.position += 1;
            return Ok(Value::Object(Object::default()));
        }
        let mut members: Vec<Member<'a>> = Vec::with_capacity(USUAL_MEMBERS);
        let mut names: HashSet<Cow<'a, str>> = HashSet::new();
        loop {
            let name_position = self.position;
            let name = self.string()?;
            if Self::seen(&members, &mut names, &name) {
                return Err(JsonError::Duplicate(name_position));
            }
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
            let start = self.position;
            let value = self.value()?;
            members.push(Member { name, value, raw: self.since(start) });
            if self.at_end_of_list(b'}')? {
                return Ok(Value::Object(Object { members }));
            }
        }
    }

    fn seen(members: &[Member<'a>], names: &mut HashSet<Cow<'a, str>>, name: &str) -> bool {
        if members.len() < SMALL_OBJECT {
            return members.iter().any(|member| member.name == name);
        }
        if names.is_empty() {
            names.extend(members.iter().map(|member| member.name.clone()));
        }
        !names.insert(Cow::Owned(name.to_owned()))
    }

    fn array(&mut self) -> Result<Value<'a>, JsonError> {
        let mut values = Vec::new();
        if self.peek() == Some(b']') {
            self.position += 1;
            return Ok(Value::Array(values));
        }
        loop {
            values.push(self.value()?);
            if self.at_end_of_list(b']')? {
                return Ok(Value::Array(values));
            }
        }
    }

    fn at_end_of_list(&mut self, close: u8) -> Result<bool, JsonError> {
        self.skip_space();
        match self.peek() {
            Some(b',') => {
                self.position += 1;
                self.skip_space();
                Ok(false)
            }
            Some(byte) if byte == close => {
                self.position += 1;
                Ok(true)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn literal(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, JsonError> {
        for byte in word.bytes() {
            self.expect(byte)?;
        }
        Ok(value)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.unexpected());
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.position += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Value<'a>, JsonError> {
        let start = self.position;
        if self.peek() == Some(b'-') {
            self.position += 1;
        }
        if self.peek() == Some(b'0') {
            self.position += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.position += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.position += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.position += 1;
            }
            self.digits()?;
        }
        Ok(Value::Number(self.since(start)))
    }

    /// Takes the plain text that stands here, up to a quote, a backslash or a control character.
    fn plain(&mut self) -> &'a str {
        let start = self.position;
        self.position += plain_length(self.text.as_bytes().get(start..).unwrap_or_default());
        self.since(start)
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.expect(b'"')?;
        let rest = self.text.get(self.position..).unwrap_or_default();
        let length = plain_length(rest.as_bytes());
        let text = rest.get(..length).unwrap_or_default();
        self.position += length;
        if self.peek() == Some(b'"') {
            self.position += 1;
            return Ok(Cow::Borrowed(text));
        }
        let mut text = text.to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.position += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => {
                    self.position += 1;
                    text.push(self.escape()?);
                }
                _ => return Err(self.unexpected()),
            }
            text.push_str(self.plain());
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let character = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.unexpected()),
        };
        self.position += 1;
        Ok(character)
    }

    /// `\uXXXX`, or two of them that form a surrogate pair; half a pair is no character.
    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let start = self.position;
        let first = self.four_hex_digits()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        if !(0xD800..0xDC00).contains(&first) {
            return Err(JsonError::Unexpected(start));
        }
        self.expect(b'\\')?;
        let second = self.four_hex_digits()?;
        if !(0xDC00..0xE000).contains(&second) {
            return Err(JsonError::Unexpected(start));
        }
        let pair = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        char::from_u32(pair).ok_or(JsonError::Unexpected(start))
    }

    fn four_hex_digits(&mut self) -> Result<u32, JsonError> {
        self.expect(b'u')?;
        let mut number = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            number = number * 16 + digit.ok_or_else(|| self.unexpected())?;
            self.position += 1;
        }
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> JsonError {
        parse(text.as_bytes(), 64).unwrap_err()
    }

    #[test]
    fn members_keep_order_text_and_raw_form() {
        let value = parse(br#" {"b": 1.50e3, "a":"\u0031\ud83d\ude00/", "n":null, "o":{"x":[true, 2]}} "#, 8)
            .unwrap();
        let object = value.as_object().unwrap();
        let names: Vec<_> = object.iter().map(|member| (member.name.as_ref(), member.raw)).collect();
        assert_eq!(names[0], ("b", "1.50e3"));
        assert_eq!(names[3], ("o", r#"{"x":[true, 2]}"#));
        assert_eq!(object.value("a").unwrap().as_str(), Some("1😀/"));
        assert!(object.present("n").is_none());
    }

    #[test]
    fn big_numbers_keep_every_digit() {
        let value = parse(b"[123456789012345678901234567890.123456789]", 1).unwrap();
        assert_eq!(value, Value::Array(vec![Value::Number("123456789012345678901234567890.123456789")]));
    }

    #[test]
    fn faults_are_told_with_their_position() {
        assert_eq!(error(r#"{"a":1,"b":2,"a":3}"#), JsonError::Duplicate(13));
        assert_eq!(error(r#"{"a":{"b":1,"\u0062":2}}"#), JsonError::Duplicate(12));
        assert_eq!(error("{\"a\":1"), JsonError::Incomplete);
        assert_eq!(error("{\"a\":01}"), JsonError::Unexpected(6));
        assert_eq!(error(r#""\ud800""#), JsonError::Unexpected(7));
        assert_eq!(error("[1,]"), JsonError::Unexpected(3));
        assert_eq!(error("1 2"), JsonError::Unexpected(2));
        assert_eq!(parse(b"\"\xff\"", 4), Err(JsonError::NotUtf8(1)));
        assert_eq!(parse("[".repeat(1000).as_bytes(), 64), Err(JsonError::TooDeep(64)));
    }

    #[test]
    fn a_name_twice_among_many_is_found() {
        let many: Vec<_> = (0..5000).map(|n| format!("\"m{n}\":{n}")).collect();
        let text = format!("{{{},\"m7\":0}}", many.join(","));
        assert!(matches!(error(&text), JsonError::Duplicate(_)));
    }

    fn same(ours: &Value<'_>, theirs: &serde_json::Value) -> bool {
        match (ours, theirs) {
            (Value::Null, serde_json::Value::Null) => true,
            (Value::Bool(a), serde_json::Value::Bool(b)) => a == b,
            (Value::Number(a), serde_json::Value::Number(b)) => {
                serde_json::from_str::<serde_json::Number>(a).is_ok_and(|a| a == *b)
            }
            (Value::String(a), serde_json::Value::String(b)) => a == b,
            (Value::Array(a), serde_json::Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Value::Object(a), serde_json::Value::Object(b)) => {
                a.members.len() == b.len()
                    && a.iter().all(|m| b.get(m.name.as_ref()).is_some_and(|b| same(&m.value, b)))
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn accepts_and_refuses_what_serde_json_does(
            text in r#"([\[\]{}:,"0-9eE.\\ untrfals+-]|\\u[0-9a-fA-F]{4}|"[a-c]":|\[1,2\]|null|true|[\x00-\x20]|é){0,24}"#
        ) {
            let ours = parse(text.as_bytes(), 100);
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            match (&ours, &theirs) {
                (Ok(ours), Ok(theirs)) => prop_assert!(same(ours, theirs), "{text}"),
                (Err(JsonError::Duplicate(_)), Ok(_)) | (Err(_), Err(_)) => {}
                // A number beyond the range of a double is text to us and an error there.
                (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("out of range"), "{text}: {error}"),
                (Err(error), Ok(_)) => prop_assert!(false, "{text}: {error}"),
            }
        }
    }
}
