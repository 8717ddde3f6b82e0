//! What can go wrong with the database, and how a caller is told.

use std::path::PathBuf;

use rusqlite::ErrorCode;
use thiserror::Error;

use crate::account::{Problem, ProblemCode};

/// The backend can't be opened, copied or put back.
#[derive(Debug, Error)]
pub enum BackendError {
    /// The file was written by a later version.
    #[error(
        "{path}: its schema is version {found}, this program knows up to {known}; run the newer program that wrote it, or restore an older copy"
    )]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// The version found in it.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The file is a database of something else.
    #[error("{0}: an SQLite database, but none of this program; name another file")]
    Foreign(PathBuf),
    /// The copy is damaged.
    #[error("{path}: damaged ({finding}); take another copy")]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What SQLite's check said first.
        finding: String,
    },
    /// SQLite refused.
    #[error("{path}: {source}")]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The file system refused.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The password hash can't be computed with the given cost.
    #[error("the password cost is not usable: {0}")]
    PasswordCost(String),
}

/// Why a unit of work on the database was not done; all of it is undone.
#[derive(Debug, Error)]
pub(super) enum StoreError {
    /// The caller is told so.
    #[error("{0:?}")]
    Problem(Box<Problem>),
    /// SQLite refused.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The system gives no random numbers.
    #[error(transparent)]
    Random(#[from] getrandom::Error),
    /// The work did not come to its end.
    #[error("the database thread ended early")]
    Lost,
}

impl From<Problem> for StoreError {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<ProblemCode> for StoreError {
    fn from(code: ProblemCode) -> Self {
        Problem::new(code).into()
    }
}

/// Seconds after which a write to a full disk is worth another try.
const FULL_RETRY: u64 = 30;
/// Seconds after which a busy database is worth another try.
const BUSY_RETRY: u64 = 1;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let overloaded = |seconds| Self::new(ProblemCode::Overloaded).retry_after(seconds);
        let error = match error {
            StoreError::Problem(problem) => return *problem,
            other => other,
        };
        tracing::error!(%error, "the embedded backend could not use its database");
        let StoreError::Sqlite(error) = error else {
            return Self::new(ProblemCode::Internal);
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => overloaded(FULL_RETRY),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => overloaded(BUSY_RETRY),
            _ => Self::new(ProblemCode::Internal),
        }
    }
}
