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

/// How many bytes of plain text there are before the first that is not.
fn plain_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| ENDS_PLAIN_TEXT[usize::from(*byte)]).unwrap_or(bytes.len())
}

pub use read::{JsonError, parse};
pub use value::{Member, Object, Value};
pub use write::ObjectWriter;
