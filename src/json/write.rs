//! Builds an object by writing it, member by member: no value can break out of its place.

use super::plain_length;

/// The name of a member on its way into an object.
pub trait MemberName {
    /// Writes the name, quoted, and the colon behind it.
    fn write_to(&self, bytes: &mut Vec<u8>);
}

impl MemberName for &str {
    fn write_to(&self, bytes: &mut Vec<u8>) {
        write_text(self, bytes);
        bytes.push(b':');
    }
}

/// A name that is written often: quoted and escaped once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenName(Box<[u8]>);

impl WrittenName {
    /// Quotes and escapes a name.
    pub fn new(name: &str) -> Self {
        let mut bytes = Vec::with_capacity(name.len() + 3);
        name.write_to(&mut bytes);
        Self(bytes.into())
    }
}

impl MemberName for &WrittenName {
    fn write_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.0);
    }
}

fn write_text(text: &str, bytes: &mut Vec<u8>) {
    // Escape-free text is the rule; everything else is serde_json's to write.
    if plain_length(text.as_bytes()) == text.len() {
        bytes.reserve(text.len() + 2);
        bytes.push(b'"');
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(b'"');
    } else if let Ok(escaped) = serde_json::to_string(text) {
        bytes.extend_from_slice(escaped.as_bytes());
    }
}

/// Writes one JSON object into a buffer.
#[derive(Debug)]
pub struct ObjectWriter {
    bytes: Vec<u8>,
}

impl Default for ObjectWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl ObjectWriter {
    /// An object without members.
    pub fn new() -> Self {
        let mut bytes = Vec::with_capacity(512);
        bytes.push(b'{');
        Self { bytes }
    }

    fn name(&mut self, name: impl MemberName) {
        if self.bytes.last() != Some(&b'{') {
            self.bytes.push(b',');
        }
        name.write_to(&mut self.bytes);
    }

    fn text(&mut self, text: &str) {
        write_text(text, &mut self.bytes);
    }

    /// A string member.
    pub fn string(&mut self, name: impl MemberName, value: &str) -> &mut Self {
        self.name(name);
        self.text(value);
        self
    }

    /// A string member, or `null`.
    pub fn string_or_null(&mut self, name: impl MemberName, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.string(name, value),
            None => self.null(name),
        }
    }

    /// A string member, left out when there is no value.
    pub fn string_if(&mut self, name: impl MemberName, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.string(name, value);
        }
        self
    }

    /// An integer member.
    pub fn integer(&mut self, name: impl MemberName, value: i64) -> &mut Self {
        self.raw(name, &value.to_string())
    }

    /// An integer member, or `null`.
    pub fn integer_or_null(&mut self, name: impl MemberName, value: Option<u64>) -> &mut Self {
        match value {
            Some(value) => self.raw(name, &value.to_string()),
            None => self.null(name),
        }
    }

    /// A truth value.
    pub fn bool(&mut self, name: impl MemberName, value: bool) -> &mut Self {
        self.raw(name, if value { "true" } else { "false" })
    }

    /// A `null` member.
    pub fn null(&mut self, name: impl MemberName) -> &mut Self {
        self.raw(name, "null")
    }

    /// A member whose value is JSON text already: an extension, exactly as it was read.
    pub fn raw(&mut self, name: impl MemberName, json: &str) -> &mut Self {
        self.name(name);
        self.bytes.extend_from_slice(json.as_bytes());
        self
    }

    /// An object member.
    pub fn object(&mut self, name: impl MemberName, write: impl FnOnce(&mut Self)) -> &mut Self {
        self.name(name);
        self.bytes.push(b'{');
        write(self);
        self.bytes.push(b'}');
        self
    }

    /// An array of one object.
    pub fn object_in_list(&mut self, name: impl MemberName, write: impl FnOnce(&mut Self)) -> &mut Self {
        self.name(name);
        self.bytes.extend_from_slice(b"[{");
        write(self);
        self.bytes.extend_from_slice(b"}]");
        self
    }

    /// An array of one string.
    pub fn string_in_list(&mut self, name: impl MemberName, value: &str) -> &mut Self {
        self.name(name);
        self.bytes.push(b'[');
        self.text(value);
        self.bytes.push(b']');
        self
    }

    /// The object's text.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.push(b'}');
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn members_stand_in_the_order_of_writing() {
        let mut writer = ObjectWriter::new();
        writer.integer("error", 400).string("msg", "a\"b").object("o", |o| {
            o.null("n").bool("b", true);
        });
        writer.object("empty", |_| {}).raw("x", "1.10");
        let text = String::from_utf8(writer.finish()).unwrap();
        assert_eq!(text, r#"{"error":400,"msg":"a\"b","o":{"n":null,"b":true},"empty":{},"x":1.10}"#);
    }

    proptest! {
        #[test]
        fn any_text_reads_back_as_itself(name in ".{0,8}", value in ".{0,32}") {
            let mut writer = ObjectWriter::new();
            writer.string(name.as_str(), &value);
            let written = writer.finish();
            let read: serde_json::Value = serde_json::from_slice(&written).unwrap();
            prop_assert_eq!(read.get(&name).and_then(|v| v.as_str()), Some(value.as_str()));
            let mut again = ObjectWriter::new();
            again.string(&WrittenName::new(&name), &value);
            prop_assert_eq!(again.finish(), written);
        }
    }
}
