//! What is proven of a pack by using it: values are written and read, problems told and understood, examples tried.
//!
//! It takes several times what loading takes. So the built-in packs are proven in the project's
//! tests and load without; an operator's own are proven whenever they are loaded.

mod examples;
mod inverse;
mod problems;
mod samples;

use super::Pack;
use super::lint::Lint;
use crate::account::Country;
use crate::clock::Moment;
use crate::config::Finding;
use crate::config::reader::Reader;
use crate::dialect::{Asked, Language, Reading};

/// How everything is read here.
const READING: Reading = Reading { default_country: Country::CHINA, json_depth: 64 };

impl Pack {
    /// Proves that the pack keeps its word: that each codec reads what it writes, that each row of `[problems]` is
    /// read back as it says, and, with all settings at their defaults, that each `[[example]]` holds. Empty when it does; else what is wrong, in
    /// the order of the file's lines.
    pub fn prove(&self) -> Vec<Finding> {
        let no_variables = |_: &str| None;
        let reader = Reader::new(self.file(), self.text(), &no_variables);
        let lint = Lint::new(&self.plan, &reader);
        inverse::check(&lint);
        problems::check(self, &lint);
        for example in self.examples.iter().filter(|_| self.usual) {
            examples::check(self, &lint, example);
        }
        reader.into_findings()
    }
}

/// Somebody who asked at a fixed time, in a region called `cn`.
fn asked(
    operation: crate::account::Operation,
    call: &crate::account::Call,
    language: Option<Language>,
) -> Asked<'_> {
    Asked {
        call: Some(call),
        language,
        ..Asked::new(Some(operation), READING.default_country, Moment::from_seconds(1_558_004_249), "cn")
    }
}
