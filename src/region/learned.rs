//! Where accounts were found before, so that the next call goes straight there. Only an advice: it may be
//! forgotten at any time, and what is wrong in it is put right by the first answer that contradicts it.

use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use siphasher::sip128::{Hasher128, SipHasher24};

use crate::clock::Moment;

/// So long an account is taken to stay where it was found.
const LIFETIME_SECONDS: i64 = 86_400;

/// Accounts that are remembered, some 100 bytes each; those asked for least make room.
const ENTRIES: u64 = 200_000;

/// Where accounts live that do not live at home, by keyed digests of their names.
pub struct Learned {
    regions: Cache<u128, (Arc<str>, Moment)>,
    key: [u8; 16],
}

impl Learned {
    /// Nothing learned yet.
    ///
    /// # Errors
    /// When the system gives no random bytes for a key.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 16];
        getrandom::fill(&mut key)?;
        let lifetime = Duration::from_secs(LIFETIME_SECONDS.unsigned_abs());
        let regions = Cache::builder().max_capacity(ENTRIES).time_to_live(lifetime).build();
        Ok(Self { regions, key })
    }

    /// Remembers that the account of a name lives in a region.
    pub fn learn(&self, name: &str, region: &str, now: Moment) {
        self.regions.insert(self.digest(name), (region.into(), now.plus_seconds(LIFETIME_SECONDS)));
    }

    /// Forgets the account of a name.
    pub fn forget(&self, name: &str) {
        self.regions.invalidate(&self.digest(name));
    }

    /// The region where the account of a name was found, if that is known.
    pub fn region_of(&self, name: &str, now: Moment) -> Option<Arc<str>> {
        let (region, until) = self.regions.get(&self.digest(name))?;
        (now < until).then_some(region)
    }

    fn digest(&self, name: &str) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(name.as_bytes());
        hasher.finish128().as_u128()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_for_a_day_and_forgotten_when_asked() {
        let learned = Learned::new().unwrap();
        let now = Moment::from_seconds(1_700_000_000);
        learned.learn("+8613800138001", "eu", now);
        assert_eq!(learned.region_of("+8613800138001", now.plus_seconds(86_399)).as_deref(), Some("eu"));
        assert_eq!(learned.region_of("+8613800138001", now.plus_seconds(86_400)), None);
        assert_eq!(learned.region_of("+8613800138002", now), None);
        learned.forget("+8613800138001");
        assert_eq!(learned.region_of("+8613800138001", now), None);
    }
}
