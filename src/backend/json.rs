//! JSON that outlives the message it came in: what was read with [`crate::json`], owned, and
//! written again with the text of its numbers and the order of its members.

use crate::json::{self, JsonError, Value};

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

impl From<Value<'_>> for Json {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(truth) => Self::Bool(truth),
            Value::Number(text) => Self::Number(text.to_owned()),
            Value::String(text) => Self::String(text.into_owned()),
            Value::Array(values) => Self::Array(values.into_iter().map(Self::from).collect()),
            Value::Object(object) => Self::Object(
                object.into_members().map(|member| (member.name.into_owned(), member.value.into())).collect(),
            ),
        }
    }
}

impl Json {
    /// Reads one value that fills the whole text.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        json::parse(bytes, MAX_DEPTH).map(Self::from)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_strings_and_order_come_out_as_they_went_in() {
        let text = r#"{"z":12345678901234567890.10,"a":[1e400,-0,null,true,"é\u0000\"\\😀"],"":{}}"#;
        assert_eq!(Json::parse(text.as_bytes()).unwrap().to_text(), text);
    }

    proptest! {
        #[test]
        fn every_string_survives(text in any::<String>()) {
            let written = Json::String(text.clone()).to_text();
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text.clone());
            prop_assert_eq!(Json::parse(written.as_bytes()).unwrap(), Json::String(text));
        }
    }
}
