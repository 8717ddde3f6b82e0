//! How often codes are sent, and how often codes and passwords are tried.
//!
//! A call reserves an event in every window that it concerns before it is forwarded; how it ends
//! decides which of them it gets back. A call of which no end is heard gets nothing back.

mod limit;
mod plan;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use limit::{End, Limit};
use plan::{Keys, Plan, is_sms};

use super::{Guard, Refusal};
use crate::account::{Call, Country, Operation, Problem, ProblemCode};
use crate::clock::{Clock, Moment};
use crate::config;
use crate::store::windows::{Denied, Reservation, Reserved, Settlement, Window, WindowStore};

/// How long a try at an account that was tried too often waits.
const SLOWED: Duration = Duration::from_secs(2);

/// How much longer than its call a reservation lives, if nobody settles it, in seconds.
const LEASE_SLACK: i64 = 10;

/// Seconds until a full memory may have room again.
const FULL_SECONDS: u64 = 60;

/// Seconds until a shared store that is away may be back.
const AWAY_SECONDS: u64 = 5;

/// What a caller may know of the limit that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The limit.
    pub limit: Limit,
    /// How many events it allows.
    pub quota: u32,
    /// Within how many seconds.
    pub window_seconds: u64,
    /// Seconds until there is room again; until then there is none.
    pub reset_seconds: u64,
}

/// What became of a call's event in one limit's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// It stays until its time is over.
    Kept,
    /// It was returned at once.
    Returned,
}

impl Decision {
    /// The stable name, for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Returned => "returned",
        }
    }
}

/// What settling a call's events came to.
#[derive(Debug, Default)]
pub struct Settled {
    /// The limits that the call concerned.
    pub limits: Vec<(Limit, Decision)>,
    /// The limit by which the next call has to wait.
    pub rate_limit: Option<RateLimit>,
}

/// A call may pass, and these are its events.
#[derive(Debug)]
pub struct Admission {
    owner: u128,
    at: Moment,
    limits: Vec<Limit>,
    windows: Vec<Window>,
    renewed: Vec<u128>,
    /// How long it waits before it is forwarded.
    pub delay: Duration,
}

/// A call may not pass.
#[derive(Debug)]
pub struct Throttled {
    /// What the caller is told.
    pub problem: Problem,
    /// What operators are told.
    pub refusal: Refusal,
    /// The limit that refused, where it is one with a wait.
    pub rate_limit: Option<RateLimit>,
}

/// Bounds sends and attempts.
pub struct Throttle {
    settings: config::Throttle,
    store: Arc<dyn WindowStore>,
    keys: Keys,
    country: Country,
    lease_seconds: i64,
    /// The next reservation's token: a random beginning, so that no two instances give the same one.
    next_owner: Mutex<u128>,
    clock: Arc<dyn Clock>,
}

impl Throttle {
    /// A throttle over a store, whose keys are digests under `key`: the store's shared one, if it has one.
    pub fn new(
        settings: &config::Settings,
        store: Arc<dyn WindowStore>,
        key: [u8; 16],
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self::build(settings, store, Keys::new(key), clock)
    }

    /// The same with other settings, for a reload: what was counted stays counted, in as much room
    /// as there was.
    pub fn renewed(&self, settings: &config::Settings) -> Self {
        Self::build(settings, self.store.clone(), self.keys, self.clock.clone())
    }

    fn build(
        settings: &config::Settings,
        store: Arc<dyn WindowStore>,
        keys: Keys,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let longest = i64::try_from(settings.limits.call_timeout.as_secs()).unwrap_or(DAY_SECONDS);
        Self {
            settings: settings.throttle.clone(),
            store,
            keys,
            country: settings.default_country,
            lease_seconds: longest.saturating_add(LEASE_SLACK),
            next_owner: Mutex::new(uuid::Uuid::new_v4().as_u128()),
            clock,
        }
    }

    /// Reserves what a call takes, if there is room for it.
    ///
    /// # Errors
    /// The limit that has no room, or no country that it may be sent to.
    pub async fn admit(&self, call: &Call, client: Option<IpAddr>) -> Result<Admission, Box<Throttled>> {
        self.check_country(call)?;
        let plan = Plan::of(&self.settings, self.keys, self.country, call, client);
        let at = self.clock.now();
        let owner = self.owner();
        let lease_seconds = self.lease_seconds;
        let reservation = Reservation { owner, windows: &plan.windows, lease_seconds };
        let reserved = match plan.windows.as_slice() {
            [] => Ok(Reserved { slowed: false }),
            _ => self.store.reserve(&reservation, at).await,
        };
        match reserved {
            Ok(reserved) => Ok(Admission {
                owner,
                at,
                limits: plan.limits,
                windows: plan.windows,
                renewed: plan.renewed,
                delay: if reserved.slowed { SLOWED } else { Duration::ZERO },
            }),
            Err(Denied::StoreFull) => Err(overloaded("full", FULL_SECONDS)),
            Err(Denied::Away) => Err(overloaded("store_away", AWAY_SECONDS)),
            Err(Denied::Window { index, until }) => match (plan.limits.get(index), plan.windows.get(index)) {
                (Some(limit), Some(window)) => Err(denied(*limit, window, wait(at, until))),
                _ => Err(overloaded("full", FULL_SECONDS)),
            },
        }
    }

    /// Returns what a call that ended so gets back, and keeps the rest.
    pub async fn settle(&self, admission: Admission, end: End) -> Settled {
        let Admission { owner, at, limits, windows, renewed, .. } = admission;
        let mut settled = Settled::default();
        let (mut returned, mut leased) = (Vec::new(), Vec::new());
        for (limit, window) in limits.into_iter().zip(windows) {
            if limit.is_returned_by(end) {
                returned.push(window);
                settled.limits.push((limit, Decision::Returned));
                continue;
            }
            if window.seconds < self.lease_seconds {
                leased.push(window);
            }
            if limit == Limit::DestinationInterval {
                let until = at.plus_seconds(window.seconds);
                settled.rate_limit = Some(rate_limit(limit, &window, wait(self.clock.now(), until)));
            }
            settled.limits.push((limit, Decision::Kept));
        }
        let cleared = if end == End::Success { renewed } else { Vec::new() };
        if !(returned.is_empty() && leased.is_empty() && cleared.is_empty()) {
            let (released, kept, cleared) = (&returned[..], &leased[..], &cleared[..]);
            let lease_seconds = self.lease_seconds;
            self.store.settle(&Settlement { owner, lease_seconds, released, kept, cleared }).await;
        }
        settled
    }

    /// Where it counts: the same for all throttles that reloads put in place.
    pub fn store(&self) -> &Arc<dyn WindowStore> {
        &self.store
    }

    fn owner(&self) -> u128 {
        let mut next = self.next_owner.lock().unwrap_or_else(PoisonError::into_inner);
        *next = next.wrapping_add(1);
        *next
    }

    fn check_country(&self, call: &Call) -> Result<(), Box<Throttled>> {
        let (Operation::SendCode, Some(allowed), Some(phone), true) =
            (call.operation, &self.settings.calling_codes, &call.phone, is_sms(call))
        else {
            return Ok(());
        };
        if allowed.contains(&phone.calling_code()) {
            return Ok(());
        }
        let problem = Problem::new(ProblemCode::NotPermitted).field("phone");
        Err(Box::new(Throttled {
            problem: problem.reason("is of a country that gets no codes"),
            refusal: Refusal { guard: Guard::Throttle, reason: "country" },
            rate_limit: None,
        }))
    }
}

const DAY_SECONDS: i64 = 86_400;

/// Whole seconds, rounded up, so that who waits so long is not refused once more.
fn wait(now: Moment, until: Moment) -> u64 {
    let millis = u64::try_from(until.millis().saturating_sub(now.millis())).unwrap_or_default();
    millis.div_ceil(1_000).max(1)
}

fn rate_limit(limit: Limit, window: &Window, reset_seconds: u64) -> RateLimit {
    RateLimit { limit, quota: window.limit, window_seconds: window.seconds.unsigned_abs(), reset_seconds }
}

fn denied(limit: Limit, window: &Window, wait: u64) -> Box<Throttled> {
    Box::new(Throttled {
        problem: limit.problem(wait),
        refusal: limit.refusal(),
        rate_limit: Some(rate_limit(limit, window, wait)),
    })
}

fn overloaded(reason: &'static str, wait: u64) -> Box<Throttled> {
    Box::new(Throttled {
        problem: Problem::new(ProblemCode::Overloaded).retry_after(wait),
        refusal: Refusal { guard: Guard::Throttle, reason },
        rate_limit: None,
    })
}
