//! Fixed values of the wire, as a pack writes them in TOML.

use std::borrow::Cow;

use crate::json::Value;

/// A value on its way to the wire.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Written<'a> {
    /// A text: a JSON string, or as it is in a query, a form or a header field.
    Text(Cow<'a, str>),
    /// JSON text that is no string: a number, `true`, `null`, an extension as it was read.
    Raw(Cow<'a, str>),
}

impl Written<'_> {
    /// The value as it stands in a query, a form or a header field.
    pub fn plain(&self) -> &str {
        match self {
            Self::Raw(text) if text == "null" => "",
            Self::Text(text) | Self::Raw(text) => text,
        }
    }
}

/// A fixed value of the wire. Reading compares by text: `0` and `"0"` are the same value to
/// servers and clients that quote their numbers or don't.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Literal {
    pub text: Box<str>,
    /// Whether it is written as a JSON string.
    pub quoted: bool,
}

impl Literal {
    pub fn written(&self) -> Written<'_> {
        let text = Cow::Borrowed(self.text.as_ref());
        if self.quoted { Written::Text(text) } else { Written::Raw(text) }
    }

    /// Whether a value of the wire is this one.
    pub fn is(&self, value: &Value<'_>) -> bool {
        match value {
            Value::String(text) => **text == *self.text,
            Value::Number(text) => **text == *self.text,
            Value::Bool(truth) => *self.text == *if *truth { "true" } else { "false" },
            Value::Null => !self.quoted && &*self.text == "null",
            Value::Array(items) => items.is_empty() && !self.quoted && &*self.text == "[]",
            Value::Object(object) => object.is_empty() && !self.quoted && &*self.text == "{}",
        }
    }
}
