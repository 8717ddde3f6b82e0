//! `[settings]`: options of a pack, each with its allowed values, that a config may set.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::values;
use crate::config::reader::{Place, Reader, Table};
use crate::config::suggestion;
use crate::dialect::pack::Setting;
use crate::dialect::pack::literal::Literal;

/// What is chosen: for each setting the value that stands for it in the pack.
#[derive(Default)]
pub(super) struct Chosen {
    values: BTreeMap<String, Literal>,
    places: BTreeMap<String, Place>,
    used: RefCell<BTreeSet<String>>,
    /// All of them, for lists.
    pub described: Vec<Setting>,
}

pub(super) fn read(table: &mut Table<'_>, wanted: &BTreeMap<String, String>) -> Chosen {
    let mut chosen = Chosen::default();
    for (name, place, node) in table.entries() {
        let option = node.table("a setting", |table| {
            let allowed = table.need("values", values::choices).unwrap_or_default();
            let default = table.need("default", |node| Some((node.text()?.to_owned(), node.place())));
            let about = table.need("about", |node| node.text()).unwrap_or_default();
            (allowed, default, about)
        });
        let Some((allowed, Some((default, default_place)), about)) = option else { continue };
        let names: Vec<&str> = allowed.iter().map(|(name, _)| name.as_str()).collect();
        let pick = |name: &str| allowed.iter().find(|(of, _)| of == name).map(|(_, value)| value.clone());
        if pick(&default).is_none() {
            let message = format!("the default {default:?} is none of the setting's values");
            table.reader.error(&default_place, message, suggestion(&default, &names));
        }
        chosen.described.push(Setting {
            name: name.to_owned(),
            values: allowed.iter().map(|(name, _)| name.clone()).collect(),
            default: default.clone(),
            about: about.to_owned(),
        });
        let value = match wanted.get(name) {
            Some(wanted) => pick(wanted).or_else(|| {
                let message = format!("the setting `{name}` of this dialect has no value {wanted:?}");
                table.reader.error(&place, message, suggestion(wanted, &names));
                None
            }),
            None => pick(&default),
        };
        if let Some(value) = value {
            chosen.values.insert(name.to_owned(), value);
            chosen.places.insert(name.to_owned(), place);
        }
    }
    note_unknown(table, &chosen, wanted);
    chosen
}

/// For a pack without settings.
pub(super) fn none(table: &Table<'_>, wanted: &BTreeMap<String, String>) -> Chosen {
    let chosen = Chosen::default();
    note_unknown(table, &chosen, wanted);
    chosen
}

fn note_unknown(table: &Table<'_>, chosen: &Chosen, wanted: &BTreeMap<String, String>) {
    let names: Vec<&str> = chosen.values.keys().map(String::as_str).collect();
    for name in wanted.keys().filter(|name| !names.contains(&name.as_str())) {
        let hint = if names.is_empty() { "it has no settings".to_owned() } else { suggestion(name, &names) };
        table.reader.error(table.own_place(), format!("this dialect has no setting `{name}`"), hint);
    }
}

impl Chosen {
    /// The value that `{name}` stands for, if the text is that and no more.
    pub fn whole(&self, text: &str) -> Option<&Literal> {
        let name = text.strip_prefix('{')?.strip_suffix('}')?;
        let value = self.values.get(name)?;
        self.used.borrow_mut().insert(name.to_owned());
        Some(value)
    }

    /// The text with every `{name}` of a setting replaced.
    pub fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.values {
            let hole = format!("{{{name}}}");
            if filled.contains(&hole) {
                self.used.borrow_mut().insert(name.clone());
                filled = filled.replace(&hole, &value.text);
            }
        }
        filled
    }

    pub fn note_unused(&self, reader: &Reader<'_>) {
        for (name, place) in self.places.iter().filter(|(name, _)| !self.used.borrow().contains(*name)) {
            let hint = format!("write `{{{name}}}` where the setting counts, or take it out");
            reader.error(place, format!("the setting `{name}` changes nothing"), hint);
        }
    }
}
