//! Room in the windows of all calls, taken ahead: most calls then need not ask for it.
//!
//! Units that are not used soon go back with the next question, so that an hour's count is never
//! exceeded: each unit is held in Redis for as long after its last use as a call would be.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Moment;
use crate::store::windows::Window;

/// The most units of a block. The script returns as many.
const UNITS: u32 = 10;

/// What part of a window one instance may hold ahead: less than ten units where the window is small.
const PARTS: u32 = 50;

/// How long a block's units can be used, in milliseconds; they stay in Redis so much longer.
pub(super) const USABLE_MILLIS: i64 = 60_000;

/// Units of one window that this instance took.
#[derive(Debug, Default)]
struct Block {
    owner: u128,
    /// The next unit to be used, from 1 on, and the one after the last.
    next: u8,
    end: u8,
    taken: Option<Moment>,
    /// Whether somebody asks for another one.
    wanted: bool,
}

impl Block {
    fn is_usable(&self, now: Moment) -> bool {
        let age = self.taken.map_or(USABLE_MILLIS, |taken| now.millis().saturating_sub(taken.millis()));
        self.next < self.end && (0..USABLE_MILLIS).contains(&age)
    }
}

/// The blocks of all windows.
#[derive(Debug, Default)]
pub(super) struct Blocks(Mutex<HashMap<u128, Block>>);

/// What a question asks for.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    blocks: &'a Blocks,
    key: u128,
    /// How many units.
    pub units: u32,
    /// What is returned before: a block's owner and its first unused unit.
    pub returned: Option<(u128, u8)>,
}

impl Blocks {
    fn lock(&self) -> MutexGuard<'_, HashMap<u128, Block>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses a unit and tells whose it was, or what to ask for. Of many at once one asks for a block, the others for
    /// what they need themselves.
    pub fn pay(&self, window: &Window, now: Moment) -> Result<u128, Wanted<'_>> {
        let units = (window.limit / PARTS).clamp(1, UNITS);
        let (blocks, key) = (self, window.key);
        let mut all = self.lock();
        let block = all.entry(key).or_default();
        if block.is_usable(now) {
            block.next += 1;
            return Ok(block.owner);
        }
        if units == 1 || block.wanted {
            return Err(Wanted { blocks, key, units: 1, returned: None });
        }
        block.wanted = true;
        let returned = (block.next < block.end).then_some((block.owner, block.next));
        Err(Wanted { blocks, key, units, returned })
    }

    /// Returns a unit of an owner's block that was used for nothing, unless the block is gone.
    pub fn refund(&self, key: u128, owner: u128) {
        if let Some(block) = self.lock().get_mut(&key).filter(|block| block.owner == owner && block.next > 2)
        {
            block.next -= 1;
        }
    }

    /// Forgets all units: Redis does not know them any more.
    pub fn forget(&self) {
        for block in self.lock().values_mut() {
            block.end = 0;
        }
    }
}

impl Wanted<'_> {
    /// Notes that an owner got so many units, of which the first is used at once.
    pub fn got(self, owner: u128, units: i64, now: Moment) {
        if self.units > 1
            && let Some(block) = self.blocks.lock().get_mut(&self.key)
        {
            block.owner = owner;
            block.next = 2;
            block.end = u8::try_from(units).unwrap_or(0).saturating_add(1);
            block.taken = Some(now);
        }
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        if self.units > 1
            && let Some(block) = self.blocks.lock().get_mut(&self.key)
        {
            block.wanted = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::windows::Rigour;

    const NOW: Moment = Moment::from_seconds(1_700_000_000);

    fn budget(limit: u32) -> Window {
        Window { key: 1, limit, seconds: 3600, rigour: Rigour::Refuses, common: true }
    }

    #[test]
    fn one_asks_for_ten_and_nine_more_pay_with_them() {
        let blocks = Blocks::default();
        let wanted = blocks.pay(&budget(1000), NOW).unwrap_err();
        assert_eq!((wanted.units, wanted.returned), (10, None));
        assert_eq!(blocks.pay(&budget(1000), NOW).unwrap_err().units, 1, "somebody asks already");
        wanted.got(7, 10, NOW);
        assert!((0..9).all(|_| blocks.pay(&budget(1000), NOW).is_ok()));
        assert_eq!(blocks.pay(&budget(1000), NOW).unwrap_err().units, 10);
    }

    #[test]
    fn what_was_not_used_within_a_minute_goes_back() {
        let blocks = Blocks::default();
        blocks.pay(&budget(1000), NOW).unwrap_err().got(7, 10, NOW);
        assert!(blocks.pay(&budget(1000), NOW.plus_seconds(59)).is_ok());
        let wanted = blocks.pay(&budget(1000), NOW.plus_seconds(60)).unwrap_err();
        assert_eq!((wanted.units, wanted.returned), (10, Some((7, 3))));
        drop(wanted);
        assert_eq!(blocks.pay(&budget(1000), NOW.plus_seconds(-1)).unwrap_err().returned, Some((7, 3)));
    }

    #[test]
    fn a_small_budget_is_not_taken_ahead_and_a_refund_is_a_unit() {
        let blocks = Blocks::default();
        assert_eq!(blocks.pay(&budget(99), NOW).unwrap_err().units, 1);
        blocks.pay(&budget(100), NOW).unwrap_err().got(7, 2, NOW);
        assert!(blocks.pay(&budget(100), NOW).is_ok());
        blocks.refund(1, 8);
        assert!(blocks.pay(&budget(100), NOW).is_err(), "of another block");
        blocks.refund(1, 7);
        assert!(blocks.pay(&budget(100), NOW).is_ok());
        assert!(blocks.pay(&budget(100), NOW).is_err());
        blocks.refund(1, 7);
        blocks.forget();
        assert!(blocks.pay(&budget(100), NOW).is_err());
    }
}
