//! Calls whose account lives in another region: which region is asked first, and the one more that may be
//! asked after it. At most one hop, never for a send, and only to regions of the table.

use http::request;

use super::backends::RegionBackend;
use super::exchange::{Exchange, Told};
use super::trust::Sides;
use super::{Arrival, Gateway};
use crate::account::{Call, Operation, Problem, ProblemCode, Purpose, Reply, Secret};
use crate::clock::Moment;
use crate::dialect::Dialect;
use crate::observe::{CallRecord, Hop, RoutedBy};
use crate::region::Elsewhere;
use crate::store::tokens::Slot;

/// How long a session's tokens are remembered whose end the backend does not tell, in seconds: as
/// long as coolkit's access tokens, and its refresh tokens.
const ACCESS_SECONDS: u64 = 30 * 86_400;
const REFRESH_SECONDS: u64 = 60 * 86_400;

/// How long what came with a code is remembered, and what binds a proven phone, in seconds.
const CHALLENGE_SECONDS: u64 = 300;
const BINDING_SECONDS: u64 = 3_600;

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
        if call.operation == Operation::SendCode || !self.follows() {
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
            // Not its username, which may look like the phone of somebody who lives elsewhere.
            let mut told = Call::new(call.operation);
            told.phone.clone_from(&account.phone);
            told.email.clone_from(&account.email);
            names = told.names(gateway.default_country);
        }
        let now = gateway.clock.now();
        for name in &names {
            if self.backend.region == home.region {
                gateway.learned.forget(name);
            } else {
                gateway.learned.learn(name, &self.backend.region, now);
            }
        }
    }

    /// Remembers whose region the tokens of a good answer are, as the client now holds them.
    pub(super) async fn remember(&self, home: &RegionBackend, reply: &mut Reply) -> Result<(), Problem> {
        if self.backend.region == home.region {
            return Ok(());
        }
        reply.region.get_or_insert_with(|| self.backend.region.to_string());
        let sides = self.sides();
        let habits = sides.client.habits();
        let mut tokens = Vec::new();
        if let Some(session) = &reply.session
            && (sides.same() || !habits.gateway_tokens)
        {
            tokens.push((&session.access_token, session.expires_in.unwrap_or(ACCESS_SECONDS)));
            let refresh = session.refresh_token.as_ref();
            let until = session.refresh_expires_in.unwrap_or(REFRESH_SECONDS);
            tokens.extend(refresh.map(|token| (token, until)));
        }
        if sides.same() {
            tokens.extend(reply.challenge.as_ref().map(|challenge| (challenge, CHALLENGE_SECONDS)));
        }
        for (token, seconds) in tokens {
            self.gateway.note_session(token, &self.backend.region, seconds).await?;
        }
        Ok(())
    }

    /// The same for what binds a proven phone later.
    pub(super) async fn remember_binding(
        &self,
        home: &RegionBackend,
        problem: &Problem,
    ) -> Result<(), Problem> {
        match &problem.bind_token {
            Some(token) if self.sides().same() && self.backend.region != home.region => {
                self.gateway.note_session(token, &self.backend.region, BINDING_SECONDS).await
            }
            _ => Ok(()),
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

/// What a region handed out earlier, and only that region can read.
fn presented(call: &Call) -> Vec<&Secret> {
    let challenge = call.verification.as_ref().and_then(|verification| verification.challenge.as_ref());
    let all = [call.token.as_ref(), call.refresh_token.as_ref(), challenge, call.bind_token.as_ref()];
    all.into_iter().flatten().collect()
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

    /// The region to which a token belongs that the gateway itself had sealed.
    fn sealed_for(&self, client: &crate::dialect::Pack, call: &Call, now: Moment) -> Option<&RegionBackend> {
        self.backends.iter().find(|backend| {
            let sides = Sides::of(self, client, backend);
            self.opens(sides, call, now)
        })
    }

    /// The region of a session that is sealed in this token, for clients of a listener's dialects.
    fn session_of(&self, arrival: &Arrival, token: &Secret, now: Moment) -> Option<&RegionBackend> {
        let mut call = Call::new(Operation::WhoAmI);
        call.token = Some(token.clone());
        let mut open = self.routes.open(arrival.listener).map(|index| self.pack(index));
        open.find_map(|dialect| self.sealed_for(dialect, &call, now))
    }

    /// The region to which one of these tokens was remembered to belong.
    async fn remembered(&self, tokens: &[&Secret], now: Moment) -> Result<Option<&RegionBackend>, Problem> {
        for token in tokens {
            let kept = self.trust.tokens.recall(Slot::Session(token), now).await;
            let region = kept.map_err(super::trust::store_failed)?;
            if let Some(found) = region.and_then(|region| self.backends.of(region.expose())) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The region to whose backend a request passes: that of its session, else the caller's own.
    ///
    /// # Errors
    /// When the region of its session can't be found out now.
    pub async fn passes_to(
        &self,
        arrival: &Arrival,
        head: &request::Parts,
        record: &mut CallRecord,
    ) -> Result<&str, Problem> {
        let home = self.backends.home(arrival.listener);
        let mut found = None;
        if self.backends.are_many() && self.regions.follows(false) {
            let open = self.routes.open(arrival.listener).map(|index| self.pack(index));
            let mut tokens: Vec<Secret> = open.flat_map(|dialect| dialect.tokens_of_head(head)).collect();
            tokens.sort_unstable_by(|one, other| one.expose().cmp(other.expose()));
            tokens.dedup();
            let now = self.clock.now();
            found = tokens.iter().find_map(|token| self.session_of(arrival, token, now));
            if found.is_none() {
                found = self.remembered(&tokens.iter().collect::<Vec<_>>(), now).await?;
            }
        }
        record.routed = found.map(|_| RoutedBy::Session);
        let region = &found.unwrap_or(home).region;
        record.region = Some(region.to_string());
        Ok(region)
    }

    async fn note_session(&self, token: &Secret, region: &str, seconds: u64) -> Result<(), Problem> {
        let now = self.clock.now();
        let until = now.plus_seconds(i64::try_from(seconds).unwrap_or(i64::MAX).min(10 * 365 * 86_400));
        let kept = self.trust.tokens.keep(Slot::Session(token), &Secret::from(region), until, now).await;
        kept.map_err(super::trust::store_failed)
    }
}
