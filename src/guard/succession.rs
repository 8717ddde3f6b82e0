//! The replay guard of one process carried on by the next: floor, apps and policy go with the memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::floor::{FloorError, FloorEstate};
use super::replay::{ReplayGuard, end_of};
use super::tenants::{SavedTenants, Tenants};
use crate::clock::Moment;
use crate::config::App;
use crate::store::own::{Answer, ReplayQuestion, Used};
use crate::store::{AppShare, Receipt, Remembered, StoreError};

/// What a replay guard knows besides the requests themselves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReplayEstate {
    floor: FloorEstate,
    tenants: SavedTenants,
    /// The latest wall-clock time seen, in milliseconds.
    latest: i64,
}

impl ReplayGuard {
    /// The key of the digests.
    pub const fn key(&self) -> [u8; 16] {
        self.key
    }

    /// The lock of the data directory, for the process that uses it next.
    pub const fn lock(&self) -> Option<&std::fs::File> {
        self.floor.lock()
    }

    /// Stops keeping the floor; `remembered` is the latest second of a request in the memory. The
    /// memory must be frozen by now.
    pub async fn release(&self, remembered: Option<i64>) -> ReplayEstate {
        let mut floor = self.floor.release().await;
        // One of them may have been remembered whose time was not yet written.
        floor.highest = floor.highest.max(remembered.unwrap_or(i64::MIN));
        let tenants = self.tenants.load().save();
        ReplayEstate { floor, tenants, latest: self.latest.load(Ordering::SeqCst) }
    }

    /// Keeps the floor again. Whatever another process may have `accepted` meanwhile is
    /// below it then.
    ///
    /// # Errors
    /// When the data directory can't be used: no signed request passes then.
    pub async fn resume(&self, accepted: bool, now: Moment) -> Result<(), FloorError> {
        let latest = now.seconds().saturating_add(self.tenants.load().future);
        let resumed = self.floor.resume(accepted, latest).await;
        if resumed.is_err() {
            self.floor.raise(i64::MAX);
        }
        resumed
    }

    /// Carries on what another process knew, for the apps of this one. What was not remembered as
    /// these want it is below a floor, as after a reload.
    ///
    /// # Errors
    /// When the data directory can't be written.
    pub async fn inherit(&self, estate: ReplayEstate, apps: &[App], now: Moment) -> Result<(), FloorError> {
        let tenants = Tenants::restore(estate.tenants, &self.bounds);
        self.tenants.store(tenants.into());
        self.latest.fetch_max(estate.latest, Ordering::SeqCst);
        self.floor.inherit(estate.floor).await?;
        self.adapt(apps, now).await
    }

    /// An app's share of the memory.
    pub fn share(&self, id: &str) -> Option<Arc<AppShare>> {
        Some(Arc::clone(&self.tenants.load().find(id)?.share))
    }

    /// Answers a question about used requests that the process before asks.
    pub async fn answer(&self, question: ReplayQuestion, now: Moment) -> Answer {
        match question {
            ReplayQuestion::Remember(used) => Answer::New(self.take_for_another(&used, now).await),
            ReplayQuestion::GiveBack(used, times) => {
                if let Some(share) = self.share(&used.app) {
                    self.store.give_back(Receipt::of(used.entry(share)), times).await;
                }
                Answer::Done
            }
        }
    }

    /// Whether a request is new that another process was sent.
    async fn take_for_another(&self, used: &Used, now: Moment) -> Result<bool, StoreError> {
        let entry = {
            let tenants = self.tenants.load();
            let tenant = tenants.find(&used.app).ok_or(StoreError::AppFull)?;
            if used.second <= self.floor.seconds().max(tenant.floor) {
                return Err(StoreError::BelowFloor);
            }
            let mut entry = used.entry(Arc::clone(&tenant.share));
            // The windows of this process may be longer than the other's.
            entry.until = entry.until.max(end_of(used.second, tenants.window));
            entry
        };
        match self.store.remember(entry, now).await? {
            Remembered::Seen => Ok(false),
            // As for requests of this process: safely written before it passes.
            Remembered::New(_) => {
                self.floor.accept(used.second).await.map(|()| true).map_err(|_| StoreError::Away)
            }
        }
    }
}
