//! A key as operators have it.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use thiserror::Error;

use super::SealingError;
use crate::account::Secret;
use crate::hexadecimal;

/// What tokens are sealed with, under the id by which operators know it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealKey {
    id: String,
    bytes: Vec<u8>,
}

/// Why a text is no key. Holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotAKey {
    /// It is neither base64 nor hexadecimal.
    #[error("the key is neither base64 nor hexadecimal")]
    Encoding,
    /// It has too few bytes.
    #[error("the key has {0} bytes and needs {least}", least = SealKey::LEAST_BYTES)]
    TooShort(usize),
}

impl SealKey {
    /// The shortest key that can't be guessed, in bytes.
    pub const LEAST_BYTES: usize = 32;

    /// A key of these bytes.
    ///
    /// # Errors
    /// When there are fewer than [`Self::LEAST_BYTES`].
    pub fn new(id: impl Into<String>, bytes: &[u8]) -> Result<Self, NotAKey> {
        if bytes.len() < Self::LEAST_BYTES {
            return Err(NotAKey::TooShort(bytes.len()));
        }
        Ok(Self { id: id.into(), bytes: bytes.to_vec() })
    }

    /// Reads a key in hexadecimal, or in base64 of either alphabet with or without padding.
    ///
    /// # Errors
    /// When it is neither, or too short.
    pub fn parse(id: impl Into<String>, text: &Secret) -> Result<Self, NotAKey> {
        let text = text.expose().trim();
        let bytes = hexadecimal::decode(text).or_else(|| from_base64(text)).ok_or(NotAKey::Encoding)?;
        Self::new(id, &bytes)
    }

    /// A key of random bytes.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn random(id: impl Into<String>) -> Result<Self, SealingError> {
        let mut bytes = [0; Self::LEAST_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| SealingError::NoRandomness)?;
        Ok(Self { id: id.into(), bytes: bytes.to_vec() })
    }

    /// The id: for metrics and findings, and nothing that a token depends on.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether both are the same but for their ids.
    pub fn has_bytes_of(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({:?}, ***)", self.id)
    }
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decode = |alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok();
    decode(&alphabet::STANDARD).or_else(|| decode(&alphabet::URL_SAFE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SealKey, NotAKey> {
        SealKey::parse("k", &Secret::from(text))
    }

    #[test]
    fn one_key_has_many_spellings() {
        let bytes = [0xfb; 32];
        let key = SealKey::new("k", &bytes).unwrap();
        let base64 = "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=";
        for text in [
            "fb".repeat(32),
            "FB".repeat(32),
            format!("{}\n", "fb".repeat(32)),
            base64.to_owned(),
            base64.replace('=', ""),
            base64.replace('+', "-").replace('/', "_"),
        ] {
            assert_eq!(parse(&text).as_ref(), Ok(&key), "{text}");
        }
    }

    #[test]
    fn what_is_no_key_is_told_without_showing_it() {
        assert_eq!(parse(&"ab".repeat(31)), Err(NotAKey::TooShort(31)));
        assert_eq!(parse(""), Err(NotAKey::TooShort(0)));
        assert_eq!(parse("a pass phrase that is long enough, but no key"), Err(NotAKey::Encoding));
        assert_eq!(NotAKey::TooShort(3).to_string(), "the key has 3 bytes and needs 32");
        assert_eq!(format!("{:?}", parse(&"ab".repeat(32)).unwrap()), "SealKey(\"k\", ***)");
    }
}
