//! Challenges and spent tokens that several instances share, over the same connection, breaker and
//! floor as the replay memory.
//!
//! A challenge is sealed by a key that follows from the state key and bound to its place: who can
//! only read and write Redis learns nothing from it and can't move it. A spent token is an entry like
//! a used request, and is taken only if Redis can't have forgotten it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use redis::cmd;

use super::{RedisStore, Shared, random_owner};
use crate::account::Secret;
use crate::clock::Moment;
use crate::seal::{NotAKey, SealKey, SealKeys};
use crate::store::tokens::{GIVE_BACKS, SingleUse, Slot, SpendReceipt, Spent, TokenStore};
use crate::store::{AppShare, Entry, StoreError};

/// Seconds that a token may be older than the floor. The floor counts whole seconds, and a token that
/// is spent in the second in which its gateway met Redis must pass. In return one could be spent twice
/// if Redis lost it and was back within the second of its issue.
const GRACE_SECONDS: i64 = 1;

/// The tokens that the sharers of a Redis have in common.
pub struct RedisTokens {
    store: Arc<RedisStore>,
    seal: SealKeys,
    share: Arc<AppShare>,
}

impl RedisTokens {
    /// The tokens beside a replay memory.
    ///
    /// # Errors
    /// When the state key is too short to seal with, which the config does not allow.
    pub fn over(store: Arc<RedisStore>) -> Result<Self, NotAKey> {
        let state_key = store.shared.settings.state_key.expose();
        let seal = SealKeys::new(&SealKey::new("state", state_key.as_bytes())?, []);
        let share = AppShare { id: String::new(), entries: AtomicUsize::new(0), bound: usize::MAX };
        Ok(Self { store, seal, share: Arc::new(share) })
    }

    fn shared(&self) -> &Shared {
        &self.store.shared
    }

    fn entry(&self, token: SingleUse) -> Entry {
        let shared = self.shared();
        // The floor lies ahead of the time for which it was raised by as much as signed requests may.
        let ahead = shared.terms.future.saturating_add(GRACE_SECONDS);
        Entry {
            app: Arc::clone(&self.share),
            second: token.issued.seconds().saturating_add(ahead),
            digest: shared.keys.spent(token.digest),
            until: token.expires,
        }
    }

    fn sealed(&self, key: &str, challenge: &Secret, until: Moment) -> Result<Vec<u8>, StoreError> {
        let content = [&until.millis().to_be_bytes()[..], challenge.expose().as_bytes()].concat();
        self.seal.encrypt(key.as_bytes(), &content).map_err(|_| StoreError::Away)
    }

    /// The challenge, if the value was sealed for this key and still holds.
    fn opened(&self, key: &str, value: &[u8], now: Moment) -> Option<Secret> {
        let content = self.seal.decrypt(key.as_bytes(), value).ok()?.content;
        let (until, challenge) = content.split_first_chunk()?;
        let holds = now < Moment::from_millis(i64::from_be_bytes(*until));
        holds.then(|| std::str::from_utf8(challenge).ok().map(Secret::from)).flatten()
    }
}

#[async_trait]
impl TokenStore for RedisTokens {
    async fn keep(&self, slot: Slot<'_>, value: &Secret, until: Moment, _: Moment) -> Result<(), StoreError> {
        let key = self.shared().keys.challenge(&slot.to_bytes());
        let value = self.sealed(&key, value, until)?;
        self.shared().ask(cmd("SET").arg(&key).arg(value).arg("PXAT").arg(until.millis())).await
    }

    async fn recall(&self, slot: Slot<'_>, now: Moment) -> Result<Option<Secret>, StoreError> {
        let key = self.shared().keys.challenge(&slot.to_bytes());
        let value: Option<Vec<u8>> = self.shared().ask(cmd("GET").arg(&key)).await?;
        Ok(value.and_then(|value| self.opened(&key, &value, now)))
    }

    async fn spend(&self, token: SingleUse, now: Moment) -> Result<Spent, StoreError> {
        if token.expires <= now {
            return Err(StoreError::BelowFloor);
        }
        let owner = random_owner().ok_or(StoreError::Away)?;
        Ok(match self.shared().take(&self.entry(token), owner).await? {
            true => Spent::Now(SpendReceipt::new(token, Some(owner))),
            false => Spent::Before,
        })
    }

    async fn give_back(&self, receipt: SpendReceipt) {
        if let Some(owner) = receipt.owner() {
            self.shared().give_back(&self.entry(receipt.token()), owner, GIVE_BACKS).await;
        }
    }
}
