//! Query strings: pairs in their order, and how they are escaped.

use std::borrow::Cow;

/// One `name=value` pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The pair as it was sent.
    pub raw: &'a str,
    /// The name as it was sent.
    pub raw_name: &'a str,
    /// The name, unescaped.
    pub name: Cow<'a, str>,
    /// The value, unescaped.
    pub value: Cow<'a, str>,
}

/// A query string, read: pairs in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query<'a>(Vec<Pair<'a>>);

impl<'a> Query<'a> {
    /// Reads a query string without its question mark. `None` when an escape is broken or
    /// what it yields is no UTF-8.
    pub fn parse(text: &'a str) -> Option<Self> {
        let pair = |raw: &'a str| {
            let (raw_name, raw_value) = raw.split_once('=').unwrap_or((raw, ""));
            let name = percent_decode(raw_name, true)?;
            let value = percent_decode(raw_value, true)?;
            Some(Pair { raw, raw_name, name, value })
        };
        text.split('&').filter(|raw| !raw.is_empty()).map(pair).collect::<Option<Vec<_>>>().map(Self)
    }

    /// The value of a name, the first if there are several.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|pair| pair.name == name).map(|pair| pair.value.as_ref())
    }

    /// The value of a name, unless it is empty.
    pub fn present(&self, name: &str) -> Option<&str> {
        self.value(name).filter(|value| !value.is_empty())
    }

    /// The pairs, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Pair<'a>> {
        self.0.iter()
    }

    /// The pairs, in order, taken out.
    pub fn into_pairs(self) -> impl Iterator<Item = Pair<'a>> {
        self.0.into_iter()
    }

    /// Whether a name stands twice.
    pub fn has_duplicates(&self) -> bool {
        let mut names: Vec<&str> = self.0.iter().map(|pair| pair.name.as_ref()).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| pair.first() == pair.last())
    }
}

/// Undoes percent-encoding; `+` becomes a space where `plus_is_space`. `None` when an escape is
/// broken or what it yields is no UTF-8.
pub fn percent_decode(text: &str, plus_is_space: bool) -> Option<Cow<'_, str>> {
    let special = |byte: u8| byte == b'%' || (plus_is_space && byte == b'+');
    if !text.bytes().any(special) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// Escapes a text for a query value: all but RFC 3986's unreserved characters.
pub fn percent_encode(text: &str, into: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            let nibbles = [byte >> 4, byte & 15];
            into.push('%');
            into.extend(nibbles.iter().filter_map(|n| HEX.get(usize::from(*n))).map(|hex| char::from(*hex)));
        }
    }
}

/// Writes a query string pair by pair.
#[derive(Debug, Default)]
pub struct QueryWriter(String);

impl QueryWriter {
    /// Adds a pair.
    pub fn pair(&mut self, name: &str, value: &str) -> &mut Self {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        percent_encode(name, &mut self.0);
        self.0.push('=');
        percent_encode(value, &mut self.0);
        self
    }

    /// The query string, without a question mark.
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_keep_order_and_both_forms() {
        let query = Query::parse("b=%2B86+1&a=&c&b=2").unwrap();
        assert_eq!(query.value("b"), Some("+86 1"));
        assert_eq!(query.present("a"), None);
        assert_eq!(query.value("c"), Some(""));
        assert!(query.has_duplicates());
        assert_eq!(query.iter().next().unwrap().raw, "b=%2B86+1");
        assert_eq!(Query::parse("a=%f"), None);
        assert_eq!(Query::parse("a=%ff"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(name in ".{1,8}", value in ".{0,16}") {
            let mut writer = QueryWriter::default();
            writer.pair(&name, &value);
            let text = writer.finish();
            let query = Query::parse(&text).unwrap();
            prop_assert_eq!(query.value(&name), Some(value.as_str()));
        }
    }
}
