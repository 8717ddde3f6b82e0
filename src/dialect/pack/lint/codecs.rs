//! A line's codec fits what its field holds.

use super::Lint;
use super::messages::{Message, Side};
use crate::dialect::pack::codec::{Codec, Names, PhoneForm};
use crate::dialect::pack::field::{Field, Kind};
use crate::dialect::pack::members::{Line, ValueLine, What};

pub(super) fn check(lint: &Lint<'_>, message: &Message<'_>, line: &Line, value: &ValueLine, beside: &[Line]) {
    let name = &line.name;
    if line.reads() && message.side != Side::Always && !value.codec.reads() {
        let text = format!("the codec of `{name}` only writes: what it made can't be read back");
        return lint.error(line.offset, text, "add `only = \"write\"`, or use a codec that goes both ways");
    }
    let read = value.field().filter(|_| line.reads() && message.side.reads_values());
    if let Some(field) = read.filter(|field| !reads(&value.codec, *field, message.side)) {
        return misfit(lint, line, field);
    }
    let unfit = |field: &&Field| !writes(&value.codec, **field, message.side);
    if let Some(field) = value.fields.iter().filter(|_| line.writes()).find(unfit) {
        return misfit(lint, line, *field);
    }
    calling_code(lint, line, value, beside);
    if let Codec::Names(names) = &value.codec {
        all_names(lint, message, line, (value, names));
    }
}

fn misfit(lint: &Lint<'_>, line: &Line, field: Field) {
    let text = format!(
        "the codec of `{}` does not fit `{}`, which is {}",
        line.name,
        field.name(),
        what(field.kind())
    );
    lint.error(line.offset, text, format!("use {}", fitting(field)));
}

impl Side {
    /// Whether reading the message gives values to fields.
    fn reads_values(self) -> bool {
        self != Self::Always
    }
}

/// Whether reading by this codec gives what the field takes.
fn reads(codec: &Codec, field: Field, side: Side) -> bool {
    let kind = field.kind();
    let text = matches!(kind, Kind::Text | Kind::Secret);
    match codec {
        Codec::Text(_) | Codec::Prefixed(_) | Codec::Base64 | Codec::AsIs | Codec::IntegerOf => text,
        Codec::Integer { .. } => kind == Kind::Integer || side == Side::Problem,
        Codec::Milliseconds(_) | Codec::CallingCode(_) => kind == Kind::Integer,
        Codec::Bool(_) => kind == Kind::Bool,
        Codec::Phone(_) => kind == Kind::Phone,
        Codec::Email => kind == Kind::Email,
        Codec::Time(_) => kind == Kind::Moment,
        Codec::Names(_) => text || matches!(kind, Kind::Name(_)),
        Codec::Password(_) => kind == Kind::Password,
        Codec::Identity(..) => matches!(field, Field::Identifier | Field::Username),
        Codec::Masked { .. } | Codec::Md5 | Codec::Uuid5 | Codec::TokenSubject => false,
    }
}

/// Whether this codec can write what the field holds.
fn writes(codec: &Codec, field: Field, side: Side) -> bool {
    let kind = field.kind();
    let open = kind != Kind::Password;
    match codec {
        Codec::Text(_) | Codec::AsIs | Codec::Prefixed(_) | Codec::Base64 => open,
        Codec::Md5 | Codec::Uuid5 | Codec::IntegerOf => open,
        Codec::Integer { .. } => matches!(kind, Kind::Integer | Kind::Text),
        Codec::Milliseconds(_) => kind == Kind::Integer,
        Codec::CallingCode(_) => matches!(kind, Kind::Integer | Kind::Phone),
        Codec::Bool(_) => kind == Kind::Bool,
        Codec::Phone(_) => kind == Kind::Phone,
        Codec::Email => kind == Kind::Email,
        Codec::Time(_) => kind == Kind::Moment,
        Codec::Names(_) => open && !matches!(kind, Kind::Moment),
        Codec::Password(_) => kind == Kind::Password,
        Codec::Identity(..) => matches!(field, Field::Identifier | Field::Username) && side == Side::Call,
        Codec::Masked { .. } => matches!(kind, Kind::Phone | Kind::Email | Kind::Text),
        Codec::TokenSubject => kind == Kind::Secret,
    }
}

fn what(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "a text",
        Kind::Secret => "a secret text",
        Kind::Password => "a password",
        Kind::Phone => "a phone",
        Kind::Email => "an e-mail address",
        Kind::Moment => "a time",
        Kind::Integer => "a number",
        Kind::Bool => "true or false",
        Kind::Name(_) => "one of a list of names",
    }
}

fn fitting(field: Field) -> &'static str {
    match field.kind() {
        Kind::Text if field == Field::Identifier => "`text` or `identity username phone email`",
        Kind::Text | Kind::Secret => "`text`, `prefixed …`, `base64`, `integer of` or `values = { … }`",
        Kind::Password => "`password plain`, `password md5_hex`, `password auto` or `password as told`",
        Kind::Phone => "`phone` in one of its forms; only written also `masked 3 4 ****` or `calling code`",
        Kind::Email => "`email`; only written also `masked 3 4 ****`",
        Kind::Moment => "`time` in one of its forms",
        Kind::Integer => "`integer`, `milliseconds` or, for a country, `calling code`",
        Kind::Bool => "`bool`",
        Kind::Name(_) => "`values = { \"on the wire\" = \"name\" }`, or no codec at all",
    }
}

/// A national number and its calling code belong together.
fn calling_code(lint: &Lint<'_>, line: &Line, value: &ValueLine, beside: &[Line]) {
    let needs = matches!(
        value.codec,
        Codec::Phone(PhoneForm::NationalWithCode) | Codec::Identity(_, PhoneForm::NationalWithCode)
    );
    let hint = "add `calling_code_in = \"the member that holds it\"`";
    let Some(name) = &value.code_member else {
        if needs {
            let text = format!("nothing says where the calling code of `{}` stands", line.name);
            lint.error(line.offset, text, hint);
        }
        return;
    };
    if !needs {
        let text = format!("`calling_code_in` changes nothing for the codec of `{}`", line.name);
        return lint.error(line.offset, text, "use `codec = \"phone national with code\"`, or take it out");
    }
    let Some(code) = beside.iter().find(|of| of.is_named(name)) else {
        let names: Vec<&str> = beside.iter().map(|line| line.name.as_ref()).collect();
        let text = format!("there is no member `{name}` beside `{}` to hold its calling code", line.name);
        return lint.error(line.offset, text, crate::config::suggestion(name, &names));
    };
    let is_code = |value: &ValueLine| matches!(value.codec, Codec::CallingCode(_));
    if matches!(&code.what, What::Value(value) if !is_code(value)) || (line.writes() && !code.writes()) {
        let text = format!("`{name}` does not hold a calling code");
        lint.error(
            code.offset,
            text,
            "write it as `{ field = \"phone\", codec = \"calling code\", only = \"write\" }`",
        );
    }
}

/// Every name of the model has a form on the wire, or is said to have none.
fn all_names(lint: &Lint<'_>, message: &Message<'_>, line: &Line, (value, names): (&ValueLine, &Names)) {
    if !line.writes() || names.write_else.is_some() {
        return;
    }
    for field in &value.fields {
        let Kind::Name(all) = field.kind() else { continue };
        let given = |name: &&str| message.side != Side::Call || **name != *Field::OTHER_PURPOSE;
        let lacking: Vec<&str> = all
            .iter()
            .copied()
            .filter(given)
            .filter(|name| names.write(name).is_none() && !names.lacks.iter().any(|of| **of == **name))
            .collect();
        if !lacking.is_empty() && line.absent.is_none() {
            let text = format!("`{}` has no wire value for {}", line.name, quoted(&lacking));
            let hint = format!(
                "add rows to `values`, or `written = {{ {} = … }}`, or say `lacks = [\"{}\"]`",
                lacking.first().copied().unwrap_or_default(),
                lacking.join("\", \"")
            );
            lint.error(line.offset, text, hint);
        }
    }
}

fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
