//! What the two processes say to each other.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::Settings;
use crate::guard::ReplayEstate;
use crate::server::Role;
use crate::store::own::{Answer, Contents, MemoryKeys, Question};

/// Where a process remembers.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Memory {
    /// In itself.
    Own,
    /// In a shared store, told from others by this digest.
    Shared([u8; 16]),
}

impl Memory {
    /// That of these settings.
    pub fn of(settings: &Settings) -> Self {
        let Some(redis) = &settings.store.redis else {
            return Self::Own;
        };
        let mut digest = Sha256::new();
        digest.update(format!("{:?} {:?} {}\0", redis.topology, redis.addresses, redis.database));
        digest.update(redis.state_key.expose());
        let mut short = [0; 16];
        short.iter_mut().zip(digest.finalize()).for_each(|(to, from)| *to = from);
        Self::Shared(short)
    }
}

/// The old process's first word: what is to be had. The sockets follow it, and then the lock.
#[derive(Serialize, Deserialize)]
pub(super) struct Offer {
    pub sockets: Vec<(Role, SocketAddr)>,
    pub locked: bool,
    pub data_dir: Option<PathBuf>,
    pub memory: Memory,
    /// The keys of an own memory.
    pub keys: Option<MemoryKeys>,
}

/// What the old process remembers.
#[derive(Serialize, Deserialize)]
pub(super) struct Estate {
    pub guard: ReplayEstate,
    pub contents: Contents,
}

/// What the new process says.
#[derive(Serialize, Deserialize)]
pub(super) enum FromHeir {
    /// It can't carry on, for this reason.
    Unfit(String),
    /// All is built; now the memory.
    Ready,
    /// The memory is here; nobody is accepted yet.
    Taken,
    /// Connections are accepted, and an own one was served.
    Serving,
}

/// What the old process says once the new one is ready.
#[derive(Serialize, Deserialize)]
pub(super) enum FromIncumbent {
    /// What it remembers; nothing where a shared store does.
    Estate(Option<Box<Estate>>),
    /// It decides nothing any more: accept.
    Go,
    /// It has told everybody, and ends when its connections have.
    Done,
}

/// A question of the old process, by its number.
pub(super) type Numbered = (u64, Question);

/// The answer to the question of that number; `None` where nobody could give one.
pub(super) type NumberedAnswer = (u64, Option<Answer>);
