//! The dialects that a config may name.

use std::fs;
use std::path::Path;

/// A dialect, as far as the config must know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Its name.
    pub name: &'static str,
    /// Whether its calls are signed by an app.
    pub signs: bool,
}

/// Every dialect that is built in.
pub const DIALECTS: &[Dialect] = &[
    Dialect { name: "coolkit", signs: true },
    Dialect { name: "qingzhenyun", signs: false },
    Dialect { name: "discuzq", signs: false },
    Dialect { name: "shopxo", signs: false },
    Dialect { name: "canonical", signs: false },
];

/// A dialect that a config may name: built in, or the operator's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDialect {
    /// Its name.
    pub name: String,
    /// Whether its calls are signed by an app.
    pub signs: bool,
}

/// The built-in dialects, and those of a directory of packs. Of a pack only its name and
/// signature are looked at; what is wrong with it otherwise is told when it is loaded.
pub(super) fn known(directory: Option<&Path>) -> Vec<KnownDialect> {
    let mut known: Vec<KnownDialect> = DIALECTS
        .iter()
        .map(|dialect| KnownDialect { name: dialect.name.to_owned(), signs: dialect.signs })
        .collect();
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
    Some(KnownDialect { name: dialect.get("name")?.as_str()?.to_owned(), signs })
}
