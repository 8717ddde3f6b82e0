//! Puts a gateway together from its settings and runs it: the one place where the command line
//! meets the server.

use std::env;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::task::JoinSet;

use super::pages::{Running, pages};
use super::reload::Reloader;
use super::remembering::Remembering;
use super::upstreams::{self, Backends};
use super::{Bound, Failure, upgrade};
use crate::backend::Backend;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Settings};
use crate::gateway::Gateway;
use crate::guard::Floor;
use crate::handover::Heir;
use crate::observe::{CallRecord, Observer};
use crate::server::notify::Notifier;
use crate::server::signals::Signals;
use crate::server::{self, Edge, Load, Phase, RecordSink, Stopped};
use crate::upstream::http::HttpBackend;

const DATA_HINT: &str = "DRAGOMAN_DATA_DIR, or `data_dir` in the config, names the data directory: \
                         one that exists or can be made, with room, and used by no other gateway; \
                         `dragoman run --upgrade` takes over from the one that runs";
const ADDRESS_HINT: &str = "stop what listens there, or choose another: `address` in the config, \
                            DRAGOMAN_LISTEN, or DRAGOMAN_ADMIN_LISTEN";

/// What is to run.
pub(super) struct Run<'a> {
    /// The config file.
    pub config: Option<&'a Path>,
    /// What it says.
    pub settings: &'a Settings,
    /// Whether to take over from the gateway that runs.
    pub upgrade: bool,
}

/// Serves until the process is told to stop; `listening` is called once, when every address is
/// bound.
pub(super) fn gateway(
    run: Run<'_>,
    observer: Arc<Observer>,
    listening: impl FnOnce(&Bound),
) -> Result<(), Failure> {
    runtime()?.block_on(serve(run, observer, listening))
}

async fn serve(run: Run<'_>, observer: Arc<Observer>, listening: impl FnOnce(&Bound)) -> Result<(), Failure> {
    let Run { config, settings, upgrade } = run;
    if let Some(directory) = &settings.data_dir {
        create(directory)?;
        observer.metrics().watch_disk(directory.clone());
    }
    let (mut predecessor, opening) = upgrade::beginning(settings, upgrade).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let embedded = embedded(settings, upgrade, &clock)?;
    let figures = upstreams::figures(&observer)?;
    let backends = Backends::of(settings, &embedded, &figures, None)?;
    export_traces(settings, &observer)?;
    let passing = backends.passing(settings)?;
    let remembering = Remembering::open(settings, &observer, predecessor.as_ref(), &clock).await?;
    let stores = remembering.stores(settings)?;
    let floor = match &mut predecessor {
        Some(predecessor) => Floor::locked(settings.data_dir.as_deref(), predecessor.lock.take()),
        None => Floor::open(settings.data_dir.as_deref()).map_err(no_gateway)?,
    };
    let gateway = Gateway::with_stores(settings, backends.upstreams()?, stores, floor, clock);
    let gateway = Arc::new(gateway.map_err(no_gateway)?);
    let load = Load::new(&settings.limits);
    read_load(&observer, &load, &gateway);
    let Signals { stop, mut stops, reloads, upgrades } = Signals::listen().map_err(no_start)?;
    let notifier = Notifier::new(env::var_os("NOTIFY_SOCKET").as_deref()).map_err(no_start)?;
    // Codes are for whoever sits at this machine, and for nobody who only reaches it.
    let shown = if settings.is_loopback() { embedded.clone() } else { Vec::new() };
    let running = Running { settings: settings.clone(), gateway: Arc::clone(&gateway) };
    let running = Arc::new(ArcSwap::from_pointee(running));
    let pages = pages(&observer, Arc::clone(&running), remembering.shared().cloned(), shown);
    let sink = Arc::clone(&observer) as _;
    let edge = Edge::start(settings, Arc::clone(&gateway), passing, pages, load, sink, opening)
        .map_err(|error| no_start(error).hint(ADDRESS_HINT))?;
    let notifier = Arc::new(notifier);
    read_edge(&observer, &edge, settings);
    upgrade::begin(predecessor, heir(settings, &gateway, &remembering), &edge, &notifier).await?;
    // Whoever reads that this process listens may ask it to hand over.
    let handing_over = upgrade::socket(settings).await;
    listening(&Bound { listeners: edge.clients().to_vec(), admin: edge.admin() });
    announce(&edge, &notifier);
    let incumbent =
        upgrade::incumbent(settings, &gateway, &edge, remembering.own().cloned(), stop, &notifier);
    let reloader = Reloader {
        config: config.map(Path::to_owned),
        running,
        settings: settings.clone(),
        gateway: Arc::clone(&gateway),
        backends,
        embedded: embedded.clone(),
        figures,
        service: Arc::clone(edge.service()),
        observer: Arc::clone(&observer),
        notifier,
        turn: Arc::clone(&incumbent.turn),
    };
    let mut beside = JoinSet::new();
    beside.spawn(reloader.run(reloads));
    beside.spawn(upgrade::start_anew(upgrades));
    if let Some(socket) = handing_over {
        beside.spawn(incumbent.stand_by(socket));
    }
    let save = save(&gateway, &observer, &remembering, &embedded);
    let stopped = edge.run(settings, &mut stops, save).await;
    beside.shutdown().await;
    ended(stopped)
}

/// The last steps: what calls left behind, then what tells of them, then what they stood on.
async fn save(gateway: &Gateway, observer: &Observer, remembering: &Remembering, embedded: &[Backend]) {
    if let Err(error) = gateway.save() {
        tracing::error!(%error, "the replay memory could not be saved; its floor holds");
    }
    observer.close();
    observer.flush().await;
    if let Some(redis) = remembering.shared() {
        redis.close();
    }
    for backend in embedded {
        if let Err(error) = backend.checkpoint().await {
            tracing::error!(%error, "the embedded backend's log stays until the next start");
        }
    }
}

/// Begins to send traces, if the settings say where to.
fn export_traces(settings: &Settings, observer: &Observer) -> Result<(), Failure> {
    if let Some(traces) = &settings.traces {
        let collector = HttpBackend::new(traces.collector()).map_err(no_start)?;
        observer.export(traces, Arc::new(collector));
    }
    Ok(())
}

/// The embedded backends that the settings call for.
fn embedded(settings: &Settings, upgrade: bool, clock: &Arc<dyn Clock>) -> Result<Vec<Backend>, Failure> {
    settings.backends.iter().map(|backend| open_embedded(backend, upgrade, clock)).collect()
}

fn open_embedded(
    backend: &config::Backend,
    upgrade: bool,
    clock: &Arc<dyn Clock>,
) -> Result<Backend, Failure> {
    if let Some(directory) = backend.database.parent() {
        create(directory)?;
    }
    // The process that serves could not use a later schema, should this one fail to follow it.
    if upgrade && !crate::backend::has_present_schema(&backend.database).map_err(no_backend)? {
        return Err(Failure::new("this version changes the database of the embedded backend")
            .hint("stop the running gateway and start this one: such a change needs a restart"));
    }
    Backend::open(backend, Arc::clone(clock)).map_err(|error| no_backend(error).hint(DATA_HINT))
}

/// Tells the service manager that the process serves, and later that it stops.
fn announce(edge: &Edge<Gateway>, notifier: &Arc<Notifier>) {
    notifier.ready();
    let (mut phase, notifier) = (edge.phase(), Arc::clone(notifier));
    tokio::spawn(async move {
        let stops = |phase: &Phase| !phase.keeps_connections();
        if phase.wait_for(stops).await.is_ok() {
            notifier.stopping();
        }
    });
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

fn read_edge(observer: &Observer, edge: &Edge<Gateway>, settings: &Settings) {
    let service = Arc::clone(edge.service());
    let metrics = observer.metrics();
    metrics.before_reading(move |metrics| metrics.set_forgotten_proxy_suspected(service.is_crowded()));
    metrics.set_certificates(&settings.listeners);
    metrics.set_config(settings);
}

/// What can carry on the memory of the process before.
fn heir(settings: &Settings, gateway: &Gateway, remembering: &Remembering) -> Heir {
    Heir {
        guard: Arc::clone(gateway.replay()),
        stores: remembering.own().cloned(),
        apps: settings.apps.clone(),
    }
}

impl RecordSink for Observer {
    fn record(&self, record: &CallRecord) {
        Self::record(self, record);
    }
}

/// Creates a data directory that only its owner can enter.
pub(super) fn create(directory: &Path) -> Result<(), Failure> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    created.map_err(|error| {
        Failure::new(format!("can't create the data directory {}", directory.display()))
            .because(error)
            .hint(DATA_HINT)
    })
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    server::runtime().map_err(no_start)
}

pub(super) fn no_start(error: impl std::fmt::Display) -> Failure {
    Failure::new("can't start").because(error)
}

fn no_gateway(error: impl std::fmt::Display) -> Failure {
    no_start(error).hint(DATA_HINT)
}

pub(super) fn no_backend(error: impl std::fmt::Display) -> Failure {
    Failure::new("the embedded backend failed").because(error)
}

pub(super) fn ended(stopped: Stopped) -> Result<(), Failure> {
    match stopped {
        Stopped::Clean | Stopped::Forced => Ok(()),
        Stopped::Unfinished(connections) => {
            tracing::warn!(connections, "calls under way were cut off: the grace was over");
            Ok(())
        }
    }
}
