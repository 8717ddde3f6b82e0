//! Whether one address takes calls: how it is ejected, and how it comes back in steps.
//!
//! An ejected address first gets one call at a time. As many good ones as it may have at once
//! double that number, until it has its whole share again; one bad one ejects it for twice as long.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::{Ejection, HealthCheck};

/// Steps of recovery: 1, 2, 4, 8 and 16 calls at once.
const STEPS: u32 = 5;

/// What is known of an address's health.
#[derive(Debug, Default)]
pub(super) struct Health {
    state: State,
    /// Failures in a row.
    failures: usize,
    /// Ejections without a recovery between them.
    rounds: u32,
    /// Whether the health checks say that it is not well.
    unwell: bool,
    /// Health checks in a row that say the opposite of that.
    checks: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Serving,
    Ejected {
        until: Instant,
    },
    Returning {
        step: u32,
        good: u32,
    },
}

/// What an answer made of an address.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Unchanged,
    /// It answers again, for the first time since it was ejected.
    Answers,
    /// It has its whole share again.
    Recovered,
}

/// What a health check made of an address.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Unchanged,
    Unwell,
    Well,
}

impl Health {
    /// Whether there is nothing to remember.
    pub fn is_perfect(&self) -> bool {
        self.state == State::Serving && self.failures == 0 && !self.unwell && self.checks == 0
    }

    /// Whether it gets no calls.
    pub fn is_out(&self) -> bool {
        self.unwell || matches!(self.state, State::Ejected { .. })
    }

    /// Whether it may get one more call besides these; its return begins when its time is up.
    pub fn admits(&mut self, calls: usize, now: Instant) -> bool {
        if self.unwell {
            return false;
        }
        match self.state {
            State::Serving => true,
            State::Ejected { until } if until > now => false,
            State::Ejected { .. } => {
                self.state = State::Returning { step: 0, good: 0 };
                calls == 0
            }
            State::Returning { step, .. } => calls < 1 << step,
        }
    }

    /// It answered.
    pub fn answered(&mut self) -> Progress {
        self.failures = 0;
        let State::Returning { step, good } = self.state else { return Progress::Unchanged };
        let good = good + 1;
        if good < 1 << step {
            self.state = State::Returning { step, good };
            return Progress::Unchanged;
        }
        if step + 1 < STEPS {
            self.state = State::Returning { step: step + 1, good: 0 };
            return if step == 0 { Progress::Answers } else { Progress::Unchanged };
        }
        self.state = State::Serving;
        self.rounds = 0;
        Progress::Recovered
    }

    /// It failed. Tells for how long it is to be ejected, if it is.
    pub fn failed(&mut self, ejection: &Ejection) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        let due = match self.state {
            State::Serving => self.failures >= ejection.failures,
            State::Ejected { .. } => false,
            State::Returning { .. } => true,
        };
        let doubled = ejection.first.saturating_mul(1_u32.checked_shl(self.rounds).unwrap_or(u32::MAX));
        due.then(|| doubled.min(ejection.longest))
    }

    /// It is ejected.
    pub fn eject(&mut self, until: Instant) {
        self.state = State::Ejected { until };
        self.failures = 0;
        self.rounds = self.rounds.saturating_add(1);
    }

    /// It should be ejected, but too many others are: it has to begin again with one call at a time
    /// if it was returning.
    pub fn spare(&mut self) {
        if let State::Returning { .. } = self.state {
            self.state = State::Returning { step: 0, good: 0 };
        }
    }

    /// A health check of it ended.
    pub fn checked(&mut self, good: bool, check: &HealthCheck) -> Verdict {
        if good != self.unwell {
            self.checks = 0;
            return Verdict::Unchanged;
        }
        self.checks += 1;
        if self.unwell && self.checks >= check.healthy {
            self.checks = 0;
            self.unwell = false;
            self.state = State::Returning { step: 0, good: 0 };
            return Verdict::Well;
        }
        if !self.unwell && self.checks >= check.unhealthy {
            self.checks = 0;
            self.unwell = true;
            return Verdict::Unwell;
        }
        Verdict::Unchanged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ejection() -> Ejection {
        Ejection { failures: 2, first: Duration::from_secs(10), longest: Duration::from_secs(25) }
    }

    #[test]
    fn failures_in_a_row_eject_and_an_answer_between_them_does_not() {
        let mut health = Health::default();
        assert_eq!(health.failed(&ejection()), None);
        assert!(health.answered() == Progress::Unchanged && health.is_perfect());
        assert_eq!(health.failed(&ejection()), None);
        assert_eq!(health.failed(&ejection()), Some(Duration::from_secs(10)));
    }

    #[test]
    fn it_comes_back_in_steps_of_calls_at_once() {
        let (mut health, now) = (Health::default(), Instant::now());
        health.eject(now + Duration::from_secs(1));
        assert!(!health.admits(0, now) && health.is_out());
        let later = now + Duration::from_secs(1);
        for at_once in [1, 2, 4, 8, 16] {
            assert!(health.admits(at_once - 1, later) && !health.admits(at_once, later), "{at_once}");
            for good in 1..=at_once {
                let expected = match (at_once, good) {
                    (1, 1) => Progress::Answers,
                    (16, 16) => Progress::Recovered,
                    _ => Progress::Unchanged,
                };
                assert_eq!(health.answered(), expected, "{good} of {at_once}");
            }
        }
        assert!(health.is_perfect() && health.admits(1_000, later));
    }

    #[test]
    fn a_failure_on_the_way_back_ejects_for_twice_as_long_up_to_a_bound() {
        let (mut health, now) = (Health::default(), Instant::now());
        for seconds in [20, 25, 25] {
            health.eject(now);
            assert!(health.admits(0, now));
            assert_eq!(health.failed(&ejection()), Some(Duration::from_secs(seconds)));
        }
        for _ in 0..40 {
            health.eject(now);
        }
        assert!(health.admits(0, now));
        assert_eq!(health.failed(&ejection()), Some(Duration::from_secs(25)));
    }

    #[test]
    fn checks_in_a_row_decide_and_it_comes_back_in_steps() {
        let timeout = Duration::from_secs(1);
        let path = "/".to_owned();
        let check = HealthCheck { path, interval: timeout, timeout, unhealthy: 2, healthy: 2 };
        let (mut health, now) = (Health::default(), Instant::now());
        for (good, verdict) in [
            (false, Verdict::Unchanged),
            (true, Verdict::Unchanged),
            (false, Verdict::Unchanged),
            (false, Verdict::Unwell),
            (false, Verdict::Unchanged),
            (true, Verdict::Unchanged),
            (true, Verdict::Well),
        ] {
            assert_eq!(health.checked(good, &check), verdict);
            assert_eq!(health.admits(0, now), !health.is_out());
        }
        assert!(!health.admits(1, now));
    }
}
