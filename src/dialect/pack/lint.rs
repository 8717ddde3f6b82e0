//! What loading proves of a pack, once it can be read: that nothing is missing, doubled or out of reach.
//! What needs messages to be really written and read is proven by [`Pack::prove`].

mod codecs;
mod lines;
mod members;
pub(super) mod messages;
mod operations;
mod routes;
mod rows;
pub(super) mod witness;

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::Pack;
use super::plan::Plan;
use crate::account::Operation;
use crate::config::reader::{Place as FilePlace, Reader};

pub(super) fn check(pack: &Pack, reader: &Reader<'_>) {
    let lint = Lint::new(&pack.plan, reader);
    operations::check(&lint);
    routes::check(&lint);
    lines::check(&lint);
    rows::check(&lint);
}

/// A pack under examination.
pub(super) struct Lint<'p> {
    pub plan: &'p Plan,
    reader: &'p Reader<'p>,
    /// What was told already, whatever the operation: a group's line stands in many messages, and is told of once.
    told: RefCell<BTreeSet<(usize, String)>>,
}

impl<'p> Lint<'p> {
    pub fn new(plan: &'p Plan, reader: &'p Reader<'p>) -> Self {
        Self { plan, reader, told: RefCell::default() }
    }

    /// Notes what is wrong at a place of the pack's file.
    pub fn error(&self, offset: usize, message: impl Into<String>, hint: impl Into<String>) {
        let message = message.into();
        let names = Operation::ALL.iter().map(|operation| format!("of `{}`", operation.name()));
        let kind = names.fold(message.clone(), |kind, name| kind.replace(&name, ""));
        if self.told.borrow_mut().insert((offset, kind)) {
            self.reader.error(&FilePlace::Span(offset..offset), message, hint);
        }
    }

    /// The line of the file, from 1, that a place is in.
    pub fn line(&self, offset: usize) -> usize {
        self.reader.position(offset).0
    }
}
