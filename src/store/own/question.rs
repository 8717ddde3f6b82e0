//! What a process that has handed its memory over asks the one that took it.

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::store::StoreError;
use crate::store::tokens::SingleUse;
use crate::store::windows::{Denied, Window};

/// One question. It may hold secrets, so it does not print.
#[derive(Clone, Serialize, Deserialize)]
pub enum Question {
    /// About used requests.
    Replay(ReplayQuestion),
    /// About tokens.
    Tokens(TokenQuestion),
    /// About events.
    Windows(WindowQuestion),
}

/// A used request, as another process knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Used {
    /// The id of the app that signed it.
    pub app: String,
    /// The second of its time.
    pub second: i64,
    /// A keyed digest of what makes it unique.
    pub digest: u128,
    /// Until when it must be remembered.
    pub until: Moment,
}

/// See [`ReplayStore`](crate::store::ReplayStore).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ReplayQuestion {
    /// Is it new? It is remembered then.
    Remember(Used),
    /// Forget it, if that was not done so often before.
    GiveBack(Used, u8),
}

/// See [`TokenStore`](crate::store::tokens::TokenStore). Places are keyed digests of slots.
#[derive(Clone, Serialize, Deserialize)]
pub enum TokenQuestion {
    /// Keep this challenge at a place until then.
    Keep(u128, String, Moment),
    /// The challenge at this place?
    Recall(u128),
    /// Spend this token.
    Spend(SingleUse),
    /// Let it be spent again.
    GiveBack(SingleUse),
}

/// See [`WindowStore`](crate::store::windows::WindowStore).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum WindowQuestion {
    /// Put an event into every window, or into none.
    Reserve {
        /// The reservation's token.
        owner: u128,
        /// The windows.
        windows: Vec<Window>,
        /// How long the reservation holds at least, in seconds.
        lease_seconds: i64,
    },
    /// End a reservation.
    Settle {
        /// The reservation's token.
        owner: u128,
        /// How long the reservation held at least, in seconds.
        lease_seconds: i64,
        /// Windows that lose the reservation's events.
        released: Vec<Window>,
        /// Windows that keep them for their span.
        kept: Vec<Window>,
        /// Keys of windows that are emptied.
        cleared: Vec<u128>,
    },
}

/// What a question came to. It may hold secrets, so it does not print.
#[derive(Clone, Serialize, Deserialize)]
pub enum Answer {
    /// It was done.
    Done,
    /// Whether the request is new, or the token was not spent before.
    New(Result<bool, StoreError>),
    /// Whether there was room.
    Kept(Result<(), StoreError>),
    /// The challenge.
    Recalled(Result<Option<String>, StoreError>),
    /// Whether a window that only tells was full.
    Reserved(Result<bool, Denied>),
}
