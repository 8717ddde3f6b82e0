//! Where the guards of a gateway remember: in a store that others share, or in this process.

use std::sync::Arc;

use super::Failure;
use super::serve::no_start;
use crate::clock::{Clock, Moment};
use crate::config::Settings;
use crate::gateway::Stores;
use crate::handover::Predecessor;
use crate::observe::Observer;
use crate::store::own::{Bounds, OwnStores};
use crate::store::redis::{RedisStore, RedisTokens, RedisWindows};
use crate::store::{ReplayStore, Terms};

/// One of the two.
pub(super) enum Remembering {
    /// In the memory that others share.
    Shared(Arc<RedisStore>),
    /// In the memory of this process.
    Own(Arc<OwnStores>),
}

impl Remembering {
    /// As the settings say; ready for what the process before remembers.
    pub async fn open(
        settings: &Settings,
        observer: &Observer,
        predecessor: Option<&Predecessor>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        match redis(settings, observer, Arc::clone(clock)).await? {
            Some(redis) => Ok(Self::Shared(redis)),
            None => own(settings, predecessor, clock.now()).map(Self::Own),
        }
    }

    /// The stores of the guards.
    pub fn stores(&self, settings: &Settings) -> Result<Stores, Failure> {
        match self {
            Self::Shared(shared) => Ok(Stores {
                replay: Arc::clone(shared) as Arc<dyn ReplayStore>,
                tokens: Arc::new(RedisTokens::over(Arc::clone(shared)).map_err(no_start)?),
                windows: Arc::new(RedisWindows::over(shared, &settings.throttle, settings.store.instances)),
            }),
            Self::Own(own) => Ok(Stores::of(own)),
        }
    }

    /// The memory that others share.
    pub const fn shared(&self) -> Option<&Arc<RedisStore>> {
        match self {
            Self::Shared(shared) => Some(shared),
            Self::Own(_) => None,
        }
    }

    /// The memory of this process.
    pub const fn own(&self) -> Option<&Arc<OwnStores>> {
        match self {
            Self::Own(own) => Some(own),
            Self::Shared(_) => None,
        }
    }
}

/// The memory that other instances share, if the settings name one.
async fn redis(
    settings: &Settings,
    observer: &Observer,
    clock: Arc<dyn Clock>,
) -> Result<Option<Arc<RedisStore>>, Failure> {
    let Some(redis) = &settings.store.redis else {
        return Ok(None);
    };
    let opened = RedisStore::open(redis, &settings.replay, Terms::of(&settings.apps), clock).await;
    let store = opened.map_err(|error| {
        Failure::new("can't use the shared store").because(error).hint("see [store] in the config file")
    })?;
    observer.metrics().include(store.figures().collectors()).map_err(no_start)?;
    Ok(Some(Arc::new(store)))
}

/// The memories of this process, under the keys of the process before it.
fn own(
    settings: &Settings,
    predecessor: Option<&Predecessor>,
    now: Moment,
) -> Result<Arc<OwnStores>, Failure> {
    let bounds = Bounds::of(settings);
    let own = match predecessor.and_then(|predecessor| predecessor.keys.as_ref()) {
        Some(keys) => Ok(OwnStores::after(bounds, keys, now)),
        None => OwnStores::open(bounds, now),
    };
    own.map(Arc::new).map_err(no_start)
}
