//! All dialects that a gateway knows: the built-in ones, and the operator's own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::built_in;
use super::pack::Loaded;
use super::{Dialect, Pack};
use crate::config::{Finding, Severity};

/// The packs at hand, by name. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Dialects {
    packs: Vec<Source>,
}

/// A pack, and whether it is the operator's own: the built-in ones are proven in the project's tests.
#[derive(Debug, Clone)]
struct Source {
    pack: Arc<Pack>,
    own: bool,
}

impl Default for Dialects {
    fn default() -> Self {
        Self::built_in()
    }
}

impl Dialects {
    /// The built-in packs alone.
    pub fn built_in() -> Self {
        let source = |pack: &Arc<Pack>| Source { pack: pack.clone(), own: false };
        Self { packs: built_in::packs().iter().map(source).collect() }
    }

    /// The built-in packs, and every `*.toml` of a directory. A pack there with the name of a
    /// built-in one takes its place. Warnings come with it.
    ///
    /// # Errors
    /// Everything that is wrong with the directory's packs.
    pub fn load(directory: Option<&Path>) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let mut all = Self::built_in();
        let Some(directory) = directory else { return Ok((all, Vec::new())) };
        let mut findings = Vec::new();
        let mut names: BTreeMap<&'static str, String> = BTreeMap::new();
        for path in files(directory).map_err(|finding| vec![finding])? {
            let file = path.display().to_string();
            let text = match fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) => {
                    findings.push(unreadable(
                        &file,
                        &format!("can't read it: {error}"),
                        "make it a readable UTF-8 file",
                    ));
                    continue;
                }
            };
            match proven(&file, &text, &BTreeMap::new()) {
                Ok((pack, warnings)) => {
                    findings.extend(warnings);
                    let name = pack.name();
                    if let Some(other) = names.insert(name, file.clone()) {
                        let message = format!("the dialect {name:?} is in {other} already");
                        findings.push(unreadable(
                            &file,
                            &message,
                            "give one of them another `name`, or remove it",
                        ));
                    }
                    all.add(Source { pack: Arc::new(pack), own: true });
                }
                Err(errors) => findings.extend(errors),
            }
        }
        let failed = findings.iter().any(|finding| finding.severity == Severity::Error);
        if failed { Err(findings) } else { Ok((all, findings)) }
    }

    fn add(&mut self, source: Source) {
        match self.packs.iter_mut().find(|known| known.pack.name() == source.pack.name()) {
            Some(known) => *known = source,
            None => self.packs.push(source),
        }
    }

    /// The dialect of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<Pack>> {
        self.packs.iter().map(|source| &source.pack).find(|pack| pack.name() == name)
    }

    /// The dialect of a name with settings of its own.
    ///
    /// # Errors
    /// When the pack has no such setting or value; `None` in it when there is no such dialect.
    pub fn with_settings(
        &self,
        name: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<Option<Arc<Pack>>, Vec<Finding>> {
        let Some(source) = self.packs.iter().find(|source| source.pack.name() == name) else {
            return Ok(None);
        };
        if settings.is_empty() {
            return Ok(Some(source.pack.clone()));
        }
        let built_in = if source.own { None } else { built_in::with_settings(name, settings) };
        let loaded = built_in.unwrap_or_else(|| proven(source.pack.file(), source.pack.text(), settings));
        loaded.map(|(pack, _)| Some(Arc::new(pack)))
    }

    /// All of them, those that sign first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pack>> {
        let packs = || self.packs.iter().map(|source| &source.pack);
        packs().filter(|pack| pack.signs()).chain(packs().filter(|pack| !pack.signs()))
    }
}

/// Loads a pack and proves that it keeps its word.
fn proven(file: &str, text: &str, settings: &BTreeMap<String, String>) -> Loaded {
    let (pack, warnings) = Pack::load(file, text, settings)?;
    let findings = pack.prove();
    if findings.is_empty() { Ok((pack, warnings)) } else { Err(findings) }
}

/// The packs of a directory, in the order of their names.
fn files(directory: &Path) -> Result<Vec<std::path::PathBuf>, Finding> {
    let name = directory.display().to_string();
    let entries = fs::read_dir(directory).map_err(|error| {
        unreadable(
            &name,
            &format!("can't read `dialects_dir`: {error}"),
            "name a directory of packs, or take the key out",
        )
    })?;
    let is_pack = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "toml");
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_pack).collect();
    files.sort();
    Ok(files)
}

fn unreadable(file: &str, message: &str, hint: &str) -> Finding {
    Finding {
        file: file.to_owned(),
        line: 0,
        column: 0,
        message: message.to_owned(),
        hint: hint.to_owned(),
        severity: Severity::Error,
    }
}
