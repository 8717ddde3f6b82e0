//! One gateway after the other: `dragoman run --upgrade` takes over from the one that runs, and
//! SIGUSR2 has that one start it by itself.

use std::env;
use std::ffi::OsString;
use std::process::{self, Command};
use std::sync::Arc;
use std::thread;

use tokio::sync::mpsc;

use super::Failure;
use super::serve::no_start;
use crate::config::Settings;
use crate::gateway::Gateway;
use crate::handover::{Heir, Incumbent, Memory, Predecessor, Socket, canonical};
use crate::server::notify::{Notifier, prove_serving};
use crate::server::signals::Wishes;
use crate::server::{Edge, Opening, Sockets, StopSignal};
use crate::store::own::OwnStores;

/// The option by which a new process knows what it is for.
const OPTION: &str = "--upgrade";

/// How this process begins: by itself, or after another that hands over.
pub(super) async fn beginning(
    settings: &Settings,
    upgrade: bool,
) -> Result<(Option<Predecessor>, Opening), Failure> {
    if !upgrade {
        let held = Sockets::from_service_manager();
        let held = held.map_err(|error| no_start(error).hint("LISTEN_FDS names TCP sockets that listen"))?;
        return Ok((None, Opening::AtOnce(held)));
    }
    let Some(path) = settings.upgrade_socket() else {
        return Err(Failure::new("nobody can hand over to this process")
            .because("there is no data directory for the socket")
            .hint("set `data_dir` or `upgrade_socket`"));
    };
    let (predecessor, sockets) = Predecessor::meet(&path, settings).await.map_err(failed)?;
    Ok((Some(predecessor), Opening::After(sockets)))
}

/// Takes the place of the process before, if there is one. Whoever is to hear that this one serves
/// has proof of it then.
pub(super) async fn begin(
    predecessor: Option<Predecessor>,
    heir: Heir,
    edge: &Edge<Gateway>,
    notifier: &Notifier,
) -> Result<(), Failure> {
    let Some(predecessor) = predecessor else {
        if notifier.is_heard() {
            prove_serving(edge.clients(), edge.admin()).await.map_err(no_start)?;
        }
        return Ok(());
    };
    let accession = predecessor.take_over(&heir).await.map_err(failed)?;
    edge.doors().open();
    if let Err(error) = prove_serving(edge.clients(), edge.admin()).await {
        // The process before goes on when this one is gone. Until then nothing here may accept
        // anything, so there is no orderly way out.
        tracing::error!(%error, "can't follow the process that serves");
        process::exit(1);
    }
    // This process must not end before the one that asks it.
    accession.confirm(heir, edge.hold()).await;
    tracing::info!("took over from the process before this one");
    Ok(())
}

/// What this process hands over when its time has come.
pub(super) fn incumbent(
    settings: &Settings,
    gateway: &Gateway,
    edge: &Edge<Gateway>,
    stores: Option<Arc<OwnStores>>,
    stop: mpsc::Sender<StopSignal>,
    notifier: &Arc<Notifier>,
) -> Incumbent {
    Incumbent {
        doors: edge.doors(),
        stop,
        notifier: Arc::clone(notifier),
        turn: Arc::default(),
        guard: Arc::clone(gateway.replay()),
        stores,
        memory: Memory::of(settings),
        data_dir: settings.data_dir.as_deref().map(canonical),
    }
}

/// Where a later process asks this one to hand over. Without such a place the gateway serves all
/// the same.
pub(super) async fn socket(settings: &Settings) -> Option<Socket> {
    let path = settings.upgrade_socket()?;
    match Socket::bind(&path).await {
        Ok(socket) => Some(socket),
        Err(error) => {
            tracing::warn!(%error, "no upgrade can take over from this process; see `upgrade_socket`");
            None
        }
    }
}

/// Starts this program anew whenever that is wished, to take over.
pub(super) async fn start_anew(mut wishes: Wishes) {
    loop {
        wishes.next().await;
        match command().spawn() {
            Ok(mut child) => {
                tracing::info!(process = child.id(), "a new process is to take over");
                // A thread, so that the end of this process need not wait for the other's.
                thread::spawn(move || match child.wait() {
                    Ok(status) => tracing::warn!(process = child.id(), %status, "the new process has ended"),
                    Err(error) => tracing::warn!(%error, "the new process can't be watched"),
                });
            }
            Err(error) => tracing::error!(%error, "the upgrade failed, no new process could be started"),
        }
    }
}

/// The command by which this process was started, wherever its program leads now.
fn command() -> Command {
    let mut words = env::args_os();
    let program = words.next().unwrap_or_else(|| OsString::from("dragoman"));
    let words: Vec<OsString> = words.filter(|word| word != OPTION).collect();
    let mut command = Command::new(program);
    command.args(words).arg(OPTION);
    command
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new("can't take over from the gateway that runs")
        .because(error)
        .hint("that one serves on; without --upgrade a gateway starts by itself")
}
