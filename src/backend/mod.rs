//! The embedded user backend: the canonical API over SQLite, without sockets. A request goes in,
//! an answer comes out; the gateway calls it in-process, a server may put it behind a socket.
//!
//! Way of a request: `routes` finds the operation, `request` and `decode` read it into a
//! [`Call`](crate::account::Call), a route does its work on the `store` in one transaction, `answer`
//! writes the outcome. Passwords and transactions are worked on off the async threads.
//!
//! It keeps limits that protect single accounts (tries of a code, pause between codes); limits by
//! address or on guessing passwords are the gateway's. An account may have several sessions: a login
//! does not end the others, a new password does.

mod answer;
mod backup;
mod database;
mod decode;
mod digest;
mod error;
mod json;
mod outbox;
mod password;
mod request;
mod residents;
mod routes;
mod schema;
mod store;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use tokio::time::{Instant, timeout_at};

pub use backup::{backup, restore};
pub use error::BackendError;
pub use outbox::{Message, Outbox, SendFailed, Sender};
pub use password::PasswordCost;
pub use schema::is_present as has_present_schema;

use crate::account::{Country, Problem, ProblemCode};
use crate::clock::{Clock, Moment};
use crate::config;
use crate::upstream::{Failure, FailureKind, Upstream};
use database::Database;
use digest::DigestKey;
use password::Passwords;
use residents::Residents;

/// The API's OpenAPI 3.1 document, as JSON.
pub const OPENAPI: &str = include_str!("openapi.json");

/// Milliseconds between two purges of what has expired.
const PURGE_INTERVAL: i64 = 60_000;

/// What may differ from the defaults.
#[derive(Clone, Default)]
pub struct Options {
    /// How codes reach people; the outbox when `None`.
    pub sender: Option<Arc<dyn Sender>>,
    /// What a password hash costs.
    pub password_cost: PasswordCost,
    /// The country of an `identifier` that is a phone without a country code; China when `None`.
    pub default_country: Option<Country>,
}

/// The embedded user backend. Clones share one database.
#[derive(Clone)]
pub struct Backend(Arc<State>);

/// What the routes work with.
struct State {
    database: Database,
    passwords: Passwords,
    key: DigestKey,
    clock: Arc<dyn Clock>,
    sender: Arc<dyn Sender>,
    outbox: Option<Outbox>,
    region: Option<String>,
    residents: Residents,
    default_country: Country,
    last_purge: AtomicI64,
}

impl State {
    fn now(&self) -> Moment {
        self.clock.now()
    }

    async fn purge(&self) {
        let now = self.now();
        let purged = self.database.write(move |transaction| Ok(store::purge(transaction, now)?));
        if let Err(error) = purged.await {
            tracing::warn!(%error, "the embedded backend could not remove what has expired");
        }
    }

    /// Whether a purge is due; of many callers one is told so.
    fn take_purge(&self) -> bool {
        let now = self.now().millis();
        let last = self.last_purge.load(Ordering::Relaxed);
        now.abs_diff(last) >= PURGE_INTERVAL.unsigned_abs()
            && self.last_purge.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Backend {
    /// Opens the database, creates or upgrades it, and reads the outbox.
    ///
    /// # Errors
    /// When a file can't be used, or a database is of something else or of a later version.
    pub fn open(settings: &config::Backend, clock: Arc<dyn Clock>) -> Result<Self, BackendError> {
        Self::open_with(settings, clock, Options::default())
    }

    /// The same, with options.
    ///
    /// # Errors
    /// As [`Backend::open`], and when the password cost is not usable.
    pub fn open_with(
        settings: &config::Backend,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Self, BackendError> {
        let passwords = Passwords::new(options.password_cost)?;
        let (database, key) = Database::open(&settings.database)?;
        let residents = match (&settings.residents, &settings.region) {
            (Some(path), Some(region)) => {
                Residents::open(path, region, &schema::open_reader(&settings.database)?)?
            }
            _ => Residents::default(),
        };
        let (sender, outbox) = match options.sender {
            Some(sender) => (sender, None),
            None => {
                let outbox = Outbox::open(&settings.outbox)?;
                (Arc::new(outbox.clone()) as Arc<dyn Sender>, Some(outbox))
            }
        };
        Ok(Self(Arc::new(State {
            database,
            passwords,
            key,
            clock,
            sender,
            outbox,
            region: settings.region.clone(),
            residents,
            default_country: options.default_country.unwrap_or(Country::CHINA),
            last_purge: AtomicI64::new(0),
        })))
    }

    /// Answers one request of the canonical API. Must run on a tokio runtime.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let response = routes::answer(&self.0, &request).await;
        if self.0.take_purge() {
            let state = self.0.clone();
            tokio::spawn(async move { state.purge().await });
        }
        response
    }

    /// The name of the region whose accounts it keeps.
    pub fn region(&self) -> Option<&str> {
        self.0.region.as_deref()
    }

    /// The codes last sent, newest first; none where another sender is in use.
    pub fn outbox(&self) -> Vec<Message> {
        self.0.outbox.as_ref().map(Outbox::messages).unwrap_or_default()
    }

    /// Copies the database to a file while it is in use.
    ///
    /// # Errors
    /// When the file can't be written.
    pub async fn backup(&self, target: PathBuf) -> Result<(), BackendError> {
        self.0.database.backup(target).await
    }

    /// Moves everything into the database file and empties the write-ahead log: the last step
    /// before the process ends. Calls under way are waited for, later ones still work.
    ///
    /// # Errors
    /// When the file can't be written; nothing is lost then, the log is read at the next start.
    pub async fn checkpoint(&self) -> Result<(), BackendError> {
        self.0.database.checkpoint().await
    }
}

#[async_trait]
impl Upstream for Backend {
    /// A call that misses its deadline is still done to its end: a code that was made is sent.
    async fn send(&self, request: Request<Bytes>, deadline: Instant) -> Result<Response<Bytes>, Failure> {
        let backend = self.clone();
        let call = tokio::spawn(async move { backend.handle(request).await });
        match timeout_at(deadline, call).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(_)) => Ok(answer::problem_response(&Problem::new(ProblemCode::Internal), None)),
            Err(_) => Err(Failure { kind: FailureKind::AnswerTimeout, delivered: true }),
        }
    }
}
