//! The replay memory that several instances share, in Redis or Valkey.
//!
//! A signed call costs one round trip: a script takes its key, unless it is taken. What Redis may
//! have forgotten (a restart, a fail-over, a flush) lies below a floor that all instances agree on
//! through a record in Redis itself; the record is compared in the same script, or once a second
//! where a cluster keeps it on another node.
//!
//! Beside it each process remembers what it took itself: that bounds what one app may hold here,
//! spares Redis the replays of one instance, and is what `on_store_error = "local"` goes by.

mod asking;
mod breaker;
mod error;
mod figures;
mod link;
mod scripts;
mod session;
mod supervisor;
mod tokens;
mod windows;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use redis::{RedisError, cmd};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::memory::MemoryStore;
use super::{Entry, Receipt, Remembered, ReplayStore, StoreError, Terms};
use crate::clock::{Clock, Moment};
use crate::config::{OnStoreError, Redis, Replay};
use breaker::Breaker;
pub use error::OpenError;
pub use figures::Figures;
use link::Connector;
use scripts::{Keys, Scripts};
use session::Session;
pub use tokens::RedisTokens;
pub use windows::RedisWindows;

/// An instance whose clock is further off than this is not ready, in milliseconds.
const CLOCK_LIMIT_MILLIS: i64 = 5_000;

/// What calls and the supervisor have in common.
struct Shared {
    settings: Redis,
    connector: Connector,
    scripts: Scripts,
    keys: Keys,
    terms: Terms,
    clock: Arc<dyn Clock>,
    session: watch::Sender<Option<Arc<Session>>>,
    lost: Notify,
    breaker: Breaker,
    figures: Figures,
    clock_offset: AtomicI64,
    /// The highest floor of any session: it never falls, also where a later one knows less.
    floor: AtomicI64,
}

/// The replay memory in Redis.
pub struct RedisStore {
    shared: Arc<Shared>,
    local: MemoryStore,
    on_error: OnStoreError,
    /// What this process alone can vouch for begins above it.
    local_floor: i64,
    supervisor: JoinHandle<()>,
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

impl RedisStore {
    /// Connects, and keeps connecting whenever Redis was away. Must be called within a runtime.
    /// A Redis that is away now is not waited for: calls are refused until it comes.
    ///
    /// # Errors
    /// When Redis can't be used as it or the config is set up.
    pub async fn open(
        settings: &Redis,
        replay: &Replay,
        terms: Terms,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let local_floor = clock.now().seconds().saturating_add(terms.future);
        let shared = Arc::new(Shared {
            connector: Connector::new(settings)?,
            keys: Keys::new(&settings.state_key),
            settings: settings.clone(),
            scripts: Scripts::default(),
            terms,
            clock,
            session: watch::Sender::new(None),
            lost: Notify::new(),
            breaker: Breaker::default(),
            figures: Figures::new()?,
            clock_offset: AtomicI64::new(0),
            floor: AtomicI64::new(i64::MIN),
        });
        match shared.connect(false).await {
            Ok(()) => {}
            Err(error) if error.is_for_good() => return Err(error),
            Err(error) => tracing::error!(%error, "the shared store is away; signed calls wait for it"),
        }
        let supervisor = tokio::spawn(supervisor::run(Arc::clone(&shared)));
        let local = MemoryStore::new(replay.entries);
        Ok(Self { shared, local, on_error: replay.on_store_error, local_floor, supervisor })
    }

    /// The store's figures.
    pub fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    /// Ends the connections: the last that is done with it. Whatever asks afterwards is refused.
    pub fn close(&self) {
        self.supervisor.abort();
        self.shared.session.send_replace(None);
    }

    /// Why this instance should get no calls, if it should not.
    pub fn unready(&self) -> Option<&'static str> {
        let off = self.shared.clock_offset.load(Ordering::Relaxed).abs();
        (off > CLOCK_LIMIT_MILLIS).then_some("the clock is more than 5 s off the shared store's")
    }
}

#[async_trait]
impl ReplayStore for RedisStore {
    async fn remember(&self, entry: Entry, now: Moment) -> Result<Remembered, StoreError> {
        let Remembered::New(receipt) = self.local.remember(entry, now).await? else {
            return Ok(Remembered::Seen);
        };
        let taken = match random_owner() {
            Some(owner) => self.shared.take(&receipt.entry, owner).await.map(|new| new.then_some(owner)),
            None => Err(StoreError::Away),
        };
        match taken {
            Ok(Some(owner)) => Ok(Remembered::New(Receipt { owner: Some(owner), ..receipt })),
            Err(StoreError::Away) if self.on_error == OnStoreError::Local => {
                if receipt.entry.second <= self.local_floor.max(self.floor()) {
                    self.local.forget(&receipt.entry);
                    return Err(StoreError::BelowFloor);
                }
                Ok(Remembered::New(receipt))
            }
            refused => {
                // Whoever holds it may give it back, and then it may come here again.
                self.local.forget(&receipt.entry);
                refused.map(|_| Remembered::Seen)
            }
        }
    }

    async fn give_back(&self, receipt: Receipt, times: u8) {
        // Where nobody can be told, the entry stays taken: that refuses too much, never too little.
        if let Some(owner) = receipt.owner {
            self.shared.give_back(&receipt.entry, owner, times).await;
        }
        self.local.give_back(receipt, times).await;
    }

    fn entries(&self) -> usize {
        self.local.entries()
    }

    fn shared_key(&self) -> Option<[u8; 16]> {
        Some(self.shared.keys.digest_key())
    }

    fn floor(&self) -> i64 {
        self.shared.floor.load(Ordering::SeqCst)
    }
}

fn random_owner() -> Option<u128> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(u128::from_ne_bytes(bytes))
}

/// What the script said.
enum Told {
    Taken,
    Seen,
    Over,
    OtherGeneration,
}

impl Shared {
    /// Whether the entry is this owner's now.
    async fn take(&self, entry: &Entry, owner: u128) -> Result<bool, StoreError> {
        let session = self.ready()?;
        if entry.second <= session.floor.max(self.floor.load(Ordering::SeqCst)) {
            return Err(StoreError::BelowFloor);
        }
        let key = self.keys.entry(entry.digest);
        let asked = Instant::now();
        let told = timeout(self.settings.timeout, self.ask_to_take(&session, &key, entry, owner)).await;
        self.figures.took(asked.elapsed());
        match told {
            Ok(Ok(told)) => {
                self.answered();
                self.judge(&session, told)
            }
            Ok(Err(error)) if is_certain(&error) => Err(self.refused(&session, &error)),
            Ok(Err(error)) => {
                self.failed(&session, &error);
                self.settle(&key, entry, owner).await
            }
            Err(_) => {
                self.timed_out();
                self.settle(&key, entry, owner).await
            }
        }
    }

    async fn ask_to_take(
        &self,
        session: &Session,
        key: &str,
        entry: &Entry,
        owner: u128,
    ) -> Result<Told, RedisError> {
        let mut take = self.scripts.take.key(key);
        if !session.link.is_cluster() {
            take.key(&self.keys.generation);
        }
        take.arg(&owner.to_be_bytes()[..]).arg(entry.until.millis()).arg(&session.generation);
        let told: String = session.link.run(&take).await?;
        Ok(match told.as_str() {
            "taken" => Told::Taken,
            "over" => Told::Over,
            "generation" => Told::OtherGeneration,
            _ => Told::Seen,
        })
    }

    fn judge(&self, session: &Arc<Session>, told: Told) -> Result<bool, StoreError> {
        match told {
            Told::Taken => Ok(true),
            Told::Seen => Ok(false),
            Told::Over => Err(StoreError::BelowFloor),
            Told::OtherGeneration => {
                self.figures.error("generation");
                self.lose(session);
                Err(StoreError::Away)
            }
        }
    }

    /// The answer was lost, so that nobody knows whether the entry was taken: looks, never asks
    /// again. A question that is still on its way counts as not taken; then nobody gets it.
    async fn settle(&self, key: &str, entry: &Entry, owner: u128) -> Result<bool, StoreError> {
        let look = async {
            let mut sessions = self.session.subscribe();
            let session = sessions.wait_for(Option::is_some).await.ok()?.clone()?;
            if entry.second <= session.floor {
                return None;
            }
            session.link.ask::<Option<Vec<u8>>>(cmd("GET").arg(key)).await.ok().flatten()
        };
        match timeout(self.settings.timeout, look).await {
            Ok(Some(held)) if held.get(1..) == Some(&owner.to_be_bytes()[..]) => Ok(true),
            Ok(Some(held)) if held.len() > 1 => Ok(false),
            _ => Err(StoreError::Away),
        }
    }

    async fn give_back(&self, entry: &Entry, owner: u128, times: u8) {
        let Some(session) = self.session.borrow().clone() else {
            return;
        };
        let mut give_back = self.scripts.give_back.key(self.keys.entry(entry.digest));
        give_back.arg(&owner.to_be_bytes()[..]).arg(times);
        match timeout(self.settings.timeout, session.link.run::<i64>(&give_back)).await {
            Ok(Ok(_)) => self.answered(),
            Ok(Err(error)) => self.failed(&session, &error),
            Err(_) => self.timed_out(),
        }
    }

    fn answered(&self) {
        self.breaker.succeeded();
    }

    fn timed_out(&self) {
        self.figures.error("timeout");
        self.breaker.failed();
    }

    fn failed(&self, session: &Arc<Session>, error: &RedisError) {
        if error.is_timeout() {
            return self.timed_out();
        }
        self.figures.error("connection");
        self.breaker.failed();
        if !session.link.is_cluster() {
            self.lose(session);
        }
    }

    /// Redis said no, and did nothing.
    fn refused(&self, session: &Arc<Session>, error: &RedisError) -> StoreError {
        if error.code() == Some("OOM") {
            self.figures.error("full");
            return StoreError::Full;
        }
        self.figures.error("refused");
        self.breaker.failed();
        self.lose(session);
        StoreError::Away
    }

    /// Believes a session no more.
    fn lose(&self, session: &Arc<Session>) {
        let lost = self.session.send_if_modified(|current| {
            let is_current = current.as_ref().is_some_and(|current| Arc::ptr_eq(current, session));
            if is_current {
                *current = None;
            }
            is_current
        });
        if lost {
            self.figures.set_connected(false);
            self.lost.notify_one();
        }
    }

    /// How long a look from time to time may take; nobody waits for it.
    fn probe_timeout(&self) -> Duration {
        self.settings.timeout.max(Duration::from_millis(50))
    }
}

/// Whether Redis answered that it did not do it.
fn is_certain(error: &RedisError) -> bool {
    matches!(error.kind(), redis::ErrorKind::Server(_) | redis::ErrorKind::Extension)
}
