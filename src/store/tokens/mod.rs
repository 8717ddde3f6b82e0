//! What must be remembered of tokens between two calls: an upstream's challenge for clients whose
//! dialect has no place for one, and which tokens that hold once were spent.

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

/// Where a challenge is kept. Each holds one: that of the last code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot<'a> {
    /// The upstream that issued it, by its name.
    pub upstream: &'a str,
    /// What the code is for.
    pub purpose: Purpose,
    /// To where it was sent.
    pub destination: Destination<'a>,
}

impl Slot<'_> {
    /// Bytes that no other slot has.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let (kind, destination) = match self.destination {
            Destination::Phone(phone) => ("phone", phone.e164().to_owned()),
            Destination::Email(email) => ("email", email.comparison_key()),
        };
        // None but the last can hold the zero byte: upstreams are named by the config, on one line.
        [self.upstream, self.purpose.name(), kind, &destination].join("\0").into_bytes()
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
    /// Keeps a challenge until its end, in the place of the one before it.
    ///
    /// # Errors
    /// When the store is full, or can't be asked.
    async fn keep(
        &self,
        slot: Slot<'_>,
        challenge: &Secret,
        until: Moment,
        now: Moment,
    ) -> Result<(), StoreError>;

    /// The challenge of the last code, if it is still kept.
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
