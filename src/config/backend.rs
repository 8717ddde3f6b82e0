//! The embedded user backend.

use std::path::PathBuf;

/// Where the embedded backend keeps its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// The SQLite file.
    pub database: PathBuf,
    /// The file to which sent codes are appended, one JSON object a line.
    pub outbox: PathBuf,
    /// The name of the region whose accounts it keeps; told in answers when there is one.
    pub region: Option<String>,
}
