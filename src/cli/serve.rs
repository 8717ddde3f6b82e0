//! The one place where the command line meets the server and the embedded backend.

use std::fmt::Display;
use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
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
pub(super) fn backup(database: &Path, target: &Path) -> Result<(), Failure> {
    crate::backend::backup(database, target).map_err(no_backend)
}

/// Puts the copy `source` in the place of the database.
pub(super) fn restore(source: &Path, database: &Path) -> Result<(), Failure> {
    if let Some(directory) = database.parent() {
        create(directory)?;
    }
    crate::backend::restore(source, database).map_err(no_backend)
}

/// Creates a data directory that only its owner can enter.
fn create(directory: &Path) -> Result<(), Failure> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    created.map_err(|error| {
        Failure::new(format!("can't create the data directory {}", directory.display()))
            .because(error)
            .hint("set `data_dir` or DRAGOMAN_DATA_DIR to a place that this user may write to")
    })
}

fn no_backend(error: impl Display) -> Failure {
    Failure::new("the embedded backend failed").because(error)
}
