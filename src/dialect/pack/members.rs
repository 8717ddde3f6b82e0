//! The members of a message as a pack lists them: a tree of lines, each valid both ways.

mod body;
mod presence;
mod read;
mod unknown;
mod write;

use super::codec::Codec;
use super::field::Field;
use super::literal::Literal;
use super::message::Place;
use crate::json::{WrittenName, name_bit};

pub(super) use body::{BodyWriter, FormWriter, Outgoing};
pub(super) use read::{ReadRules, read};
pub(super) use write::{WriteRules, write};

/// One line of a pack.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub name: Box<str>,
    /// The same as JSON has it.
    pub json_name: WrittenName,
    /// The bits of its name and aliases ([`name_bit`]).
    pub bits: u64,
    /// Names that are read too, and never written.
    pub aliases: Vec<Box<str>>,
    pub place: Place,
    pub what: What,
    pub direction: Direction,
    /// Whether reading a message without it is an error, and writing one impossible.
    pub required: bool,
    /// What is written when there is no value; nothing when there is none here either.
    pub absent: Option<Literal>,
    /// Whether it stands as the only item of a list.
    pub list: bool,
    /// Where the pack's file has it.
    pub offset: usize,
}

impl Line {
    /// A line that does nothing yet.
    pub fn bare(name: &str, offset: usize) -> Self {
        Self {
            name: name.into(),
            json_name: WrittenName::new(name),
            bits: name_bit(name),
            aliases: Vec::new(),
            place: Place::Body,
            what: What::Dropped,
            direction: Direction::Both,
            required: false,
            absent: None,
            list: false,
            offset,
        }
    }

    pub fn reads(&self) -> bool {
        self.direction != Direction::Write
    }

    pub fn writes(&self) -> bool {
        self.direction != Direction::Read
    }

    /// Whether a wire name is this line's.
    pub fn is_named(&self, name: &str) -> bool {
        *self.name == *name || self.aliases.iter().any(|alias| **alias == *name)
    }
}

/// Whether some line is written with a random value.
pub(super) fn is_random(lines: &[Line]) -> bool {
    lines.iter().any(|line| match &line.what {
        What::Value(value) => {
            value.fields.iter().any(|field| matches!(field, Field::GatewayNonce | Field::GatewayUuid))
        }
        What::Object(lines) => is_random(lines),
        _ => false,
    })
}

/// Which ways a line is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Direction {
    #[default]
    Both,
    Read,
    Write,
}

/// What a line stands for.
#[derive(Debug, Clone)]
pub(super) enum What {
    Value(Box<ValueLine>),
    /// Always the same when written; when read, another value is an error if `checked`.
    Constant {
        literal: Literal,
        checked: bool,
    },
    /// A member of this dialect only, at its place in the order.
    Extension {
        default: Option<Literal>,
    },
    /// `{dialect: {path: value}}`: everything that the model does not name.
    AllExtensions,
    /// Read and forgotten, never written.
    Dropped,
    Object(Vec<Line>),
    /// A text put together from fields; written only.
    Template(Vec<Piece>),
}

/// A piece of a text that is put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(Box<str>),
    Field(Field),
}

/// A member that stands for a field of the model.
#[derive(Debug, Clone)]
pub(super) struct ValueLine {
    /// When written, the first of them that has a value; when read, the first that is not the gateway's own.
    pub fields: Vec<Field>,
    pub codec: Codec,
    /// Fields that the member's being there sets, and names that they then have.
    pub sets: Vec<(Field, Box<str>)>,
    /// The member beside it that holds a phone's calling code.
    pub code_member: Option<Box<str>>,
    /// Whether it repeats a member that has been read, and must say the same.
    pub agrees: bool,
    /// Whether an extension of that name beats the value when written.
    pub extension: bool,
}

impl ValueLine {
    /// The field that reading sets.
    pub fn field(&self) -> Option<Field> {
        self.fields.iter().copied().find(|field| !field.is_of_gateway())
    }
}

/// The path of a member within an object's.
fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { [path, ".", name].concat() }
}
