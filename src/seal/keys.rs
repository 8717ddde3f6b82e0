//! The keys at work: the first seals, all open.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::{SealError, SealKey, SealingError};

/// The form of sealed bytes: this byte, the key's tag, the nonce, what was encrypted.
const VERSION: u8 = 1;
const TAG_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;
/// The block of SHA-256, to which HMAC pads its key.
const BLOCK_BYTES: usize = 64;

/// The keys at work.
#[derive(Clone)]
pub struct SealKeys {
    first: Worker,
    others: Vec<Worker>,
}

/// One key, ready for use.
#[derive(Clone)]
struct Worker {
    id: String,
    /// Stands in what it sealed, so that the right key is found; follows from the key, so that
    /// instances need not agree on ids.
    tag: [u8; TAG_BYTES],
    cipher: XChaCha20Poly1305,
    signer: Hmac<Sha256>,
}

/// What was encrypted.
pub struct Decrypted<'a> {
    /// The bytes.
    pub content: Vec<u8>,
    /// The id of the key that opened it.
    pub key: &'a str,
}

impl fmt::Debug for SealKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.ids().collect();
        write!(f, "SealKeys({ids:?}, ***)")
    }
}

impl fmt::Debug for Decrypted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decrypted(***, {:?})", self.key)
    }
}

impl SealKeys {
    /// Keys of which the first seals.
    pub fn new<'a>(first: &SealKey, others: impl IntoIterator<Item = &'a SealKey>) -> Self {
        Self { first: Worker::new(first), others: others.into_iter().map(Worker::new).collect() }
    }

    /// The ids of the keys, the one that seals first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.workers().map(|worker| worker.id.as_str())
    }

    /// Encrypts bytes, which then open only together with the bytes that they are bound to.
    ///
    /// # Errors
    /// When there are no random bytes for a nonce.
    pub fn encrypt(&self, bound_to: &[u8], content: &[u8]) -> Result<Vec<u8>, SealingError> {
        let worker = &self.first;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| SealingError::NoRandomness)?;
        let aad = worker.associated_data(bound_to);
        let payload = Payload { msg: content, aad: &aad };
        // The cipher refuses only what would not fit into memory.
        let encrypted =
            worker.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealingError::TooLong)?;
        Ok([&[VERSION][..], &worker.tag, &nonce, &encrypted].concat())
    }

    /// Decrypts bytes. Any may come.
    ///
    /// # Errors
    /// When no key here made them for the bytes that they are to be bound to.
    pub fn decrypt(&self, bound_to: &[u8], sealed: &[u8]) -> Result<Decrypted<'_>, SealError> {
        let (tag, nonce, encrypted) = split(sealed).ok_or(SealError::NotOurs)?;
        let open = |worker: &Worker| {
            let aad = worker.associated_data(bound_to);
            worker.cipher.decrypt(&XNonce::from(nonce), Payload { msg: encrypted, aad: &aad }).ok()
        };
        self.workers()
            .filter(|worker| worker.tag == tag)
            .find_map(|worker| Some(Decrypted { content: open(worker)?, key: &worker.id }))
            .ok_or(SealError::NotOurs)
    }

    /// Signs bytes with HMAC-SHA-256, for everybody to read and for us to verify.
    pub(super) fn sign(&self, message: &[u8]) -> [u8; 32] {
        self.first.signer.clone().chain_update(message).finalize().into_bytes().into()
    }

    /// The id of the key that signed these bytes, if one here did.
    pub(super) fn signed_by(&self, message: &[u8], signature: &[u8]) -> Option<&str> {
        let signed =
            |worker: &&Worker| worker.signer.clone().chain_update(message).verify_slice(signature).is_ok();
        self.workers().find(signed).map(|worker| worker.id.as_str())
    }

    fn workers(&self) -> impl Iterator<Item = &Worker> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl Worker {
    fn new(key: &SealKey) -> Self {
        let mut block = [0; BLOCK_BYTES];
        for (to, from) in block.iter_mut().zip(derived(key, "sign")) {
            *to = from;
        }
        let mut tag = [0; TAG_BYTES];
        for (to, from) in tag.iter_mut().zip(derived(key, "tag")) {
            *to = from;
        }
        Self {
            id: key.id().to_owned(),
            tag,
            cipher: XChaCha20Poly1305::new(&derived(key, "encrypt").into()),
            signer: Hmac::<Sha256>::new(&block.into()),
        }
    }

    fn associated_data(&self, bound_to: &[u8]) -> Vec<u8> {
        [&[VERSION][..], &self.tag, bound_to].concat()
    }
}

/// A key of its own for each use: HKDF's extraction (RFC 5869) with the use as its salt.
fn derived(key: &SealKey, usage: &str) -> [u8; 32] {
    let salt = format!("dragoman seal 1 {usage}");
    Hkdf::<Sha256>::extract(Some(salt.as_bytes()), key.bytes()).0.into()
}

fn split(sealed: &[u8]) -> Option<([u8; TAG_BYTES], [u8; NONCE_BYTES], &[u8])> {
    let rest = sealed.strip_prefix(&[VERSION])?;
    let (tag, rest) = rest.split_first_chunk()?;
    let (nonce, encrypted) = rest.split_first_chunk()?;
    Some((*tag, *nonce, encrypted))
}
