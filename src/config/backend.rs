//! The embedded user backend.

use std::path::{Path, PathBuf};

use super::{Settings, Upstream};

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

impl Backend {
    /// The embedded backend of a directory.
    pub fn at(directory: &Path, region: Option<String>) -> Self {
        Self { database: directory.join("accounts.db"), outbox: directory.join("outbox.jsonl"), region }
    }

    /// The embedded backend that the settings call for, where they do and it has a place.
    pub(super) fn of(settings: &Settings) -> Option<Self> {
        let directory = settings.data_dir.as_deref()?;
        let embedded = settings.upstream == Upstream::Embedded;
        embedded.then(|| Self::at(directory, Some(settings.regions.own.clone())))
    }
}
