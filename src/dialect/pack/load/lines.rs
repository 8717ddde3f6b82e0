//! Members, one a line: `name = "field"`, or `name = { … }` where more is to be said.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::{Context, texts, values};
use crate::config::reader::{Node, Place as FilePlace, Reader, Table};
use crate::config::suggestion;
use crate::dialect::pack::codec::{Codec, NAMES, Names, of_kind, parse};
use crate::dialect::pack::field::{Field, Kind};
use crate::dialect::pack::literal::Literal;
use crate::dialect::pack::members::{Direction, Line, Piece, ValueLine, What};
use crate::json::name_bit;

/// Named groups of members; each is read once, when it is first used.
#[derive(Default)]
pub(super) struct Groups<'a>(BTreeMap<String, Group<'a>>);

struct Group<'a> {
    node: Node<'a>,
    place: FilePlace,
    lines: RefCell<Option<Vec<Line>>>,
    under_way: Cell<bool>,
    used: Cell<bool>,
}

impl<'a> Groups<'a> {
    pub fn collect(table: &mut Table<'a>) -> Self {
        let group = |(name, place, node): (&'a str, FilePlace, Node<'a>)| {
            let group = Group {
                node,
                place,
                lines: RefCell::default(),
                under_way: Cell::new(false),
                used: Cell::new(false),
            };
            (name.to_owned(), group)
        };
        Self(table.entries().into_iter().map(group).collect())
    }

    /// The lines of a group that `node` names.
    fn lines(&self, node: Node<'a>, context: &Context<'a>) -> Option<Vec<Line>> {
        let name = node.text()?;
        let Some(group) = self.0.get(name) else {
            let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
            return node.fail(format!("there is no group `{name}`"), suggestion(name, &names));
        };
        group.used.set(true);
        if let Some(lines) = group.lines.borrow().as_ref() {
            return Some(lines.clone());
        }
        if group.under_way.replace(true) {
            return node.fail(format!("the group `{name}` contains itself"), "take it out of the circle");
        }
        let lines = group.node.table(&format!("[groups.{name}]"), |table| read(table, context))?;
        group.lines.replace(Some(lines.clone()));
        group.under_way.set(false);
        Some(lines)
    }

    pub fn note_unused(&self, reader: &Reader<'_>) {
        for (name, group) in self.0.iter().filter(|(_, group)| !group.used.get()) {
            let hint = "name it where it belongs, or take it out";
            reader.error(&group.place, format!("the group `{name}` is used nowhere"), hint);
        }
    }
}

/// The lines of one group, or of several one after the other.
pub(super) fn of_groups<'a>(node: Node<'a>, context: &Context<'a>) -> Option<Vec<Line>> {
    let groups = values::one_or_more(node, |item| context.groups.lines(item, context))?;
    Some(groups.into_iter().flatten().collect())
}

/// The lines of a table, in the order of the file.
pub(super) fn read<'a>(table: &mut Table<'a>, context: &Context<'a>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (key, place, node) in table.entries() {
        let Some((wire_place, name)) = values::place(table.reader, &place, key) else { continue };
        if let Some(line) = line(node, name, wire_place, &place, context) {
            lines.push(line);
        }
    }
    lines
}

/// One line; `name` is its name on the wire.
pub(super) fn line<'a>(
    node: Node<'a>,
    name: Box<str>,
    place: crate::dialect::pack::message::Place,
    at: &FilePlace,
    context: &Context<'a>,
) -> Option<Line> {
    let bare = |what| Line { place: place.clone(), what, ..Line::bare(&name, at.offset()) };
    if node.value().as_str().is_some() {
        let field = values::field(node)?;
        return Some(bare(What::Value(Box::new(value_line(field, context)))));
    }
    node.table(&format!("the member `{name}`"), |table| {
        let quoted = read_numbers(table, context);
        let Some(what) = what(table, quoted, context) else {
            // That is told; its other keys are not unknown for it.
            table.entries();
            return None;
        };
        let mut line = bare(what);
        line.required = table.read("required", Node::boolean).unwrap_or(false);
        line.list = table.read("list", Node::boolean).unwrap_or(false);
        let aliases = table.read("aliases", |node| node.list(Node::text)).unwrap_or_default();
        line.bits = aliases.iter().fold(line.bits, |bits, alias| bits | name_bit(alias));
        line.aliases = aliases.into_iter().map(Into::into).collect();
        line.absent = table.read("absent", |node| written_literal(node, quoted, context));
        let directions = &[("read", Direction::Read), ("write", Direction::Write)];
        if let Some(direction) = table.read("only", |node| node.choice(directions)) {
            line.direction = direction;
        }
        Some(line)
    })
    .flatten()
}

/// A member that stands for a field, with nothing said besides.
fn value_line(field: Field, context: &Context<'_>) -> ValueLine {
    ValueLine {
        fields: vec![field],
        codec: usual_codec(field, context),
        sets: Vec::new(),
        code_member: None,
        agrees: false,
        extension: false,
    }
}

fn usual_codec(field: Field, context: &Context<'_>) -> Codec {
    match field {
        Field::RowCode => Codec::AsIs,
        _ => of_kind(field.kind(), context.numbers_as_text),
    }
}

/// What the line stands for: exactly one of the keys that say so.
fn what<'a>(table: &mut Table<'a>, quoted: Option<bool>, context: &Context<'a>) -> Option<What> {
    const KINDS: &[&str] = &["field", "constant", "object", "default", "template", "extensions", "drop"];
    let there: Vec<&str> = KINDS.iter().copied().filter(|kind| table.has(kind)).collect();
    if there.len() > 1 {
        let message = format!("`{}` can't stand together", there.join("` and `"));
        table.error(
            there.last().copied().unwrap_or_default(),
            message,
            "a member is one thing only: take one of them out",
        );
        return None;
    }
    match there.first().copied() {
        Some("field") => read_value(table, quoted, context).map(|value| What::Value(Box::new(value))),
        Some("constant") => {
            let literal = table.read("constant", |node| values::chosen_literal(node, &context.chosen));
            let checked = table.read("checked", Node::boolean).unwrap_or(false);
            Some(What::Constant { literal: literal?, checked })
        }
        Some("object") => table.read("object", |node| of_groups(node, context)).map(What::Object),
        Some("default") => {
            let default = table.read("default", |node| written_literal(node, quoted, context));
            Some(What::Extension { default })
        }
        Some("template") => table.read("template", pieces).map(What::Template),
        Some("extensions") => {
            table.read("extensions", |node| node.choice(&[("all", ())]))?;
            Some(What::AllExtensions)
        }
        Some(_) => {
            table.read("drop", Node::boolean)?;
            Some(What::Dropped)
        }
        None => Some(What::Extension { default: None }),
    }
}

fn read_value<'a>(table: &mut Table<'a>, quoted: Option<bool>, context: &Context<'a>) -> Option<ValueLine> {
    let fields = table.read("field", |node| values::one_or_more(node, values::field));
    let named = table.read("codec", |node| {
        let text = context.chosen.fill(node.text()?);
        match parse(&text) {
            Ok(codec) => Some(codec),
            Err(hint) if NAMES.contains(&text.split(' ').next().unwrap_or_default()) => {
                node.fail(format!("the codec `{text}` has a wrong parameter"), hint)
            }
            Err(hint) => node.fail(format!("unknown codec `{text}`"), hint),
        }
    });
    let first = fields.as_ref().and_then(|fields| fields.first().copied());
    let names = read_names(table, first, quoted, context);
    let sets = table.read("sets", values::sets).unwrap_or_default();
    let code_member = table.read("calling_code_in", Node::text).map(Into::into);
    let agrees = table.read("agrees", Node::boolean).unwrap_or(false);
    let extension = table.read("extension", Node::boolean).unwrap_or(false);
    let fields = fields.filter(|fields| !fields.is_empty())?;
    let codec = names.or(named).unwrap_or_else(|| usual_codec(first.unwrap_or(Field::Reason), context));
    Some(ValueLine { fields, codec, sets, code_member, agrees, extension })
}

/// `numbers = "quoted"`: whether the numbers that a line itself names are written as strings.
fn read_numbers(table: &mut Table<'_>, context: &Context<'_>) -> Option<bool> {
    table.read("numbers", |node| match context.chosen.fill(node.text()?).as_str() {
        "quoted" => Some(true),
        "plain" => Some(false),
        _ => node.fail(
            "numbers are `plain` or `quoted`",
            "write one of the two, or a setting that stands for one",
        ),
    })
}

/// What a line writes where it has no value.
fn written_literal<'a>(node: Node<'a>, quoted: Option<bool>, context: &Context<'a>) -> Option<Literal> {
    let literal = values::chosen_literal(node, &context.chosen)?;
    let is_number = literal.text.parse::<i64>().is_ok();
    Some(Literal { quoted: quoted.filter(|_| is_number).unwrap_or(literal.quoted), ..literal })
}

/// `values = { 0 = "female" }`: wire value and name, and what differs when written.
fn read_names<'a>(
    table: &mut Table<'a>,
    field: Option<Field>,
    quoted: Option<bool>,
    context: &Context<'a>,
) -> Option<Codec> {
    if !table.has("values") {
        return None;
    }
    if table.has("codec") {
        let hint = "`values` is a codec of its own: take one of them out";
        table.error("codec", "`codec` and `values` can't stand together", hint);
    }
    let allowed = match field.map(Field::kind) {
        Some(Kind::Name(names)) => names,
        _ => &[],
    };
    let literal = |wire: &str| Literal {
        text: wire.into(),
        quoted: quoted.unwrap_or(true) || wire.parse::<i64>().is_err(),
    };
    let name = |node: Node<'a>| {
        let text = node.text()?;
        if allowed.is_empty() || allowed.contains(&text) || text.is_empty() {
            return Some(Box::<str>::from(text));
        }
        node.fail(format!("`{}` is never {text:?}", field.map_or("", Field::name)), suggestion(text, allowed))
    };
    let rows = table.read("values", |node| {
        node.table("values", |table| {
            let entries = table.entries();
            entries
                .into_iter()
                .filter_map(|(wire, _, node)| Some((literal(wire), name(node)?)))
                .collect::<Vec<_>>()
        })
    });
    let written = table.read("written", |node| {
        node.table("written", |table| {
            let mut written = Vec::new();
            for (of, place, node) in table.entries() {
                if !allowed.is_empty() && !allowed.contains(&of) {
                    let message = format!("`{}` is never {of:?}", field.map_or("", Field::name));
                    table.reader.error(&place, message, suggestion(of, allowed));
                }
                written.extend(values::literal(node).map(|wire| (of.into(), literal(&wire.text))));
            }
            written
        })
    });
    let lacks = table.read("lacks", |node| node.list(name)).unwrap_or_default();
    let read_else = table.read("else", name);
    let write_else = table.read("else_written", |node| values::chosen_literal(node, &context.chosen));
    let write_else = write_else.map(|wire| literal(&wire.text));
    Some(Codec::Names(Names {
        rows: rows?,
        written: written.unwrap_or_default(),
        lacks,
        read_else,
        write_else,
    }))
}

/// `{guard.nonce}-{guard.time}`
fn pieces(node: Node<'_>) -> Option<Vec<Piece>> {
    let names: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
    let template = texts::template(node, node.text()?, &names)?;
    let hole = |hole: &str| match Field::from_name(hole) {
        Some(field) => Piece::Field(field),
        None => Piece::Text("".into()),
    };
    Some(template.pieces(hole, |text| Piece::Text(text.into())))
}
