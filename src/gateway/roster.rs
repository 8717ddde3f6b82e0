//! The packs that a gateway runs: each dialect with the settings that a listener or the upstream gave it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::BuildError;
use crate::config::Settings;
use crate::dialect::{Dialect, Dialects, Pack};

/// Packs by their place; one that is wanted with the same settings twice is there once.
pub(super) struct Roster {
    dialects: Dialects,
    packs: Vec<Arc<Pack>>,
    chosen: Vec<(String, BTreeMap<String, String>)>,
}

impl Roster {
    /// The dialects that the settings know, none of them wanted yet.
    pub fn new(settings: &Settings) -> Result<Self, BuildError> {
        let (dialects, _) = Dialects::load(settings.dialects_dir.as_deref()).map_err(BuildError::Packs)?;
        Ok(Self { dialects, packs: Vec::new(), chosen: Vec::new() })
    }

    /// The place of a dialect with these settings.
    pub fn index(&mut self, name: &str, settings: &BTreeMap<String, String>) -> Result<usize, BuildError> {
        let same = |(of, with): &(String, BTreeMap<String, String>)| of == name && with == settings;
        if let Some(index) = self.chosen.iter().position(same) {
            return Ok(index);
        }
        self.packs.push(self.pack(name, settings)?);
        self.chosen.push((name.to_owned(), settings.clone()));
        Ok(self.packs.len() - 1)
    }

    /// A dialect with these settings, whether it has a place or not.
    pub fn pack(&self, name: &str, settings: &BTreeMap<String, String>) -> Result<Arc<Pack>, BuildError> {
        let pack = self.dialects.with_settings(name, settings).map_err(BuildError::Packs)?;
        pack.ok_or_else(|| BuildError::UnknownDialect(name.to_owned()))
    }

    /// The names of all dialects that the settings know.
    pub fn names(&self) -> Vec<&'static str> {
        self.dialects.iter().map(|pack| pack.name()).collect()
    }

    /// Whether calls of the dialect at this place are signed.
    pub fn signs(&self, index: usize) -> bool {
        self.packs.get(index).is_some_and(|pack| pack.signs())
    }

    /// All that were wanted, by their places.
    pub fn packs(&self) -> Arc<[Arc<Pack>]> {
        self.packs.iter().cloned().collect()
    }
}
