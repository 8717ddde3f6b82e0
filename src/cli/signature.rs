//! Coolkit's `Sign`: base64 of HMAC-SHA256.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::account::Secret;

/// A secret, ready to sign with.
pub struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// Prepares a secret.
    pub fn new(secret: &Secret) -> Self {
        match Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) {
            Ok(keyed) => Self(keyed),
            Err(_) => unreachable!("HMAC takes keys of any length"),
        }
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Signature {
        let mut keyed = self.0.clone();
        keyed.update(message);
        Signature(keyed.finalize().into_bytes().into())
    }
}

/// The 32 bytes of a signature. Compares in constant time.
#[derive(Clone, Copy)]
pub struct Signature([u8; 32]);

impl Signature {
    /// Reads base64, strictly.
    pub fn from_base64(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// Reads the value of an `Authorization` field.
    pub fn from_authorization(value: &str) -> Option<Self> {
        let (scheme, text) = value.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("sign") {
            Self::from_base64(text)
        } else {
            None
        }
    }

    /// The value of an `Authorization` field.
    pub fn to_authorization(self) -> String {
        format!("Sign {}", STANDARD.encode(self.0))
    }
}

impl PartialEq for Signature {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// The forms of a message that clients sign: a body as it is; a query as it is, or sorted.
pub fn messages<'a>(query: &'a str, body: &'a [u8], _refresh: bool) -> Vec<Cow<'a, [u8]>> {
    if !body.is_empty() {
        return vec![Cow::Borrowed(body)];
    }
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.sort_unstable();
    vec![
        Cow::Borrowed(query.as_bytes()),
        Cow::Owned(pairs.join("&").into_bytes()),
    ]
}
