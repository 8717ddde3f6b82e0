//! The closed sets that label values come from: no caller can make up a new one.

use std::collections::HashSet;

use crate::account::Operation;
use crate::config::Settings;

/// What stands for a value that no closed set has.
const UNKNOWN: &str = "unknown";

/// The key that a gateway makes for itself, which no config names.
const SELF_MADE: &str = "self-made";

/// The apps, regions and keys that the config names, and the dialects that are built in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    apps: HashSet<String>,
    regions: HashSet<String>,
    keys: HashSet<String>,
}

impl Labels {
    /// The sets that the settings name.
    pub fn of(settings: &Settings) -> Self {
        let regions = settings.regions.table.iter();
        Self {
            apps: settings.apps.iter().map(|app| app.id.clone()).collect(),
            regions: regions.map(|region| region.name.clone()).collect(),
            keys: settings.seal.keys.iter().map(|key| key.id().to_owned()).collect(),
        }
    }

    /// Every region.
    pub(super) fn regions(&self) -> impl Iterator<Item = &str> {
        self.regions.iter().map(String::as_str)
    }

    /// The label of an app.
    pub(super) fn app<'a>(&'a self, app: Option<&'a str>) -> &'a str {
        app.filter(|app| self.apps.contains(*app)).unwrap_or(UNKNOWN)
    }

    /// The label of a key.
    pub(super) fn key<'a>(&'a self, key: &'a str) -> &'a str {
        if self.keys.contains(key) { key } else { SELF_MADE }
    }

    /// The label of a region.
    pub(super) fn region<'a>(&'a self, region: Option<&'a str>) -> &'a str {
        region.filter(|region| self.regions.contains(*region)).unwrap_or(UNKNOWN)
    }
}

/// The label of a dialect. Its names are those of packs, which only an operator can add.
pub(super) fn dialect(name: Option<&'static str>) -> &'static str {
    name.unwrap_or(UNKNOWN)
}

/// The label of an operation; `none` where a request asked for none that is known.
pub(super) fn operation(operation: Option<Operation>) -> &'static str {
    operation.map_or("none", |operation| operation.name())
}
