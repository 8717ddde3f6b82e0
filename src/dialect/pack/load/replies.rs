//! What a good answer holds: the members of `reply`, in the envelope that all answers have.

use super::answers::{Enveloped, Read as ReadAnswers};
use super::{Context, lines};
use crate::config::reader::{Node, Place as FilePlace, Table};
use crate::dialect::pack::field::Field;
use crate::dialect::pack::literal::Literal;
use crate::dialect::pack::members::{Line, What};
use crate::dialect::pack::message::Place;

/// The members of a good answer, in their envelope.
pub(super) fn read<'a>(
    table: &mut Table<'a>,
    context: &Context<'a>,
    answers: Option<&ReadAnswers>,
) -> Vec<Line> {
    let place = table.place("reply");
    let envelope = answers.and_then(|answers| answers.envelope.as_ref());
    let reply = table.read("reply", |node| Some((node, node.value().as_table().is_some())));
    match (envelope, reply) {
        (None, None) => Vec::new(),
        (None, Some((node, true))) => {
            node.table("reply", |table| lines::read(table, context)).unwrap_or_default()
        }
        (None, Some((node, false))) => lines::of_groups(node, context).unwrap_or_default(),
        (Some(envelope), reply) => {
            let inside = |name: &str, absent: &Option<Literal>| {
                let inner =
                    reply.and_then(|(node, is_line)| inner_line(node, is_line, name, &place, context));
                enveloped(inner, name, absent)
            };
            let line = |line: &Enveloped| match line {
                Enveloped::Line(line) => Some((**line).clone()),
                Enveloped::Reply { name, absent } => inside(name, absent),
            };
            envelope.iter().filter_map(line).collect()
        }
    }
}

fn inner_line<'a>(
    node: Node<'a>,
    is_line: bool,
    name: &str,
    place: &FilePlace,
    context: &Context<'a>,
) -> Option<Line> {
    if is_line {
        return lines::line(node, name.into(), Place::Body, place, context);
    }
    let lines = lines::of_groups(node, context)?;
    Some(Line { what: What::Object(lines), ..Line::bare(name, place.offset()) })
}

fn enveloped(inner: Option<Line>, name: &str, absent: &Option<Literal>) -> Option<Line> {
    match (inner, absent) {
        (Some(mut line), absent) => {
            line.absent = line.absent.or_else(|| absent.clone());
            Some(line)
        }
        (None, Some(literal)) => Some(Line {
            what: What::Constant { literal: literal.clone(), checked: false },
            ..Line::bare(name, 0)
        }),
        (None, None) => None,
    }
}

/// Whether reading the line says something of an account.
pub(super) fn belongs_to_account(line: &Line) -> bool {
    match &line.what {
        What::Value(value) => {
            line.reads() && value.fields.iter().any(|field| field.name().starts_with("account."))
        }
        What::Object(lines) => lines.iter().any(belongs_to_account),
        _ => false,
    }
}

/// The fields of required lines: of each list one must have a value.
pub(super) fn required(lines: &[Line]) -> Vec<Vec<Field>> {
    let of = |line: &Line| match &line.what {
        What::Value(value) => vec![value.fields.clone()],
        What::Object(lines) => required(lines),
        _ => Vec::new(),
    };
    lines.iter().filter(|line| line.required).flat_map(of).collect()
}
