//! What was read.

use std::borrow::Cow;

/// One JSON value; borrows from the text wherever it can.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as the text that stood there.
    Number(&'a str),
    /// A string, unescaped.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object.
    Object(Object<'a>),
}

impl<'a> Value<'a> {
    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a string or a number: members that some clients quote and others don't.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Number(text) => Some(text),
            _ => None,
        }
    }

    /// The integer of a number or of a string of digits, if it fits.
    pub fn as_integer(&self) -> Option<i64> {
        self.as_text()?.parse().ok()
    }

    /// The object, if it is one.
    pub fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The value as JSON text. Numbers keep their digits.
    pub fn write_json(&self, json: &mut String) {
        let comma = |json: &mut String, index| json.push_str(if index > 0 { "," } else { "" });
        match self {
            Self::Array(items) => {
                json.push('[');
                for (index, item) in items.iter().enumerate() {
                    comma(json, index);
                    item.write_json(json);
                }
                json.push(']');
            }
            Self::Object(object) => {
                json.push('{');
                for (index, member) in object.iter().enumerate() {
                    comma(json, index);
                    json.push_str(&serde_json::Value::from(member.name.as_ref()).to_string());
                    json.push(':');
                    member.value.write_json(json);
                }
                json.push('}');
            }
            Self::String(text) => json.push_str(&serde_json::Value::from(text.as_ref()).to_string()),
            Self::Number(text) => json.push_str(text),
            Self::Bool(truth) => json.push_str(if *truth { "true" } else { "false" }),
            Self::Null => json.push_str("null"),
        }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether it is one of the spellings that mean absent: `null` or `""`.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Null => true,
            Self::String(text) => text.is_empty(),
            _ => false,
        }
    }
}

/// One member of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Member<'a> {
    /// Its name, unescaped.
    pub name: Cow<'a, str>,
    /// Its value.
    pub value: Value<'a>,
    /// The value as the text that stood there.
    pub raw: &'a str,
}

/// One of 64 bits that a name has in common with few others: whoever has seen the bits of all names of an object
/// knows of most others, without looking, that they are not there.
pub fn name_bit(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let [first, last] = [bytes.first(), bytes.last()].map(|byte| usize::from(byte.copied().unwrap_or(0)));
    1 << ((bytes.len() + 7 * first + 29 * last) % 64)
}

/// An object: members in their order, no name twice.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Object<'a> {
    pub(super) members: Vec<Member<'a>>,
}

impl<'a> Object<'a> {
    /// The value of a member.
    pub fn value(&self, name: &str) -> Option<&Value<'a>> {
        self.members.iter().find(|member| member.name == name).map(|member| &member.value)
    }

    /// The value of a member, to change it.
    pub fn value_mut(&mut self, name: &str) -> Option<&mut Value<'a>> {
        self.members.iter_mut().find(|member| member.name == name).map(|member| &mut member.value)
    }

    /// Adds a member at the end. The caller sees to it that the name is new.
    pub fn push(&mut self, member: Member<'a>) {
        self.members.push(member);
    }

    /// The value of a member, unless it is `null` or `""`.
    pub fn present(&self, name: &str) -> Option<&Value<'a>> {
        self.value(name).filter(|value| !value.is_blank())
    }

    /// The members, in order, taken out.
    pub fn into_members(self) -> impl Iterator<Item = Member<'a>> {
        self.members.into_iter()
    }

    /// The members, in order, by their places.
    pub fn members(&self) -> &[Member<'a>] {
        &self.members
    }

    /// The members, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Member<'a>> {
        self.members.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}
