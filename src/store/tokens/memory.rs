//! The tokens of one process. What was spent before it started it does not know, so tokens of that
//! time are not taken.

use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use moka::Expiry;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher24};

use super::{GIVE_BACKS, SingleUse, Slot, SpendReceipt, Spent, TokenStore};
use crate::account::Secret;
use crate::clock::Moment;
use crate::store::StoreError;

/// Spent tokens are remembered so much longer than they hold: the wall clock, by which they end, may
/// be set back while the one by which they are forgotten goes on.
const SLACK: Duration = Duration::from_secs(60);

/// Something with an end of its own.
#[derive(Clone)]
struct Held<T> {
    value: T,
    lifetime: Duration,
}

/// How often a token was given back, and whether it is spent now.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Mark {
    given_back: u8,
    spent: bool,
}

struct HeldExpiry;

impl<T> Expiry<u128, Held<T>> for HeldExpiry {
    fn expire_after_create(&self, _: &u128, held: &Held<T>, _: Instant) -> Option<Duration> {
        Some(held.lifetime)
    }

    fn expire_after_update(
        &self,
        _: &u128,
        held: &Held<T>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(held.lifetime)
    }
}

/// Sessions of other regions whose region is remembered, some 150 bytes each. A crowd of further ones
/// drives out those that were not used for longest, whose people then log in anew.
const SESSIONS: u64 = 1_000_000;

/// The tokens of one process.
pub struct MemoryTokens {
    sessions: Cache<u128, Held<(Secret, Moment)>>,
    challenges: Cache<u128, Held<(Secret, Moment)>>,
    marks: Cache<u128, Held<Mark>>,
    count: Arc<AtomicUsize>,
    bound: usize,
    key: [u8; 16],
    /// Since when it knows what was spent, in milliseconds since the epoch.
    opened: AtomicI64,
}

/// Everything that is kept, for handing it over. It holds secrets, so it does not print.
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct SavedTokens {
    opened: i64,
    /// (place, challenge, end)
    challenges: Vec<(u128, String, Moment)>,
    /// (digest, mark, milliseconds that it is remembered)
    marks: Vec<(u128, Mark, u64)>,
}

impl MemoryTokens {
    /// Nothing yet, and at most `bound` challenges and spent tokens together.
    ///
    /// # Errors
    /// When the system gives no random bytes for a key.
    pub fn open(bound: usize, now: Moment) -> Result<Self, getrandom::Error> {
        let mut key = [0; 16];
        getrandom::fill(&mut key)?;
        Ok(Self::with_key(bound, key, now))
    }

    /// The same with a key for the digests of slots.
    pub(in crate::store) fn with_key(bound: usize, key: [u8; 16], now: Moment) -> Self {
        let count = Arc::new(AtomicUsize::new(0));
        let opened = AtomicI64::new(now.millis());
        let sessions = Cache::builder()
            .max_capacity(SESSIONS)
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(HeldExpiry)
            .build();
        Self { sessions, challenges: cache(&count), marks: cache(&count), count, bound, key, opened }
    }

    /// Everything that is kept.
    pub(in crate::store) fn save(&self) -> SavedTokens {
        let challenge = |(place, held): (Arc<u128>, Held<(Secret, Moment)>)| {
            (*place, held.value.0.expose().to_owned(), held.value.1)
        };
        let mark = |(digest, held): (Arc<u128>, Held<Mark>)| {
            (*digest, held.value, u64::try_from(held.lifetime.as_millis()).unwrap_or(u64::MAX))
        };
        SavedTokens {
            opened: self.opened.load(Ordering::SeqCst),
            challenges: self.challenges.iter().chain(self.sessions.iter()).map(challenge).collect(),
            marks: self.marks.iter().map(mark).collect(),
        }
    }

    /// Keeps what was saved, also beyond the bound. A mark stays as long as it would from its first
    /// day on: too long does no harm.
    pub(in crate::store) fn load(&self, saved: SavedTokens, now: Moment) {
        self.opened.store(saved.opened, Ordering::SeqCst);
        for (place, value, until) in saved.challenges {
            let held = Held { value: (Secret::new(value), until), lifetime: between(now, until) };
            if is_session(place) {
                self.sessions.insert(place, held);
            } else {
                self.count.fetch_add(1, Ordering::AcqRel);
                self.challenges.insert(place, held);
            }
        }
        for (digest, mark, millis) in saved.marks {
            self.count.fetch_add(1, Ordering::AcqRel);
            self.marks.insert(digest, Held { value: mark, lifetime: Duration::from_millis(millis) });
        }
    }

    /// Takes no token any more that was issued before.
    pub(in crate::store) fn doubt(&self, now: Moment) {
        self.opened.fetch_max(now.millis(), Ordering::SeqCst);
    }

    pub(in crate::store) fn keep_at(
        &self,
        place: u128,
        value: &Secret,
        until: Moment,
        now: Moment,
    ) -> Result<(), StoreError> {
        let held = Held { value: (value.clone(), until), lifetime: between(now, until) };
        if is_session(place) {
            self.sessions.insert(place, held);
            return Ok(());
        }
        self.reserve()?;
        self.challenges.insert(place, held);
        Ok(())
    }

    pub(in crate::store) fn recall_at(&self, place: u128, now: Moment) -> Option<Secret> {
        let kept = if is_session(place) { &self.sessions } else { &self.challenges };
        let held = kept.get(&place).map(|held| held.value);
        held.filter(|(_, until)| now < *until).map(|(value, _)| value)
    }

    /// Slots are kept by keyed digests: nobody's phone lies in memory as a key. The lowest bit tells
    /// sessions, which may make room, from challenges.
    pub(in crate::store) fn place(&self, slot: Slot<'_>) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(&slot.to_bytes());
        let digest = hasher.finish128().as_u128();
        let session = matches!(slot, Slot::Session(_));
        digest & !1 | u128::from(session)
    }

    /// Takes room for one more.
    fn reserve(&self) -> Result<(), StoreError> {
        let take = || {
            let more = |count: usize| (count < self.bound).then_some(count + 1);
            self.count.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).map(|_| ())
        };
        take().or_else(|_| {
            // What has expired may not have been swept yet.
            self.challenges.run_pending_tasks();
            self.marks.run_pending_tasks();
            take().map_err(|_| StoreError::Full)
        })
    }

    fn release(&self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A cache without a capacity: what is in it leaves by its time only, never to make room.
fn cache<T: Clone + Send + Sync + 'static>(count: &Arc<AtomicUsize>) -> Cache<u128, Held<T>> {
    let count = Arc::clone(count);
    Cache::builder()
        .expire_after(HeldExpiry)
        .eviction_listener(move |_, _, _| {
            count.fetch_sub(1, Ordering::AcqRel);
        })
        .build()
}

/// Whether a place is one of a session's region.
const fn is_session(place: u128) -> bool {
    place & 1 == 1
}

fn between(now: Moment, end: Moment) -> Duration {
    Duration::from_millis(u64::try_from(end.millis().saturating_sub(now.millis())).unwrap_or(0))
}

#[async_trait]
impl TokenStore for MemoryTokens {
    async fn keep(
        &self,
        slot: Slot<'_>,
        value: &Secret,
        until: Moment,
        now: Moment,
    ) -> Result<(), StoreError> {
        self.keep_at(self.place(slot), value, until, now)
    }

    async fn recall(&self, slot: Slot<'_>, now: Moment) -> Result<Option<Secret>, StoreError> {
        Ok(self.recall_at(self.place(slot), now))
    }

    async fn spend(&self, token: SingleUse, now: Moment) -> Result<Spent, StoreError> {
        if token.issued.millis() < self.opened.load(Ordering::SeqCst) || token.expires <= now {
            return Err(StoreError::BelowFloor);
        }
        let known = |mark: Option<Held<Mark>>| mark.is_some_and(|mark| mark.value.spent);
        if known(self.marks.get(&token.digest)) {
            return Ok(Spent::Before);
        }
        self.reserve()?;
        let lifetime = between(now, token.expires).saturating_add(SLACK);
        let mut won = false;
        self.marks.entry(token.digest).and_compute_with(|entry| {
            let before = entry.map(|entry| entry.into_value().value);
            won = !before.is_some_and(|mark| mark.spent);
            let given_back = before.map_or(0, |mark| mark.given_back);
            let mark = Mark { given_back, spent: true };
            if won { Op::Put(Held { value: mark, lifetime }) } else { Op::Nop }
        });
        if won {
            return Ok(Spent::Now(SpendReceipt::new(token, None)));
        }
        self.release();
        Ok(Spent::Before)
    }

    async fn give_back(&self, receipt: SpendReceipt) {
        self.marks.entry(receipt.token().digest).and_compute_with(|entry| {
            let Some(held) = entry.map(|entry| entry.into_value()) else {
                return Op::Nop;
            };
            if held.value.given_back >= GIVE_BACKS {
                return Op::Nop;
            }
            let mark = Mark { given_back: held.value.given_back + 1, spent: false };
            // It takes the place of one that is counted, which leaves in return.
            self.count.fetch_add(1, Ordering::AcqRel);
            Op::Put(Held { value: mark, lifetime: held.lifetime })
        });
    }
}
