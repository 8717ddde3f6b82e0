//! Why a hand-over did not come about.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::guard::FloorError;

/// Why a hand-over did not come about.
#[derive(Debug, Error)]
pub enum HandOverError {
    /// Nobody is there to hand over.
    #[error("no gateway hands over at {path}: {source}")]
    Nobody {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The socket can't be made.
    #[error("can't use the socket {path}: {source}")]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process hands over there.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// The connection failed.
    #[error("the connection between the two processes failed: {0}")]
    Connection(#[from] io::Error),
    /// The other process ended, or gave up.
    #[error("the other process ended or gave up; its own log says why")]
    Gone,
    /// The other process did not answer in time.
    #[error("the other process took too long to {0}")]
    TooSlow(&'static str),
    /// The other process is of somebody else.
    #[error("the other process runs as user {0}, not as this one's")]
    Stranger(u32),
    /// The other process speaks another version of the hand-over.
    #[error("the other process hands over in another way: it is of another version")]
    OtherVersion,
    /// What came can't be understood.
    #[error("what the other process said can't be understood")]
    Garbled,
    /// The two do not fit together.
    #[error("{0}")]
    Unfit(String),
    /// The old process stops.
    #[error("this process stops already")]
    Stopping,
    /// The data directory can't be used.
    #[error(transparent)]
    Floor(#[from] FloorError),
}
