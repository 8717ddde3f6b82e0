//! Packs: dialects as data. A pack is one TOML file that says, for both directions and both sides, where each
//! member stands and what it means; loading checks it for gaps and compiles it to a plan.
//! docs/dialect-packs.md is the reference of the format.

mod canonical_form;
mod challenge;
mod codec;
mod field;
mod lint;
mod literal;
mod load;
mod members;
mod message;
mod multipart;
mod plan;
mod problems;
mod prove;
mod routes;
mod run;
mod source;
mod target;
mod template;
#[cfg(test)]
mod tests;
mod wire_names;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::account::Operation;
use crate::config::Finding;
use plan::Plan;

pub use canonical_form::{bare_call_form, call_form, problem_form, reply_form};
pub use codec::integer_of;
pub use routes::Target;
pub use run::MovedToken;

/// A dialect, read from its file and compiled.
#[derive(Debug)]
pub struct Pack {
    plan: Plan,
    sources: Vec<String>,
    settings: Vec<Setting>,
    examples: Vec<Example>,
    /// What findings call the file, and its text: proofs come after loading, and tell of places too.
    file: Box<str>,
    text: Arc<str>,
    /// Whether all settings are at their defaults, with which the examples were written.
    usual: bool,
}

/// A pack and the warnings that come with it, or everything that is wrong with its text.
pub(super) type Loaded = Result<(Pack, Vec<Finding>), Vec<Finding>>;

/// An option of a dialect that a config may set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// The values that it takes.
    pub values: Vec<String>,
    /// The one that counts where the config says nothing.
    pub default: String,
    /// What it is for, for people.
    pub about: String,
}

/// A message of a pack's own, with what it means.
#[derive(Debug, Clone, Default)]
pub(crate) struct Example {
    pub name: String,
    /// A client's request: start line.
    pub request: Option<String>,
    pub headers: Vec<String>,
    pub body: Option<String>,
    /// The operation that an answer belongs to; `send_code/register` names a purpose too.
    pub operation: Option<String>,
    pub status: Option<u16>,
    pub answer: Option<String>,
    /// Fields and their values.
    pub means: Vec<Meaning>,
    /// Whether it is a form that is only understood, and never written.
    pub only_read: bool,
    pub offset: usize,
}

/// A field, or `operation` or `problem`, and its value as text.
#[derive(Debug, Clone)]
pub(crate) struct Meaning {
    pub name: String,
    pub value: Box<str>,
    pub offset: usize,
}

impl Pack {
    /// What the dialect is, for people.
    pub fn title(&self) -> &str {
        &self.plan.title
    }

    /// Whether a request's query names one of the routes, whatever its path is.
    pub fn is_named_by_query(&self, target: Target<'_>) -> bool {
        self.plan.routes.named_anywhere(target)
    }

    /// Where it is documented.
    pub fn sources(&self) -> &[String] {
        &self.sources
    }

    /// What findings call its file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The text that it was read from.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The options that a config may set.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Why the dialect has no form for an operation.
    pub fn lacks(&self, operation: Operation) -> Option<&str> {
        self.plan.lacks.iter().find(|lack| lack.operation == operation).map(|lack| lack.why.as_ref())
    }
}

#[cfg(test)]
impl Pack {
    /// What a problem that is written to a client may be read as, where many are one: as itself, if empty.
    pub(crate) fn reads_as(
        &self,
        asked: &crate::dialect::Asked<'_>,
        problem: &crate::account::Problem,
    ) -> Vec<crate::account::ProblemCode> {
        self.plan.problems.row(problem, asked).map(|row| row.reads_as.clone()).unwrap_or_default()
    }
}

/// One text for each name of a dialect there ever was: names live as long as the process, so
/// that records and metrics hold them without counting, and a reload adds none that is known.
fn intern(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(name);
    name
}
