//! Whether an object has something to say.

use super::{Line, What};
use crate::dialect::pack::field::Field;
use crate::dialect::pack::source::Source;

pub(super) fn is_bound(line: &Line) -> bool {
    matches!(line.what, What::Value(_) | What::Extension { .. })
        || matches!(&line.what, What::Object(lines) if lines.iter().any(is_bound))
}

/// Whether any field that the lines write has a value of its own.
pub(super) fn has_value<S: Source>(lines: &[Line], source: &S) -> bool {
    lines.iter().filter(|line| line.writes()).any(|line| match &line.what {
        What::Value(value) => value
            .fields
            .iter()
            .any(|field| !field.is_of_gateway() && !is_of_client(*field) && source.get(*field).is_some()),
        What::Object(lines) => has_value(lines, source),
        What::AllExtensions => source.extensions().is_some_and(|extensions| !extensions.is_empty()),
        _ => false,
    })
}

/// Whether the lines can't be written whole, so that what they stand in is as good as not there.
pub(super) fn lacks_required<S: Source>(lines: &[Line], source: &S) -> bool {
    lines.iter().filter(|line| line.writes() && line.required).any(|line| match &line.what {
        What::Value(value) => value.fields.iter().all(|field| source.get(*field).is_none()),
        _ => false,
    })
}

/// What is known of every caller says nothing about whether an object has something to say.
fn is_of_client(field: Field) -> bool {
    matches!(field, Field::ClientAppId | Field::GuardNonce | Field::GuardTime)
}
