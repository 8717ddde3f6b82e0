//! The exchange: detect, decode, guard, route, encode, upstream, decode, encode. No sockets and
//! no Pingora types: bytes in, bytes out.

mod admission;
mod backends;
mod exchange;
mod flow;
mod follow;
mod moved_token;
mod roster;
mod route;
mod sends;
mod session_regions;
#[cfg(test)]
mod tests;
mod traced;
mod translation;
mod trust;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, HeaderValue, RETRY_AFTER};
use http::{Request, Response};
use thiserror::Error;
use tokio::time::Instant;

use crate::account::{Country, Operation, Problem};
use crate::clock::{Clock, Moment};
use crate::config::{Finding, Settings};
use crate::dialect::{Asked, Dialect, Language, Pack, Reading};
use crate::guard::{Apps, Floor, FloorError, Guards, Refusal, ReplayGuard, Throttle};
use crate::observe::{CallRecord, Outcome, Tracer};
use crate::region::{Learned, RegionTable};
use crate::seal::{KeysError, SealKeys};
use crate::store::ReplayStore;
use crate::store::own::{Bounds, OwnStores};
use crate::store::tokens::TokenStore;
use crate::store::windows::WindowStore;

pub use crate::dialect::MovedToken;
use backends::RegionBackends;
pub use backends::Upstreams;
pub use moved_token::Onward;
use roster::Roster;
pub use route::Route;
use route::Routes;
pub use translation::{
    AskedForError, Pasted, PastedError, Refused, Side, SideBySide, TranslatedAnswer, TranslatedRequest,
    Translation, Translator, asked_for, chosen,
};
use trust::Trust;

/// What the edge knows of a request besides its bytes.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Which of the config's listeners it came in at.
    pub listener: usize,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The id that the answer and the upstream request carry.
    pub request_id: String,
    /// When the whole call must be over.
    pub deadline: Instant,
}

/// Why a gateway can't be built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The replay guard has nowhere to keep its floor.
    #[error(transparent)]
    Floor(#[from] FloorError),
    /// The keys that the gateway's own tokens are sealed with can't be had.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A pack of the operator's is broken, or was given a setting that it has not.
    #[error("a dialect's pack is refused:\n{}", list(.0))]
    Packs(Vec<Finding>),
    /// A dialect that does not exist; the config's check names it with its place.
    #[error("unknown dialect {0:?}")]
    UnknownDialect(String),
}

fn list(findings: &[Finding]) -> String {
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    findings.join("\n")
}

/// What a gateway remembers, and others may share.
pub struct Stores {
    /// Used requests.
    pub replay: Arc<dyn ReplayStore>,
    /// Challenges between two calls, and tokens that were spent.
    pub tokens: Arc<dyn TokenStore>,
    /// What the throttle counts.
    pub windows: Arc<dyn WindowStore>,
}

impl Stores {
    /// Memories of this process alone.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn in_memory(settings: &Settings, now: Moment) -> Result<Self, BuildError> {
        let bounds = Bounds::of(settings);
        let own = OwnStores::open(bounds, now).map_err(|_| FloorError::NoRandomness)?;
        Ok(Self::of(&Arc::new(own)))
    }

    /// These memories.
    pub fn of(own: &Arc<OwnStores>) -> Self {
        Self { replay: own.clone(), tokens: own.clone(), windows: own.clone() }
    }
}

/// What a gateway hands on to the one that takes its place.
struct Kept {
    clock: Arc<dyn Clock>,
    replay: Arc<ReplayGuard>,
    throttle: Throttle,
    trust: Trust,
    learned: Arc<Learned>,
}

/// The exchange and all it needs.
pub struct Gateway {
    dialects: Arc<[Arc<Pack>]>,
    routes: Routes,
    guards: Guards,
    throttle: Throttle,
    backends: RegionBackends,
    trust: Trust,
    regions: RegionTable,
    learned: Arc<Learned>,
    translator: Translator,
    tracer: Option<Tracer>,
    default_country: Country,
    json_depth: usize,
    clock: Arc<dyn Clock>,
}

impl Gateway {
    /// Builds the exchange for these settings in front of `upstreams`, with a memory of its own.
    ///
    /// # Errors
    /// When the replay guard has no place to keep its floor.
    pub fn new(
        settings: &Settings,
        upstreams: impl Into<Upstreams>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BuildError> {
        let floor = Floor::open(settings.data_dir.as_deref())?;
        Self::with_stores(settings, upstreams, Stores::in_memory(settings, clock.now())?, floor, clock)
    }

    /// The same with given memories, which others may share, and the floor beside them.
    ///
    /// # Errors
    /// When the replay guard has no place to keep its floor.
    pub fn with_stores(
        settings: &Settings,
        upstreams: impl Into<Upstreams>,
        stores: Stores,
        floor: Floor,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BuildError> {
        let replay =
            ReplayGuard::over(stores.replay, &settings.apps, &settings.replay, floor, clock.as_ref())?;
        let throttle = throttle(settings, stores.windows, &clock)?;
        let keys = Arc::new(SealKeys::load(&settings.seal.keys, settings.data_dir.as_deref())?);
        let trust = Trust { keys, tokens: stores.tokens };
        let learned = Arc::new(Learned::new().map_err(|_| FloorError::NoRandomness)?);
        let kept = Kept { clock, replay: Arc::new(replay), throttle, trust, learned };
        Self::build(settings, &upstreams.into(), kept)
    }

    /// Builds the exchange for reloaded settings. It shares the replay memory with this one, which
    /// takes the reloaded apps with [`ReplayGuard::adapt`], what the throttle has counted, and where
    /// accounts were found.
    ///
    /// # Errors
    /// When the settings name what does not exist.
    pub fn renewed(&self, settings: &Settings, upstreams: &Upstreams) -> Result<Self, BuildError> {
        let throttle = self.throttle.renewed(settings);
        // A key that the gateway made for itself stays; configured ones are what the settings say.
        let keys = match settings.seal.keys.as_slice() {
            [] => self.trust.keys.clone(),
            keys => Arc::new(SealKeys::load(keys, settings.data_dir.as_deref())?),
        };
        let trust = Trust { keys, tokens: self.trust.tokens.clone() };
        let replay = self.guards.replay().clone();
        let (clock, learned) = (self.clock.clone(), self.learned.clone());
        Self::build(settings, upstreams, Kept { clock, replay, throttle, trust, learned })
    }

    fn build(settings: &Settings, upstreams: &Upstreams, kept: Kept) -> Result<Self, BuildError> {
        let Kept { clock, replay, throttle, trust, learned } = kept;
        let mut roster = Roster::new(settings)?;
        let backends = RegionBackends::new(settings, upstreams, &mut roster)?;
        let spoken = backends.iter().map(|backend| backend.dialect).collect();
        let guards = Guards::new(Apps::new(settings.apps.iter().cloned()), replay, clock.clone());
        let enforced = guards.enforces_signatures();
        let routes = Routes::new(settings, &mut roster, spoken, enforced)?;
        let dialects = routes.dialects().clone();
        let translator = Translator::new(settings, &mut roster)?;
        Ok(Self {
            routes,
            guards,
            throttle,
            backends,
            trust,
            regions: RegionTable::new(&settings.regions, settings.default_country),
            learned,
            translator,
            tracer: settings.traces.as_ref().map(|traces| Tracer::new(traces.sample_ratio)),
            default_country: settings.default_country,
            json_depth: settings.limits.json_depth,
            dialects,
            clock,
        })
    }

    /// Decides what is done with a request, from its head alone.
    pub fn route(&self, arrival: &Arrival, head: &http::request::Parts) -> Route {
        self.routes.route(arrival.listener, head)
    }

    /// Answers an account call, and writes what happened into `record`.
    pub async fn exchange(
        &self,
        arrival: &Arrival,
        route: Route,
        request: Request<Bytes>,
        record: &mut CallRecord,
    ) -> Response<Bytes> {
        let (head, body) = request.into_parts();
        let mut response = exchange::run(self, arrival, route, &head, &body, record).await;
        admission::announce(&mut response, record.rate_limit);
        response
    }

    /// Answers with a problem, in the dialect of the route: what the edge itself refuses (too
    /// large, too slow, too many) comes through here as well.
    pub fn refuse(
        &self,
        arrival: &Arrival,
        route: Route,
        problem: &Problem,
        refusal: Refusal,
        record: &mut CallRecord,
    ) -> Response<Bytes> {
        record.refusal = Some(refusal);
        let asked = self.asked(arrival, route.operation(), None);
        let mut response = self.tell(self.answering_dialect(arrival, route), &asked, problem, record);
        allow(&mut response, route);
        response
    }

    /// The replay guard, for figures and for saving its memory at the end.
    pub fn replay(&self) -> &Arc<ReplayGuard> {
        self.guards.replay()
    }

    /// The throttle, for figures.
    pub fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    /// Translates messages for people who look at them.
    pub const fn translator(&self) -> &Translator {
        &self.translator
    }

    /// Saves what the next start must know; to be called after the last request.
    ///
    /// # Errors
    /// When the data directory can't be written: the next start then refuses what this one took.
    pub fn save(&self) -> Result<(), FloorError> {
        self.guards.replay().save(self.clock.now())
    }

    /// The names of the dialects that clients may speak at a listener.
    pub fn open_dialects(&self, listener: usize) -> Vec<&'static str> {
        self.routes.open(listener).map(|index| self.pack(index).name()).collect()
    }

    fn pack(&self, index: usize) -> &Pack {
        match self.dialects.get(index) {
            Some(dialect) => dialect,
            None => {
                unreachable!("indices come from `Routes` and `build`, which took them from this very list")
            }
        }
    }

    fn answering_dialect(&self, arrival: &Arrival, route: Route) -> &Pack {
        self.pack(route.dialect().unwrap_or_else(|| self.routes.default_dialect(arrival.listener)))
    }

    fn reading(&self) -> Reading {
        Reading { default_country: self.default_country, json_depth: self.json_depth }
    }

    fn asked(
        &self,
        arrival: &Arrival,
        operation: Option<Operation>,
        language: Option<Language>,
    ) -> Asked<'_> {
        Asked {
            operation,
            call: None,
            signed: None,
            language,
            country: self.default_country,
            now: self.clock.now(),
            region: &self.backends.home(arrival.listener).region,
        }
    }

    /// The one place where a problem becomes a client's answer.
    fn tell(
        &self,
        dialect: &Pack,
        asked: &Asked<'_>,
        problem: &Problem,
        record: &mut CallRecord,
    ) -> Response<Bytes> {
        let response = bad_answer(dialect, asked, problem);
        record.dialect = Some(dialect.name());
        record.operation = asked.operation.or(record.operation);
        record.outcome = Outcome::Problem(problem.code);
        record.status = response.status().as_u16();
        response
    }
}

/// A client's bad answer, with the time to wait.
fn bad_answer(dialect: &Pack, asked: &Asked<'_>, problem: &Problem) -> Response<Bytes> {
    let mut response = dialect.write_problem(asked, problem);
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Says which methods a path takes, where that is what was wrong.
fn allow(response: &mut Response<Bytes>, route: Route) {
    if let Route::Refused { methods, .. } = route
        && let Some(methods) = methods.allow()
    {
        response.headers_mut().insert(ALLOW, methods);
    }
}

/// A throttle under the key that the sharers of its store have; else under one that nobody else has.
fn throttle(
    settings: &Settings,
    windows: Arc<dyn WindowStore>,
    clock: &Arc<dyn Clock>,
) -> Result<Throttle, FloorError> {
    let mut key = [0; 16];
    match windows.shared_key() {
        Some(shared) => key = shared,
        None => getrandom::fill(&mut key).map_err(|_| FloorError::NoRandomness)?,
    }
    Ok(Throttle::new(settings, windows, key, clock.clone()))
}
