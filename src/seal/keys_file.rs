//! The key that the gateway makes for itself where the config names none. It lies in the data
//! directory, so that tokens outlive a restart; without one it is in memory and ends with the process.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{NotAKey, SealKey, SealKeys, SealingError};
use crate::account::Secret;
use crate::hexadecimal;

const FILE: &str = "seal.key";
/// The id of a key that nobody named.
const SELF_MADE: &str = "self-made";
/// More than any key takes in hexadecimal.
const MOST_BYTES: u64 = 4096;

/// Why there are no keys.
#[derive(Debug, Error)]
pub enum KeysError {
    /// The file can't be used.
    #[error("can't use {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than its owner may read or change the file.
    #[error("{path} is open to others (mode {mode:03o}); make the key anew, or `chmod 600` it")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file holds no key.
    #[error("{path}: {source}; remove it and a new one is made, with which older tokens do not open")]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: NotAKey,
    },
    /// The key could not be made.
    #[error(transparent)]
    Random(#[from] SealingError),
}

impl SealKeys {
    /// The configured keys, the first of which seals. Where there are none: the one in `data_dir`, which
    /// is made by whoever comes first; or one of this process alone.
    ///
    /// # Errors
    /// When the file can't be read or made, or is open to others, or there are no random bytes.
    pub fn load(configured: &[SealKey], data_dir: Option<&Path>) -> Result<Self, KeysError> {
        match (configured, data_dir) {
            ([first, others @ ..], _) => Ok(Self::new(first, others)),
            ([], Some(directory)) => Ok(Self::new(&kept_in(directory)?, [])),
            ([], None) => Ok(Self::new(&SealKey::random(SELF_MADE)?, [])),
        }
    }
}

fn kept_in(directory: &Path) -> Result<SealKey, KeysError> {
    let path = directory.join(FILE);
    if let Some(key) = read(&path)? {
        return Ok(key);
    }
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failure(directory))?;
    create(directory, &path)?;
    read(&path)?.ok_or_else(|| failure(&path)(io::ErrorKind::NotFound.into()))
}

fn read(path: &Path) -> Result<Option<SealKey>, KeysError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failure(path)(error)),
    };
    let mode = file.metadata().map_err(failure(path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeysError::Open { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(MOST_BYTES).read_to_string(&mut text).map_err(failure(path))?;
    let key = SealKey::parse(SELF_MADE, &Secret::new(text));
    key.map(Some).map_err(|source| KeysError::NotAKey { path: path.to_owned(), source })
}

/// Writes a whole file under another name and then gives it its own, unless somebody was faster.
fn create(directory: &Path, path: &Path) -> Result<(), KeysError> {
    let key = SealKey::random(SELF_MADE)?;
    let draft = path.with_extension(format!("key.{}", uuid::Uuid::new_v4().simple()));
    let named = write(&draft, &key).and_then(|()| fs::hard_link(&draft, path));
    // Only a name goes; what fails here leaves a file that nobody reads.
    let _ = fs::remove_file(&draft);
    match named {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failure(path)(error)),
        _ => File::open(directory).and_then(|file| file.sync_all()).map_err(failure(directory)),
    }
}

fn write(path: &Path, key: &SealKey) -> io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    writeln!(file, "{}", hexadecimal::encode(key.bytes()))?;
    file.sync_all()
}

fn failure(path: &Path) -> impl FnOnce(io::Error) -> KeysError {
    let path = path.to_owned();
    move |source| KeysError::File { path, source }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn content(directory: &Path) -> String {
        fs::read_to_string(directory.join(FILE)).unwrap()
    }

    fn opens(sealer: &SealKeys, opener: &SealKeys) -> bool {
        opener.decrypt(b"", &sealer.encrypt(b"", b"x").unwrap()).is_ok()
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_kept() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("not/yet/there");
        let first = SealKeys::load(&[], Some(&directory)).unwrap();
        let text = content(&directory);
        let again = SealKeys::load(&[], Some(&directory)).unwrap();
        assert!(opens(&first, &again));
        assert_eq!((text.trim().len(), &content(&directory)), (64, &text));
        let mode = fs::metadata(directory.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "no draft is left");
        assert_eq!(first.ids().collect::<Vec<_>>(), ["self-made"]);
    }

    #[test]
    fn of_many_who_start_at_once_all_have_the_same_key() {
        let place = tempfile::tempdir().unwrap();
        let load = || SealKeys::load(&[], Some(place.path())).unwrap();
        let all: Vec<SealKeys> = thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(load)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(all.iter().all(|keys| opens(keys, &all[0]) && opens(&all[0], keys)));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn without_a_directory_each_process_has_its_own() {
        let (one, other) = (SealKeys::load(&[], None).unwrap(), SealKeys::load(&[], None).unwrap());
        assert!(opens(&one, &one) && !opens(&one, &other));
    }

    #[test]
    fn a_configured_key_leaves_no_file() {
        let place = tempfile::tempdir().unwrap();
        let key = SealKey::new("2026-11", &[7; 32]).unwrap();
        let keys = SealKeys::load(&[key], Some(place.path())).unwrap();
        assert_eq!(keys.ids().collect::<Vec<_>>(), ["2026-11"]);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_others_may_read_or_that_holds_no_key_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(FILE);
        let told = |mode| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            SealKeys::load(&[], Some(place.path())).unwrap_err().to_string()
        };
        fs::write(&path, "ab".repeat(32)).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o602] {
            assert!(told(mode).contains(&format!("is open to others (mode {mode:03o})")));
        }
        fs::write(&path, "ab".repeat(8)).unwrap();
        assert!(told(0o600).contains("has 8 bytes and needs 32"), "{}", told(0o600));
        fs::write(&path, "").unwrap();
        assert!(told(0o600).contains("has 0 bytes"), "an emptied file is not overwritten");
    }
}
