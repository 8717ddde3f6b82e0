//! The memories of one process, until it hands them over: from that instant on it asks the process
//! that took them, so that there is one memory at any time, and never two that decide.

mod question;
#[cfg(test)]
mod tests;
mod tokens;
mod windows;

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock, RwLockReadGuard};

pub use question::{Answer, Question, ReplayQuestion, TokenQuestion, Used, WindowQuestion};

use super::memory::{MemoryStore, SavedBucket};
use super::tokens::memory::{MemoryTokens, SavedTokens};
use super::windows::memory::{MemoryWindows, SavedEvent};
use super::{AppShare, Entry, Receipt, Remembered, ReplayStore, StoreError};
use crate::clock::Moment;
use crate::config::Settings;

/// The process that took the memory.
#[async_trait]
pub trait Successor: Send + Sync {
    /// Asks it; `None` when it is gone or does not answer in time.
    async fn ask(&self, question: Question) -> Option<Answer>;
}

/// The keys of the memory's digests: with other ones nothing in it is found.
#[derive(Clone, Serialize, Deserialize)]
pub struct MemoryKeys {
    /// That of used requests.
    pub replay: [u8; 16],
    /// That of places and of windows.
    pub own: OwnKeys,
}

/// The keys that [`OwnStores`] keep.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct OwnKeys {
    /// That of the places of challenges.
    tokens: [u8; 16],
    /// That of windows.
    windows: [u8; 16],
}

impl OwnKeys {
    fn random() -> Result<Self, getrandom::Error> {
        let (mut tokens, mut windows) = ([0; 16], [0; 16]);
        getrandom::fill(&mut tokens)?;
        getrandom::fill(&mut windows)?;
        Ok(Self { tokens, windows })
    }
}

/// Everything in the memories.
#[derive(Serialize, Deserialize)]
pub struct Contents {
    /// Used requests.
    pub replay: Vec<SavedBucket>,
    tokens: SavedTokens,
    windows: Vec<SavedEvent>,
}

impl Contents {
    /// The latest second of a used request.
    pub fn latest_second(&self) -> Option<i64> {
        let used = self.replay.iter().filter(|bucket| !bucket.digests.is_empty());
        used.map(|bucket| bucket.second).max()
    }
}

type Gate = Option<Arc<dyn Successor>>;

/// The memories of one process.
pub struct OwnStores {
    replay: MemoryStore,
    tokens: MemoryTokens,
    windows: MemoryWindows,
    keys: OwnKeys,
    /// The key of used requests, where it came from the process before.
    inherited: Option<[u8; 16]>,
    gate: Arc<RwLock<Gate>>,
}

/// How much the memories may hold.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Used requests.
    pub replay: usize,
    /// Events, and as many challenges and spent tokens.
    pub throttle: usize,
}

impl Bounds {
    /// As the settings say.
    pub const fn of(settings: &Settings) -> Self {
        Self { replay: settings.replay.entries, throttle: settings.throttle.entries }
    }
}

/// Whose turn it is to decide.
enum Turn<'a> {
    /// This process's, as long as this is held.
    Own(RwLockReadGuard<'a, Gate>),
    /// The other's.
    Theirs(Arc<dyn Successor>),
}

impl OwnStores {
    /// Nothing remembered yet.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn open(bounds: Bounds, now: Moment) -> Result<Self, getrandom::Error> {
        Ok(Self::with_keys(bounds, OwnKeys::random()?, None, now))
    }

    /// Ready to inherit what a process before remembers under these keys.
    pub fn after(bounds: Bounds, keys: &MemoryKeys, now: Moment) -> Self {
        Self::with_keys(bounds, keys.own, Some(keys.replay), now)
    }

    fn with_keys(bounds: Bounds, keys: OwnKeys, inherited: Option<[u8; 16]>, now: Moment) -> Self {
        Self {
            replay: MemoryStore::new(bounds.replay),
            tokens: MemoryTokens::with_key(bounds.throttle, keys.tokens, now),
            windows: MemoryWindows::new(bounds.throttle),
            keys,
            inherited,
            gate: Arc::default(),
        }
    }

    /// The keys of these memories.
    pub const fn keys(&self) -> OwnKeys {
        self.keys
    }

    /// Lets nobody decide until what is returned is dropped or given away.
    pub async fn freeze(self: &Arc<Self>) -> Frozen {
        Frozen { gate: Arc::clone(&self.gate).write_owned().await, stores: Arc::clone(self) }
    }

    /// Remembers what the process before did. `share` finds an app's share by its id.
    pub fn inherit(&self, contents: Contents, now: Moment, share: &dyn Fn(&str) -> Option<Arc<AppShare>>) {
        self.replay.load(contents.replay, now, share);
        self.tokens.load(contents.tokens, now);
        self.windows.load(contents.windows);
    }

    async fn turn(&self) -> Turn<'_> {
        let gate = self.gate.read().await;
        match gate.as_ref() {
            None => Turn::Own(gate),
            Some(successor) => Turn::Theirs(Arc::clone(successor)),
        }
    }
}

/// Memories in which nobody decides anything for the moment.
pub struct Frozen {
    gate: OwnedRwLockWriteGuard<Gate>,
    stores: Arc<OwnStores>,
}

impl Frozen {
    /// Everything in them.
    pub fn contents(&self) -> Contents {
        Contents {
            replay: self.stores.replay.save(),
            tokens: self.stores.tokens.save(),
            windows: self.stores.windows.save(),
        }
    }

    /// The other one decides from now on.
    pub fn give_to(mut self, successor: Arc<dyn Successor>) {
        *self.gate = Some(successor);
    }

    /// This process decides again, although another may have decided meanwhile: what it did is not
    /// known, so tokens that were issued before are not taken.
    pub fn take_back(self, now: Moment) {
        self.stores.tokens.doubt(now);
    }
}

#[async_trait]
impl ReplayStore for OwnStores {
    async fn remember(&self, entry: Entry, now: Moment) -> Result<Remembered, StoreError> {
        let successor = match self.turn().await {
            Turn::Own(_gate) => return self.replay.remember(entry, now).await,
            Turn::Theirs(successor) => successor,
        };
        let question = ReplayQuestion::Remember(Used::of(&entry));
        match successor.ask(Question::Replay(question)).await {
            Some(Answer::New(Ok(true))) => Ok(Remembered::New(Receipt::of(entry))),
            Some(Answer::New(Ok(false))) => Ok(Remembered::Seen),
            Some(Answer::New(Err(error))) => Err(error),
            _ => Err(StoreError::Away),
        }
    }

    async fn give_back(&self, receipt: Receipt, times: u8) {
        match self.turn().await {
            Turn::Own(_gate) => self.replay.give_back(receipt, times).await,
            Turn::Theirs(successor) => {
                // Without an answer it stays remembered, which is the safe side.
                let question = ReplayQuestion::GiveBack(Used::of(&receipt.entry), times);
                let _ = successor.ask(Question::Replay(question)).await;
            }
        }
    }

    fn entries(&self) -> usize {
        self.replay.entries()
    }

    fn inherited_key(&self) -> Option<[u8; 16]> {
        self.inherited
    }

    fn save(&self) -> Vec<SavedBucket> {
        self.replay.save()
    }

    fn load(&self, saved: Vec<SavedBucket>, now: Moment, share: &dyn Fn(&str) -> Option<Arc<AppShare>>) {
        self.replay.load(saved, now, share);
    }
}

impl Used {
    fn of(entry: &Entry) -> Self {
        Self { app: entry.app.id.clone(), second: entry.second, digest: entry.digest, until: entry.until }
    }

    /// The entry of an app's share.
    pub fn entry(&self, app: Arc<AppShare>) -> Entry {
        Entry { app, second: self.second, digest: self.digest, until: self.until }
    }
}
