//! The throttle's windows that several instances share, over the same connection and breaker as the
//! replay memory.
//!
//! One server looks at all windows of a reservation in one script. In a cluster a script sees one
//! subject's windows, which lie together: they follow one by one, and when a later one refuses, the
//! earlier ones are undone by the owner's token.
//!
//! What this instance reserves it also notes in its own memory, the windows of all calls excepted. By
//! that memory it goes while Redis is away, if the config says so, and from it Redis is told what it
//! missed or forgot.

mod blocks;
mod debts;
mod restore;
mod scripts;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::{JoinHandle, JoinSet};

use super::session::Session;
use super::{RedisStore, Shared};
use crate::clock::Moment;
use crate::config::{OnStoreError, Throttle};
use crate::store::StoreError;
use crate::store::windows::memory::MemoryWindows;
use crate::store::windows::{
    Denied, Reservation, Reserved, Rigour, Settlement, Window, WindowStore, subject,
};
use blocks::{Blocks, USABLE_MILLIS, Wanted};
use debts::Debts;
use scripts::Scripts;

/// The longest that an instance counts alone, in milliseconds.
const ALONE_MILLIS: i64 = 600_000;

/// The windows in Redis.
pub struct RedisWindows {
    inner: Arc<Inner>,
    restorer: JoinHandle<()>,
}

struct Inner {
    store: Arc<RedisStore>,
    scripts: Scripts,
    local: MemoryWindows,
    blocks: Blocks,
    debts: Debts,
    on_error: OnStoreError,
    instances: u32,
}

impl Drop for RedisWindows {
    fn drop(&mut self) {
        self.restorer.abort();
    }
}

impl RedisWindows {
    /// The windows beside a replay memory, shared by so many instances. Must be called within a runtime.
    pub fn over(store: &Arc<RedisStore>, throttle: &Throttle, instances: usize) -> Self {
        let inner = Arc::new(Inner {
            store: Arc::clone(store),
            scripts: Scripts::default(),
            local: MemoryWindows::new(throttle.entries),
            blocks: Blocks::default(),
            debts: Debts::new(throttle.entries),
            on_error: throttle.on_store_error,
            instances: u32::try_from(instances).unwrap_or(u32::MAX).max(1),
        });
        let restorer = tokio::spawn(restore::run(Arc::clone(&inner)));
        Self { inner, restorer }
    }
}

#[async_trait]
impl WindowStore for RedisWindows {
    async fn reserve(&self, reservation: &Reservation<'_>, now: Moment) -> Result<Reserved, Denied> {
        let inner = &self.inner;
        match inner.ask(reservation, now).await {
            Ok(reserved) => {
                let own: Vec<Window> =
                    reservation.windows.iter().filter(|window| !window.common).copied().collect();
                inner.local.note(&Reservation { windows: &own, ..*reservation }, now);
                Ok(reserved)
            }
            Err(Denied::Away) => inner.decide_alone(reservation, now),
            Err(denied) => Err(denied),
        }
    }

    async fn settle(&self, settlement: &Settlement<'_>) {
        self.inner.local.settle_now(settlement);
        self.inner.settle(settlement).await;
    }

    fn entries(&self, now: Moment) -> usize {
        self.inner.local.entries(now)
    }

    fn bound(&self) -> usize {
        self.inner.local.bound()
    }

    fn shared_key(&self) -> Option<[u8; 16]> {
        Some(self.inner.shared().keys.window_key())
    }
}

/// What becomes of an owner's event in one window.
#[derive(Clone, Copy)]
enum Ending {
    Released,
    /// It stays so many milliseconds less.
    Shortened(i64),
    /// All events go.
    Cleared,
}

/// One window in a question: its place in the reservation, and what of all calls' room is wanted.
struct Asked<'a> {
    index: usize,
    window: Window,
    wanted: Option<Wanted<'a>>,
}

/// What one script said.
enum Told {
    Made { slowed: bool },
    Full { index: usize, wait_millis: i64 },
}

impl Inner {
    fn shared(&self) -> &Shared {
        &self.store.shared
    }

    async fn ask(self: &Arc<Self>, reservation: &Reservation<'_>, now: Moment) -> Result<Reserved, Denied> {
        let session = self.shared().ready().map_err(denied)?;
        let limit = self.shared().settings.timeout;
        self.debts.settled_with(&session.generation, limit).await.map_err(denied)?;
        let owner = reservation.owner;
        let (mut asked, mut paid) = (Vec::new(), Vec::new());
        for (index, window) in reservation.windows.iter().copied().enumerate() {
            let payment = window.common.then(|| self.blocks.pay(&window, now));
            match payment {
                Some(Ok(block)) => paid.push((window.key, block)),
                Some(Err(wanted)) => asked.push((window.key, Asked { index, window, wanted: Some(wanted) })),
                None => asked.push((window.key, Asked { index, window, wanted: None })),
            }
        }
        let (mut made, mut slowed) = (Vec::new(), false);
        let mut refused = None;
        for group in together(asked, session.link.is_cluster()) {
            let keys: Vec<u128> = group.iter().map(|(key, _)| *key).collect();
            match self.reserve(&session, reservation, group, now).await {
                Ok(Told::Made { slowed: also }) => slowed |= also,
                Ok(Told::Full { index, wait_millis }) => {
                    let until = Moment::from_millis(now.millis().saturating_add(wait_millis));
                    refused = Some(Denied::Window { index, until });
                    break;
                }
                Err(error) => {
                    // Nobody knows whether it was made; then it is to be undone.
                    self.debts.note(keys.into_iter().map(|key| (key, owner)));
                    refused = Some(denied(error));
                    break;
                }
            }
            made.extend(keys);
        }
        let Some(refused) = refused else { return Ok(Reserved { slowed }) };
        for (key, block) in paid {
            self.blocks.refund(key, block);
        }
        self.end(owner, made.into_iter().map(|key| (key, Ending::Released)).collect()).await;
        Err(refused)
    }

    /// One script.
    async fn reserve(
        &self,
        session: &Arc<Session>,
        reservation: &Reservation<'_>,
        group: Vec<(u128, Asked<'_>)>,
        now: Moment,
    ) -> Result<Told, StoreError> {
        let owner = &reservation.owner.to_be_bytes()[..];
        let mut question = self.scripts.reserve.arg(owner);
        question.arg(reservation.lease_seconds.saturating_mul(1000));
        for (key, Asked { window, wanted, .. }) in &group {
            let units = wanted.as_ref().map_or(1, |wanted| wanted.units);
            let returned = wanted.as_ref().and_then(|wanted| wanted.returned);
            // A block's units are used later than they are taken.
            let ahead = if units > 1 { USABLE_MILLIS } else { 0 };
            question.key(self.shared().keys.window(*key)).arg(window.limit);
            question.arg(window.seconds.saturating_mul(1000).saturating_add(ahead));
            question.arg(i32::from(window.rigour == Rigour::Refuses)).arg(units);
            match returned {
                Some((block, from)) => question.arg(&block.to_be_bytes()[..]).arg(from),
                None => question.arg("").arg(0),
            };
        }
        let answer: Vec<i64> = self.shared().run(session, &question).await?;
        let (first, rest) = answer.split_first().ok_or(StoreError::Away)?;
        if let Some(full) = usize::try_from(*first).ok().and_then(|place| place.checked_sub(1)) {
            let (_, asked) = group.get(full).ok_or(StoreError::Away)?;
            return Ok(Told::Full { index: asked.index, wait_millis: rest.first().copied().unwrap_or(0) });
        }
        for ((_, asked), units) in group.into_iter().zip(rest) {
            if let Some(wanted) = asked.wanted {
                wanted.got(reservation.owner, *units, now);
            }
        }
        Ok(Told::Made { slowed: rest.contains(&0) })
    }

    async fn settle(self: &Arc<Self>, settlement: &Settlement<'_>) {
        let mut endings = Vec::new();
        for window in settlement.released.iter().filter(|window| !window.common) {
            endings.push((window.key, Ending::Released));
        }
        for window in settlement.kept {
            let leased = settlement.lease_seconds.saturating_sub(window.seconds);
            endings.push((window.key, Ending::Shortened(leased.saturating_mul(1000).max(0))));
        }
        endings.extend(settlement.cleared.iter().map(|key| (*key, Ending::Cleared)));
        self.end(settlement.owner, endings).await;
    }

    /// Ends events, those of different subjects at once.
    async fn end(self: &Arc<Self>, owner: u128, endings: Vec<(u128, Ending)>) {
        if endings.is_empty() {
            return;
        }
        let cluster =
            self.shared().session.borrow().as_ref().is_some_and(|session| session.link.is_cluster());
        let mut under_way = JoinSet::new();
        for group in together(endings, cluster) {
            let inner = Arc::clone(self);
            under_way.spawn(async move { inner.end_together(owner, &group).await });
        }
        under_way.join_all().await;
    }

    async fn end_together(&self, owner: u128, endings: &[(u128, Ending)]) {
        let told = async {
            let session = self.shared().ready()?;
            let mut question = self.scripts.settle.arg(&owner.to_be_bytes()[..]);
            for (key, ending) in endings {
                question.key(self.shared().keys.window(*key));
                match ending {
                    Ending::Released => question.arg("release"),
                    Ending::Shortened(millis) => question.arg(*millis),
                    Ending::Cleared => question.arg("clear"),
                };
            }
            self.shared().run::<i64>(&session, &question).await
        };
        if told.await.is_err() {
            let released = endings.iter().filter(|(_, ending)| matches!(ending, Ending::Released));
            self.debts.note(released.map(|(key, _)| (*key, owner)));
        }
    }

    /// Decides by what this instance knows itself, if the config says so and not for too long.
    fn decide_alone(&self, reservation: &Reservation<'_>, now: Moment) -> Result<Reserved, Denied> {
        let figures = &self.shared().figures;
        figures.set_alone(true);
        let too_long = self.debts.alone_for(now) >= ALONE_MILLIS;
        if too_long || self.on_error == OnStoreError::Refuse {
            figures.decided_alone("refused");
            return Err(Denied::Away);
        }
        figures.decided_alone("local");
        let mut windows = reservation.windows.to_vec();
        for window in windows.iter_mut().filter(|window| window.common) {
            window.limit = (window.limit / self.instances).max(1);
        }
        if !self.debts.has_room_for(windows.len()) {
            return Err(Denied::StoreFull);
        }
        let reserved = self.local.reserve_now(&Reservation { windows: &windows, ..*reservation }, now);
        if reserved.is_ok() {
            self.debts.note(windows.iter().map(|window| (window.key, reservation.owner)));
        }
        reserved
    }
}

fn denied(error: StoreError) -> Denied {
    match error {
        StoreError::Full | StoreError::AppFull => Denied::StoreFull,
        StoreError::Away | StoreError::BelowFloor => Denied::Away,
    }
}

/// What one script can do: in a cluster, what concerns one subject. The order stays.
fn together<T>(all: Vec<(u128, T)>, cluster: bool) -> Vec<Vec<(u128, T)>> {
    if !cluster {
        return if all.is_empty() { Vec::new() } else { vec![all] };
    }
    let mut groups: Vec<Vec<(u128, T)>> = Vec::new();
    for one in all {
        let same = |group: &&mut Vec<(u128, T)>| {
            group.first().is_some_and(|(key, _)| subject(*key) == subject(one.0))
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups
}
