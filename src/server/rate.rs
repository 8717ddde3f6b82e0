//! How often one client address may call: a steady rate and a burst on top of it.
//!
//! Kept as one moment per address, the time at which its allowance will be full again (the
//! generic cell rate algorithm), so that an address costs a few bytes and nothing runs in the
//! background.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Limits;
use crate::guard::subscriber;

/// Addresses are forgotten, where that changes nothing, once there are so many more.
const SWEEP_STEP: usize = 4096;

/// The rates of all client addresses.
#[derive(Debug)]
pub struct AddressRate {
    interval: Duration,
    burst: Duration,
    full_again: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    addresses: HashMap<IpAddr, Instant>,
    sweep_at: usize,
}

impl AddressRate {
    /// The rate of these limits; `None` where there is no bound.
    pub fn new(limits: &Limits) -> Option<Self> {
        let per_second = limits.calls_per_second_per_address.filter(|rate| *rate > 0)?;
        let interval = Duration::from_secs(1) / per_second;
        let seen = Seen { addresses: HashMap::new(), sweep_at: SWEEP_STEP };
        Some(Self { interval, burst: interval * limits.burst_per_address, full_again: Mutex::new(seen) })
    }

    /// Whether two limits mean the same rate.
    pub fn is_same(one: &Limits, other: &Limits) -> bool {
        let rate = |limits: &Limits| (limits.calls_per_second_per_address, limits.burst_per_address);
        rate(one) == rate(other)
    }

    /// Takes one call from the address's allowance, or says how long to wait for the next.
    pub fn take(&self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut seen = self.full_again.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.addresses.len() >= seen.sweep_at {
            seen.addresses.retain(|_, full_again| *full_again > now);
            seen.sweep_at = seen.addresses.len() + SWEEP_STEP;
        }
        let full_again = seen.addresses.entry(subscriber(client)).or_insert(now);
        let owed = full_again.saturating_duration_since(now);
        if owed > self.burst {
            return Err(owed - self.burst);
        }
        *full_again = now + owed + self.interval;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate() -> AddressRate {
        let limits =
            Limits { calls_per_second_per_address: Some(10), burst_per_address: 4, ..Limits::default() };
        AddressRate::new(&limits).unwrap()
    }

    #[test]
    fn a_burst_passes_and_then_the_steady_rate() {
        let rate = rate();
        let client = "192.0.2.1".parse().unwrap();
        let now = Instant::now();
        for _ in 0..5 {
            assert_eq!(rate.take(client, now), Ok(()));
        }
        assert_eq!(rate.take(client, now), Err(Duration::from_millis(100)));
        assert_eq!(rate.take("192.0.2.2".parse().unwrap(), now), Ok(()));
        let later = now + Duration::from_millis(100);
        assert_eq!(rate.take(client, later), Ok(()));
        assert!(rate.take(client, later).is_err());
        assert_eq!(rate.take(client, now + Duration::from_secs(60)), Ok(()));
    }

    #[test]
    fn addresses_that_owe_nothing_are_forgotten() {
        let rate = rate();
        let now = Instant::now();
        for number in 0..50_000_u32 {
            let at = now + Duration::from_millis(number.into());
            assert_eq!(rate.take(IpAddr::from(number.to_be_bytes()), at), Ok(()));
        }
        assert!(rate.full_again.lock().unwrap().addresses.len() <= 2 * SWEEP_STEP);
    }

    #[test]
    fn without_a_bound_there_is_no_rate() {
        let limits = Limits { calls_per_second_per_address: None, ..Limits::default() };
        assert!(AddressRate::new(&limits).is_none());
    }
}
