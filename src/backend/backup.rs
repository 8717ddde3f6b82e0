//! Copies of the database while it is in use, and the way back.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, ffi};

use super::error::BackendError;
use super::schema::{self, MIGRATIONS, sqlite_error};

/// Pages copied between two looks at the lock; writers go on in between.
const PAGES_A_STEP: i32 = 1024;
const PAUSE: Duration = Duration::from_millis(5);
/// How often a locked file is tried again: half a minute in all.
const PATIENCE: u32 = 6_000;

/// Copies the database at `database`, which may be in use by another process, to `target`.
/// The copy appears whole or not at all, and only its owner may read it.
///
/// # Errors
/// When either file can't be used.
pub fn backup(database: &Path, target: &Path) -> Result<(), BackendError> {
    let source = open_existing(database)?;
    schema::check_origin(&source, database, MIGRATIONS.len())?;
    copy(&source, database, target)
}

/// Puts the copy `source` in the place of the database at `database`, in one transaction. Sessions
/// and codes are those of the copy again.
///
/// # Errors
/// When the copy is damaged, of something else or of a later version, or a file can't be used.
pub fn restore(source: &Path, database: &Path) -> Result<(), BackendError> {
    let copy = open_existing(source)?;
    schema::check_origin(&copy, source, MIGRATIONS.len())?;
    let finding: String = copy
        .query_row("PRAGMA quick_check(1)", (), |row| row.get(0))
        .map_err(|error| sqlite_error(source, error))?;
    if finding != "ok" {
        return Err(BackendError::Damaged { path: source.to_owned(), finding });
    }
    let mut target = schema::open_target(database)?;
    transfer(&copy, &mut target, i32::MAX).map_err(|error| sqlite_error(database, error))?;
    drop(target);
    schema::open_writer(database, MIGRATIONS).map(drop)
}

/// Copies what an open connection sees to `target`.
pub(super) fn copy(source: &Connection, path: &Path, target: &Path) -> Result<(), BackendError> {
    let mut partial = target.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let file = |source| BackendError::File { path: target.to_owned(), source };
    remove_if_there(&partial).map_err(file)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial).map_err(file)?;
    let copied = Connection::open(&partial)
        .and_then(|mut connection| transfer(source, &mut connection, PAGES_A_STEP))
        .map_err(|error| sqlite_error(path, error));
    if copied.is_err() {
        // The copy's own error is the one to tell.
        let _ = fs::remove_file(&partial);
        return copied;
    }
    File::open(&partial)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(&partial, target))
        .map_err(file)
}

fn transfer(source: &Connection, target: &mut Connection, pages: i32) -> rusqlite::Result<()> {
    let backup = Backup::new(source, target)?;
    let mut patience = PATIENCE;
    loop {
        match backup.step(pages)? {
            StepResult::Done => return Ok(()),
            StepResult::More => thread::sleep(PAUSE),
            _ if patience > 0 => {
                patience -= 1;
                thread::sleep(PAUSE);
            }
            _ => {
                return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None));
            }
        }
    }
}

fn open_existing(path: &Path) -> Result<Connection, BackendError> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(|source| sqlite_error(path, source))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
