//! The one place where the command line meets the server and the embedded backend.

use std::env;
use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response};

use super::reload::Reloader;
use super::upstreams::{self, Backends};
use super::{Bound, Failure};
use crate::account::Problem;
use crate::backend::{Backend, Message, OPENAPI};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Limits, Settings, Shutdown};
use crate::gateway::{Gateway, Stores};
use crate::observe::{CallRecord, Observer};
use crate::server::admin::{AdminPages, OutboxEntry};
use crate::server::notify::{self, Notifier};
use crate::server::signals::Reloads;
use crate::server::{
    self, Edge, Handler, Lifecycle, Load, NoRecords, Phase, Plain, RecordSink, Service, Stopped,
    problem_json, signals,
};
use crate::store::redis::{RedisStore, RedisTokens, RedisWindows};
use crate::store::{ReplayStore, Terms};

const DATA_HINT: &str = "DRAGOMAN_DATA_DIR, or `data_dir` in the config, names the data directory: \
                         one that exists or can be made, with room, and used by no other gateway";
const DATABASE_HINT: &str = "--data-dir or DRAGOMAN_DATA_DIR names the directory of the database";
const ADDRESS_HINT: &str = "stop what listens there, or choose another: `address` in the config, \
                            DRAGOMAN_LISTEN, or DRAGOMAN_ADMIN_LISTEN";

/// Serves until the process is told to stop; `listening` is called once, when every address is
/// bound.
pub(super) fn gateway(
    config: Option<&Path>,
    settings: &Settings,
    observer: Arc<Observer>,
    listening: impl FnOnce(&Bound),
) -> Result<(), Failure> {
    runtime()?.block_on(serve(config, settings, observer, listening))
}

/// Serves the embedded backend alone until the process is told to stop.
pub(super) fn backend(
    settings: &config::Backend,
    address: SocketAddr,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), Failure> {
    if let Some(directory) = settings.database.parent() {
        create(directory)?;
    }
    runtime()?.block_on(async {
        let mut signals = signals::listen().map_err(no_start)?;
        let mut reloads = Reloads::listen().map_err(no_start)?;
        tokio::spawn(async move {
            loop {
                reloads.next().await;
                tracing::warn!("SIGHUP ignored: the backend alone has no config file");
            }
        });
        let backend = Backend::open(settings, Arc::new(SystemClock))
            .map_err(|error| no_backend(error).hint(DATABASE_HINT))?;
        let bound = server::Bound::bind(address, "clients")
            .map_err(|error| no_start(error).hint("name a free address with --listen or DRAGOMAN_LISTEN"))?;
        let address = bound.address();
        // A gateway stands in front: to the backend all clients have its address.
        let limits =
            Limits { connections_per_address: None, calls_per_second_per_address: None, ..Limits::default() };
        let load = Load::new(&limits);
        let alone = Arc::new(Plain(Alone(backend.clone())));
        let service = Service::new(alone, limits, load, Arc::new(NoRecords));
        let mut lifecycle = Lifecycle::default();
        lifecycle.serve(bound, 0, Arc::new(service));
        listening(address);
        let stopped = lifecycle.run(&Shutdown::default(), &mut signals).await;
        backend.checkpoint().await.map_err(no_backend)?;
        ended(stopped)
    })
}

/// Copies the database, which may be in use, to `target`.
pub(super) fn backup(database: &Path, target: &Path) -> Result<(), Failure> {
    crate::backend::backup(database, target).map_err(|error| no_backend(error).hint(DATABASE_HINT))
}

/// Puts the copy `source` in the place of the database.
pub(super) fn restore(source: &Path, database: &Path) -> Result<(), Failure> {
    if let Some(directory) = database.parent() {
        create(directory)?;
    }
    crate::backend::restore(source, database).map_err(no_backend)
}

async fn serve(
    config: Option<&Path>,
    settings: &Settings,
    observer: Arc<Observer>,
    listening: impl FnOnce(&Bound),
) -> Result<(), Failure> {
    if let Some(directory) = &settings.data_dir {
        create(directory)?;
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let embedded = embedded(settings, &clock)?;
    let figures = upstreams::figures(&observer)?;
    let backends = Backends::of(settings, &embedded, &figures, None)?;
    let passing = backends.passing(settings)?;
    let redis = redis(settings, &observer, Arc::clone(&clock)).await?;
    let stores = stores(settings, redis.as_ref(), clock.as_ref())?;
    let gateway = Gateway::with_stores(settings, backends.upstreams()?, stores, clock)
        .map_err(|error| no_start(error).hint(DATA_HINT))?;
    let gateway = Arc::new(gateway);
    let load = Load::new(&settings.limits);
    read_load(&observer, &load, &gateway);
    let mut signals = signals::listen().map_err(no_start)?;
    let reloads = Reloads::listen().map_err(no_start)?;
    let notifier = Notifier::new(env::var_os("NOTIFY_SOCKET").as_deref()).map_err(no_start)?;
    // Codes are for whoever sits at this machine, and for nobody who only reaches it.
    let shown = if settings.is_loopback() { embedded.clone() } else { Vec::new() };
    let pages = pages(&observer, redis, shown);
    observer.metrics().set_certificates(&settings.listeners);
    let edge = Edge::start(settings, Arc::clone(&gateway), passing, pages, load, Arc::clone(&observer) as _)
        .map_err(|error| no_start(error).hint(ADDRESS_HINT))?;
    let service = Arc::clone(edge.service());
    observer
        .metrics()
        .before_reading(move |metrics| metrics.set_forgotten_proxy_suspected(service.is_crowded()));
    listening(&Bound { listeners: edge.clients().to_vec(), admin: edge.admin() });
    observer.metrics().set_config(&settings.hash());
    let notifier = Arc::new(notifier);
    announce(&edge, &notifier).await?;
    let reloader = Reloader {
        config: config.map(Path::to_owned),
        settings: settings.clone(),
        gateway: Arc::clone(&gateway),
        backends,
        embedded: embedded.clone(),
        figures,
        service: Arc::clone(edge.service()),
        observer,
        notifier,
    };
    let reloading = tokio::spawn(reloader.run(reloads));
    let save = async {
        if let Err(error) = gateway.save() {
            tracing::error!(%error, "the replay memory could not be saved; its floor holds");
        }
        for backend in &embedded {
            if let Err(error) = backend.checkpoint().await {
                tracing::error!(%error, "the embedded backend's log stays until the next start");
            }
        }
    };
    let stopped = edge.run(settings, &mut signals, save).await;
    reloading.abort();
    ended(stopped)
}

/// The embedded backends that the settings call for.
fn embedded(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Vec<Backend>, Failure> {
    let open = |backend: &config::Backend| {
        if let Some(directory) = backend.database.parent() {
            create(directory)?;
        }
        Backend::open(backend, Arc::clone(clock)).map_err(|error| no_backend(error).hint(DATA_HINT))
    };
    settings.backends.iter().map(open).collect()
}

/// Tells the service manager that the process serves, once that is proven, and later that it stops.
async fn announce(edge: &Edge<Gateway>, notifier: &Arc<Notifier>) -> Result<(), Failure> {
    if !notifier.is_heard() {
        return Ok(());
    }
    notify::prove_serving(edge.clients(), edge.admin()).await.map_err(no_start)?;
    notifier.ready();
    let (mut phase, notifier) = (edge.phase(), Arc::clone(notifier));
    tokio::spawn(async move {
        if phase.wait_for(|phase| *phase != Phase::Running).await.is_ok() {
            notifier.stopping();
        }
    });
    Ok(())
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

/// Where the guards remember: in the shared memory if there is one, else in this process.
fn stores(
    settings: &Settings,
    shared: Option<&Arc<RedisStore>>,
    clock: &dyn Clock,
) -> Result<Stores, Failure> {
    match shared {
        Some(shared) => Ok(Stores {
            replay: Arc::clone(shared) as Arc<dyn ReplayStore>,
            tokens: Arc::new(RedisTokens::over(Arc::clone(shared)).map_err(no_start)?),
            windows: Arc::new(RedisWindows::over(shared, &settings.throttle, settings.store.instances)),
        }),
        None => Stores::in_memory(settings, clock.now()).map_err(no_start),
    }
}

fn read_load(observer: &Observer, load: &Arc<Load>, gateway: &Arc<Gateway>) {
    // One of each for all gateways that reloads put in place.
    let (load, replay) = (Arc::clone(load), Arc::clone(gateway.replay()));
    let windows = Arc::clone(gateway.throttle().store());
    observer.metrics().before_reading(move |metrics| {
        metrics.set_load(load.connections(), load.in_flight());
        let (over_all, over_address) = load.refused_connections();
        metrics.set_refused_connections(over_all, over_address);
        metrics.set_failed_handshakes(load.failed_handshakes());
        metrics.set_replay_entries(replay.entries(), replay.bound());
        metrics.set_throttle_entries(windows.entries(SystemClock.now()), windows.bound());
    });
}

fn pages(observer: &Arc<Observer>, redis: Option<Arc<RedisStore>>, embedded: Vec<Backend>) -> AdminPages {
    let observer = Arc::clone(observer);
    let outbox = (!embedded.is_empty()).then(|| {
        let entries = move || {
            let mut messages: Vec<_> = embedded.iter().flat_map(Backend::outbox).collect();
            messages.sort_by_key(|message| std::cmp::Reverse(message.time.millis()));
            messages.into_iter().map(entry).collect()
        };
        Box::new(entries) as Box<dyn Fn() -> Vec<OutboxEntry> + Send + Sync>
    });
    AdminPages {
        metrics: Box::new(move || observer.metrics().render()),
        unready: Box::new(move || redis.as_ref().and_then(|redis| redis.unready())),
        outbox,
        openapi: OPENAPI,
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

impl RecordSink for Observer {
    fn record(&self, record: &CallRecord) {
        Self::record(self, record);
    }
}

/// The embedded backend behind a socket of its own, which also serves the document of its API.
struct Alone(Backend);

impl Handler for Alone {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        if request.method() != Method::GET || request.uri().path() != "/openapi.json" {
            return self.0.handle(request).await;
        }
        let mut document = Response::new(Bytes::from_static(OPENAPI.as_bytes()));
        document.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        document
    }

    fn problem(&self, problem: &Problem) -> Response<Bytes> {
        problem_json(problem)
    }
}

/// Creates a data directory that only its owner can enter.
fn create(directory: &Path) -> Result<(), Failure> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    created.map_err(|error| {
        Failure::new(format!("can't create the data directory {}", directory.display()))
            .because(error)
            .hint(DATA_HINT)
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    server::runtime().map_err(no_start)
}

pub(super) fn no_start(error: impl std::fmt::Display) -> Failure {
    Failure::new("can't start").because(error)
}

fn no_backend(error: impl std::fmt::Display) -> Failure {
    Failure::new("the embedded backend failed").because(error)
}

fn ended(stopped: Stopped) -> Result<(), Failure> {
    match stopped {
        Stopped::Clean | Stopped::Forced => Ok(()),
        Stopped::Unfinished(connections) => {
            tracing::warn!(connections, "calls under way were cut off: the grace was over");
            Ok(())
        }
    }
}
