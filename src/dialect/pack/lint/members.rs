//! One name stands for one member, and one field is set by one line.

use super::Lint;
use super::messages::{Message, Side};
use crate::dialect::pack::field::Field;
use crate::dialect::pack::members::{Line, What};
use crate::dialect::pack::message::Place;
use crate::dialect::pack::plan::{Case, Subject};

/// Within one object and place a name stands once, each way.
pub(super) fn names_once(lint: &Lint<'_>, message: &Message<'_>, lines: &[Line], outermost: bool) {
    for (index, line) in lines.iter().enumerate() {
        for earlier in lines.iter().take(index) {
            if outermost && !share_a_place(message, &line.place, &earlier.place) {
                continue;
            }
            let read = is_read(line) && is_read(earlier);
            let twice = if read {
                names(line).find(|name| earlier.is_named(name))
            } else {
                (is_written(line) && is_written(earlier) && line.name == earlier.name)
                    .then_some(line.name.as_ref())
            };
            if let Some(name) = twice {
                let text = format!("`{name}` stands twice in {}", message.name());
                let hint =
                    format!("it is in line {} already: take one of them out", lint.line(earlier.offset));
                lint.error(line.offset, text, hint);
            }
        }
    }
}

fn names(line: &Line) -> impl Iterator<Item = &str> {
    std::iter::once(line.name.as_ref()).chain(line.aliases.iter().map(AsRef::as_ref))
}

fn is_read(line: &Line) -> bool {
    line.reads() && !matches!(line.what, What::Template(_) | What::Constant { checked: false, .. })
}

fn is_written(line: &Line) -> bool {
    line.writes() && !matches!(line.what, What::Dropped)
}

fn share_a_place(message: &Message<'_>, one: &Place, other: &Place) -> bool {
    let places =
        |place: &Place| if *place == Place::Usual { message.usual.to_vec() } else { vec![place.clone()] };
    // A form's members are the body's.
    let body = |place: Place| if place == Place::Form { Place::Body } else { place };
    let others: Vec<Place> = places(other).into_iter().map(body).collect();
    places(one).into_iter().map(body).any(|place| others.contains(&place))
}

/// In one message a field is set by one line, or nobody could say which counts.
pub(super) fn fields_once(lint: &Lint<'_>, message: &Message<'_>) {
    if message.side == Side::Always {
        return;
    }
    let mut known: Vec<Known<'_>> = Vec::new();
    if let Some(case) = message.case {
        known.extend(case.sets.iter().map(|(field, _)| (*field, tested(case, *field), case.at.sets)));
        for route in &case.routes {
            known.extend(route.sets.iter().map(|(field, _)| (*field, "", route.offset)));
        }
    }
    each_once(lint, message, message.lines, &mut known);
}

/// What sets a field: its wire name, and where the pack's file has it.
type Known<'p> = (Field, &'p str, usize);

fn each_once<'p>(lint: &Lint<'_>, message: &Message<'_>, lines: &'p [Line], known: &mut Vec<Known<'p>>) {
    for line in lines.iter().filter(|line| line.reads()) {
        match &line.what {
            What::Value(value) if !value.agrees => {
                let Some(field) = value.field() else { continue };
                // One member may stand in several places.
                let taken = known.iter().find(|(of, name, _)| *of == field && **name != *line.name);
                if let Some((.., offset)) = taken {
                    let text = format!("{} sets `{}` twice", message.name(), field.name());
                    let hint = format!(
                        "line {} sets it already: add `only = \"write\"` here, or make this name an alias there",
                        lint.line(*offset)
                    );
                    lint.error(line.offset, text, hint);
                }
                known.push((field, &line.name, line.offset));
            }
            What::Object(inner) => each_once(lint, message, inner, known),
            _ => {}
        }
    }
}

/// The member that tells the case apart and says the same field: what the case sets it has read already.
fn tested(case: &Case, field: Field) -> &str {
    let names = case.when.iter().filter_map(|condition| match &condition.subject {
        Subject::Member { path, .. } => path.last().map(AsRef::as_ref),
        Subject::HttpStatus => None,
    });
    names.into_iter().find(|name| reads(&case.lines, name, field)).unwrap_or_default()
}

fn reads(lines: &[Line], name: &str, field: Field) -> bool {
    lines.iter().any(|line| match &line.what {
        What::Value(value) => *line.name == *name && value.field() == Some(field),
        What::Object(inner) => reads(inner, name, field),
        _ => false,
    })
}
