//! What the gateway itself hands to clients and takes back: sealed challenges and tokens, and
//! challenges kept for clients whose dialect has no place for one.

use std::sync::Arc;

use super::Gateway;
use super::backends::RegionBackend;
use crate::account::{Call, Operation, Problem, ProblemCode, Purpose, Reply, Secret, Session};
use crate::clock::Moment;
use crate::dialect::{Dialect, Habits, Pack, integer_of};
use crate::seal::session_token::{self, Claims, LIFETIME_SECONDS, SessionToken, UpstreamSession};
use crate::seal::{Audience, Content, Context, Kind, SealKeys};
use crate::store::StoreError;
use crate::store::tokens::{Destination, SingleUse, Slot, SpendReceipt, Spent, TokenStore};

/// How long a code may be answered, in seconds: the documents' five minutes.
const CHALLENGE_SECONDS: i64 = 300;

/// How long a proven phone may be bound, in seconds: an hour, as Discuz! Q's `mobileToken`.
const BINDING_SECONDS: i64 = 3600;

/// An upstream's session is renewed when it ends within so many seconds.
const RENEWED_WITHIN_SECONDS: i64 = 86_400;

/// Keys, and what is remembered between two calls.
pub(super) struct Trust {
    pub keys: Arc<SealKeys>,
    pub tokens: Arc<dyn TokenStore>,
}

/// What a call brought that the gateway had issued.
#[derive(Default)]
pub(super) struct Opened {
    /// The session that the caller's token stands for.
    pub session: Option<SessionToken>,
    /// The token that holds once, and is spent by this call's success.
    pub receipt: Option<SpendReceipt>,
    /// The ids of the keys that opened it.
    pub keys: Vec<String>,
}

/// The dialects on both sides of a call, and the region that it goes to.
#[derive(Clone, Copy)]
pub(super) struct Sides<'a> {
    pub client: &'a Pack,
    pub upstream: &'a Pack,
    pub backend: &'a RegionBackend,
}

impl<'a> Sides<'a> {
    /// A client's dialect, and that of a region's backend.
    pub fn of(gateway: &'a Gateway, client: &'a Pack, backend: &'a RegionBackend) -> Self {
        Self { client, upstream: gateway.pack(backend.dialect), backend }
    }

    /// Whether what one side issues the other can read.
    pub fn same(self) -> bool {
        self.client.name() == self.upstream.name()
    }

    /// Whether the call's token is a session of this very backend, which the gateway had sealed for its client.
    /// Another region's backend must neither see it nor have it sealed anew as its own.
    pub fn unseals(self, call: &Call) -> bool {
        call.token.is_some() && self.client_habits().gateway_tokens && !self.same()
    }

    fn client_habits(&self) -> &Habits {
        self.client.habits()
    }
}

impl Gateway {
    fn audience<'a>(sides: Sides<'a>, app: Option<&'a str>) -> Audience<'a> {
        Audience { dialect: sides.client.name(), app, region: &sides.backend.region }
    }

    /// Opens what the gateway had issued to the caller, and puts what is in it into the call.
    pub(super) async fn open(
        &self,
        sides: Sides<'_>,
        call: &mut Call,
        now: Moment,
    ) -> Result<Opened, Problem> {
        let mut opened = Opened::default();
        if sides.same() {
            note_challenged_phone(sides, call)?;
            return Ok(opened);
        }
        if sides.unseals(call)
            && let Some(token) = &call.token
        {
            let audience = Self::audience(sides, call.client.app_id.as_deref());
            let session = session_token::read(&self.trust.keys, token.expose(), audience, now);
            let session = session.map_err(|_| Problem::new(ProblemCode::TokenInvalid))?;
            call.token = Some(session.upstream.access_token.clone());
            let account = (sides.backend.region.clone(), session.claims.uuid);
            call.client.account = Some(account).filter(|(_, id)| *id != 0);
            opened.keys.push(session.key.clone());
            opened.session = Some(session);
        }
        if sides.client_habits().carries_challenge {
            opened.keys.extend(self.open_challenge(sides, call, now)?);
        }
        if call.bind_token.is_some() {
            let (receipt, key) = self.open_binding(sides, call, now).await?;
            opened.receipt = Some(receipt);
            opened.keys.push(key);
        }
        Ok(opened)
    }

    /// Whether the gateway had sealed what a call presents for these sides.
    pub(super) fn opens(&self, sides: Sides<'_>, call: &Call, now: Moment) -> bool {
        if sides.same() {
            return false;
        }
        let app = call.client.app_id.as_deref();
        let (keys, habits) = (&self.trust.keys, sides.client_habits());
        if let Some(token) = call.token.as_ref().filter(|_| habits.gateway_tokens) {
            return session_token::read(keys, token.expose(), Self::audience(sides, app), now).is_ok();
        }
        let challenge = call.verification.as_ref().and_then(|verification| verification.challenge.as_ref());
        if let Some(challenge) = challenge.filter(|_| habits.carries_challenge) {
            let context = self.challenge_context(sides, call.operation.purpose_of_code(), app);
            return keys.open(challenge.expose(), &context, now).is_ok();
        }
        let binding = call.bind_token.as_ref();
        binding.is_some_and(|token| keys.open(token.expose(), &self.binding_context(sides, app), now).is_ok())
    }

    /// What is in a session's token that the gateway had issued for this backend.
    pub(super) fn opened_token(&self, sides: Sides<'_>, call: &Call, now: Moment) -> Option<Secret> {
        let token = call.token.as_ref().filter(|_| sides.unseals(call))?;
        let audience = Self::audience(sides, call.client.app_id.as_deref());
        let session = session_token::read(&self.trust.keys, token.expose(), audience, now).ok()?;
        Some(session.upstream.access_token.clone())
    }

    fn open_challenge(
        &self,
        sides: Sides<'_>,
        call: &mut Call,
        now: Moment,
    ) -> Result<Option<String>, Problem> {
        let names_destination = sides.client_habits().challenge_names_destination;
        let refused = || Problem::invalid("verification.challenge", "is not valid or has expired");
        let app = call.client.app_id.clone();
        let context = self.challenge_context(sides, call.operation.purpose_of_code(), app.as_deref());
        let Some(verification) = &mut call.verification else { return Ok(None) };
        let Some(challenge) = &verification.challenge else {
            return if names_destination {
                Err(Problem::missing("verification.challenge"))
            } else {
                Ok(None)
            };
        };
        let opened = self.trust.keys.open(challenge.expose(), &context, now).map_err(|_| refused())?;
        let content = opened.content;
        verification.challenge = content.challenge;
        let other = |known: bool, same: bool| known && !same;
        if other(call.phone.is_some(), call.phone == content.phone)
            || other(call.email.is_some(), call.email == content.email)
        {
            return Err(refused());
        }
        call.phone = content.phone;
        call.email = content.email;
        Ok(Some(opened.key))
    }

    fn challenge_context<'a>(
        &'a self,
        sides: Sides<'a>,
        purpose: Option<Purpose>,
        app: Option<&'a str>,
    ) -> Context<'a> {
        let names_destination = sides.client.habits().challenge_names_destination;
        Context {
            kind: if names_destination { Kind::PhoneInfo } else { Kind::Challenge },
            operation: Some(Operation::SendCode),
            purpose,
            audience: Self::audience(sides, app),
        }
    }

    fn binding_context<'a>(&'a self, sides: Sides<'a>, app: Option<&'a str>) -> Context<'a> {
        let audience = Self::audience(sides, app);
        Context { kind: Kind::MobileToken, operation: Some(Operation::LoginCode), purpose: None, audience }
    }

    async fn open_binding(
        &self,
        sides: Sides<'_>,
        call: &mut Call,
        now: Moment,
    ) -> Result<(SpendReceipt, String), Problem> {
        let refused = || Problem::invalid("bind_token", "is not valid or has expired");
        let app = call.client.app_id.clone();
        let context = self.binding_context(sides, app.as_deref());
        let token = call.bind_token.take().unwrap_or_default();
        let opened = self.trust.keys.open(token.expose(), &context, now).map_err(|_| refused())?;
        let Content { phone, email, challenge, issued, expires } = opened.content;
        call.bind_token = challenge;
        call.phone = call.phone.take().or(phone);
        call.email = call.email.take().or(email);
        match self.trust.tokens.spend(SingleUse { digest: opened.digest, issued, expires }, now).await {
            Ok(Spent::Now(receipt)) => Ok((receipt, opened.key)),
            Ok(Spent::Before) | Err(StoreError::BelowFloor) => Err(refused()),
            Err(error) => Err(store_failed(error)),
        }
    }

    /// Puts the upstream's challenge into a call whose client had no place for it.
    pub(super) async fn recall(&self, sides: Sides<'_>, call: &mut Call, now: Moment) -> Result<(), Problem> {
        let wants = sides.upstream.habits().carries_challenge && !sides.same();
        let purpose = call.operation.purpose_of_code();
        let (true, Some(purpose), Some(verification)) = (wants, purpose, &call.verification) else {
            return Ok(());
        };
        if verification.challenge.is_some() {
            return Ok(());
        }
        let Some(slot) = slot(sides, call, purpose) else { return Ok(()) };
        let kept = self.trust.tokens.recall(slot, now).await.map_err(store_failed)?;
        if kept.is_none() && sides.upstream.habits().challenge_names_destination {
            // No code was asked for here, or its time is over.
            return Err(ProblemCode::CodeExpired.into());
        }
        if let Some(verification) = &mut call.verification {
            verification.challenge = kept;
        }
        Ok(())
    }

    /// Makes of the upstream's challenge what the client can bring back, or keeps it for it.
    pub(super) async fn hand_challenge(
        &self,
        sides: Sides<'_>,
        call: &Call,
        reply: &mut Reply,
        now: Moment,
    ) -> Result<(), Problem> {
        if sides.same() || call.operation != Operation::SendCode {
            return Ok(());
        }
        let issued = reply.challenge.take();
        let until = now.plus_seconds(CHALLENGE_SECONDS);
        let habits = sides.client_habits();
        if habits.carries_challenge && (issued.is_some() || habits.challenge_names_destination) {
            let context = self.challenge_context(sides, call.purpose, call.client.app_id.as_deref());
            let content = content(call, issued, now, until);
            reply.challenge =
                Some(self.trust.keys.seal(&context, &content).map_err(|_| ProblemCode::Internal)?);
            return Ok(());
        }
        if let (Some(challenge), Some(purpose)) = (issued, call.purpose)
            && let Some(slot) = slot(sides, call, purpose)
        {
            self.trust.tokens.keep(slot, &challenge, until, now).await.map_err(store_failed)?;
        }
        Ok(())
    }

    /// Seals the upstream's proof of a phone or e-mail for the client.
    pub(super) fn hand_binding(
        &self,
        sides: Sides<'_>,
        call: &Call,
        mut problem: Problem,
        now: Moment,
    ) -> Problem {
        if sides.same() {
            return problem;
        }
        if let Some(token) = problem.bind_token.take() {
            let context = self.binding_context(sides, call.client.app_id.as_deref());
            let content = content(call, Some(token), now, now.plus_seconds(BINDING_SECONDS));
            problem.bind_token = self.trust.keys.seal(&context, &content).ok();
        }
        problem
    }

    /// Puts the session into a token of the gateway's own, where the client reads its tokens.
    pub(super) fn hand_session(
        &self,
        sides: Sides<'_>,
        call: &Call,
        opened: Option<&SessionToken>,
        reply: &mut Reply,
        now: Moment,
    ) -> Result<(), Problem> {
        if sides.same() || !sides.client_habits().gateway_tokens || call.operation == Operation::LogOut {
            return Ok(());
        }
        let upstream = match (&reply.session, opened) {
            (Some(session), _) => UpstreamSession {
                access_token: session.access_token.clone(),
                access_expires: session.ends(now),
                refresh_token: session.refresh_token.clone(),
            },
            // Every answer to an authenticated call carries the newest token: that is how it slides.
            (None, Some(opened)) => opened.upstream.clone(),
            (None, None) => return Ok(()),
        };
        let claims = claims(reply, opened);
        let audience = Self::audience(sides, call.client.app_id.as_deref());
        let token = session_token::issue(&self.trust.keys, &claims, &upstream, audience, now);
        let token = token.map_err(|_| ProblemCode::Internal)?;
        reply.session = Some(Session {
            access_token: token,
            expires_in: u64::try_from(LIFETIME_SECONDS).ok(),
            refresh_token: None,
            refresh_expires_in: None,
        });
        Ok(())
    }
}

/// The backend's own challenge goes back to it unread. Nothing proves it, and one phone can be written into it in many
/// ways: so the limits must know the phone.
fn note_challenged_phone(sides: Sides<'_>, call: &mut Call) -> Result<(), Problem> {
    let challenge = call.verification.as_ref().and_then(|verification| verification.challenge.as_ref());
    let (None, None, Some(challenge)) = (&call.phone, &call.email, challenge) else { return Ok(()) };
    call.phone = sides.client.challenged_phone(challenge)?;
    Ok(())
}

/// When the upstream's session is renewed, if at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewal {
    /// It has ended, and no call is answered without a new one.
    BeforeTheCall,
    /// It ends soon. The new one is had when the call went well: with a bad answer nobody would learn of it, and the old
    /// one is dead by then.
    AfterTheCall,
}

/// Whether and when the upstream's session is to be renewed.
pub(super) fn renewal(opened: &Opened, now: Moment) -> Option<(Renewal, &Secret)> {
    let upstream = &opened.session.as_ref()?.upstream;
    let (end, refresh_token) = (upstream.access_expires?, upstream.refresh_token.as_ref()?);
    if end <= now {
        return Some((Renewal::BeforeTheCall, refresh_token));
    }
    let soon = end <= now.plus_seconds(RENEWED_WITHIN_SECONDS);
    soon.then_some((Renewal::AfterTheCall, refresh_token))
}

fn slot<'a>(sides: Sides<'a>, call: &'a Call, purpose: Purpose) -> Option<Slot<'a>> {
    let phone = call.phone.as_ref().map(Destination::Phone);
    let destination = phone.or(call.email.as_ref().map(Destination::Email))?;
    Some(Slot::Challenge { upstream: sides.backend.slot.as_str(), purpose, destination })
}

fn content(call: &Call, challenge: Option<Secret>, issued: Moment, expires: Moment) -> Content {
    Content { phone: call.phone.clone(), email: call.email.clone(), challenge, issued, expires }
}

fn claims(reply: &Reply, opened: Option<&SessionToken>) -> Claims {
    let known = opened.map(|opened| &opened.claims);
    let Some(account) = &reply.account else {
        return known.cloned().unwrap_or(Claims {
            uuid: 0,
            name: String::new(),
            email: String::new(),
            phone: String::new(),
            version: 1,
        });
    };
    let number = |id: &String| u64::try_from(integer_of(id)).unwrap_or_default();
    Claims {
        uuid: account.id.as_ref().map(number).or(known.map(|known| known.uuid)).unwrap_or_default(),
        name: account.username.clone().or(known.map(|known| known.name.clone())).unwrap_or_default(),
        email: account.email.as_ref().map(|email| email.as_str().to_owned()).unwrap_or_default(),
        phone: account.phone.as_ref().map(|phone| phone.national().to_owned()).unwrap_or_default(),
        version: known.map_or(1, |known| known.version),
    }
}

pub(super) fn store_failed(error: StoreError) -> Problem {
    tracing::warn!(%error, "what the gateway remembers between two calls is out of reach");
    Problem::new(ProblemCode::Overloaded).retry_after(1)
}
