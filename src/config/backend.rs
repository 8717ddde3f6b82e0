//! The embedded user backends: one, or one for each of several regions.

use std::path::{Path, PathBuf};

use super::Settings;

/// Where the embedded backend keeps its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// The SQLite file.
    pub database: PathBuf,
    /// The file to which sent codes are appended, one JSON object a line.
    pub outbox: PathBuf,
    /// The name of the region whose accounts it keeps; told in answers when there is one.
    pub region: Option<String>,
    /// The SQLite file in which the embedded backends of several regions share who lives where.
    pub residents: Option<PathBuf>,
}

impl Backend {
    /// The embedded backend of a directory, which knows of no other.
    pub fn at(directory: &Path, region: Option<String>) -> Self {
        Self {
            database: directory.join("accounts.db"),
            outbox: directory.join("outbox.jsonl"),
            region,
            residents: None,
        }
    }

    /// The embedded backends that the settings call for, where there is a place for their data: the own
    /// region's in that itself, each other in a directory with the region's name.
    pub(super) fn of(settings: &Settings) -> Vec<Self> {
        let Some(directory) = settings.data_dir.as_deref() else { return Vec::new() };
        let regions: Vec<&str> = settings.embedded_regions().collect();
        let usual = || (regions.len() > 1).then(|| directory.join("residents.db"));
        let residents = settings.regions.residents.clone().or_else(usual);
        let backend = |region: &&str| {
            let own = *region == settings.regions.own;
            let directory = if own { directory.to_owned() } else { directory.join(region) };
            Self { residents: residents.clone(), ..Self::at(&directory, Some((*region).to_owned())) }
        };
        regions.iter().map(backend).collect()
    }
}
