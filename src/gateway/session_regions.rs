//! Which region a token is of: sealed in it by the gateway itself, or remembered from when a region's
//! backend handed it out.

use http::request;

use super::backends::RegionBackend;
use super::exchange::Exchange;
use super::moved_token::Onward;
use super::trust::{Sides, store_failed};
use super::{Arrival, Gateway};
use crate::account::{Call, Operation, Problem, Reply, Secret};
use crate::clock::Moment;
use crate::dialect::{Dialect, Pack};
use crate::observe::{CallRecord, RoutedBy};
use crate::store::tokens::Slot;

/// How long a session's tokens are remembered whose end the backend does not tell, in seconds: as
/// long as coolkit's access tokens, and its refresh tokens.
const ACCESS_SECONDS: u64 = 30 * 86_400;
const REFRESH_SECONDS: u64 = 60 * 86_400;

/// How long what came with a code is remembered, and what binds a proven phone, in seconds.
const CHALLENGE_SECONDS: u64 = 300;
const BINDING_SECONDS: u64 = 3_600;

/// What a region handed out earlier, and only that region can read.
pub(super) fn presented(call: &Call) -> Vec<&Secret> {
    let challenge = call.verification.as_ref().and_then(|verification| verification.challenge.as_ref());
    let all = [call.token.as_ref(), call.refresh_token.as_ref(), challenge, call.bind_token.as_ref()];
    all.into_iter().flatten().collect()
}

impl Exchange<'_> {
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
}

impl Gateway {
    /// The region to which a token belongs that the gateway itself had sealed.
    pub(super) fn sealed_for(&self, client: &Pack, call: &Call, now: Moment) -> Option<&RegionBackend> {
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
    pub(super) async fn remembered(
        &self,
        tokens: &[&Secret],
        now: Moment,
    ) -> Result<Option<&RegionBackend>, Problem> {
        for token in tokens {
            let kept = self.trust.tokens.recall(Slot::Session(token), now).await;
            let region = kept.map_err(store_failed)?;
            if let Some(found) = region.and_then(|region| self.backends.of(region.expose())) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The region to whose backend a request passes – that of its session, else the caller's own – and what becomes
    /// of its token.
    ///
    /// # Errors
    /// When the region of its session can't be found out now.
    pub async fn passes_to(
        &self,
        arrival: &Arrival,
        head: &request::Parts,
        record: &mut CallRecord,
    ) -> Result<Onward, Problem> {
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
        let backend = found.unwrap_or(home);
        let region = backend.region.to_string();
        record.region = Some(region.clone());
        let token = self.moved_token(arrival, head, backend, self.clock.now());
        Ok(Onward { region, token })
    }

    async fn note_session(&self, token: &Secret, region: &str, seconds: u64) -> Result<(), Problem> {
        let now = self.clock.now();
        let until = now.plus_seconds(i64::try_from(seconds).unwrap_or(i64::MAX).min(10 * 365 * 86_400));
        let kept = self.trust.tokens.keep(Slot::Session(token), &Secret::from(region), until, now).await;
        kept.map_err(store_failed)
    }
}
