//! Spares calls the wait for a store that does not answer.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// So many failures in a row open it.
const FAILURES: u32 = 5;

/// So long it stays open, if no probe gets through before.
const OPEN: Duration = Duration::from_secs(1);

/// Opens after failures in a row; while it is open nobody asks.
#[derive(Default)]
pub(super) struct Breaker {
    failures: AtomicU32,
    open_until: Mutex<Option<Instant>>,
}

impl Breaker {
    /// Whether calls are turned away. One that was open long enough lets the next call try.
    pub fn is_open(&self) -> bool {
        if self.failures.load(Ordering::Relaxed) < FAILURES {
            return false;
        }
        let mut open_until = self.open_until.lock().unwrap_or_else(PoisonError::into_inner);
        match *open_until {
            Some(until) if Instant::now() < until => true,
            // One tries; the others are turned away until that one knows.
            Some(_) => {
                *open_until = Some(Instant::now() + OPEN);
                false
            }
            None => false,
        }
    }

    /// Whether it is open, without trying.
    pub fn is_tripped(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= FAILURES
    }

    /// Notes an answer.
    pub fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) == 0 {
            return;
        }
        *self.open_until.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.failures.store(0, Ordering::Relaxed);
    }

    /// Notes that none came.
    pub fn failed(&self) {
        let mut open_until = self.open_until.lock().unwrap_or_else(PoisonError::into_inner);
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES {
            *open_until = Some(Instant::now() + OPEN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_a_row_open_it_and_one_answer_closes_it() {
        let breaker = Breaker::default();
        for _ in 0..4 {
            breaker.failed();
        }
        breaker.succeeded();
        for _ in 0..4 {
            breaker.failed();
            assert!(!breaker.is_open());
        }
        breaker.failed();
        assert!(breaker.is_open() && breaker.is_tripped());
        breaker.succeeded();
        assert!(!breaker.is_open() && !breaker.is_tripped());
    }

    #[test]
    fn after_its_second_one_call_tries_and_the_others_wait() {
        let breaker = Breaker::default();
        for _ in 0..5 {
            breaker.failed();
        }
        *breaker.open_until.lock().unwrap() = Some(Instant::now());
        assert!(!breaker.is_open());
        assert!(breaker.is_open());
    }
}
