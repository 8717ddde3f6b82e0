//! Where this process accepts connections, and whether it does: what a hand-over needs of it.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;

use super::accept::Bound;
use super::lifecycle::Phase;
use super::sockets::Role;

/// The listening sockets of a process, and its phase.
#[derive(Debug, Clone)]
pub struct Doors {
    phase: Arc<watch::Sender<Phase>>,
    listening: Arc<Mutex<Vec<Door>>>,
}

/// One listening socket, as long as it is served.
#[derive(Debug, Clone)]
struct Door {
    role: Role,
    configured: SocketAddr,
    listener: Weak<TcpListener>,
}

/// A socket to be handed over.
#[derive(Debug)]
pub struct Listening {
    /// Who connects to it.
    pub role: Role,
    /// The address that the config names for it.
    pub configured: SocketAddr,
    /// The socket.
    pub listener: Arc<TcpListener>,
}

impl Doors {
    pub(crate) fn new(phase: Phase) -> Self {
        Self { phase: Arc::new(watch::Sender::new(phase)), listening: Arc::default() }
    }

    pub(super) fn add(&self, bound: &Bound) {
        let listener = Arc::downgrade(&bound.listener);
        let door = Door { role: bound.role, configured: bound.configured, listener };
        self.listening.lock().unwrap_or_else(PoisonError::into_inner).push(door);
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// Tells where the process stands, now and later.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Lets new connections wait. Whether that is so: a process that stops goes on with that.
    pub fn pause(&self) -> bool {
        self.turn(Phase::Running, Phase::Paused)
    }

    /// Accepts the connections that wait.
    pub fn open(&self) {
        self.turn(Phase::Paused, Phase::Running);
    }

    /// Leaves them to another process: connections here end with their next answer.
    pub fn leave(&self) {
        self.turn(Phase::Paused, Phase::HandedOver);
    }

    fn turn(&self, from: Phase, to: Phase) -> bool {
        self.phase.send_if_modified(|phase| {
            let turned = *phase == from;
            if turned {
                *phase = to;
            }
            turned
        })
    }

    /// The sockets that are served.
    pub fn listening(&self) -> Vec<Listening> {
        let doors = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        let listening = |door: &Door| {
            let listener = door.listener.upgrade()?;
            Some(Listening { role: door.role, configured: door.configured, listener })
        };
        doors.iter().filter_map(listening).collect()
    }
}
