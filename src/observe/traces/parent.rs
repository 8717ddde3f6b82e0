//! The `traceparent` field by the W3C's Trace Context, version 00 and what later versions promise to keep of it.

use http::HeaderValue;

use super::{SpanId, TraceId};

/// Whose child a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TraceParent {
    pub trace: TraceId,
    pub span: SpanId,
}

impl TraceParent {
    /// Reads a field; `None` where it does not follow the grammar.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = text.splitn(5, |byte| *byte == b'-');
        let mut next = || parts.next();
        let (version, trace, span, flags) = (next()?, next()?, next()?, next()?);
        let [version] = hexadecimal::<1>(version)?;
        hexadecimal::<1>(flags)?;
        // Version 00 has nothing behind the flags; ff is none.
        let is_known = version != 0xff && (version != 0 || parts.next().is_none());
        let (trace, span) = (hexadecimal(trace)?, hexadecimal(span)?);
        (is_known && trace != [0; 16] && span != [0; 8]).then_some(Self { trace, span })
    }

    /// The field, for a call that is traced.
    pub fn to_header(self) -> HeaderValue {
        let text = format!("00-{}-{}-01", digits(&self.trace), digits(&self.span));
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// Lower-case digits, as traces are written.
pub(super) fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hexadecimal<const SIZE: usize>(text: &[u8]) -> Option<[u8; SIZE]> {
    if text.len() != 2 * SIZE {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; SIZE];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_follows_the_grammar_is_read_and_written_back() {
        let parent = TraceParent::parse(WHOLE.as_bytes()).unwrap();
        assert_eq!(parent.to_header(), WHOLE);
        let later = WHOLE.replacen("00-", "cc-", 1) + "-what-a-later-version-adds";
        assert_eq!(TraceParent::parse(later.as_bytes()), Some(parent));
    }

    #[test]
    fn what_does_not_is_none() {
        for broken in [
            String::new(),
            "00".to_owned(),
            WHOLE.to_uppercase(),
            WHOLE.replacen("00-", "ff-", 1),
            WHOLE.replacen("00-", "0-", 1),
            WHOLE.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            WHOLE.replace("b7ad6b7169203331", &"0".repeat(16)),
            WHOLE.replace("b7ad", "b7a"),
            WHOLE.replace("b7ad", "b7ag"),
            format!("{WHOLE}-more"),
            format!(" {WHOLE}"),
        ] {
            assert_eq!(TraceParent::parse(broken.as_bytes()), None, "{broken:?}");
        }
    }
}
