//! The operating system's signals, as wishes to stop, to reload or to upgrade.

use std::io::{self, IsTerminal};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::lifecycle::StopSignal;

/// What is wished of the process by signals.
pub struct Signals {
    /// Ends the process from within.
    pub stop: mpsc::Sender<StopSignal>,
    /// That it ends: SIGTERM and SIGINT.
    pub stops: mpsc::Receiver<StopSignal>,
    /// That the config is read again: SIGHUP.
    pub reloads: Wishes,
    /// That the program is started anew and takes over: SIGUSR2.
    pub upgrades: Wishes,
}

impl Signals {
    /// Listens from now on. On a terminal SIGTERM is as hasty as Ctrl-C.
    ///
    /// # Errors
    /// When the operating system does not let signals be handled.
    pub fn listen() -> io::Result<Self> {
        let (stop, stops) = mpsc::channel(4);
        tokio::spawn(tell_stops(
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            stop.clone(),
        ));
        let reloads = Wishes(signal(SignalKind::hangup())?);
        let upgrades = Wishes(signal(SignalKind::user_defined2())?);
        Ok(Self { stop, stops, reloads, upgrades })
    }
}

async fn tell_stops(mut terminate: Signal, mut interrupt: Signal, stop: mpsc::Sender<StopSignal>) {
    loop {
        let wish = tokio::select! {
            Some(()) = terminate.recv() => {
                if io::stdin().is_terminal() { StopSignal::Interrupt } else { StopSignal::Terminate }
            }
            Some(()) = interrupt.recv() => StopSignal::Interrupt,
            else => return,
        };
        if stop.send(wish).await.is_err() {
            return;
        }
    }
}

/// Wishes that come as a signal which would otherwise end the process.
pub struct Wishes(Signal);

impl Wishes {
    /// Waits for the next wish; several that come at once are one.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
