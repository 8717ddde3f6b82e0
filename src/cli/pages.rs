//! What the admin listener's pages show: the running gateway, its figures, and what it makes of a message.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Serialize;

use crate::account::{Problem, ProblemCode};
use crate::backend::{Backend, Message, OPENAPI};
use crate::clock::{Clock, SystemClock};
use crate::config::Settings;
use crate::gateway::{Gateway, Pasted};
use crate::observe::Observer;
use crate::server::admin::{AdminPages, Console, OutboxEntry};
use crate::store::redis::RedisStore;

/// What runs at the moment; a reload puts another one in its place.
pub(super) struct Running {
    pub settings: Settings,
    pub gateway: Arc<Gateway>,
}

/// The pages of a gateway; `embedded` are the backends whose outboxes are shown.
pub(super) fn pages(
    observer: &Arc<Observer>,
    running: Arc<ArcSwap<Running>>,
    redis: Option<Arc<RedisStore>>,
    embedded: Vec<Backend>,
) -> AdminPages {
    let outbox = (!embedded.is_empty()).then(|| {
        let entries = move || {
            let mut messages: Vec<_> = embedded.iter().flat_map(Backend::outbox).collect();
            messages.sort_by_key(|message| std::cmp::Reverse(message.time.millis()));
            messages.into_iter().map(entry).collect()
        };
        Box::new(entries) as Box<dyn Fn() -> Vec<OutboxEntry> + Send + Sync>
    });
    let console = Shown { observer: Arc::clone(observer), running };
    let observer = Arc::clone(observer);
    AdminPages {
        metrics: Box::new(move || observer.metrics().render()),
        unready: Box::new(move || redis.as_ref().and_then(|redis| redis.unready())),
        outbox,
        openapi: OPENAPI,
        console: Box::new(console),
    }
}

fn entry(message: Message) -> OutboxEntry {
    OutboxEntry {
        time: message.time.to_rfc3339(),
        channel: message.channel.name().to_owned(),
        to: message.to.clone(),
        purpose: message.purpose.name().to_owned(),
        code: message.code.expose().to_owned(),
    }
}

struct Shown {
    observer: Arc<Observer>,
    running: Arc<ArcSwap<Running>>,
}

impl Console for Shown {
    fn figures(&self) -> String {
        self.observer.metrics().figures().to_string()
    }

    fn choices(&self) -> String {
        json(&self.running.load().gateway.translator().choices())
    }

    fn translate(&self, pasted: &[u8]) -> Result<String, Problem> {
        // The reader's own words could quote what was pasted.
        let pasted: Pasted = serde_json::from_slice(pasted)
            .map_err(|_| invalid("the body is no JSON object of from, message and operation"))?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| Problem::from(ProblemCode::Internal))?;
        let running = self.running.load();
        let translated =
            running.gateway.translator().translate(&pasted, SystemClock.now(), u128::from_le_bytes(random));
        translated.map(|translated| json(&translated)).map_err(|error| invalid(error.to_string()))
    }

    fn config(&self) -> String {
        let settings = &self.running.load().settings;
        format!(
            "# The settings that run, defaults included. Secrets are ***. Hash {}.\n{settings:#?}\n",
            settings.hash()
        )
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
}

fn invalid(reason: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(ProblemCode::InvalidRequest).reason(reason)
}
