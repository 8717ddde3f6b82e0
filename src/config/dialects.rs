//! The dialects that a config may name.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

/// A dialect, as far as the config must know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Its name.
    pub name: &'static str,
    /// Whether its calls are signed by an app.
    pub signs: bool,
    /// The text of its pack.
    pub pack: &'static str,
}

/// Every dialect that is built in. The order is that of claims on a shared path: who signs comes first.
pub const DIALECTS: &[Dialect] = &[
    Dialect { name: "coolkit", signs: true, pack: include_str!("../../dialects/coolkit.toml") },
    Dialect { name: "qingzhenyun", signs: false, pack: include_str!("../../dialects/qingzhenyun.toml") },
    Dialect { name: "discuzq", signs: false, pack: include_str!("../../dialects/discuzq.toml") },
    Dialect { name: "shopxo", signs: false, pack: include_str!("../../dialects/shopxo.toml") },
    Dialect { name: "canonical", signs: false, pack: include_str!("../../dialects/canonical.toml") },
];

/// A dialect that a config may name: built in, or the operator's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDialect {
    /// Its name.
    pub name: String,
    /// Whether its calls are signed by an app.
    pub signs: bool,
    /// The settings that it has, each with its values.
    pub settings: Vec<(String, Vec<String>)>,
    /// The SHA-256 of its file, so that a reload sees a pack that changed.
    pub digest: [u8; 32],
}

/// The built-in dialects, and those of a directory of packs. Of a pack only its name, its signature and its
/// settings are looked at; what is wrong with it otherwise is told when it is loaded.
pub(super) fn known(directory: Option<&Path>) -> Vec<KnownDialect> {
    let mut known: Vec<KnownDialect> = DIALECTS.iter().filter_map(|dialect| read(dialect.pack)).collect();
    let entries = directory.and_then(|directory| fs::read_dir(directory).ok()).into_iter().flatten();
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "toml")) {
        let Some(dialect) = fs::read_to_string(file).ok().as_deref().and_then(read) else { continue };
        match known.iter_mut().find(|known| known.name == dialect.name) {
            Some(replaced) => *replaced = dialect,
            None => known.push(dialect),
        }
    }
    known
}

fn read(text: &str) -> Option<KnownDialect> {
    let table: toml::Table = text.parse().ok()?;
    let dialect = table.get("dialect")?.as_table()?;
    let signs = dialect.get("signature").and_then(toml::Value::as_str) == Some("coolkit");
    let settings = table.get("settings").and_then(toml::Value::as_table).into_iter().flatten();
    Some(KnownDialect {
        name: dialect.get("name")?.as_str()?.to_owned(),
        signs,
        settings: settings.map(|(name, setting)| (name.clone(), values(setting))).collect(),
        digest: Sha256::digest(text).into(),
    })
}

/// A setting's values: a list of names, or a table with what each stands for.
fn values(setting: &toml::Value) -> Vec<String> {
    match setting.get("values") {
        Some(toml::Value::Array(names)) => {
            names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
        }
        Some(toml::Value::Table(names)) => names.keys().cloned().collect(),
        _ => Vec::new(),
    }
}
