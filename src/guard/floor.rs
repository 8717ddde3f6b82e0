//! The floor: no request whose time is at or below it passes, and it only rises.
//!
//! The highest time that was accepted is written to the data directory before the first request of
//! that second passes: one small write a second. After a crash that is the floor. A clean stop saves the
//! whole memory instead, so that the next start knows each single request and need not refuse any.

mod saved;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::Mutex;

use crate::clock::Moment;
pub use saved::Kept;
use saved::Memory;

/// The highest accepted second, as 20 decimal digits.
const HIGHEST_FILE: &str = "replay.highest";
/// What the memory vouches for: see the replay guard's policy.
const POLICY_FILE: &str = "replay.policy";
/// The memory, saved at a clean stop, gone after the next start.
const MEMORY_FILE: &str = "replay.memory";
/// Held while a process uses the directory.
const LOCK_FILE: &str = "replay.lock";
/// Stands in the policy's place while a shared store remembers; no policy reads like it.
const SHARED_POLICY: &[u8] = b"shared";

/// Why the floor can't be kept.
#[derive(Debug, Error)]
pub enum FloorError {
    /// A file of the data directory can't be used.
    #[error("can't use {path}: {source}; the replay guard needs a data directory that it can write")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process keeps its replay memory there.
    #[error("{path} is in use by another process; give each gateway a data directory of its own")]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for the replay key")]
    NoRandomness,
}

/// The floor, for another process to carry on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloorEstate {
    /// No request of this second or an earlier one passes.
    seconds: i64,
    /// The highest second that was accepted.
    pub(super) highest: i64,
}

/// The floor of one process.
#[derive(Debug)]
pub struct Floor {
    directory: Option<PathBuf>,
    seconds: AtomicI64,
    /// The highest second that was accepted, and written.
    highest: AtomicI64,
    file: Mutex<Option<Arc<File>>>,
    /// Whether the last write failed, which is said once.
    unwritable: AtomicBool,
    /// By what the memory is kept now.
    policy: StdMutex<String>,
    /// Set while another process keeps the floor.
    released: AtomicBool,
    lock: Option<File>,
}

impl Floor {
    /// A floor kept in `directory`, which is made if it is not there, or in memory alone.
    ///
    /// # Errors
    /// When the directory can't be used, or another process uses it.
    pub fn open(directory: Option<&Path>) -> Result<Self, FloorError> {
        Ok(Self::locked(directory, directory.map(lock).transpose()?))
    }

    /// The same under a lock that the process before handed over with the directory.
    pub fn locked(directory: Option<&Path>, lock: Option<File>) -> Self {
        Self {
            directory: directory.map(Path::to_owned),
            seconds: AtomicI64::new(i64::MIN),
            highest: AtomicI64::new(i64::MIN),
            file: Mutex::new(None),
            unwritable: AtomicBool::new(false),
            policy: StdMutex::default(),
            released: AtomicBool::new(false),
            lock,
        }
    }

    /// The lock of the directory, which holds as long as any process has it open.
    pub const fn lock(&self) -> Option<&File> {
        self.lock.as_ref()
    }

    /// Sets the floor for a run that starts now, and returns what the last one kept. `future` is the longest
    /// future window in seconds.
    pub(super) fn start(&self, policy: &str, now: Moment, future: i64) -> Result<Option<Kept>, FloorError> {
        let Some(directory) = &self.directory else {
            // Nobody knows what an earlier run accepted, but none can have accepted later times.
            self.raise(now.seconds().saturating_add(future));
            return Ok(None);
        };
        let highest = read_highest(&directory.join(HIGHEST_FILE))?;
        let memory = Memory::take(&directory.join(MEMORY_FILE))?;
        let kept = memory.filter(|memory| Some(memory.highest) == highest && memory.saved_at <= now);
        if let Some(highest) = highest {
            self.highest.store(highest, Ordering::SeqCst);
            self.raise(kept.as_ref().map_or(highest, |memory| memory.floor));
        }
        // Only a first start finds neither file, and has no past to doubt.
        let past_policy = fs::read_to_string(directory.join(POLICY_FILE)).ok();
        let known_past =
            past_policy.as_deref() == Some(policy) || (past_policy.is_none() && highest.is_none());
        let file = open_highest(&directory.join(HIGHEST_FILE))?;
        if !known_past {
            // Times that were not remembered, or no longer, may be asked for now. Written down before
            // the policy is, since only now does the difference of the two tell.
            let doubtful = now.seconds().saturating_add(future);
            if highest.is_none_or(|highest| highest < doubtful) {
                write_highest(&file, doubtful).map_err(failure(&directory.join(HIGHEST_FILE)))?;
                self.highest.store(doubtful, Ordering::SeqCst);
            }
            self.raise_to_highest();
        }
        self.write_policy(directory, policy)?;
        *self.file.try_lock().map_err(|_| FloorError::InUse { path: directory.join(LOCK_FILE) })? =
            Some(Arc::new(file));
        Ok(kept.map(|memory| memory.kept))
    }

    /// Keeps nothing, because a shared store does; a later start without it must not believe what
    /// an earlier one without it left here.
    pub(super) fn leave_to_others(&self) -> Result<(), FloorError> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        Memory::take(&directory.join(MEMORY_FILE))?;
        write_whole(&directory.join(POLICY_FILE), SHARED_POLICY)
    }

    /// The floor, in seconds since the epoch.
    pub fn seconds(&self) -> i64 {
        self.seconds.load(Ordering::SeqCst)
    }

    pub(super) fn raise(&self, seconds: i64) {
        self.seconds.fetch_max(seconds, Ordering::SeqCst);
    }

    /// Raises the floor to the highest time that was accepted.
    pub(super) fn raise_to_highest(&self) {
        self.raise(self.highest.load(Ordering::SeqCst));
    }

    /// Writes down the policy of a reload and the floor of some of its apps, above which a start after a
    /// crash begins.
    pub(super) async fn adapt(&self, policy: &str, floor: i64) -> Result<(), FloorError> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        if floor > i64::MIN {
            self.accept(floor).await.map_err(failure(&directory.join(HIGHEST_FILE)))?;
        }
        self.write_policy(directory, policy)
    }

    fn write_policy(&self, directory: &Path, policy: &str) -> Result<(), FloorError> {
        write_whole(&directory.join(POLICY_FILE), policy.as_bytes())?;
        policy.clone_into(&mut self.policy.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    /// Notes an accepted time. Returns when it is safely written, if it is the highest yet.
    pub(super) async fn accept(&self, second: i64) -> io::Result<()> {
        if second <= self.highest.load(Ordering::SeqCst) {
            return Ok(());
        }
        let file = self.file.lock().await;
        if second <= self.highest.load(Ordering::SeqCst) {
            return Ok(());
        }
        if let Some(file) = file.as_ref() {
            let file = file.clone();
            let written = tokio::task::spawn_blocking(move || write_highest(&file, second)).await;
            let written = written.map_err(io::Error::other).and_then(|written| written);
            self.tell_change(&written);
            written?;
        }
        self.highest.fetch_max(second, Ordering::SeqCst);
        Ok(())
    }

    fn tell_change(&self, written: &io::Result<()>) {
        let was_unwritable = self.unwritable.swap(written.is_err(), Ordering::SeqCst);
        match written {
            Err(error) if !was_unwritable => {
                tracing::error!(%error, "the replay floor can't be written: signed calls are refused until it can");
            }
            Ok(()) if was_unwritable => tracing::info!("the replay floor is written again"),
            _ => {}
        }
    }

    /// Writes nothing from now on; what was being written is written when this returns.
    pub(super) async fn release(&self) -> FloorEstate {
        let mut file = self.file.lock().await;
        self.released.store(true, Ordering::SeqCst);
        *file = None;
        FloorEstate { seconds: self.seconds(), highest: self.highest.load(Ordering::SeqCst) }
    }

    /// Keeps the floor again. Whatever another process `accepted` meanwhile is below it then: the
    /// file tells, or else no time was accepted beyond `latest`.
    pub(super) async fn resume(&self, accepted: bool, latest: i64) -> Result<(), FloorError> {
        self.released.store(false, Ordering::SeqCst);
        let Some(directory) = &self.directory else {
            if accepted {
                self.raise(latest);
            }
            return Ok(());
        };
        let path = directory.join(HIGHEST_FILE);
        if accepted && let Some(highest) = read_highest(&path)? {
            self.highest.fetch_max(highest, Ordering::SeqCst);
            self.raise_to_highest();
        }
        let mut file = self.file.lock().await;
        let opened = open_highest(&path)?;
        // Calls that were remembered before may have passed since, whose time was not written.
        let highest = self.highest.load(Ordering::SeqCst);
        if read_highest(&path)?.unwrap_or(i64::MIN) < highest {
            write_highest(&opened, highest).map_err(failure(&path))?;
        }
        *file = Some(Arc::new(opened));
        drop(file);
        // The other one may have written down its own.
        let policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner).clone();
        write_whole(&directory.join(POLICY_FILE), policy.as_bytes())
    }

    /// Carries on the floor of the process before. `highest` is the latest time of a request that is
    /// remembered, or higher.
    pub(super) async fn inherit(&self, estate: FloorEstate) -> Result<(), FloorError> {
        if let Some(directory) = &self.directory {
            let path = directory.join(HIGHEST_FILE);
            *self.file.lock().await = Some(Arc::new(open_highest(&path)?));
            // A process before that waited too long serves on and writes: never below what stands there.
            if let Some(highest) = read_highest(&path)? {
                self.highest.fetch_max(highest, Ordering::SeqCst);
            }
            if estate.highest > i64::MIN {
                self.accept(estate.highest).await.map_err(failure(&path))?;
            }
        }
        self.highest.fetch_max(estate.highest, Ordering::SeqCst);
        self.raise(estate.seconds);
        Ok(())
    }

    /// Saves the memory for the next start.
    pub(super) fn keep(&self, kept: &Kept, now: Moment) -> Result<(), FloorError> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let highest = self.highest.load(Ordering::SeqCst);
        if highest == i64::MIN || self.released.load(Ordering::SeqCst) {
            return Ok(());
        }
        let memory = Memory { highest, floor: self.seconds(), saved_at: now, kept: kept.clone() };
        write_whole(&directory.join(MEMORY_FILE), memory.to_text().as_bytes())
    }
}

fn failure(path: &Path) -> impl Fn(io::Error) -> FloorError + '_ {
    |source| FloorError::File { path: path.to_owned(), source }
}

fn lock(directory: &Path) -> Result<File, FloorError> {
    fs::create_dir_all(directory).map_err(failure(directory))?;
    let path = directory.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    let file =
        options.create(true).write(true).truncate(false).mode(0o600).open(&path).map_err(failure(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(FloorError::InUse { path }),
        Err(fs::TryLockError::Error(source)) => Err(FloorError::File { path, source }),
    }
}

fn read_highest(path: &Path) -> Result<Option<i64>, FloorError> {
    match fs::read_to_string(path) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => {
            let number = text.trim().parse().map_err(io::Error::other).map_err(failure(path))?;
            Ok(Some(number))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failure(path)(error)),
    }
}

fn open_highest(path: &Path) -> Result<File, FloorError> {
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(false).mode(0o600).open(path).map_err(failure(path))
}

/// One write within one sector: it is there whole or not at all.
fn write_highest(file: &File, second: i64) -> io::Result<()> {
    file.write_all_at(format!("{second:020}\n").as_bytes(), 0)?;
    file.sync_data()
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), FloorError> {
    let new = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(failure(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_process_that_serves_on_wrote_is_not_made_lower_by_the_one_that_was_to_follow() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(HIGHEST_FILE);
        let old = Floor::open(Some(directory.path())).unwrap();
        old.start("policy", Moment::from_seconds(100), 30).unwrap();
        old.accept(101).await.unwrap();
        let estate = old.release().await;
        // The old one loses patience before the new one has read its estate.
        old.resume(false, 130).await.unwrap();
        old.accept(102).await.unwrap();
        let new = Floor::locked(Some(directory.path()), None);
        new.inherit(estate).await.unwrap();
        assert_eq!(read_highest(&path).unwrap(), Some(102));
        new.accept(103).await.unwrap();
        assert_eq!(read_highest(&path).unwrap(), Some(103));
    }

    #[tokio::test]
    async fn what_passed_while_a_hand_over_failed_is_written_when_it_has() {
        let directory = tempfile::tempdir().unwrap();
        let floor = Floor::open(Some(directory.path())).unwrap();
        floor.start("policy", Moment::from_seconds(100), 30).unwrap();
        floor.release().await;
        // Remembered before the hand-over began.
        floor.accept(101).await.unwrap();
        floor.resume(false, 130).await.unwrap();
        assert_eq!(read_highest(&directory.path().join(HIGHEST_FILE)).unwrap(), Some(101));
    }

    #[tokio::test]
    async fn what_can_not_be_written_is_not_accepted_until_it_can() {
        let directory = tempfile::tempdir().unwrap();
        let floor = Floor::open(Some(directory.path())).unwrap();
        floor.start("policy", Moment::from_seconds(100), 30).unwrap();
        let path = directory.path().join(HIGHEST_FILE);
        // Writing to a file that was opened for reading fails as a full disk does.
        let writable = floor.file.lock().await.replace(Arc::new(File::open(&path).unwrap()));
        for _ in 0..2 {
            assert!(floor.accept(101).await.is_err());
            assert!(floor.unwritable.load(Ordering::SeqCst));
            assert_eq!(read_highest(&path).unwrap(), None);
        }
        *floor.file.lock().await = writable;
        floor.accept(101).await.unwrap();
        assert!(!floor.unwritable.load(Ordering::SeqCst));
        assert_eq!(read_highest(&path).unwrap(), Some(101));
    }
}
