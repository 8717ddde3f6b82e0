//! The old process: it serves, until another is ready to.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UnixStream;
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc};
use tokio::time::{sleep, timeout};

use super::link::Link;
use super::message::{Estate, FromHeir, FromIncumbent, Memory, Offer};
use super::wire::Wire;
use super::{HandOverError, Socket};
use crate::clock::{Clock, SystemClock};
use crate::guard::ReplayGuard;
use crate::server::StopSignal;
use crate::server::doors::Doors;
use crate::server::notify::Notifier;
use crate::store::own::{Frozen, MemoryKeys, OwnStores};

/// How long the new process may take to build everything.
const BUILDING_TIME: Duration = Duration::from_secs(60);

/// How long it may take to load the memory: so long calls wait.
const LOADING_TIME: Duration = Duration::from_secs(10);

/// How long a socket that can't accept, for lack of file handles, is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// What a process hands over.
pub struct Incumbent {
    /// Where it accepts.
    pub doors: Doors,
    /// Who ends it.
    pub stop: mpsc::Sender<StopSignal>,
    /// Who is told which process serves.
    pub notifier: Arc<Notifier>,
    /// Held by whoever changes what this process is: a reload, or a hand-over.
    pub turn: Arc<Mutex<()>>,
    /// Its replay guard.
    pub guard: Arc<ReplayGuard>,
    /// Its memory, where no shared store remembers.
    pub stores: Option<Arc<OwnStores>>,
    /// Where it remembers.
    pub memory: Memory,
    /// Its data directory.
    pub data_dir: Option<PathBuf>,
}

/// A failure, and whether the other process may have accepted requests before.
struct Failed {
    error: HandOverError,
    accepted: bool,
}

/// What is left when another process serves.
struct Handed {
    wire: Wire,
    frozen: Option<Frozen>,
    /// How long connections and signed calls had to wait.
    paused: Duration,
    _turn: OwnedMutexGuard<()>,
}

impl Incumbent {
    /// Waits for a process that is to follow, as often as it takes until one has.
    pub async fn stand_by(self, socket: Socket) {
        let Handed { mut wire, frozen, paused, _turn } = loop {
            let stream = match socket.next().await {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::error!(%error, "no upgrade can be asked for at the moment");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            match self.hand_over(stream).await {
                Ok(handed_over) => break handed_over,
                Err(error) => tracing::error!(%error, "the upgrade failed, this process serves on"),
            }
        };
        let paused_ms = paused.as_millis();
        tracing::info!(process = wire.process, paused_ms, "another process has taken over");
        if let Some(process) = wire.process {
            self.notifier.succeeded_by(process);
        }
        self.doors.leave();
        // The path must be free before the other one hears that it may wait there itself.
        socket.leave();
        if let Err(error) = wire.send(&FromIncumbent::Done).await {
            tracing::warn!(%error, "the process that took over was not told that all is done");
        }
        if let Some(frozen) = frozen {
            frozen.give_to(Arc::new(Link::over(wire)));
        }
        // Fails only if the process ends already.
        let _ = self.stop.send(StopSignal::HandOver).await;
        // Nothing is reloaded any more.
        std::future::pending().await
    }

    /// Hands over until the other process serves.
    async fn hand_over(&self, stream: UnixStream) -> Result<Handed, HandOverError> {
        let mut wire = Wire::greet(stream).await?;
        self.offer(&mut wire).await?;
        let ready = timeout(BUILDING_TIME, wire.receive()).await;
        match ready.map_err(|_| HandOverError::TooSlow("start"))?? {
            FromHeir::Ready => {}
            FromHeir::Unfit(reason) => return Err(HandOverError::Unfit(reason)),
            _ => return Err(HandOverError::Garbled),
        }
        let _turn = Arc::clone(&self.turn).lock_owned().await;
        let start = Instant::now();
        if !self.doors.pause() {
            return Err(HandOverError::Stopping);
        }
        let frozen = match &self.stores {
            Some(stores) => Some(stores.freeze().await),
            None => None,
        };
        match self.give_memory(&mut wire, frozen.as_ref()).await {
            Ok(()) => Ok(Handed { wire, frozen, paused: start.elapsed(), _turn }),
            Err(Failed { error, accepted }) => {
                self.take_back(frozen, accepted).await;
                self.doors.open();
                Err(error)
            }
        }
    }

    async fn offer(&self, wire: &mut Wire) -> Result<(), HandOverError> {
        let listening = self.doors.listening();
        let lock = self.guard.lock();
        let keys =
            self.stores.as_ref().map(|stores| MemoryKeys { replay: self.guard.key(), own: stores.keys() });
        wire.send(&Offer {
            sockets: listening.iter().map(|socket| (socket.role, socket.configured)).collect(),
            locked: lock.is_some(),
            data_dir: self.data_dir.clone(),
            memory: self.memory.clone(),
            keys,
        })
        .await?;
        let sockets = listening.iter().map(|socket| socket.listener.as_fd());
        let descriptors: Vec<_> = sockets.chain(lock.map(AsFd::as_fd)).collect();
        wire.send_descriptors(&descriptors).await
    }

    /// The switch. Nobody is accepted and nothing is decided meanwhile.
    async fn give_memory(&self, wire: &mut Wire, frozen: Option<&Frozen>) -> Result<(), Failed> {
        let before = |error| Failed { error, accepted: false };
        let estate = match frozen {
            Some(frozen) => {
                let contents = frozen.contents();
                let guard = self.guard.release(contents.latest_second()).await;
                Some(Box::new(Estate { guard, contents }))
            }
            None => None,
        };
        let load = async {
            wire.send(&FromIncumbent::Estate(estate)).await?;
            match wire.receive().await? {
                FromHeir::Taken => Ok(()),
                _ => Err(HandOverError::Garbled),
            }
        };
        let loaded = timeout(LOADING_TIME, load).await;
        loaded.map_err(|_| before(HandOverError::TooSlow("load the memory")))?.map_err(before)?;
        // From here on the other may accept. However long it takes, only its end gives that back.
        let after = |error| Failed { error, accepted: true };
        wire.send(&FromIncumbent::Go).await.map_err(after)?;
        match wire.receive().await.map_err(after)? {
            FromHeir::Serving => Ok(()),
            _ => Err(after(HandOverError::Garbled)),
        }
    }

    async fn take_back(&self, frozen: Option<Frozen>, accepted: bool) {
        let Some(frozen) = frozen else { return };
        let now = SystemClock.now();
        if let Err(error) = self.guard.resume(accepted, now).await {
            tracing::error!(%error, "the replay floor can't be kept any more: signed calls are refused");
        }
        if accepted {
            frozen.take_back(now);
        }
    }
}
