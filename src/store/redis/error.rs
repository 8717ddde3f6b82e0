//! Why a Redis can't be used, and whether waiting may help.

use std::path::PathBuf;

use redis::{ErrorKind, RedisError};
use thiserror::Error;

/// Why a Redis can't be used.
#[derive(Debug, Error)]
pub enum OpenError {
    /// It can't be reached, or does not answer as it should.
    #[error("Redis: {0}")]
    Redis(#[source] RedisError),
    /// Connecting took too long.
    #[error("Redis can't be reached in time")]
    Timeout,
    /// The settings name none.
    #[error("the settings name no Redis")]
    NoAddress,
    /// The certificates can't be read.
    #[error("can't read the certificates {path}: {source}")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It throws entries away when its memory is full.
    #[error("Redis evicts entries (maxmemory-policy {0}), so replays would pass: set it to noeviction")]
    Evicts(String),
    /// It does not say whether it does.
    #[error(
        "Redis does not tell its maxmemory-policy: allow INFO or CONFIG GET, or vouch with `never_evicts = true`"
    )]
    EvictionUnknown,
    /// A server is no master.
    #[error("that Redis is a replica, which takes no entries: name the master, or use Sentinels")]
    NotMaster,
    /// A cluster's slots belong to a server that is out of reach, or its servers disagree on whose they are.
    #[error("not every master of the cluster can be reached")]
    MasterMissing,
    /// A server has not what is needed.
    #[error("Redis {0:?} is too old: 6.2 or later is needed")]
    TooOld(String),
    /// A server does not say who it is.
    #[error("Redis does not tell its run_id: allow INFO")]
    NoRunId,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoRandomness,
    /// The figures contradict each other.
    #[error("can't make the store's figures: {0}")]
    Figures(#[from] prometheus::Error),
}

impl OpenError {
    /// Whether waiting will not help: somebody must change settings, here or there.
    pub fn is_for_good(&self) -> bool {
        match self {
            Self::Redis(error) => {
                matches!(error.kind(), ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig)
                    || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
            }
            Self::Timeout | Self::NotMaster | Self::MasterMissing | Self::NoRandomness => false,
            Self::NoAddress
            | Self::Certificates { .. }
            | Self::Evicts(_)
            | Self::EvictionUnknown
            | Self::TooOld(_)
            | Self::NoRunId
            | Self::Figures(_) => true,
        }
    }
}
