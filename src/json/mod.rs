//! JSON as a gateway needs it, between `serde_json`'s two ways. A typed reader would lose what it
//! has no field for; `serde_json::Value` loses the digits of big numbers and all but the last of
//! two equal names. Here numbers stay text, order stays, duplicate names and deep nesting are
//! errors, and strings without escapes are borrowed from the message.

mod read;
mod value;
mod write;

/// Bytes that end a run of plain text within a string: the quote, the backslash, and controls,
/// which must be escaped.
const ENDS_PLAIN_TEXT: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};

/// How many bytes of plain text there are before the first that is not. Eight at a time: most of what a gateway
/// does with JSON is looking for the ends of strings.
fn plain_length(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let ends = ends_in(u64::from_le_bytes(*word));
        if ends != 0 {
            return 8 * index + ends.trailing_zeros() as usize / 8;
        }
    }
    let end = rest.iter().position(|byte| ENDS_PLAIN_TEXT[usize::from(*byte)]);
    bytes.len() - rest.len() + end.unwrap_or(rest.len())
}

/// The top bit of each byte that ends plain text; exact up to the lowest such byte, which is what counts.
const fn ends_in(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const TOP: u64 = 0x80 * EACH;
    let quote = word ^ (EACH * b'"' as u64);
    let backslash = word ^ (EACH * b'\\' as u64);
    let below = word.wrapping_sub(0x20 * EACH) & !word;
    let quoted = quote.wrapping_sub(EACH) & !quote;
    let escaped = backslash.wrapping_sub(EACH) & !backslash;
    (below | quoted | escaped) & TOP
}

pub use read::{JsonError, parse};
pub use value::{Member, Object, Value, name_bit};
pub use write::{MemberName, ObjectWriter, WrittenName};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn plain_text_ends_where_its_first_special_byte_stands(
            bytes in prop::collection::vec(prop_oneof![4 => any::<u8>(), 1 => prop::sample::select(b"\"\\\x1f\x20\x7f\x80\xff".to_vec())], 0..40)
        ) {
            let first = bytes.iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'));
            prop_assert_eq!(plain_length(&bytes), first.unwrap_or(bytes.len()));
        }
    }
}
