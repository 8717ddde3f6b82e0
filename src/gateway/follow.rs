//! Calls whose account lives in another region: which region is asked first, and the one more that may be
//! asked after it. At most one hop, never for a send, and only to regions of the table.

use super::Gateway;
use super::backends::RegionBackend;
use super::exchange::{Exchange, Told};
use super::session_regions::presented;
use crate::account::{Call, Operation, Problem, ProblemCode, Purpose, Reply};
use crate::clock::Moment;
use crate::dialect::Dialect;
use crate::observe::{CallRecord, Hop, RoutedBy};
use crate::region::Elsewhere;

/// The region that a call goes to first, and why.
#[derive(Clone, Copy)]
pub(super) struct Start<'a> {
    pub backend: &'a RegionBackend,
    pub by: Option<RoutedBy>,
}

/// What came of a call after the hop that it may have taken.
pub(super) struct Followed<'a> {
    /// The exchange with the region that had the last word.
    pub exchange: Exchange<'a>,
    pub told: Result<Reply, Told>,
    /// Whether each region before the last one provably did nothing.
    pub untouched: bool,
}

impl<'a> Exchange<'a> {
    /// Where a call goes first: to the region whose session or challenge it presents, else to where its
    /// account was found before, else home.
    pub(super) async fn start(&self, call: &Call, now: Moment) -> Result<Start<'a>, Problem> {
        let home = Start { backend: self.backend, by: None };
        if !self.follows() {
            return Ok(home);
        }
        let gateway = self.gateway;
        let presented = presented(call);
        if !presented.is_empty() {
            let sealed = gateway.sealed_for(self.client, call, now);
            let found = match sealed {
                Some(backend) => Some(backend),
                None => gateway.remembered(&presented, now).await?,
            };
            return Ok(found.map_or(home, |found| self.routed(found, RoutedBy::Session)));
        }
        if !may_be_learned(call) {
            return Ok(home);
        }
        let names = call.names(gateway.default_country);
        let region = names.iter().find_map(|name| gateway.learned.region_of(name, now));
        let found = region.and_then(|region| gateway.backends.of(&region));
        Ok(found.map_or(home, |found| self.routed(found, RoutedBy::Learned)))
    }

    fn routed(&self, backend: &'a RegionBackend, by: RoutedBy) -> Start<'a> {
        let away = backend.region != self.backend.region;
        Start { backend, by: away.then_some(by) }
    }

    /// Whether the gateway itself asks other regions for this client.
    fn follows(&self) -> bool {
        let gateway = self.gateway;
        gateway.backends.are_many() && gateway.regions.follows(self.client.habits().tells_region)
    }

    /// Asks the one more region that an answer calls for, and learns from how the call ended. `self` asked
    /// first; `home` serves the caller.
    pub(super) async fn follow(
        self,
        home: &'a RegionBackend,
        start: Start<'a>,
        call: &mut Call,
        told: Result<Reply, Told>,
        record: &mut CallRecord,
    ) -> Followed<'a> {
        let mut followed = Followed { exchange: self, told, untouched: true };
        if let Err(told) = &mut followed.told
            && start.by == Some(RoutedBy::Learned)
            && call.operation == Operation::SendCode
            && told.problem.code == ProblemCode::WrongRegion
        {
            // The caller's own region may be the one that is named. It did not ask for the detour, and the
            // next try goes home.
            self.gateway.forget(call);
            told.problem = ProblemCode::SendFailed.into();
        }
        if let Err(first) = &followed.told
            && let Some(next) = self.next(home, start, call, &first.problem)
        {
            followed.untouched = first.problem.code == ProblemCode::WrongRegion;
            self.note_hop(record);
            let there = self.at(next);
            self.leave_behind(there, call);
            followed.told = there.attempt(call, record).await;
            followed.exchange = there;
        }
        if let Ok(reply) = &followed.told {
            followed.exchange.learn(home, call, reply);
        }
        followed
    }

    /// The one more region to ask, if there is one. Forgets what an answer proves wrong.
    fn next(
        &self,
        home: &'a RegionBackend,
        start: Start<'a>,
        call: &Call,
        problem: &Problem,
    ) -> Option<&'a RegionBackend> {
        let learned = start.by == Some(RoutedBy::Learned);
        let refuted = matches!(
            problem.code,
            ProblemCode::AccountNotFound | ProblemCode::CredentialsInvalid | ProblemCode::WrongRegion
        );
        if learned && refuted {
            self.gateway.forget(call);
        }
        // A session is its region's own: no other one is shown its tokens.
        let is_bound = start.by == Some(RoutedBy::Session) || self.sides().unseals(call);
        if call.operation == Operation::SendCode || is_bound || !self.follows() {
            return None;
        }
        match problem.code {
            ProblemCode::WrongRegion => self.gateway.backends.of(problem.region.as_deref()?),
            ProblemCode::AccountNotFound if learned => Some(home),
            _ => None,
        }
    }

    fn note_hop(&self, record: &mut CallRecord) {
        record.hops += 1;
        record.hop = Some(Hop {
            region: self.backend.region.to_string(),
            upstream: self.sides().upstream.name(),
            attempts: record.attempts.len(),
        });
    }

    /// Takes out of a call what only the backend could read that was asked first: what it had handed out in
    /// another dialect, and what was remembered for a client that has no place for it.
    fn leave_behind(&self, there: Self, call: &mut Call) {
        let same = self.sides().upstream.name() == there.sides().upstream.name();
        if !same {
            call.bind_token = None;
        }
        if let Some(verification) = &mut call.verification
            && !(same && self.client.habits().carries_challenge)
        {
            verification.challenge = None;
        }
    }

    /// Only who got in teaches where the account lives.
    fn learn(&self, home: &RegionBackend, call: &Call, reply: &Reply) {
        let teaches = matches!(call.operation, Operation::Login | Operation::LoginCode | Operation::Refresh);
        if !teaches || !self.follows() {
            return;
        }
        let gateway = self.gateway;
        let mut names = call.names(gateway.default_country);
        if let (true, Some(account)) = (names.is_empty(), &reply.account) {
            // A phone is had by its code. A username may look like somebody else's phone, and where e-mail
            // addresses are not proven anybody may say to have one of somebody who lives elsewhere.
            let mut told = Call::new(call.operation);
            told.phone.clone_from(&account.phone);
            names = told.names(gateway.default_country);
        }
        let now = gateway.clock.now();
        let region = &self.backend.region;
        for name in &names {
            if *region != home.region {
                gateway.learned.learn(name, region, now);
            } else if gateway.learned.region_of(name, now).is_some_and(|known| *known != **region) {
                gateway.learned.forget(name);
            }
        }
    }

    /// A region that a backend named becomes one of the table, or an error that names none.
    pub(super) fn located(&self, call: &Call, problem: Problem, record: &mut CallRecord) -> Problem {
        if problem.code != ProblemCode::WrongRegion {
            return problem;
        }
        match self.gateway.regions.elsewhere(call, &problem, &self.backend.region) {
            Elsewhere::Region(region) => problem.region(region.name.clone()),
            Elsewhere::Same => disagreed(record),
            Elsewhere::Nowhere => ProblemCode::UpstreamUnintelligible.into(),
        }
    }
}

/// What a client is told whose account lives elsewhere: never the region that it has just asked, or it
/// would ask there for ever.
pub(super) fn tell(problem: Problem, home: &RegionBackend, record: &mut CallRecord) -> Problem {
    let names_home = problem.region.as_deref() == Some(&*home.region);
    if problem.code == ProblemCode::WrongRegion && names_home { disagreed(record) } else { problem }
}

fn disagreed(record: &mut CallRecord) -> Problem {
    record.regions_disagree = true;
    ProblemCode::Internal.into()
}

/// Whether what was learned of an account may decide where a call goes. New accounts are made at home.
fn may_be_learned(call: &Call) -> bool {
    !matches!(call.operation, Operation::Register | Operation::Region)
        && call.purpose != Some(Purpose::Register)
}

impl Gateway {
    fn forget(&self, call: &Call) {
        for name in call.names(self.default_country) {
            self.learned.forget(&name);
        }
    }
}
