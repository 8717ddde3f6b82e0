//! The operating system's signals, as wishes to stop, to reload or to upgrade.

use std::io::{self, IsTerminal};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::lifecycle::StopSignal;

/// Listens from now on. On a terminal SIGTERM is as hasty as Ctrl-C. What is returned first sends
/// such wishes from within.
///
/// # Errors
/// When the operating system does not let signals be handled.
pub fn listen() -> io::Result<(mpsc::Sender<StopSignal>, mpsc::Receiver<StopSignal>)> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = mpsc::channel(4);
    let stop = sender.clone();
    tokio::spawn(async move {
        loop {
            let wish = tokio::select! {
                Some(()) = terminate.recv() => {
                    if io::stdin().is_terminal() { StopSignal::Interrupt } else { StopSignal::Terminate }
                }
                Some(()) = interrupt.recv() => StopSignal::Interrupt,
                else => return,
            };
            if sender.send(wish).await.is_err() {
                return;
            }
        }
    });
    Ok((stop, receiver))
}

/// Wishes that come as a signal which would otherwise end the process.
pub struct Wishes(Signal);

impl Wishes {
    /// Wishes that the config is read again: SIGHUP.
    ///
    /// # Errors
    /// When the operating system does not let signals be handled.
    pub fn to_reload() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Wishes that the program is started anew and takes over: SIGUSR2.
    ///
    /// # Errors
    /// When the operating system does not let signals be handled.
    pub fn to_upgrade() -> io::Result<Self> {
        signal(SignalKind::user_defined2()).map(Self)
    }

    /// Waits for the next wish; several that come at once are one.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
