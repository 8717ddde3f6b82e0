//! Where values go when a message is read: into a call, a reply or a problem.

mod call;
mod problem;
mod reply;

use super::field::{Field, Given};
use crate::account::Extensions;

pub(super) use call::CallTarget;
pub(super) use problem::ProblemTarget;
pub(super) use reply::ReplyTarget;

/// Takes a message's values.
pub(super) trait Target {
    /// Whether a value that can't be read is an error; else it counts as absent.
    const STRICT: bool;

    /// Sets a field, or says for people why it does not take the value.
    fn set(&mut self, field: Field, given: Given<'_>) -> Result<(), &'static str>;

    /// Keeps what the model does not name.
    fn extensions(&mut self) -> Option<&mut Extensions>;

    /// What a text field holds already.
    fn text(&self, _field: Field) -> Option<&str> {
        None
    }
}

const WRONG_NAME: &str = "is not one of the allowed values";
const WRONG_KIND: &str = "has the wrong type";
