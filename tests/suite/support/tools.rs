//! Programs that `make test` installs. A missing one is a failure, never a skipped test.

use std::path::PathBuf;

/// A file of the tools directory.
pub fn tool(path: &str) -> PathBuf {
    let directory = std::env::var_os("DRAGOMAN_TOOLS").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/dragoman/tools"),
        PathBuf::from,
    );
    let file = directory.join(path);
    assert!(file.exists(), "{} is missing: `make test` installs it", file.display());
    file
}

/// A file of this repository.
pub fn source(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}
