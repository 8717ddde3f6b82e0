//! Random tokens, and the digests under which tokens, codes and keys are stored.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::error::StoreError;
use crate::account::Secret;
use crate::hexadecimal;

/// A SHA-256 digest.
pub(super) type Digest256 = [u8; 32];

/// A token of 32 random bytes, as 64 hexadecimal digits.
pub(super) fn random_token() -> Result<Secret, StoreError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(Secret::new(hexadecimal::encode(&bytes)))
}

/// A code of `length` random decimal digits, every one equally likely.
pub(super) fn random_code(length: u8) -> Result<Secret, StoreError> {
    /// The largest multiple of ten in a byte; bytes from there on would favour the small digits.
    const FAIR: u8 = 250;
    let mut code = String::new();
    while code.len() < usize::from(length) {
        let mut byte = [0];
        getrandom::fill(&mut byte)?;
        let [byte] = byte;
        if byte < FAIR {
            code.push(char::from(b'0' + byte % 10));
        }
    }
    Ok(Secret::new(code))
}

/// What is stored of a token: its entropy needs neither salt nor key.
pub(super) fn token_digest(token: &Secret) -> Digest256 {
    Sha256::digest(token.expose().as_bytes()).into()
}

/// The key of this database's keyed digests.
#[derive(Clone)]
pub(super) struct DigestKey(pub(super) Vec<u8>);

impl DigestKey {
    /// A digest of parts, each with its length, so that no two lists of parts are one text.
    pub(super) fn digest(&self, parts: &[&[u8]]) -> Digest256 {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_length_asked_for_and_differ() {
        let codes: std::collections::HashSet<_> = (0..20).map(|_| random_code(8).unwrap()).collect();
        assert!(codes.len() > 15);
        for code in &codes {
            assert_eq!(code.expose().len(), 8);
            assert!(code.expose().bytes().all(|byte| byte.is_ascii_digit()));
        }
    }

    #[test]
    fn keyed_digests_depend_on_key_and_on_where_parts_end() {
        let key = DigestKey(vec![1; 32]);
        assert_ne!(key.digest(&[b"ab", b"c"]), key.digest(&[b"a", b"bc"]));
        assert_ne!(key.digest(&[b"ab"]), DigestKey(vec![2; 32]).digest(&[b"ab"]));
    }
}
