//! Tokens that the gateway issues itself, and reads again when a client brings them back.
//!
//! Authenticated encryption binds each to what it was issued for: its [`Kind`], the operation and
//! purpose, and the client's dialect, app and region. None of that travels in the token; who opens it
//! names what is expected, so that one issued for anything else does not open at all. Inside are the
//! person's phone or e-mail address, the upstream's own challenge, and how long it holds.
//!
//! What a token may be used for only once is not decided here: see `store::challenges`.

mod binary;
mod content;
mod context;
mod key;
mod keys;
mod keys_file;
pub mod session_token;
#[cfg(test)]
mod tests;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::account::Secret;
use crate::clock::Moment;
pub use content::Content;
pub use context::{Audience, Context, Kind};
pub use key::{NotAKey, SealKey};
pub use keys::{Decrypted, SealKeys};
pub use keys_file::KeysError;

/// The longest text that is looked at, in bytes.
const MOST_TEXT: usize = 16 * 1024;

/// Why a token was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SealingError {
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for a sealed token")]
    NoRandomness,
    /// An upstream's challenge or token is longer than one that can travel in another.
    #[error("what the upstream issued is too long for a sealed token")]
    TooLong,
}

/// Why a token does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SealError {
    /// It was issued here for just this, and its time is over.
    #[error("the sealed token has expired")]
    Expired,
    /// It was not issued here, or for something else, or was changed, or its key is gone.
    #[error("the sealed token was not issued for this")]
    NotOurs,
}

/// A token that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What was sealed.
    pub content: Content,
    /// The id of the key that opened it.
    pub key: String,
    /// By which this one token is told from all others, for those that are used once.
    pub digest: u128,
}

impl SealKeys {
    /// Seals a token: URL-safe base64 without padding.
    ///
    /// # Errors
    /// When there are no random bytes, or the content is too long.
    pub fn seal(&self, context: &Context<'_>, content: &Content) -> Result<Secret, SealingError> {
        self.seal_bytes(context, &content.to_bytes()?)
    }

    /// Opens a token that was sealed for the same context. Any text may come.
    ///
    /// # Errors
    /// When it is not such a token, or its time is over at `now`.
    pub fn open(&self, text: &str, context: &Context<'_>, now: Moment) -> Result<Opened, SealError> {
        let (decrypted, digest) = self.open_bytes(text, context)?;
        let content = Content::from_bytes(&decrypted.content).ok_or(SealError::NotOurs)?;
        if now >= content.expires {
            return Err(SealError::Expired);
        }
        Ok(Opened { content, key: decrypted.key.to_owned(), digest })
    }

    fn seal_bytes(&self, context: &Context<'_>, content: &[u8]) -> Result<Secret, SealingError> {
        let sealed = self.encrypt(&context.to_bytes()?, content)?;
        let text = URL_SAFE_NO_PAD.encode(sealed);
        if text.len() > MOST_TEXT { Err(SealingError::TooLong) } else { Ok(Secret::new(text)) }
    }

    fn open_bytes(&self, text: &str, context: &Context<'_>) -> Result<(Decrypted<'_>, u128), SealError> {
        if text.len() > MOST_TEXT {
            return Err(SealError::NotOurs);
        }
        let sealed = URL_SAFE_NO_PAD.decode(text).map_err(|_| SealError::NotOurs)?;
        let bound_to = context.to_bytes().map_err(|_| SealError::NotOurs)?;
        Ok((self.decrypt(&bound_to, &sealed)?, digest(&sealed)))
    }
}

/// The sealed bytes hold a random nonce, and nobody without the key makes others of the same content.
fn digest(sealed: &[u8]) -> u128 {
    let bytes = Sha256::digest(sealed);
    bytes.iter().take(16).fold(0, |digest, byte| digest << 8 | u128::from(*byte))
}
