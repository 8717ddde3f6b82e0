//! The windows of one process, under one lock: a reservation over many windows is exact because
//! nobody else looks meanwhile. Events leave by their time only, in the order of their time.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Denied, Reservation, Reserved, Rigour, Window, WindowStore};
use crate::clock::Moment;
use crate::store::digest_hasher::ByDigest;

/// One event in a window.
#[derive(Debug, Clone, Copy)]
struct Event {
    owner: u128,
    at: Moment,
    until: Moment,
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
        let mut contents = self.contents();
        contents.expire(now);
        if let Some(denied) = contents.refusal(reservation.windows) {
            return Err(denied);
        }
        if contents.ends.len() + reservation.windows.len() > self.bound {
            return Err(Denied::StoreFull);
        }
        let mut slowed = false;
        for window in reservation.windows {
            if contents.is_full(window) {
                slowed = true;
                continue;
            }
            let until = now.plus_seconds(window.seconds.max(reservation.lease_seconds));
            contents.put(window.key, Event { owner: reservation.owner, at: now, until });
        }
        Ok(Reserved { slowed })
    }

    async fn keep(&self, owner: u128, windows: &[Window]) {
        let mut contents = self.contents();
        for window in windows {
            if let Some(event) = contents.take(window.key, owner) {
                let until = event.at.plus_seconds(window.seconds);
                contents.put(window.key, Event { until, ..event });
            }
        }
    }

    async fn release(&self, owner: u128, windows: &[Window]) {
        let mut contents = self.contents();
        for window in windows {
            contents.take(window.key, owner);
        }
    }

    async fn clear(&self, key: u128) {
        let mut contents = self.contents();
        for event in contents.windows.remove(&key).unwrap_or_default() {
            contents.ends.remove(&(event.until, key, event.owner));
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const NOW: Moment = Moment::from_seconds(1_700_000_000);

    fn window(key: u128, limit: u32, seconds: i64) -> Window {
        Window { key, limit, seconds, rigour: Rigour::Refuses }
    }

    async fn reserve(
        store: &MemoryWindows,
        owner: u128,
        windows: &[Window],
        after: i64,
    ) -> Result<Reserved, Denied> {
        let reservation = Reservation { owner, windows, lease_seconds: 40 };
        store.reserve(&reservation, NOW.plus_seconds(after)).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_many_reservations_at_once_only_so_many_are_made_as_there_is_room_for() {
        let store = Arc::new(MemoryWindows::new(100));
        let tries: Vec<_> = (0..1000)
            .map(|owner| {
                let store = store.clone();
                tokio::spawn(
                    async move { reserve(&store, owner, &[window(1, 5, 60), window(2, 3, 60)], 0).await },
                )
            })
            .collect();
        let mut made = 0;
        for one in tries {
            made += usize::from(one.await.unwrap().is_ok());
        }
        assert_eq!((made, store.entries(NOW)), (3, 6));
    }

    #[tokio::test]
    async fn a_refused_reservation_leaves_nothing_behind() {
        let store = MemoryWindows::new(100);
        let (wide, narrow) = (window(1, 5, 60), window(2, 1, 90));
        assert!(reserve(&store, 1, &[wide, narrow], 0).await.is_ok());
        let denied = Err(Denied::Window { index: 1, until: NOW.plus_seconds(90) });
        assert_eq!(reserve(&store, 2, &[wide, narrow], 10).await, denied);
        assert_eq!(store.entries(NOW), 2);
        assert!(reserve(&store, 3, &[wide, narrow], 90).await.is_ok());
    }

    #[tokio::test]
    async fn of_several_full_windows_the_longest_wait_is_told() {
        let store = MemoryWindows::new(100);
        let windows = [window(1, 1, 60), window(2, 1, 90), window(3, 1, 70)];
        assert!(reserve(&store, 1, &windows, 0).await.is_ok());
        let denied = Err(Denied::Window { index: 1, until: NOW.plus_seconds(90) });
        assert_eq!(reserve(&store, 2, &windows, 0).await, denied);
    }

    #[tokio::test]
    async fn a_lease_outlives_a_short_window_until_it_is_settled() {
        let store = MemoryWindows::new(100);
        let short = window(1, 1, 10);
        assert!(reserve(&store, 1, &[short], 0).await.is_ok());
        assert!(reserve(&store, 2, &[short], 20).await.is_err());
        store.keep(1, &[short]).await;
        assert!(reserve(&store, 2, &[short], 20).await.is_ok());
        assert!(reserve(&store, 3, &[short], 59).await.is_err());
        assert!(reserve(&store, 3, &[short], 60).await.is_ok(), "a lost owner's lease ends");
    }

    #[tokio::test]
    async fn a_late_release_frees_only_the_releasers_own_event() {
        let store = MemoryWindows::new(100);
        let one = window(1, 1, 60);
        assert!(reserve(&store, 1, &[one], 0).await.is_ok());
        assert!(reserve(&store, 2, &[one], 60).await.is_ok());
        store.release(1, &[one]).await;
        assert!(reserve(&store, 3, &[one], 61).await.is_err());
        store.release(2, &[one]).await;
        assert!(reserve(&store, 3, &[one], 61).await.is_ok());
    }

    #[tokio::test]
    async fn a_window_that_only_tells_never_refuses_and_never_grows() {
        let store = MemoryWindows::new(100);
        let soft = Window { rigour: Rigour::Tells, ..window(1, 2, 60) };
        for (owner, slowed) in [(1, false), (2, false), (3, true), (4, true)] {
            assert_eq!(reserve(&store, owner, &[soft], 0).await, Ok(Reserved { slowed }));
        }
        assert_eq!(store.entries(NOW), 2);
    }

    #[tokio::test]
    async fn at_its_bound_the_store_refuses_until_events_end_by_themselves() {
        let store = MemoryWindows::new(2);
        assert!(reserve(&store, 1, &[window(1, 1, 60)], 0).await.is_ok());
        assert!(reserve(&store, 2, &[window(2, 1, 90)], 0).await.is_ok());
        assert_eq!(reserve(&store, 3, &[window(3, 1, 60)], 59).await, Err(Denied::StoreFull));
        assert!(matches!(reserve(&store, 3, &[window(1, 1, 60)], 59).await, Err(Denied::Window { .. })));
        assert!(reserve(&store, 3, &[window(3, 1, 60)], 60).await.is_ok());
    }

    #[tokio::test]
    async fn a_cleared_window_has_all_its_room_and_the_others_are_untouched() {
        let store = MemoryWindows::new(100);
        let (one, other) = (window(1, 1, 60), window(2, 1, 60));
        assert!(reserve(&store, 1, &[one, other], 0).await.is_ok());
        store.clear(1).await;
        assert_eq!(store.entries(NOW), 1);
        assert!(reserve(&store, 2, &[one], 0).await.is_ok());
        assert!(reserve(&store, 3, &[other], 0).await.is_err());
    }
}
