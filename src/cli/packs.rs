//! Which dialects a command knows, and with which settings: what `translate`, `test` and `dialects` have in common.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::{Failure, settings};
use crate::config::{DialectSettings, Finding, Settings, suggestion};
use crate::dialect::{Dialect, Dialects, Pack};

/// Where dialects come from.
#[derive(Debug, Args)]
pub struct Packs {
    /// The gateway's config file: its `dialects_dir`, regions and settings of dialects count
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A directory of packs, beside the built-in dialects
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    dialects_dir: Option<PathBuf>,
}

impl Packs {
    /// Reads the packs, and the config that names them.
    pub fn load(&self) -> Result<(Dialects, Option<Settings>), Failure> {
        let settings = match &self.config {
            Some(path) => {
                let (settings, _) = settings(Some(path)).map_err(|findings| {
                    Failure::new("the config is refused")
                        .because(list(&findings))
                        .hint("`dragoman check` tells more")
                })?;
                Some(settings)
            }
            None => None,
        };
        let configured = settings.as_ref().and_then(|settings| settings.dialects_dir.as_deref());
        Ok((read(self.dialects_dir.as_deref().or(configured))?, settings))
    }
}

fn read(directory: Option<&Path>) -> Result<Dialects, Failure> {
    let loaded = Dialects::load(directory);
    loaded.map(|(dialects, _)| dialects).map_err(|findings| {
        Failure::new("a dialect's pack is refused").because(list(&findings)).hint("mend the pack")
    })
}

/// Findings as one cause.
pub fn list(findings: &[Finding]) -> String {
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    findings.join("\n  ")
}

/// The pack of a name with its settings.
pub fn pack(dialects: &Dialects, name: &str, chosen: &DialectSettings) -> Result<Arc<Pack>, Failure> {
    let none = BTreeMap::new();
    let refused = |findings: Vec<Finding>| {
        Failure::new(format!("the settings of {name} are refused"))
            .because(list(&findings))
            .hint("`dragoman dialects` lists each dialect's settings")
    };
    let pack = dialects.with_settings(name, chosen.get(name).unwrap_or(&none)).map_err(refused)?;
    pack.ok_or_else(|| {
        let names: Vec<&str> = dialects.iter().map(|pack| pack.name()).collect();
        Failure::new(format!("unknown dialect {name:?}")).hint(suggestion(name, &names))
    })
}

/// Reads `shopxo.numbers=integer`.
pub fn setting(text: &str) -> Result<(String, String, String), String> {
    let parts = text.split_once('=').and_then(|(place, value)| {
        let (dialect, name) = place.split_once('.')?;
        Some((dialect.to_owned(), name.to_owned(), value.to_owned()))
    });
    parts.ok_or_else(|| "write it as dialect.setting=value".to_owned())
}
