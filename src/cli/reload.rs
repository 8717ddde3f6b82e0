//! A reload: the config is read and checked, and only if all of it is good it is put in place, at
//! once, between two requests. Otherwise nothing changes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::pages::Running;
use super::renewal::Renewal;
use super::upstreams::Backends;
use super::{Failure, settings};
use crate::backend::Backend;
use crate::clock::{Clock, SystemClock};
use crate::config::{Change, Settings};
use crate::gateway::Gateway;
use crate::observe::{Labels, Observer};
use crate::server::notify::Notifier;
use crate::server::signals::Wishes;
use crate::server::{Entrance, Passing, Service};
use crate::upstream::figures::Figures;

/// What runs, and where its config stands.
pub(super) struct Reloader {
    pub config: Option<PathBuf>,
    /// What the pages for operators show.
    pub running: Arc<ArcSwap<Running>>,
    pub settings: Settings,
    pub gateway: Arc<Gateway>,
    pub backends: Backends,
    pub embedded: Vec<Backend>,
    pub figures: Figures,
    pub service: Arc<Service<Gateway>>,
    pub observer: Arc<Observer>,
    pub notifier: Arc<Notifier>,
    /// Held while this process changes: by a reload, or by a hand-over.
    pub turn: Arc<Mutex<()>>,
}

/// How often is looked whether certificates were renewed: a few small files.
const GLANCE: Duration = Duration::from_secs(5);

impl Reloader {
    /// Reloads whenever that is wished.
    pub async fn run(mut self, mut wishes: Wishes) {
        let mut renewal = Renewal::default();
        loop {
            tokio::select! {
                () = wishes.next() => {}
                () = sleep(GLANCE) => {
                    renewal.look(&mut self);
                    continue;
                }
            }
            let turn = Arc::clone(&self.turn);
            let _turn = turn.lock().await;
            self.notifier.reloading();
            match self.reload().await {
                Ok(changes) => {
                    self.tell(&changes);
                    self.observer.metrics().config_reloaded(true);
                }
                Err(failure) => {
                    tracing::error!("config not reloaded, the old one stays: {failure}");
                    self.observer.metrics().config_reloaded(false);
                }
            }
            // A manager waits for this, also when nothing came of it.
            self.notifier.ready();
        }
    }

    async fn reload(&mut self) -> Result<Vec<Change>, Failure> {
        let read = tokio::task::block_in_place(|| settings(self.config.as_deref()));
        let (new, warnings) = read.map_err(|findings| {
            for finding in &findings {
                tracing::error!("{finding}");
            }
            Failure::new("the config is refused")
        })?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let changes = self.settings.changes(&new);
        self.put_in_place(self.settings.reloaded(new)).await?;
        Ok(changes)
    }

    async fn put_in_place(&mut self, new: Settings) -> Result<(), Failure> {
        let backends = Backends::of(&new, &self.embedded, &self.figures, Some(&self.backends))?;
        let gateway = self.gateway.renewed(&new, &backends.upstreams()?).map_err(refused)?;
        let gateway = Arc::new(gateway);
        let passes = |settings: &Settings| !settings.pass_through.is_empty();
        let passes_to = if backends.same(&self.backends) && passes(&new) == passes(&self.settings) {
            Passing::Unchanged
        } else {
            Passing::To(backends.passing(&new)?)
        };
        let entrances = Entrance::of(&new.listeners).map_err(refused)?;
        // The last thing that can fail. Until the swap below the old gateway asks the same memory.
        self.gateway.replay().adapt(&new.apps, SystemClock.now()).await.map_err(refused)?;
        self.service.replace(Arc::clone(&gateway), new.limits.clone(), passes_to, entrances);
        self.observer.metrics().set_certificates(&new.listeners);
        self.observer.relabel(Labels::of(&new));
        self.observer.metrics().set_config(&new);
        let running = Running { settings: new.clone(), gateway: Arc::clone(&gateway) };
        self.running.store(Arc::new(running));
        self.gateway = gateway;
        self.backends = backends;
        self.settings = new;
        Ok(())
    }

    fn tell(&self, changes: &[Change]) {
        for change in changes.iter().filter(|change| change.needs_restart) {
            tracing::warn!(key = %change, "the old value stays: this one needs a restart");
        }
        let taken = || changes.iter().filter(|change| !change.needs_restart);
        for change in taken().filter(|change| change.weakens) {
            tracing::warn!(key = %change, "a guard is weaker than before");
        }
        let keys: Vec<&str> = taken().map(|change| change.key.as_str()).collect();
        let changed = if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") };
        tracing::info!(%changed, hash = %self.settings.hash(), "config reloaded");
    }
}

fn refused(error: impl std::fmt::Display) -> Failure {
    Failure::new("the config can't be put in place").because(error)
}
