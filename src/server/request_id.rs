//! Request ids: 128 bits that nobody meets twice or foresees, without asking the system each time.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::hexadecimal;

/// A new request id: 32 lower-case hexadecimal digits.
pub fn request_id() -> String {
    let bits = (u128::from(random()) << 64) | u128::from(random());
    hexadecimal::encode(&bits.to_be_bytes())
}

/// 64 bits: a counter through a hash whose key the system drew at start.
pub fn random() -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    KEY.hash_one(COUNTER.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_have_the_form_that_upstreams_accept_and_do_not_repeat() {
        let ids: HashSet<String> = (0..1000).map(|_| request_id()).collect();
        assert_eq!(ids.len(), 1000);
        let hex =
            |id: &String| id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        assert!(ids.iter().all(hex));
    }
}
