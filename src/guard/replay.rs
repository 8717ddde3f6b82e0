//! A signed request passes once.
//!
//! Two memories hold that: the store of digests, and the floor below which no time passes. The
//! store forgets an entry only when its time is far outside every window; whenever more may have
//! been forgotten than that (a crash, a wall clock that stepped back, a policy that grew
//! stricter), the floor rises instead.

use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;
use siphasher::sip128::{Hasher128, SipHasher24};

use super::floor::{Floor, FloorError, Kept};
use super::tenants::Tenants;
use crate::account::ProblemCode;
use crate::clock::{Clock, Moment};
use crate::config::{App, Replay, ReplayKey};
use crate::sign::{Signature, Signed};
use crate::store::memory::MemoryStore;
use crate::store::{Entry, Receipt, Remembered, ReplayStore, StoreError, Terms};

/// Seconds that an entry is remembered beyond the end of its window.
const SLACK_SECONDS: i64 = 60;

/// A wall clock that falls back further than this, in milliseconds, has been set.
const CLOCK_STEP_MILLIS: i64 = 1_000;

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayRefusal {
    /// It was used before.
    Seen,
    /// Its time is not above the floor, so that nobody knows whether it was used.
    BelowFloor,
    /// The memory, or the app's share of it, is full, or it can't be asked.
    Store(StoreError),
    /// The floor could not be written.
    Unwritable,
}

impl ReplayRefusal {
    /// What the caller is told.
    pub fn code(self) -> ProblemCode {
        match self {
            Self::Seen => ProblemCode::RequestReplayed,
            Self::BelowFloor | Self::Store(StoreError::BelowFloor) => ProblemCode::RequestExpired,
            Self::Store(_) | Self::Unwritable => ProblemCode::Overloaded,
        }
    }

    /// What operators are told: a stable name for metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::BelowFloor | Self::Store(StoreError::BelowFloor) => "below_floor",
            Self::Store(StoreError::Full) => "full",
            Self::Store(StoreError::AppFull) => "app_full",
            Self::Store(StoreError::Away) => "store_away",
            Self::Unwritable => "floor_unwritable",
        }
    }
}

/// Remembers which signed requests were used.
pub struct ReplayGuard {
    pub(super) store: Arc<dyn ReplayStore>,
    pub(super) floor: Floor,
    pub(super) tenants: ArcSwap<Tenants>,
    pub(super) key: [u8; 16],
    pub(super) bounds: Replay,
    /// The latest wall-clock time seen, in milliseconds.
    pub(super) latest: AtomicI64,
}

impl ReplayGuard {
    /// Opens the memory of this process alone, with what `floor` kept of the last run.
    ///
    /// # Errors
    /// When the data directory can't be written, or no random key can be had.
    pub fn open(apps: &[App], bounds: &Replay, floor: Floor, clock: &dyn Clock) -> Result<Self, FloorError> {
        Self::over(Arc::new(MemoryStore::new(bounds.entries)), apps, bounds, floor, clock)
    }

    /// Opens the guard over any memory. A shared one knows what was accepted before this process
    /// started, and by which key, so `floor` then keeps nothing. One that the process before will
    /// hand over comes with its floor: until [`ReplayGuard::inherit`] nothing is to be taken.
    ///
    /// # Errors
    /// When the data directory can't be written, or no random key can be had.
    pub fn over(
        store: Arc<dyn ReplayStore>,
        apps: &[App],
        bounds: &Replay,
        floor: Floor,
        clock: &dyn Clock,
    ) -> Result<Self, FloorError> {
        let now = clock.now();
        let tenants = Tenants::of(apps, bounds);
        let terms = Terms::of(apps);
        let mut guard = Self {
            store,
            floor,
            tenants: ArcSwap::from_pointee(tenants),
            key: [0; 16],
            bounds: bounds.clone(),
            latest: AtomicI64::new(now.millis()),
        };
        if let Some(key) = guard.store.shared_key() {
            guard.key = key;
            guard.floor.leave_to_others()?;
            return Ok(guard);
        }
        if let Some(key) = guard.store.inherited_key() {
            guard.key = key;
            return Ok(guard);
        }
        match guard.floor.start(&terms.policy, now, terms.future)? {
            Some(Kept { key, buckets }) => {
                guard.key = key;
                let tenants = guard.tenants.load();
                guard.store.load(buckets, now, &|id| Some(tenants.find(id)?.share.clone()));
            }
            None => getrandom::fill(&mut guard.key).map_err(|_| FloorError::NoRandomness)?,
        }
        Ok(guard)
    }

    /// Takes a request whose signature holds and whose time is in its window: of any number of
    /// equal ones exactly one is taken, ever.
    ///
    /// # Errors
    /// Why it is not taken.
    pub async fn take(
        &self,
        app: &App,
        signed: &Signed,
        signature: &Signature,
        now: Moment,
    ) -> Result<Receipt, ReplayRefusal> {
        self.watch_clock(now);
        let second = signed.time.seconds();
        let entry = {
            let tenants = self.tenants.load();
            let tenant = tenants.find(&app.id).ok_or(ReplayRefusal::Store(StoreError::AppFull))?;
            if second <= self.floor.seconds().max(tenant.floor) {
                return Err(ReplayRefusal::BelowFloor);
            }
            Entry {
                app: tenant.share.clone(),
                second,
                digest: self.digest(app, signed, signature),
                until: end_of(second, tenants.window),
            }
        };
        let receipt = match self.store.remember(entry, now).await {
            Ok(Remembered::New(receipt)) => receipt,
            Ok(Remembered::Seen) => return Err(ReplayRefusal::Seen),
            Err(error) => return Err(ReplayRefusal::Store(error)),
        };
        self.floor.accept(second).await.map_err(|_| ReplayRefusal::Unwritable)?;
        Ok(receipt)
    }

    /// Takes the apps of a reloaded config; what is remembered stays. Whatever may not have been
    /// remembered as it should be now, such as the requests of an app whose replays were not checked,
    /// is below the floor from then on.
    ///
    /// # Errors
    /// When the data directory can't be written: then nothing has changed.
    pub async fn adapt(&self, apps: &[App], now: Moment) -> Result<(), FloorError> {
        let next = self.tenants.load().with(apps, &self.bounds, now);
        // Who shares a memory shares its floor, too; a start compares the terms there.
        if self.store.shared_key().is_none() {
            self.floor.adapt(&Terms::of(apps).policy, next.highest_floor()).await?;
        }
        self.tenants.store(next.into());
        Ok(())
    }

    /// Forgets a request of which nothing came, so that its sender may send it again; at most so many
    /// times in all, since each region may be asked with it.
    pub async fn give_back(&self, receipt: Receipt, times: u8) {
        self.store.give_back(receipt, times).await;
    }

    /// Live entries.
    pub fn entries(&self) -> usize {
        self.store.entries()
    }

    /// The floor: no request of this second or an earlier one passes.
    pub fn floor(&self) -> i64 {
        self.floor.seconds().max(self.store.floor())
    }

    /// The most entries that may be.
    pub fn bound(&self) -> usize {
        self.bounds.entries
    }

    /// Saves the memory for the next start; to be called after the last request.
    ///
    /// # Errors
    /// When the data directory can't be written: the next start then refuses what this one took.
    pub fn save(&self, now: Moment) -> Result<(), FloorError> {
        if self.store.shared_key().is_some() {
            return Ok(());
        }
        self.floor.raise(self.tenants.load().highest_floor());
        self.floor.keep(&Kept { key: self.key, buckets: self.store.save() }, now)
    }

    /// Entries expire by a clock that never steps back. When the wall clock does, requests whose
    /// entries are gone come back into their window, so the floor rises above all of them.
    fn watch_clock(&self, now: Moment) {
        let latest = self.latest.fetch_max(now.millis(), Ordering::SeqCst);
        if now.millis() < latest - CLOCK_STEP_MILLIS {
            self.floor.raise_to_highest();
            let _ = self.latest.compare_exchange(latest, now.millis(), Ordering::SeqCst, Ordering::SeqCst);
        }
    }

    fn digest(&self, app: &App, signed: &Signed, signature: &Signature) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write_usize(app.id.len());
        hasher.write(app.id.as_bytes());
        match app.replay_key {
            ReplayKey::Nonce => {
                hasher.write_u8(b'n');
                hasher.write_i64(signed.time.millis());
                hasher.write(signed.nonce.as_bytes());
            }
            ReplayKey::Signature => {
                hasher.write_u8(b's');
                hasher.write(signature.as_bytes());
            }
        }
        hasher.finish128().as_u128()
    }
}

/// Until when the requests of a second are remembered, where the longest window is so many seconds.
pub(super) const fn end_of(second: i64, window: i64) -> Moment {
    // The second's last request is nearly a second later.
    Moment::from_seconds(second.saturating_add(1)).plus_seconds(window.saturating_add(SLACK_SECONDS))
}
