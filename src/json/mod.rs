//! JSON as a gateway needs it, between `serde_json`'s two ways. A typed reader would lose what it
//! has no field for; `serde_json::Value` loses the digits of big numbers and all but the last of
//! two equal names. Here numbers stay text, order stays, duplicate names and deep nesting are
//! errors, and strings without escapes are borrowed from the message.

mod read;
mod value;
mod write;

pub use read::{JsonError, parse};
pub use value::{Member, Object, Value};
pub use write::ObjectWriter;
