//! May this call pass? Decisions over a store and a clock: the signature, the request's own time,
//! whether it was used before, how often codes are sent and tried, and whose call it is.

mod apps;
mod client_address;
mod floor;
mod refusal;
mod replay;
mod succession;
mod tenants;
mod throttle;

use std::sync::Arc;

pub use apps::{Apps, Verdict};
pub use client_address::{ClientAddresses, normalised, subscriber};
pub use floor::{Floor, FloorError};
pub use refusal::{Guard, Refusal};
pub use replay::{ReplayGuard, ReplayRefusal};
pub use succession::ReplayEstate;
pub use throttle::{Admission, Decision, End, Limit, RateLimit, Settled, Throttle, Throttled};

use crate::account::{Operation, Problem, ProblemCode};
use crate::clock::{Clock, Moment};
use crate::config::{App, Mode, NonceFormat};
use crate::sign::{Signature, Signed};
use crate::store::Receipt;

/// A signed request, as the guards see it.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// What it asks for.
    pub operation: Operation,
    /// The members that the signature vouches for.
    pub signed: &'a Signed,
    /// The value of its `Authorization` field.
    pub authorization: Option<&'a str>,
    /// Its query, as it was sent.
    pub query: &'a str,
    /// Its body, as it was sent.
    pub body: &'a [u8],
}

/// What the guards found of a request that may pass.
#[derive(Debug, Default)]
pub struct Admitted {
    /// The app, if its signature holds.
    pub app_id: Option<String>,
    /// Whether the app's old secret made the signature.
    pub old_secret: bool,
    /// What guards in `report` mode would have refused it for.
    pub would_refuse: Vec<Refusal>,
    /// The right to give the request's entry in the replay memory back.
    pub receipt: Option<Receipt>,
}

/// Why a request may not pass.
#[derive(Debug)]
pub struct Refused {
    /// What the caller is told.
    pub problem: Problem,
    /// What operators are told.
    pub refusal: Refusal,
    /// The app, if the config names it.
    pub app_id: Option<String>,
    /// What guards in `report` mode would have refused it for besides.
    pub would_refuse: Vec<Refusal>,
}

/// All guards of signed requests.
pub struct Guards {
    apps: Apps,
    replay: Arc<ReplayGuard>,
    clock: Arc<dyn Clock>,
}

impl Guards {
    /// Guards over these apps and this memory.
    pub fn new(apps: Apps, replay: Arc<ReplayGuard>, clock: Arc<dyn Clock>) -> Self {
        Self { apps, replay, clock }
    }

    /// The replay guard, for saving its memory and for figures.
    pub fn replay(&self) -> &Arc<ReplayGuard> {
        &self.replay
    }

    /// Whether some app's signature is enforced.
    pub fn enforces_signatures(&self) -> bool {
        self.apps.iter().any(|app| app.signature == Mode::Enforce)
    }

    /// Decides over one signed request: signature, time, replay, in this order. A request is
    /// remembered only if its signature holds.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn admit(&self, request: &SignedRequest<'_>) -> Result<Admitted, Box<Refused>> {
        let now = self.clock.now();
        let signed = request.signed;
        let signature = request.authorization.and_then(Signature::from_authorization);
        let (app, verdict) = self.apps.verify(request, signature.as_ref());
        let mut course = Course { app, would_refuse: Vec::new() };
        let Some(app) = app else {
            return Err(course.refuse(ProblemCode::SignatureInvalid, SIGNATURE_UNKNOWN_APP));
        };
        if let Some(reason) = verdict.failure() {
            course.apply(app.signature, ProblemCode::SignatureInvalid, Guard::Signature, reason)?;
        }
        if app.operations.as_ref().is_some_and(|operations| !operations.contains(&request.operation)) {
            return Err(course.refuse(ProblemCode::NotPermitted, SIGNATURE_OPERATION));
        }
        if !nonce_fits(app.nonce_format, &signed.nonce) {
            let problem = Problem::malformed("has not the form that this app must send").field("guard.nonce");
            return Err(course.refuse(problem, SIGNATURE_NONCE));
        }
        let in_time = window_failure(app, signed.time, now);
        if let Some(reason) = in_time {
            course.apply(app.signature, ProblemCode::RequestExpired, Guard::Clock, reason)?;
        }
        let mut receipt = None;
        if let (true, None, Some(signature)) = (verdict.holds(), in_time, signature) {
            receipt = self.check_replay(&mut course, app, signed, &signature, now).await?;
        }
        Ok(Admitted {
            app_id: verdict.holds().then(|| app.id.clone()),
            old_secret: verdict == Verdict::OldSecret,
            would_refuse: course.would_refuse,
            receipt,
        })
    }

    async fn check_replay(
        &self,
        course: &mut Course<'_>,
        app: &App,
        signed: &Signed,
        signature: &Signature,
        now: Moment,
    ) -> Result<Option<Receipt>, Box<Refused>> {
        if app.replay == Mode::Off {
            return Ok(None);
        }
        match self.replay.take(app, signed, signature, now).await {
            Ok(receipt) => Ok(Some(receipt)),
            Err(refused) => {
                course.apply(app.replay, refused.code(), Guard::Replay, refused.reason())?;
                Ok(None)
            }
        }
    }
}

const SIGNATURE_UNKNOWN_APP: Refusal = Refusal { guard: Guard::Signature, reason: "unknown_app" };
const SIGNATURE_OPERATION: Refusal = Refusal { guard: Guard::Signature, reason: "operation_not_allowed" };
const SIGNATURE_NONCE: Refusal = Refusal { guard: Guard::Signature, reason: "nonce_format" };

/// One request's way through the guards.
struct Course<'a> {
    app: Option<&'a App>,
    would_refuse: Vec<Refusal>,
}

impl Course<'_> {
    fn refuse(&mut self, problem: impl Into<Problem>, refusal: Refusal) -> Box<Refused> {
        Box::new(Refused {
            problem: problem.into(),
            refusal,
            app_id: self.app.map(|app| app.id.clone()),
            would_refuse: std::mem::take(&mut self.would_refuse),
        })
    }

    fn apply(
        &mut self,
        mode: Mode,
        code: ProblemCode,
        guard: Guard,
        reason: &'static str,
    ) -> Result<(), Box<Refused>> {
        let refusal = Refusal { guard, reason };
        match mode {
            Mode::Enforce => return Err(self.refuse(code, refusal)),
            Mode::Report => self.would_refuse.push(refusal),
            Mode::Off => {}
        }
        Ok(())
    }
}

fn nonce_fits(format: NonceFormat, nonce: &str) -> bool {
    match format {
        NonceFormat::Any => (1..=64).contains(&nonce.len()),
        NonceFormat::Alnum8 => nonce.len() == 8 && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric()),
    }
}

fn window_failure(app: &App, time: Moment, now: Moment) -> Option<&'static str> {
    let age = now.millis().saturating_sub(time.millis());
    let within = |limit: std::time::Duration| i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
    if age > within(app.past) {
        Some("too_old")
    } else if age.saturating_neg() > within(app.future) {
        Some("too_new")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
