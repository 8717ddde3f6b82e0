//! A backend's bad answer under way.

use super::{Target, WRONG_KIND};
use crate::account::{Extensions, Operation, ProblemCode, Secret};
use crate::dialect::pack::field::{Field, Given};

/// A backend's bad answer under way.
#[derive(Default)]
pub(in crate::dialect::pack) struct ProblemTarget {
    pub code: Option<String>,
    pub text: Option<String>,
    pub named: Option<ProblemCode>,
    /// The name of a problem that there is none of.
    pub unknown_name: Option<String>,
    pub wire_field: Option<String>,
    pub field: Option<String>,
    pub reason: Option<String>,
    pub retry_after: Option<u64>,
    pub attempts_left: Option<u32>,
    pub region: Option<String>,
    pub bind_token: Option<Secret>,
    pub operation: Option<Operation>,
}

impl Target for ProblemTarget {
    const STRICT: bool = false;

    fn set(&mut self, field: Field, given: Given<'_>) -> Result<(), &'static str> {
        let text = match given {
            Given::Text(text) => text.into_owned(),
            Given::Integer(number) => number.to_string(),
            _ => return Err(WRONG_KIND),
        };
        let number = || text.parse().ok();
        match field {
            Field::RowCode => self.code = Some(text),
            Field::RowText => self.text = Some(text),
            Field::ProblemCode => {
                self.named = ProblemCode::from_name(&text);
                self.unknown_name = Some(text).filter(|_| self.named.is_none());
            }
            Field::ProblemWireField => self.wire_field = Some(text),
            Field::ProblemField => self.field = Some(text),
            Field::ProblemReason => self.reason = Some(text),
            Field::ProblemRetryAfter => self.retry_after = number(),
            Field::ProblemAttemptsLeft => self.attempts_left = number().and_then(|left| left.try_into().ok()),
            Field::ProblemRegion => self.region = Some(text),
            Field::ProblemBindToken => self.bind_token = Some(text.into()),
            Field::ProblemOperation => self.operation = Operation::from_name(&text),
            _ => {}
        }
        Ok(())
    }

    fn extensions(&mut self) -> Option<&mut Extensions> {
        None
    }
}
