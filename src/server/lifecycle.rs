//! The life of the serving process: running, draining, stopping.
//!
//! Stop order: ready turns false → for the drain delay connections are still accepted while each
//! answer closes its own → no more are accepted, idle ones are closed → calls under way get the
//! grace. A second signal ends all of it at once.
//!
//! Where another process takes over the listening sockets, this one pauses until that one accepts,
//! and then ends in the same order, but for what the other does now.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::accept::{Bound, accept};
use super::application::Application;
use super::doors::Doors;
use super::load::Load;
use super::service::Service;
use crate::config::Shutdown;

/// How often the drain looks whether anything is still under way.
const GLANCE: Duration = Duration::from_millis(20);

/// Where the process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Everything is served.
    Running,
    /// New connections wait, for this process or for the one that takes over.
    Paused,
    /// Everything is served, but connections end with their next answer.
    Draining,
    /// Another process accepts; here connections end with their next answer.
    HandedOver,
    /// Nothing new is accepted.
    Stopping,
}

impl Phase {
    /// Whether new connections are accepted.
    pub const fn accepts(self) -> bool {
        matches!(self, Self::Running | Self::Draining)
    }

    /// Whether a connection is kept for another request.
    pub const fn keeps_connections(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// A wish that the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// From whoever runs the process: others may not know yet that it goes.
    Terminate,
    /// From the person at the terminal: nobody is to wait without need.
    Interrupt,
    /// Another process has taken over.
    HandOver,
}

/// How the process came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Every call was answered.
    Clean,
    /// The grace was over, with so many connections still open.
    Unfinished(usize),
    /// A second signal came.
    Forced,
}

/// Everything that is served, and its end.
pub struct Lifecycle {
    doors: Doors,
    alive: (mpsc::Sender<()>, mpsc::Receiver<()>),
    loads: Vec<Arc<Load>>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::starting(Phase::Running)
    }
}

impl Lifecycle {
    /// A process that starts in this phase: running, or paused until its doors are opened.
    pub fn starting(phase: Phase) -> Self {
        Self { doors: Doors::new(phase), alive: mpsc::channel(1), loads: Vec::new() }
    }

    /// Serves a bound address from now on; `listener` is its place in the config.
    pub fn serve<A: Application>(&mut self, bound: Bound, listener: usize, service: Arc<Service<A>>) {
        if !self.loads.iter().any(|load| Arc::ptr_eq(load, service.load())) {
            self.loads.push(Arc::clone(service.load()));
        }
        self.doors.add(&bound);
        let phase = self.doors.phase();
        tokio::spawn(accept(bound, listener, service, phase, self.alive.0.clone()));
    }

    /// While this is held the process does not end, until its grace is over.
    pub fn hold(&self) -> mpsc::Sender<()> {
        self.alive.0.clone()
    }

    /// Tells where the process stands, now and later.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.doors.phase()
    }

    /// Where this process accepts, for handing that over.
    pub fn doors(&self) -> Doors {
        self.doors.clone()
    }

    /// Runs until a signal comes, then stops in order.
    pub async fn run(self, shutdown: &Shutdown, signals: &mut mpsc::Receiver<StopSignal>) -> Stopped {
        let Some(signal) = signals.recv().await else {
            return Stopped::Forced;
        };
        log::info!("stopping: connections end with their next answer");
        tokio::select! {
            stopped = self.stop(shutdown, signal) => stopped,
            () = forced(signals, signal) => Stopped::Forced,
        }
    }

    async fn stop(self, shutdown: &Shutdown, signal: StopSignal) -> Stopped {
        let Self { doors, alive: (alive, mut ended), loads } = self;
        let mut alive = Some(alive);
        let until = Instant::now() + shutdown.drain_delay;
        match signal {
            StopSignal::Terminate => {
                doors.enter(Phase::Draining);
                sleep(shutdown.drain_delay).await;
            }
            StopSignal::Interrupt => {
                doors.enter(Phase::Draining);
                while Instant::now() < until && under_way(&loads) > 0 {
                    sleep(GLANCE).await;
                }
            }
            StopSignal::HandOver => {
                doors.enter(Phase::HandedOver);
                // Nobody comes in any more, so the last connection may end before.
                drop(alive.take());
                let _ = timeout(shutdown.drain_delay, ended.recv()).await;
            }
        }
        doors.enter(Phase::Stopping);
        log::info!("no more connections are accepted; calls under way have their grace");
        drop(alive);
        match timeout(shutdown.grace, ended.recv()).await {
            Ok(_) => Stopped::Clean,
            Err(_) => Stopped::Unfinished(loads.iter().map(|load| load.connections()).sum()),
        }
    }
}

/// Waits for the signal that ends everything at once: the second one. One that comes after a
/// hand-over is the first.
async fn forced(signals: &mut mpsc::Receiver<StopSignal>, first: StopSignal) {
    let mut missing = if first == StopSignal::HandOver { 2 } else { 1 };
    while missing > 0 {
        match signals.recv().await {
            Some(StopSignal::HandOver) => {}
            Some(_) => missing -= 1,
            None => std::future::pending().await,
        }
    }
}

fn under_way(loads: &[Arc<Load>]) -> usize {
    loads.iter().map(|load| load.in_flight()).sum()
}
