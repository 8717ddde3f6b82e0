//! What must be remembered of tokens between two calls: an upstream's challenge for clients whose
//! dialect has no place for one, the region of a session, and which tokens that hold once were spent.

pub mod memory;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::account::{Email, Phone, Purpose, Secret};
use crate::clock::Moment;

/// So often a token may be given back.
pub(super) const GIVE_BACKS: u8 = 9;

/// To where a code was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination<'a> {
    /// A phone.
    Phone(&'a Phone),
    /// An e-mail address.
    Email(&'a Email),
}

/// Where something is kept. Each holds one: the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot<'a> {
    /// The challenge of a code.
    Challenge {
        /// The upstream that issued it, by its name.
        upstream: &'a str,
        /// What the code is for.
        purpose: Purpose,
        /// To where it was sent.
        destination: Destination<'a>,
    },
    /// The region whose backend handed out a token.
    Session(&'a Secret),
}

impl Slot<'_> {
    /// Bytes that no other slot has.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let (upstream, purpose, destination) = match self {
            Self::Challenge { upstream, purpose, destination } => (upstream, purpose, destination),
            // No upstream's name is empty.
            Self::Session(token) => return [b"\0", token.expose().as_bytes()].concat(),
        };
        let (kind, destination) = match destination {
            Destination::Phone(phone) => ("phone", phone.e164().to_owned()),
            Destination::Email(email) => ("email", email.comparison_key()),
        };
        // None but the last can hold the zero byte: upstreams are named by the config, on one line.
        [upstream, purpose.name(), kind, &destination].join("\0").into_bytes()
    }
}

/// A token that holds once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SingleUse {
    /// By which it is told from all others.
    pub digest: u128,
    /// When it was issued.
    pub issued: Moment,
    /// When it ends by itself.
    pub expires: Moment,
}

/// The right to give a token back that one spent; used up by doing so.
#[derive(Debug)]
pub struct SpendReceipt {
    token: SingleUse,
    /// Who spent it, where others could have since.
    owner: Option<u128>,
}

/// What spending a token told.
#[derive(Debug)]
pub enum Spent {
    /// It was not spent before, and is now.
    Now(SpendReceipt),
    /// It was spent before.
    Before,
}

impl SpendReceipt {
    pub(super) const fn new(token: SingleUse, owner: Option<u128>) -> Self {
        Self { token, owner }
    }

    pub(super) const fn token(&self) -> SingleUse {
        self.token
    }

    pub(super) const fn owner(&self) -> Option<u128> {
        self.owner
    }
}

/// Remembers challenges, and which tokens were spent.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// Keeps a challenge or a region until its end, in the place of the one before it.
    ///
    /// # Errors
    /// When the store is full, or can't be asked.
    async fn keep(
        &self,
        slot: Slot<'_>,
        value: &Secret,
        until: Moment,
        now: Moment,
    ) -> Result<(), StoreError>;

    /// What was kept last, if it still is.
    ///
    /// # Errors
    /// When the store can't be asked.
    async fn recall(&self, slot: Slot<'_>, now: Moment) -> Result<Option<Secret>, StoreError>;

    /// Spends a token: of any number of tries at once exactly one does.
    ///
    /// # Errors
    /// When the store is full, can't be asked, or may have forgotten tokens that were issued then.
    async fn spend(&self, token: SingleUse, now: Moment) -> Result<Spent, StoreError>;

    /// Lets a token be spent again of which nothing came. After nine times it stays spent.
    async fn give_back(&self, receipt: SpendReceipt);
}
