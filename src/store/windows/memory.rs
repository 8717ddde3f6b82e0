//! The windows of one process, under one lock: a reservation over many windows is exact because
//! nobody else looks meanwhile. Events leave by their time only, in the order of their time.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Denied, Reservation, Reserved, Rigour, Settlement, Window, WindowStore};
use crate::clock::Moment;
use crate::store::digest_hasher::ByDigest;

/// One event in a window.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Event {
    owner: u128,
    at: Moment,
    until: Moment,
}

/// One event, for handing it over.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(in crate::store) struct SavedEvent {
    key: u128,
    event: Event,
}

#[derive(Debug, Default)]
struct Contents {
    windows: HashMap<u128, VecDeque<Event>, ByDigest>,
    /// Every event by the end of its time: (end, window, owner).
    ends: BTreeSet<(Moment, u128, u128)>,
}

/// The windows of one process.
#[derive(Debug)]
pub struct MemoryWindows {
    contents: Mutex<Contents>,
    bound: usize,
}

impl MemoryWindows {
    /// No events yet, and at most `bound` of them.
    pub fn new(bound: usize) -> Self {
        Self { contents: Mutex::default(), bound }
    }

    /// [`WindowStore::reserve`], which has nothing to wait for here.
    ///
    /// # Errors
    /// When a window that refuses is full, or the memory is.
    pub(in crate::store) fn reserve_now(
        &self,
        reservation: &Reservation<'_>,
        now: Moment,
    ) -> Result<Reserved, Denied> {
        let mut contents = self.contents();
        contents.expire(now);
        if let Some(denied) = contents.refusal(reservation.windows) {
            return Err(denied);
        }
        if contents.ends.len() + reservation.windows.len() > self.bound {
            return Err(Denied::StoreFull);
        }
        Ok(contents.put_all(reservation, now))
    }

    /// Notes a reservation that was made elsewhere, as far as there is room.
    pub(in crate::store) fn note(&self, reservation: &Reservation<'_>, now: Moment) {
        let mut contents = self.contents();
        contents.expire(now);
        if contents.ends.len() + reservation.windows.len() <= self.bound {
            contents.put_all(reservation, now);
        }
    }

    /// [`WindowStore::settle`], which has nothing to wait for here.
    pub(in crate::store) fn settle_now(&self, settlement: &Settlement<'_>) {
        let mut contents = self.contents();
        for window in settlement.released {
            contents.take(window.key, settlement.owner);
        }
        for window in settlement.kept {
            if let Some(event) = contents.take(window.key, settlement.owner) {
                let until = event.at.plus_seconds(window.seconds);
                contents.put(window.key, Event { until, ..event });
            }
        }
        for key in settlement.cleared {
            for event in contents.windows.remove(key).unwrap_or_default() {
                contents.ends.remove(&(event.until, *key, event.owner));
            }
        }
    }

    /// Until when an owner's event stays in a window, if it is there.
    pub(in crate::store) fn until(&self, key: u128, owner: u128) -> Option<Moment> {
        let contents = self.contents();
        contents.windows.get(&key)?.iter().find(|event| event.owner == owner).map(|event| event.until)
    }

    /// Every event's window and owner.
    pub(in crate::store) fn events(&self) -> Vec<(u128, u128)> {
        self.contents().ends.iter().map(|(_, key, owner)| (*key, *owner)).collect()
    }

    /// Every event, the oldest of each window first.
    pub(in crate::store) fn save(&self) -> Vec<SavedEvent> {
        let contents = self.contents();
        let windows = contents.windows.iter();
        windows
            .flat_map(|(key, events)| events.iter().map(|event| SavedEvent { key: *key, event: *event }))
            .collect()
    }

    /// Notes events that were saved, also beyond the bound: none is forgotten.
    pub(in crate::store) fn load(&self, saved: Vec<SavedEvent>) {
        let mut contents = self.contents();
        for SavedEvent { key, event } in saved {
            contents.put(key, event);
        }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    fn expire(&mut self, now: Moment) {
        while let Some(&(until, key, owner)) = self.ends.first()
            && until <= now
        {
            self.take(key, owner);
        }
    }

    fn count(&self, key: u128) -> usize {
        self.windows.get(&key).map_or(0, VecDeque::len)
    }

    fn is_full(&self, window: &Window) -> bool {
        self.count(window.key) >= usize::try_from(window.limit).unwrap_or(usize::MAX)
    }

    /// When a full window has room again.
    fn room_at(&self, window: &Window) -> Option<Moment> {
        self.windows.get(&window.key)?.iter().map(|event| event.until).min()
    }

    /// Of the full windows that refuse, the first of those that take longest to have room.
    fn refusal(&self, windows: &[Window]) -> Option<Denied> {
        let refuses = |window: &Window| window.rigour == Rigour::Refuses && self.is_full(window);
        let full = windows.iter().enumerate().rev().filter(|(_, window)| refuses(window));
        let longest = full
            .filter_map(|(index, window)| Some((index, self.room_at(window)?)))
            .max_by_key(|(_, until)| *until);
        longest.map(|(index, until)| Denied::Window { index, until })
    }

    /// An event for every window that is not full.
    fn put_all(&mut self, reservation: &Reservation<'_>, now: Moment) -> Reserved {
        let mut slowed = false;
        for window in reservation.windows {
            if self.is_full(window) {
                slowed = true;
                continue;
            }
            let until = now.plus_seconds(window.seconds.max(reservation.lease_seconds));
            self.put(window.key, Event { owner: reservation.owner, at: now, until });
        }
        Reserved { slowed }
    }

    fn put(&mut self, key: u128, event: Event) {
        // Most windows hold one event; room for more is made when it comes.
        self.windows.entry(key).or_insert_with(|| VecDeque::with_capacity(1)).push_back(event);
        self.ends.insert((event.until, key, event.owner));
    }

    fn take(&mut self, key: u128, owner: u128) -> Option<Event> {
        let window = self.windows.get_mut(&key)?;
        let place = window.iter().position(|event| event.owner == owner)?;
        let event = window.remove(place)?;
        if window.is_empty() {
            self.windows.remove(&key);
        }
        self.ends.remove(&(event.until, key, owner));
        Some(event)
    }
}

#[async_trait]
impl WindowStore for MemoryWindows {
    async fn reserve(&self, reservation: &Reservation<'_>, now: Moment) -> Result<Reserved, Denied> {
        self.reserve_now(reservation, now)
    }

    async fn settle(&self, settlement: &Settlement<'_>) {
        self.settle_now(settlement);
    }

    fn entries(&self, now: Moment) -> usize {
        let mut contents = self.contents();
        contents.expire(now);
        contents.ends.len()
    }

    fn bound(&self) -> usize {
        self.bound
    }
}
