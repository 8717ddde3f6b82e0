//! The connections: one that writes, a few that read, all used off the async threads. Work waits
//! its turn as a future, so a crowd of callers occupies no threads.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::task::spawn_blocking;

use super::backup;
use super::digest::DigestKey;
use super::error::{BackendError, StoreError};
use super::schema::{self, MIGRATIONS, sqlite_error};
use super::store;

const READERS: usize = 4;

/// An open database.
pub(super) struct Database {
    path: PathBuf,
    writer: Arc<AsyncMutex<Connection>>,
    readers: Arc<Mutex<Vec<Connection>>>,
    free_readers: Arc<Semaphore>,
}

impl Database {
    /// Opens or creates it, and reads the key of its keyed digests.
    pub(super) fn open(path: &Path) -> Result<(Self, DigestKey), BackendError> {
        let writer = schema::open_writer(path, MIGRATIONS)?;
        let key = store::digest_key(&writer).map_err(|source| sqlite_error(path, source))?;
        let readers = (0..READERS).map(|_| schema::open_reader(path)).collect::<Result<Vec<_>, _>>()?;
        let database = Self {
            path: path.to_owned(),
            writer: Arc::new(AsyncMutex::new(writer)),
            readers: Arc::new(Mutex::new(readers)),
            free_readers: Arc::new(Semaphore::new(READERS)),
        };
        Ok((database, key))
    }

    /// Does one unit of work that writes. What the work answers with `Ok` is on the disk when this
    /// returns; with `Err` nothing of it was done.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let mut writer = self.writer.clone().lock_owned().await;
        let done = spawn_blocking(move || {
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        });
        done.await.unwrap_or(Err(StoreError::Lost))
    }

    /// Reads, beside a writer.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let permit = self.free_readers.clone().acquire_owned().await;
        let permit = permit.map_err(|_| StoreError::Lost)?;
        let readers = self.readers.clone();
        let path = self.path.clone();
        let done = spawn_blocking(move || {
            let pooled = readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
            // The pool runs dry only if a reader panicked and took its connection along.
            let reader = match pooled {
                Some(reader) => reader,
                None => schema::open_reader(&path).map_err(|_| StoreError::Lost)?,
            };
            let result = work(&reader);
            readers.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
            drop(permit);
            result
        });
        done.await.unwrap_or(Err(StoreError::Lost))
    }

    /// Copies the database while it is in use.
    pub(super) async fn backup(&self, target: PathBuf) -> Result<(), BackendError> {
        let path = self.path.clone();
        let copied = spawn_blocking(move || {
            let reader = schema::open_reader(&path)?;
            backup::copy(&reader, &path, &target)
        });
        copied.await.unwrap_or_else(|_| Err(self.lost()))
    }

    /// Moves everything from the write-ahead log into the database file.
    pub(super) async fn checkpoint(&self) -> Result<(), BackendError> {
        let writer = self.writer.clone().lock_owned().await;
        let done =
            spawn_blocking(move || writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())));
        match done.await {
            Ok(result) => result.map_err(|source| sqlite_error(&self.path, source)),
            Err(_) => Err(self.lost()),
        }
    }

    fn lost(&self) -> BackendError {
        BackendError::File {
            path: self.path.clone(),
            source: std::io::Error::other("the database thread ended early"),
        }
    }

    /// Lets the database grow by no page more, as a full disk does, or again without bound.
    #[cfg(test)]
    pub(super) async fn set_full(&self, full: bool) {
        let writer = self.writer.clone().lock_owned().await;
        let pages: i64 = match full {
            true => writer.query_row("PRAGMA page_count", (), |row| row.get(0)).unwrap(),
            false => i64::from(u32::MAX) - 1,
        };
        writer.query_row(&format!("PRAGMA max_page_count = {pages}"), (), |_| Ok(())).unwrap();
    }
}
