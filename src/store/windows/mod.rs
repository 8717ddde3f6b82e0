//! Counts of events within spans of time: what every limit of the throttle comes down to.
//!
//! A window holds at most so many events, each until its span is over. A reservation puts one
//! event into every window that it concerns, or into none. Until the reservation is settled its
//! events stay at least as long as its lease, which outlives the call; then each is kept until
//! its span is over, counted from the reservation, or taken out again.

pub mod memory;

use async_trait::async_trait;
use thiserror::Error;

use crate::clock::Moment;

/// What a full window does to a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rigour {
    /// It refuses the reservation.
    Refuses,
    /// It lets the reservation pass and says that it was full.
    Tells,
}

/// At most so many events within a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// A keyed digest of what is counted.
    pub key: u128,
    /// How many events it holds.
    pub limit: u32,
    /// How long each is held, in seconds.
    pub seconds: i64,
    /// What it does when it is full.
    pub rigour: Rigour,
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

/// A reservation was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserved {
    /// Whether a window that only tells was full.
    pub slowed: bool,
}

/// Why a reservation was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
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
}

/// Holds windows, and never forgets an event before its time.
#[async_trait]
pub trait WindowStore: Send + Sync {
    /// Puts an event into every window, or into none of them: of any number of reservations at
    /// once no more are made than there is room for.
    ///
    /// # Errors
    /// When a window that refuses is full, or the store is.
    async fn reserve(&self, reservation: &Reservation<'_>, now: Moment) -> Result<Reserved, Denied>;

    /// Ends the lease of one owner's events: they stay as long as their windows say and no longer.
    async fn keep(&self, owner: u128, windows: &[Window]);

    /// Takes one owner's events out of windows. What others have in them stays.
    async fn release(&self, owner: u128, windows: &[Window]);

    /// Empties a window.
    async fn clear(&self, key: u128);

    /// Live events.
    fn entries(&self, now: Moment) -> usize;

    /// The most events that may be.
    fn bound(&self) -> usize;
}
