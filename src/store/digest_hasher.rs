//! How tables are hashed whose keys are keyed digests already.

use std::hash::{BuildHasherDefault, Hasher};

/// Hashes 128-bit digests: they are uniform, and nobody without their key can choose them, so their
/// low half is as good a hash as any.
pub(super) type ByDigest = BuildHasherDefault<DigestHasher>;

#[derive(Default)]
pub(super) struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, digest: u128) {
        self.0 = u64::try_from(digest & u128::from(u64::MAX)).unwrap_or_default();
    }
}
