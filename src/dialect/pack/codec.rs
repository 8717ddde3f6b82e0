//! How one value looks on the wire: a closed set of codecs, each both ways.

mod names;
mod parse;
mod read;
mod write;

use super::literal::Literal;
pub(super) use names::Names;
pub(super) use parse::{NAMES, of_kind, parse};
pub(super) use read::{Reading, is_md5_hex};
pub use write::integer_of;
pub(super) use write::{CantWrite, Writing};

/// How a number stands in JSON. Reading takes both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Number {
    #[default]
    Plain,
    Quoted,
}

/// How a phone is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PhoneForm {
    /// `+8613800138001`, exactly so when read.
    StrictE164,
    /// `+8613800138001`; read in any usual spelling.
    E164,
    /// The same, and read with its plus missing: `+digits` is tried before the default country.
    PlusOptional,
    /// `13800138001`, of the default country only: others have no form here.
    National,
    /// `13800138001` beside a member that holds the calling code.
    NationalWithCode,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeForm {
    /// `2019-05-16T10:48:42.091Z`
    Rfc3339,
    Seconds(Number),
    Milliseconds(Number),
    /// Seconds when written; read as seconds or milliseconds, told apart by magnitude.
    EitherUnit(Number),
    /// `2022-11-19 20:01:19` in the pack's time zone.
    Text,
}

/// In which form passwords stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passwords {
    Plain,
    Md5Hex,
    /// Read: 32 lower-case hexadecimal digits are an MD5. Written: MD5.
    Auto,
    /// As the call says; another member tells which.
    AsTold,
}

/// Which names a member takes that may hold any of an account's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Identities {
    pub username: bool,
    pub phone: bool,
    pub email: bool,
    /// All digits are a phone, anything else a username.
    pub digits_are_phones: bool,
}

/// Characters and length of a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct TextRule {
    /// Ranges of allowed characters; empty allows all.
    pub characters: Vec<(char, char)>,
    /// Least number of characters.
    pub least: usize,
    /// Greatest number of characters.
    pub most: Option<usize>,
    /// Whether a number or a truth value is taken for its text.
    pub lenient: bool,
    /// Whether white space is taken out when it is read, and refused when it is written.
    pub spaceless: bool,
    /// Whether it must look like no number and no e-mail address, since a login takes those too.
    pub unmistakable: bool,
}

impl TextRule {
    pub fn allows(&self, text: &str) -> bool {
        let bounded = self.least > 0 || self.most.is_some();
        // Most members hold any text, and nobody looks at its characters.
        if !(bounded || self.spaceless || self.unmistakable) && self.characters.is_empty() {
            return true;
        }
        let length = if bounded { text.chars().count() } else { 0 };
        let fits = !bounded || (length >= self.least && self.most.is_none_or(|most| length <= most));
        let allowed = |c: char| self.characters.iter().any(|(first, last)| (*first..=*last).contains(&c));
        let spaces = self.spaceless && text.contains(char::is_whitespace);
        let mistaken = self.unmistakable && (text.contains('@') || text.parse::<i128>().is_ok());
        let characters = self.characters.is_empty() || text.chars().all(allowed);
        fits && characters && !spaces && !mistaken
    }
}

fn is_all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// One codec with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Codec {
    Text(TextRule),
    /// A text or an integer, as what is written says: a code that is a number here and a word there.
    AsIs,
    Integer {
        number: Number,
        least: i64,
        most: i64,
    },
    /// `true`, or the literals for true and false.
    Bool(Option<(Literal, Literal)>),
    Phone(PhoneForm),
    /// The calling code of a phone that stands beside it.
    CallingCode(Number),
    Email,
    Time(TimeForm),
    /// A duration in milliseconds; the model counts seconds.
    Milliseconds(Number),
    Names(Names),
    Password(Passwords),
    Identity(Identities, PhoneForm),
    /// Text with something fixed before it, such as `Bearer `.
    Prefixed(Box<str>),
    Base64,
    /// A phone or e-mail with its middle hidden; written only.
    Masked {
        first: usize,
        last: usize,
        hidden: Box<str>,
    },
    /// The lower-case hexadecimal MD5 of a text; written only.
    Md5,
    /// A UUID (version 5) made from a text; written only.
    Uuid5,
    /// An integer from a text: itself where it is one up to 2^53-1, else 52 bits of its SHA-256; written only.
    IntegerOf,
    /// The `sub` claim of a JSON Web Token; written only.
    TokenSubject,
}

impl Codec {
    /// Whether it can be read at all.
    pub const fn reads(&self) -> bool {
        !matches!(self, Self::Masked { .. } | Self::Md5 | Self::Uuid5 | Self::TokenSubject)
    }
}
