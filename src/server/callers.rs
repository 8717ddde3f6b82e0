//! Whether most calls come from one address. Then a proxy stands in front that `trusted_proxies` does not name,
//! and all its clients count as one.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::guard::subscriber;

/// Calls of one round: enough that a client of a small service does not have most of them by chance.
const ROUND: u32 = 1_000;

/// Looks for an address that has most calls, in a few bytes whatever the number of addresses.
#[derive(Debug, Default)]
pub struct Callers {
    tally: Mutex<Tally>,
    crowded: AtomicBool,
}

/// One round: a majority vote (Boyer and Moore) finds the only address that may have most of its calls, and the
/// one that the round before found is counted exactly.
#[derive(Debug, Default)]
struct Tally {
    calls: u32,
    candidate: Option<IpAddr>,
    lead: u32,
    suspect: Option<IpAddr>,
    of_suspect: u32,
}

impl Callers {
    /// Counts a call for a client that is no trusted proxy.
    pub fn note(&self, client: IpAddr) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.note(subscriber(client));
        if tally.calls < ROUND {
            return;
        }
        let crowd = tally.suspect.filter(|_| tally.of_suspect > ROUND / 2);
        *tally = Tally { suspect: tally.candidate, ..Tally::default() };
        drop(tally);
        let before = self.crowded.swap(crowd.is_some(), Ordering::Relaxed);
        if let (Some(address), false) = (crowd, before) {
            log::warn!(
                "most of the last {ROUND} calls came from {address}, which is no trusted proxy: if a proxy stands \
                 there, name it in `trusted_proxies`, or all its clients share one client's limits"
            );
        }
    }

    /// Whether one address had most calls of the last whole round, and of the one before it in all likelihood.
    pub fn are_crowded(&self) -> bool {
        self.crowded.load(Ordering::Relaxed)
    }
}

impl Tally {
    fn note(&mut self, client: IpAddr) {
        self.calls += 1;
        self.of_suspect += u32::from(self.suspect == Some(client));
        if self.candidate == Some(client) {
            self.lead += 1;
        } else if self.lead == 0 {
            self.candidate = Some(client);
            self.lead = 1;
        } else {
            self.lead -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    /// Two rounds in which one address has so many calls of every ten.
    fn after(of_ten: u32) -> Callers {
        let callers = Callers::default();
        for number in 0..2 * ROUND {
            callers.note(if number % 10 < of_ten { address(7) } else { address(1_000 + number) });
        }
        callers
    }

    #[test]
    fn one_address_with_most_calls_is_noticed_and_one_with_half_of_them_not() {
        assert!(after(6).are_crowded());
        assert!(after(10).are_crowded());
        assert!(!after(5).are_crowded());
        assert!(!after(0).are_crowded());
    }

    #[test]
    fn it_is_over_when_the_calls_come_from_many_addresses_again() {
        let callers = after(9);
        (0..ROUND).for_each(|number| callers.note(address(number)));
        assert!(!callers.are_crowded());
    }

    #[test]
    fn a_few_calls_say_nothing() {
        let callers = Callers::default();
        (0..ROUND).for_each(|_| callers.note(address(7)));
        assert!(!callers.are_crowded());
    }
}
