//! Which address of a backend gets the next call.
//!
//! Of `pingora-load-balancing` nothing would be left but round robin and a health check: it knows
//! neither least connections, nor ejection by what calls meet with, nor its bounds, nor a recovery
//! in steps. So this is a small balancer of our own, which costs a lone address next to nothing.
//!
//! An address is ejected for connections that fail, resets and time-outs in a row, never for an
//! answer: whoever can make a backend answer 500 must not be able to take it out of service. At most
//! half of the addresses are ejected. Those that are out are tried last, so that with all of them
//! out all are tried.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::FailureKind;
use super::addresses::{Addresses, Instance};
use super::figures::{Cause, RegionFigures};
use crate::config::{Balancing, HealthCheck, HttpUpstream, Policy};
use health::{Health, Progress, Verdict};

mod health;
#[cfg(test)]
mod tests;

/// Shares the calls to one backend among its addresses.
pub struct Balancer {
    addresses: Arc<Addresses<Note>>,
    settings: Balancing,
    turn: AtomicUsize,
    /// Held while the ejected ones are counted and one more becomes one.
    ejecting: Mutex<()>,
    figures: RegionFigures,
}

/// What is noted of an address.
#[derive(Default)]
struct Note {
    calls: AtomicUsize,
    /// Whether its health has to be looked at: for an address that is well, one load decides.
    is_troubled: AtomicBool,
    health: Mutex<Health>,
}

/// One call's share of an address, given back when dropped.
pub struct Lease(Arc<Instance<Note>>);

impl Lease {
    /// The address.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.note.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Note {
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_out(&self) -> bool {
        self.is_troubled.load(Ordering::Relaxed) && self.health().is_out()
    }

    fn admits(&self, now: Instant) -> bool {
        !self.is_troubled.load(Ordering::Relaxed)
            || self.health().admits(self.calls.load(Ordering::Relaxed), now)
    }
}

impl Balancer {
    /// A balancer for the addresses of these settings.
    pub fn new(settings: &HttpUpstream, figures: RegionFigures) -> Self {
        Self {
            addresses: Arc::new(Addresses::new(&settings.addresses)),
            settings: settings.balancing.clone(),
            turn: AtomicUsize::new(0),
            ejecting: Mutex::new(()),
            figures,
        }
    }

    pub(super) const fn figures(&self) -> &RegionFigures {
        &self.figures
    }

    /// Waits until the addresses are known, if they are not.
    pub async fn resolve(&self) {
        if self.addresses.are_due() {
            Box::pin(self.addresses.refresh()).await;
        }
    }

    /// The address for a call that was tried at these already; `None` when there is no other.
    pub fn pick(&self, tried: &[SocketAddr]) -> Option<Lease> {
        let known = self.addresses.known();
        let instance = match known.as_slice() {
            [] => None,
            [only] => Some(only).filter(|only| !tried.contains(&only.address)),
            several => {
                let turn = self.turn.fetch_add(1, Ordering::Relaxed);
                let now = Instant::now();
                let untried = |one: &&Arc<Instance<Note>>| !tried.contains(&one.address);
                self.choose(turn, several, |one| untried(&one) && one.note.admits(now))
                    .or_else(|| self.choose(turn, several, |one| untried(&one)))
            }
        }?;
        instance.note.calls.fetch_add(1, Ordering::Relaxed);
        Some(Lease(Arc::clone(instance)))
    }

    /// Whether there is an address besides these.
    pub fn has_other(&self, tried: &[SocketAddr]) -> bool {
        self.addresses.known().iter().any(|one| !tried.contains(&one.address))
    }

    /// One of those that are fit, by the policy.
    fn choose<'a>(
        &self,
        turn: usize,
        all: &'a [Arc<Instance<Note>>],
        is_fit: impl Fn(&Arc<Instance<Note>>) -> bool,
    ) -> Option<&'a Arc<Instance<Note>>> {
        let fit = || all.iter().filter(|one| is_fit(one));
        let place = turn.checked_rem(fit().count())?;
        match self.settings.policy {
            Policy::RoundRobin => fit().nth(place),
            // Beginning with another one each time, so that idle ones take turns.
            Policy::LeastConnections => {
                let calls = |one: &&Arc<Instance<Note>>| one.note.calls.load(Ordering::Relaxed);
                fit().skip(place).chain(fit().take(place)).min_by_key(calls)
            }
        }
    }

    /// Notes that an address answered, whatever it was.
    pub fn answered(&self, lease: &Lease) {
        let note = &lease.0.note;
        if !note.is_troubled.load(Ordering::Relaxed) {
            return;
        }
        let mut health = note.health();
        let progress = health.answered();
        note.is_troubled.store(!health.is_perfect(), Ordering::Relaxed);
        drop(health);
        match progress {
            Progress::Unchanged => return,
            Progress::Answers => {}
            Progress::Recovered => {
                log::info!("upstream {}: has its whole share of calls again", lease.address());
                self.figures.recovered(lease.0.index);
            }
        }
        self.show(lease.0.index);
    }

    /// Notes that an address failed; some kinds of failure eject it.
    pub fn failed(&self, lease: &Lease, kind: FailureKind) {
        let (Some(cause), Some(ejection)) = (cause_of(kind), &self.settings.ejection) else {
            return;
        };
        let _ejecting = self.ejecting.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.addresses.known();
        // Before its own health is locked: it is among them.
        let out = known.iter().filter(|one| one.note.is_out()).count();
        let note = &lease.0.note;
        let mut health = note.health();
        note.is_troubled.store(true, Ordering::Relaxed);
        let Some(time) = health.failed(ejection) else { return };
        if (out + 1) * 2 > known.len() {
            return health.spare();
        }
        health.eject(Instant::now() + time);
        drop(health);
        log::warn!("upstream {}: no calls for {time:?}, cause: {}", lease.address(), cause.name());
        self.figures.ejected(lease.0.index, cause);
        self.show(lease.0.index);
    }

    /// All addresses, to be checked.
    pub(super) fn all(&self) -> Vec<Lease> {
        let lease = |one: &Arc<Instance<Note>>| {
            one.note.calls.fetch_add(1, Ordering::Relaxed);
            Lease(Arc::clone(one))
        };
        self.addresses.known().iter().map(lease).collect()
    }

    /// Notes what a health check of an address said.
    pub(super) fn checked(&self, lease: &Lease, good: bool, check: &HealthCheck) {
        let note = &lease.0.note;
        let mut health = note.health();
        let verdict = health.checked(good, check);
        note.is_troubled.store(!health.is_perfect(), Ordering::Relaxed);
        drop(health);
        match verdict {
            Verdict::Unchanged => return,
            Verdict::Unwell => {
                log::warn!("upstream {}: no calls, its health checks fail", lease.address());
                self.figures.ejected(lease.0.index, Cause::Check);
            }
            Verdict::Well => log::info!("upstream {}: its health checks are good again", lease.address()),
        }
        self.show(lease.0.index);
    }

    /// Shows whether something of what is configured at this place takes calls.
    fn show(&self, index: usize) {
        let known = self.addresses.known();
        let up = known.iter().any(|one| one.index == index && !one.note.is_out());
        self.figures.set_address(index, up);
    }
}

/// Answers never count against an address, whatever they were, and neither does having no room.
const fn cause_of(kind: FailureKind) -> Option<Cause> {
    match kind {
        FailureKind::ConnectFailed | FailureKind::ConnectTimeout | FailureKind::TlsFailed => {
            Some(Cause::Connect)
        }
        FailureKind::ClosedBeforeAnswer | FailureKind::ClosedWithinAnswer => Some(Cause::Reset),
        FailureKind::AnswerTimeout | FailureKind::BodyTimeout => Some(Cause::Timeout),
        FailureKind::Malformed | FailureKind::TooLarge | FailureKind::Busy => None,
    }
}
