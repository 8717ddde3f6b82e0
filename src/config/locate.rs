//! Where a value stands in a config file, for findings that take more than the file to make.

use std::fs;
use std::path::Path;

use toml::de::DeTable;

use super::finding::{Finding, Severity};
use super::overrides;
use super::reader::{Env, Reader};

/// A value that something outside of the file speaks against. Numbers count from 0, in the order of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// The address of a listener.
    Listener(usize),
    /// The dialects of a listener.
    Dialects(usize),
    /// The address of the admin listener.
    Admin,
    /// An address of the backend.
    Upstream(usize),
    /// An address of the backend of a region, both by their places in the file.
    RegionUpstream(usize, usize),
    /// An address of the shared store.
    Store(usize),
}

/// One step down from the top of the file.
enum Step {
    Key(&'static str),
    Item(usize),
}

impl Site {
    fn steps(self) -> Vec<Step> {
        use Step::{Item, Key};
        match self {
            Self::Listener(index) => vec![Key("listener"), Item(index), Key("address")],
            Self::Dialects(index) => vec![Key("listener"), Item(index), Key("dialects")],
            Self::Admin => vec![Key("admin"), Key("address")],
            Self::Upstream(index) => vec![Key("upstream"), Key("addresses"), Item(index)],
            Self::RegionUpstream(region, index) => {
                let region = [Key("region"), Key("table"), Item(region)];
                region.into_iter().chain([Key("upstream"), Key("addresses"), Item(index)]).collect()
            }
            Self::Store(index) => vec![Key("store"), Key("urls"), Item(index)],
        }
    }

    /// The environment variable that overrides it.
    const fn variable(self) -> Option<&'static str> {
        match self {
            Self::Listener(_) => Some(overrides::LISTEN),
            Self::Admin => Some(overrides::ADMIN_LISTEN),
            Self::Dialects(_) | Self::Upstream(_) | Self::RegionUpstream(..) | Self::Store(_) => None,
        }
    }
}

/// Points into a config file that was read before.
pub struct Locator<'a> {
    file: String,
    text: String,
    env: Env<'a>,
}

impl<'a> Locator<'a> {
    /// Points into the file at this path; without one, the demo has nothing to point into.
    pub fn new(path: Option<&Path>, env: Env<'a>) -> Self {
        let file = path.map_or_else(|| "the demo".to_owned(), |path| path.display().to_string());
        let text = path.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        Self { file, text, env }
    }

    /// A finding at a value, or at the nearest table around it that is there.
    pub fn finding(&self, site: Site, severity: Severity, message: String, hint: &str) -> Finding {
        let place = |start| Reader::new(&self.file, &self.text, self.env).position(start);
        let overriding = site.variable().filter(|variable| (self.env)(variable).is_some());
        let (file, (line, column)) = match overriding {
            Some(variable) => (variable, (0, 0)),
            None if self.text.is_empty() => (self.file.as_str(), (0, 0)),
            None => (self.file.as_str(), place(self.start(site).unwrap_or(0))),
        };
        Finding { file: file.to_owned(), line, column, message, hint: hint.to_owned(), severity }
    }

    fn start(&self, site: Site) -> Option<usize> {
        let (document, _errors) = DeTable::parse_recoverable(&self.text);
        let mut steps = site.steps().into_iter();
        let Some(Step::Key(first)) = steps.next() else { return None };
        let mut value = document.get_ref().get(first)?;
        for step in steps {
            let inner = match step {
                Step::Key(key) => value.get_ref().as_table().and_then(|table| table.get(key)),
                Step::Item(index) => value.get_ref().as_array().and_then(|items| items.get(index)),
            };
            let Some(inner) = inner else { break };
            value = inner;
        }
        Some(value.span().start)
    }
}
