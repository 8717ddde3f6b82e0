//! The tables, as the list of steps that led to them, and the way from an older schema to this one.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::backup;
use super::error::BackendError;

/// Marks the file as one of this program ("DRGM").
const APPLICATION_ID: i64 = 0x4452_474D;

/// Step N leads from schema N to N+1. A released step is never changed.
pub(super) const MIGRATIONS: &[&str] = &[include_str!("schema/1.sql")];

/// How long a statement waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens the file for writing, creates it when it is missing, and brings its schema up to date.
pub(super) fn open_writer(path: &Path, migrations: &[&str]) -> Result<Connection, BackendError> {
    create_private(path)?;
    let sqlite = |source| sqlite_error(path, source);
    let mut connection = Connection::open(path).map_err(sqlite)?;
    check_origin(&connection, path, migrations.len())?;
    configure(&connection).map_err(sqlite)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(sqlite)?;
    migrate(&mut connection, path, migrations)?;
    Ok(connection)
}

/// Opens one more connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, BackendError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .and_then(|connection| configure(&connection).map(|()| connection))
        .map_err(|source| sqlite_error(path, source))
}

/// Opens the file to be overwritten by a copy: it may be missing or of a later version.
pub(super) fn open_target(path: &Path) -> Result<Connection, BackendError> {
    create_private(path)?;
    let connection = Connection::open(path).map_err(|source| sqlite_error(path, source))?;
    check_ours(&connection, path)?;
    configure(&connection).map_err(|source| sqlite_error(path, source))?;
    Ok(connection)
}

/// Refuses a file of something else and one of a later version, before anything is written to it.
/// Answers its schema version.
pub(super) fn check_origin(connection: &Connection, path: &Path, known: usize) -> Result<i64, BackendError> {
    check_ours(connection, path)?;
    let found = number(connection, path, "PRAGMA user_version")?;
    let known = known as i64;
    if found > known {
        return Err(BackendError::NewerSchema { path: path.to_owned(), found, known });
    }
    Ok(found)
}

/// Whether the file has the schema of this version, so that opening it changes nothing.
///
/// # Errors
/// When it can't be read, or is of a later version or something else.
pub fn is_present(path: &Path) -> Result<bool, BackendError> {
    if !path.exists() {
        return Ok(true);
    }
    let reader = open_reader(path)?;
    Ok(check_origin(&reader, path, MIGRATIONS.len())? == MIGRATIONS.len() as i64)
}

fn check_ours(connection: &Connection, path: &Path) -> Result<(), BackendError> {
    let tables = number(connection, path, "SELECT count(*) FROM sqlite_schema")?;
    if tables > 0 && number(connection, path, "PRAGMA application_id")? != APPLICATION_ID {
        return Err(BackendError::Foreign(path.to_owned()));
    }
    Ok(())
}

fn number(connection: &Connection, path: &Path, sql: &str) -> Result<i64, BackendError> {
    connection.query_row(sql, (), |row| row.get(0)).map_err(|source| sqlite_error(path, source))
}

pub(super) fn sqlite_error(path: &Path, source: rusqlite::Error) -> BackendError {
    BackendError::Sqlite { path: path.to_owned(), source }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// SQLite gives its side files the mode of the database, so that one is made first, for the owner alone.
fn create_private(path: &Path) -> Result<(), BackendError> {
    let created = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    created.map(drop).map_err(|source| BackendError::File { path: path.to_owned(), source })
}

fn migrate(connection: &mut Connection, path: &Path, migrations: &[&str]) -> Result<(), BackendError> {
    let sqlite = |source| sqlite_error(path, source);
    let seen = check_origin(connection, path, migrations.len())?;
    if seen == migrations.len() as i64 {
        return Ok(());
    }
    if seen > 0 {
        let mut copy = path.as_os_str().to_owned();
        copy.push(format!(".bak-{seen}"));
        backup::copy(connection, path, Path::new(&copy))?;
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sqlite)?;
    let found = check_origin(&transaction, path, migrations.len())?;
    for step in migrations.iter().skip(found as usize) {
        transaction.execute_batch(step).map_err(sqlite)?;
    }
    transaction
        .pragma_update(None, "application_id", APPLICATION_ID)
        .and_then(|()| transaction.pragma_update(None, "user_version", migrations.len() as i64))
        .and_then(|()| transaction.commit())
        .map_err(sqlite)
}
