//! What Redis has still to be told, since it was away: events that it does not know, and events that
//! are to be taken out again.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::clock::Moment;
use crate::store::StoreError;

/// A window's key and an event's owner. Whether the event is there, this instance's memory knows.
pub(super) type Debt = (u128, u128);

#[derive(Debug, Default)]
struct State {
    debts: HashSet<Debt>,
    /// Since when this instance counts alone.
    alone_since: Option<Moment>,
}

/// What Redis has still to be told.
#[derive(Debug)]
pub(super) struct Debts {
    state: Mutex<State>,
    bound: usize,
    /// The generation of servers that know all that this instance knows; none while there are debts.
    caught_up: watch::Sender<Option<String>>,
}

impl Debts {
    /// None, and at most `bound` of them.
    pub fn new(bound: usize) -> Self {
        Self { state: Mutex::default(), bound, caught_up: watch::Sender::new(None) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes debts, as far as there is room.
    pub fn note(&self, debts: impl IntoIterator<Item = Debt>) {
        let mut state = self.state();
        for debt in debts {
            if state.debts.len() < self.bound {
                state.debts.insert(debt);
            }
        }
        // Told within the lock, so that whoever finds no debts can say so before new ones come.
        if !state.debts.is_empty() {
            self.caught_up.send_replace(None);
        }
    }

    /// Whether there is room for so many more.
    pub fn has_room_for(&self, count: usize) -> bool {
        self.state().debts.len() + count <= self.bound
    }

    /// Takes all debts, to tell them.
    pub fn take(&self) -> Vec<Debt> {
        std::mem::take(&mut self.state().debts).into_iter().collect()
    }

    /// Notes that these servers were told all; false if there is something new to tell.
    pub fn told(&self, generation: &str) -> bool {
        let mut state = self.state();
        if !state.debts.is_empty() {
            return false;
        }
        state.alone_since = None;
        self.caught_up.send_replace(Some(generation.to_owned()));
        true
    }

    /// For how many milliseconds this instance has counted alone, which it does from now on until
    /// Redis was told all.
    pub fn alone_for(&self, now: Moment) -> i64 {
        let mut state = self.state();
        let since = *state.alone_since.get_or_insert(now);
        self.caught_up.send_replace(None);
        now.millis().saturating_sub(since.millis())
    }

    /// Whether these servers know all.
    pub fn is_settled_with(&self, generation: &str) -> bool {
        self.caught_up.borrow().as_deref() == Some(generation)
    }

    /// Waits until these servers know all.
    ///
    /// # Errors
    /// When that takes too long.
    pub async fn settled_with(&self, generation: &str, limit: Duration) -> Result<(), StoreError> {
        if self.is_settled_with(generation) {
            return Ok(());
        }
        let mut caught_up = self.caught_up.subscribe();
        let settled = caught_up.wait_for(|told| told.as_deref() == Some(generation));
        match timeout(limit, settled).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(StoreError::Away),
        }
    }

    /// Tells when debts come or go.
    pub fn watch(&self) -> watch::Receiver<Option<String>> {
        self.caught_up.subscribe()
    }
}
