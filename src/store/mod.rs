//! Where guards remember. One trait, so that a guard does not know whether it shares its memory
//! with other instances.

mod digest_hasher;
pub mod memory;
pub mod own;
pub mod redis;
mod terms;
pub mod tokens;
pub mod windows;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::clock::Moment;
use memory::SavedBucket;
pub use terms::Terms;

/// How much one app has in the store, and may have.
#[derive(Debug)]
pub struct AppShare {
    /// The app's id.
    pub id: String,
    /// Live entries.
    pub entries: AtomicUsize,
    /// The most that may be.
    pub bound: usize,
}

/// One used request.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The app that signed it.
    pub app: Arc<AppShare>,
    /// The second of its time.
    pub second: i64,
    /// A keyed digest of what makes it unique.
    pub digest: u128,
    /// Until when it must be remembered.
    pub until: Moment,
}

/// The right to give one entry back; used up by doing so.
#[derive(Debug)]
pub struct Receipt {
    entry: Entry,
    /// Who took it, where others could have taken it since.
    owner: Option<u128>,
}

impl Receipt {
    /// That of an entry which another process remembered here.
    pub const fn of(entry: Entry) -> Self {
        Self { entry, owner: None }
    }
}

/// What remembering an entry told.
#[derive(Debug)]
pub enum Remembered {
    /// It is new; who holds the receipt may give it back.
    New(Receipt),
    /// It was there already.
    Seen,
}

/// Why a store could not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum StoreError {
    /// The store is at its bound.
    #[error("the replay memory is full")]
    Full,
    /// The app is at its own bound.
    #[error("the app's share of the replay memory is full")]
    AppFull,
    /// The store can't be reached, or its answer is not to be had in time.
    #[error("the shared store is away")]
    Away,
    /// The store may have forgotten requests of this time.
    #[error("the shared store can't vouch for that time")]
    BelowFloor,
}

/// Remembers used requests until their time is up, and never forgets one early.
#[async_trait]
pub trait ReplayStore: Send + Sync {
    /// Remembers an entry. Of any number of equal ones at once exactly one is new.
    ///
    /// # Errors
    /// When the store can't take another entry, can't be asked, or can't vouch for the entry's time.
    async fn remember(&self, entry: Entry, now: Moment) -> Result<Remembered, StoreError>;

    /// Forgets an entry of which nothing came, at most `times` times in its life.
    async fn give_back(&self, receipt: Receipt, times: u8);

    /// Live entries that this process remembers.
    fn entries(&self) -> usize;

    /// The key of digests that all sharers of the store have; `None` where nobody shares it.
    fn shared_key(&self) -> Option<[u8; 16]> {
        None
    }

    /// The key of digests that comes with a memory which the process before hands over; its floor
    /// comes with it, too.
    fn inherited_key(&self) -> Option<[u8; 16]> {
        None
    }

    /// The second up to which the store vouches for nothing.
    fn floor(&self) -> i64 {
        i64::MIN
    }

    /// Everything that would be lost with the process.
    fn save(&self) -> Vec<SavedBucket> {
        Vec::new()
    }

    /// Remembers what was saved and is not over yet. `share` finds an app's share by its id.
    fn load(&self, _: Vec<SavedBucket>, _: Moment, _share: &dyn Fn(&str) -> Option<Arc<AppShare>>) {}
}
