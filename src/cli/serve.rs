//! The one place where the command line meets the server and the embedded backend.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::{Bound, Failure};
use crate::config::{Backend, Settings};
use crate::observe::Observer;

/// Serves until the process is told to stop; `listening` is called once, when every address is
/// bound.
pub(super) fn gateway(
    _settings: &Settings,
    _observer: Arc<Observer>,
    _listening: impl FnOnce(&Bound),
) -> Result<(), Failure> {
    Err(Failure::new("this build has no server"))
}

/// Serves the embedded backend alone until the process is told to stop.
pub(super) fn backend(
    _backend: &Backend,
    _address: SocketAddr,
    _listening: impl FnOnce(SocketAddr),
) -> Result<(), Failure> {
    Err(Failure::new("this build has no server"))
}

/// Copies the database, which may be in use, to `target`.
pub(super) fn backup(_database: &Path, _target: &Path) -> Result<(), Failure> {
    Err(Failure::new("this build has no embedded backend"))
}

/// Puts the copy `source` in the place of the database.
pub(super) fn restore(_source: &Path, _database: &Path) -> Result<(), Failure> {
    Err(Failure::new("this build has no embedded backend"))
}
