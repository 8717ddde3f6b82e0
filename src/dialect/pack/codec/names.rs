//! Enumerations: which wire value stands for which name of the model.

use crate::dialect::pack::literal::{Literal, Written};
use crate::json::Value;

/// A table of wire values and names. Reading takes the first row with the value, writing the first with the name.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::dialect::pack) struct Names {
    /// Wire value and name, both ways.
    pub rows: Vec<(Literal, Box<str>)>,
    /// Name and wire value where writing differs: many names to one value.
    pub written: Vec<(Box<str>, Literal)>,
    /// Names that have no form here, so that whoever asks for one is told so.
    pub lacks: Vec<Box<str>>,
    /// What an unknown wire value is read as.
    pub read_else: Option<Box<str>>,
    /// What is written for a name without a row.
    pub write_else: Option<Literal>,
}

impl Names {
    pub fn read(&self, value: &Value<'_>) -> Option<&str> {
        let row = self.rows.iter().find(|(wire, _)| wire.is(value));
        row.map(|(_, name)| name.as_ref()).or(self.read_else.as_deref())
    }

    pub fn write(&self, name: &str) -> Option<Written<'_>> {
        let written = self.written.iter().find(|(of, _)| **of == *name).map(|(_, wire)| wire);
        let row = || self.rows.iter().find(|(_, of)| **of == *name).map(|(wire, _)| wire);
        // A locale such as `zh-TW` is written as `zh` where nothing closer is there.
        let language = || {
            let (language, _) = name.split_once('-')?;
            self.rows.iter().find(|(_, of)| of.split('-').next() == Some(language)).map(|(wire, _)| wire)
        };
        let literal = written.or_else(row).or_else(language).or(self.write_else.as_ref())?;
        Some(literal.written())
    }
}
