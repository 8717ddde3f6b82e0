//! The operating system's signals, as wishes to stop. SIGHUP, which would end the process, is
//! taken and logged.

use std::io::{self, IsTerminal};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::lifecycle::StopSignal;

/// Listens from now on. On a terminal SIGTERM is as hasty as Ctrl-C.
///
/// # Errors
/// When the operating system does not let signals be handled.
pub fn listen() -> io::Result<mpsc::Receiver<StopSignal>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        loop {
            let wish = tokio::select! {
                Some(()) = terminate.recv() => {
                    if io::stdin().is_terminal() { StopSignal::Interrupt } else { StopSignal::Terminate }
                }
                Some(()) = interrupt.recv() => StopSignal::Interrupt,
                Some(()) = hang_up.recv() => {
                    log::warn!("SIGHUP ignored: this version can't reload its config, restart it instead");
                    continue;
                }
                else => return,
            };
            if sender.send(wish).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
