//! Where a running process waits for the one that is to follow it.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use super::HandOverError;

/// The socket, which goes with the process unless another has taken its place.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    left: bool,
}

impl Socket {
    /// Waits at `path` from now on. What a process left there that is gone is replaced.
    ///
    /// # Errors
    /// When the path can't be used, or another process waits there.
    pub async fn bind(path: &Path) -> Result<Self, HandOverError> {
        if UnixStream::connect(path).await.is_ok() {
            return Err(HandOverError::InUse(path.to_owned()));
        }
        let bind = || {
            // It comes to its place with its mode, so that nobody else can use it at any time.
            let new = path.with_extension("new");
            if let Err(error) = fs::remove_file(&new)
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(error);
            }
            let listener = UnixListener::bind(&new)?;
            fs::set_permissions(&new, Permissions::from_mode(0o600))?;
            fs::rename(&new, path)?;
            Ok(listener)
        };
        let listener = bind().map_err(|source| HandOverError::Socket { path: path.to_owned(), source })?;
        Ok(Self { listener, path: path.to_owned(), left: false })
    }

    /// Waits for the next one.
    pub(super) async fn next(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }

    /// Leaves the path to another process.
    pub(super) fn leave(mut self) {
        self.left = true;
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !self.left {
            // Left behind it does no harm: nobody answers there.
            let _ = fs::remove_file(&self.path);
        }
    }
}
