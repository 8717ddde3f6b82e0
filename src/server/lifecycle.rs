//! The life of the serving process: running, draining, stopping.
//!
//! Stop order: ready turns false → for the drain delay connections are still accepted while each
//! answer closes its own → no more are accepted, idle ones are closed → calls under way get the
//! grace. A second signal ends all of it at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::accept::{Bound, accept};
use super::application::Application;
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
    /// Everything is served, but connections end with their next answer.
    Draining,
    /// Nothing new is accepted.
    Stopping,
}

/// A wish that the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// From whoever runs the process: others may not know yet that it goes.
    Terminate,
    /// From the person at the terminal: nobody is to wait without need.
    Interrupt,
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
    phase: watch::Sender<Phase>,
    alive: (mpsc::Sender<()>, mpsc::Receiver<()>),
    loads: Vec<Arc<Load>>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self { phase: watch::Sender::new(Phase::Running), alive: mpsc::channel(1), loads: Vec::new() }
    }
}

impl Lifecycle {
    /// Serves a bound address from now on; `listener` is its place in the config.
    pub fn serve<A: Application>(&mut self, bound: Bound, listener: usize, service: Arc<Service<A>>) {
        if !self.loads.iter().any(|load| Arc::ptr_eq(load, service.load())) {
            self.loads.push(Arc::clone(service.load()));
        }
        let phase = self.phase.subscribe();
        tokio::spawn(accept(bound, listener, service, phase, self.alive.0.clone()));
    }

    /// Tells where the process stands, now and later.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Runs until a signal comes, then stops in order.
    pub async fn run(self, shutdown: &Shutdown, signals: &mut mpsc::Receiver<StopSignal>) -> Stopped {
        let Some(signal) = signals.recv().await else {
            return Stopped::Forced;
        };
        log::info!("stopping");
        tokio::select! {
            stopped = self.stop(shutdown, signal) => stopped,
            Some(_) = signals.recv() => Stopped::Forced,
        }
    }

    async fn stop(self, shutdown: &Shutdown, signal: StopSignal) -> Stopped {
        let Self { phase, alive: (alive, mut ended), loads } = self;
        phase.send_replace(Phase::Draining);
        let until = Instant::now() + shutdown.drain_delay;
        match signal {
            StopSignal::Terminate => sleep(shutdown.drain_delay).await,
            StopSignal::Interrupt => {
                while Instant::now() < until && under_way(&loads) > 0 {
                    sleep(GLANCE).await;
                }
            }
        }
        phase.send_replace(Phase::Stopping);
        drop(alive);
        match timeout(shutdown.grace, ended.recv()).await {
            Ok(_) => Stopped::Clean,
            Err(_) => Stopped::Unfinished(loads.iter().map(|load| load.connections()).sum()),
        }
    }
}

fn under_way(loads: &[Arc<Load>]) -> usize {
    loads.iter().map(|load| load.in_flight()).sum()
}
