//! Counts of events within spans of time: what every limit of the throttle comes down to.
//!
//! A window holds at most so many events, each until its span is over. A reservation puts one
//! event into every window that it concerns, or into none. Until the reservation is settled its
//! events stay at least as long as its lease, which outlives the call; then each is kept until
//! its span is over, counted from the reservation, or taken out again.
//!
//! Windows have a subject: a destination, a client address, an account. Those of one subject are
//! looked at in one step, wherever they are held.

pub mod memory;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::clock::Moment;

/// What a full window does to a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rigour {
    /// It refuses the reservation.
    Refuses,
    /// It lets the reservation pass and says that it was full.
    Tells,
}

/// At most so many events within a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// A keyed digest of what is counted; its upper half is that of the subject.
    pub key: u128,
    /// How many events it holds.
    pub limit: u32,
    /// How long each is held, in seconds.
    pub seconds: i64,
    /// What it does when it is full.
    pub rigour: Rigour,
    /// Whether all calls fall into it. Sharers of a store may take room in it ahead, in blocks, and
    /// where each counts alone it is divided among them.
    pub common: bool,
}

impl Window {
    /// Puts a key together from digests of the subject and of what of it is counted.
    pub const fn key(subject: u64, counted: u64) -> u128 {
        (subject as u128) << 64 | counted as u128
    }
}

/// The digest of a window's subject.
pub(super) const fn subject(key: u128) -> u64 {
    (key >> 64) as u64
}

/// One event for every window at once.
#[derive(Debug, Clone, Copy)]
pub struct Reservation<'a> {
    /// A token that no other reservation has, on any instance: by it a reservation is settled.
    pub owner: u128,
    /// The windows, of which no two have the same key.
    pub windows: &'a [Window],
    /// How long the reservation holds at least, unless it is settled, in seconds.
    pub lease_seconds: i64,
}

/// How a reservation ends.
#[derive(Debug, Clone, Copy)]
pub struct Settlement<'a> {
    /// The reservation's token.
    pub owner: u128,
    /// How long the reservation held at least, in seconds.
    pub lease_seconds: i64,
    /// Windows that the reservation's events are taken out of. What others have in them stays.
    pub released: &'a [Window],
    /// Windows whose events lose their lease: they stay as long as their windows say and no longer.
    pub kept: &'a [Window],
    /// The keys of windows that are emptied, whoever has events in them.
    pub cleared: &'a [u128],
}

/// A reservation was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserved {
    /// Whether a window that only tells was full.
    pub slowed: bool,
}

/// Why a reservation was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum Denied {
    /// Windows are full. Of several it is the one that takes longest to have room.
    #[error("window {index} is full")]
    Window {
        /// Which of the reservation's windows.
        index: usize,
        /// When it has room again.
        until: Moment,
    },
    /// The store can't hold another event.
    #[error("the throttle's memory is full")]
    StoreFull,
    /// The store can't be asked.
    #[error("the shared store is away")]
    Away,
}

/// Holds windows, and never forgets an event before its time.
#[async_trait]
pub trait WindowStore: Send + Sync {
    /// Puts an event into every window, or into none of them: of any number of reservations at
    /// once no more are made than there is room for.
    ///
    /// # Errors
    /// When a window that refuses is full, the store is, or it can't be asked.
    async fn reserve(&self, reservation: &Reservation<'_>, now: Moment) -> Result<Reserved, Denied>;

    /// Ends a reservation, in one step for each subject. What can't be told to a store that is away
    /// stays until its time is over.
    async fn settle(&self, settlement: &Settlement<'_>);

    /// Live events that this process reserved.
    fn entries(&self, now: Moment) -> usize;

    /// The most of these that may be.
    fn bound(&self) -> usize;

    /// The key of digests that all sharers of the store have; `None` where nobody shares it.
    fn shared_key(&self) -> Option<[u8; 16]> {
        None
    }
}
