//! The dialects that a config may name.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

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

/// A pack's text, parsed.
pub(crate) type Document = Spanned<DeTable<'static>>;

/// The built-in dialects with their packs, each parsed once in the life of a process: the config takes names and
/// settings from it, the dialect all the rest. A test loads them, so every text is good TOML.
pub(crate) fn documents() -> impl Iterator<Item = (&'static Dialect, &'static Document)> {
    static DOCUMENTS: OnceLock<Vec<Document>> = OnceLock::new();
    let parse = |dialect: &Dialect| DeTable::parse_recoverable(dialect.pack).0;
    DIALECTS.iter().zip(DOCUMENTS.get_or_init(|| DIALECTS.iter().map(parse).collect()))
}

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
    let built_in = |(dialect, document): (&Dialect, &Document)| read(dialect.pack, document.get_ref());
    let mut known: Vec<KnownDialect> = documents().filter_map(built_in).collect();
    let entries = directory.and_then(|directory| fs::read_dir(directory).ok()).into_iter().flatten();
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "toml")) {
        let Some(dialect) = fs::read_to_string(file).ok().as_deref().and_then(parsed) else { continue };
        match known.iter_mut().find(|known| known.name == dialect.name) {
            Some(replaced) => *replaced = dialect,
            None => known.push(dialect),
        }
    }
    known
}

fn parsed(text: &str) -> Option<KnownDialect> {
    read(text, DeTable::parse(text).ok()?.get_ref())
}

fn read(text: &str, document: &DeTable<'_>) -> Option<KnownDialect> {
    let table = |key| document.get(key).and_then(|value| value.get_ref().as_table());
    let dialect = table("dialect")?;
    let said = |key| dialect.get(key).and_then(|value| value.get_ref().as_str());
    let settings = table("settings").into_iter().flatten();
    Some(KnownDialect {
        name: said("name")?.to_owned(),
        signs: said("signature") == Some("coolkit"),
        settings: settings.map(|(name, setting)| (name.get_ref().to_string(), values(setting))).collect(),
        digest: Sha256::digest(text).into(),
    })
}

/// A setting's values: a list of names, or a table with what each stands for.
fn values(setting: &Spanned<DeValue<'_>>) -> Vec<String> {
    let values = setting.get_ref().as_table().and_then(|setting| setting.get("values"));
    match values.map(Spanned::get_ref) {
        Some(DeValue::Array(names)) => {
            names.iter().filter_map(|name| name.get_ref().as_str().map(str::to_owned)).collect()
        }
        Some(DeValue::Table(names)) => names.keys().map(|name| name.get_ref().to_string()).collect(),
        _ => Vec::new(),
    }
}
