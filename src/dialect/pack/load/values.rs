//! Single values of a pack's text.

use http::Method;
use http::header::{HeaderName, HeaderValue};

use super::settings::Chosen;
use crate::account::{Operation, ProblemCode};
use crate::config::reader::{Node, Place as FilePlace, Reader, Table};
use crate::config::suggestion;
use crate::dialect::pack::Meaning;
use crate::dialect::pack::field::{Field, Kind};
use crate::dialect::pack::literal::Literal;
use crate::dialect::pack::message::{BodyForm, Place};
use crate::dialect::pack::plan::TokenPlace;

/// A value of the wire. `null` is written as `"null"`, since TOML has none.
pub(super) fn literal(node: Node<'_>) -> Option<Literal> {
    plain_literal(node).or_else(|| {
        node.wrong_type(
            "a string, a number, true or false, [] or {}",
            "write the value as it stands on the wire",
        )
    })
}

fn plain_literal(node: Node<'_>) -> Option<Literal> {
    let raw = |text: &str| Some(Literal { text: text.into(), quoted: false });
    let value = node.value();
    if let Some(text) = value.as_str() {
        return if text == "null" { raw("null") } else { Some(Literal { text: text.into(), quoted: true }) };
    }
    if let Some(number) = value.as_integer() {
        return raw(number.as_str());
    }
    if let Some(truth) = value.as_bool() {
        return raw(if truth { "true" } else { "false" });
    }
    if value.as_array().is_some_and(|items| items.is_empty()) {
        return raw("[]");
    }
    value.as_table().filter(|table| table.is_empty()).and_then(|_| raw("{}"))
}

/// The same, where a setting may stand for it.
pub(super) fn chosen_literal(node: Node<'_>, chosen: &Chosen) -> Option<Literal> {
    let setting = node.value().as_str().and_then(|text| chosen.whole(text));
    setting.cloned().or_else(|| literal(node))
}

/// Values of a setting: a list of names, or a table of names and what they stand for.
pub(super) fn choices(node: Node<'_>) -> Option<Vec<(String, Literal)>> {
    if node.value().as_array().is_some() {
        return node.list(|item| {
            let text = item.text()?;
            Some((text.to_owned(), Literal { text: text.into(), quoted: true }))
        });
    }
    node.table("values", |table| {
        let entries = table.entries();
        entries.into_iter().filter_map(|(name, _, node)| Some((name.to_owned(), literal(node)?))).collect()
    })
}

/// A time zone without summer time, such as `+08:00`, in minutes.
pub(super) fn time_zone(node: Node<'_>) -> Option<i32> {
    let text = node.text()?;
    let parsed = text.split_at_checked(1).and_then(|(sign, rest)| {
        let (hours, minutes) = rest.split_once(':')?;
        let minutes = hours.parse::<i32>().ok()? * 60 + minutes.parse::<i32>().ok()?;
        match sign {
            "+" => Some(minutes),
            "-" => Some(-minutes),
            _ => None,
        }
    });
    parsed.filter(|minutes| minutes.abs() <= 14 * 60).or_else(|| {
        node.fail(
            format!("{text:?} is no time zone"),
            "write hours and minutes east of Greenwich: \"+08:00\"",
        )
    })
}

pub(super) fn integer(node: Node<'_>) -> Option<i64> {
    let number = node.value().as_integer().and_then(|number| number.as_str().parse().ok());
    number.or_else(|| node.wrong_type("a whole number", "write it without quotes"))
}

pub(super) fn code_length(node: Node<'_>) -> Option<u8> {
    let number = integer(node)?;
    u8::try_from(number)
        .ok()
        .filter(|length| (4..=8).contains(length))
        .or_else(|| node.fail("codes have 4 to 8 digits", "write how many digits the dialect's apps take"))
}

/// A header field's value.
pub(super) fn header_value(node: Node<'_>) -> Option<HeaderValue> {
    let text = node.text()?;
    HeaderValue::from_str(text).ok().or_else(|| {
        node.fail("not the value of a header field", "use visible ASCII characters and spaces only")
    })
}

pub(super) fn status(node: Node<'_>) -> Option<u16> {
    let number = integer(node)?;
    u16::try_from(number).ok().filter(|status| (200..600).contains(status)).or_else(|| {
        node.fail(format!("{number} is no HTTP status of an answer"), "write a number from 200 to 599")
    })
}

pub(super) fn body_forms(node: Node<'_>) -> Option<Vec<BodyForm>> {
    let choices = &[("json", BodyForm::Json), ("form", BodyForm::Form), ("multipart", BodyForm::Multipart)];
    if node.value().as_str().is_some() {
        return Some(vec![node.choice(choices)?]);
    }
    node.list(|item| item.choice(choices))
}

pub(super) fn usual_place(node: Node<'_>) -> Option<Place> {
    node.choice(&[("body", 0), ("query", 1)]).map(|place| if place == 0 { Place::Body } else { Place::Query })
}

/// `query s`, `header x-token`, or a bare name for wherever members usually stand.
pub(super) fn place(reader: &Reader<'_>, at: &FilePlace, text: &str) -> Option<(Place, Box<str>)> {
    let Some((word, name)) = text.split_once(' ') else { return Some((Place::Usual, text.into())) };
    let header = |name: &str| HeaderName::try_from(name.to_ascii_lowercase()).ok().map(Place::Header);
    let place = match (word, name) {
        ("body", _) => Some(Place::Body),
        ("form", _) => Some(Place::Form),
        ("query", _) => Some(Place::Query),
        ("path", _) => Some(Place::Path),
        ("header", name) => header(name),
        ("basic", "user") => Some(Place::BasicUser),
        ("basic", "password") => Some(Place::BasicPassword),
        _ => None,
    };
    if place.is_none() {
        let hint = "write `query name`, `header name`, `form name`, `path name`, `body name`, `basic user` or `basic password`";
        reader.error(at, format!("{text:?} names no place"), hint);
    }
    place.map(|place| (place, name.into()))
}

/// `header authorization bearer`, `query token`; a scheme with a question mark may be left out.
pub(super) fn token_place(node: Node<'_>) -> Option<TokenPlace> {
    let text = node.text()?;
    let mut words = text.splitn(3, ' ');
    let two = [words.next(), words.next()].map(Option::unwrap_or_default).join(" ");
    let (place, name) = place(node.reader, &node.place(), two.trim())?;
    let scheme = words.next();
    Some(TokenPlace {
        place,
        name,
        scheme: scheme.map(|scheme| capitalised(scheme.trim_end_matches('?')).into()),
        scheme_optional: scheme.is_some_and(|scheme| scheme.ends_with('?')),
    })
}

fn capitalised(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

pub(super) fn operation(reader: &Reader<'_>, at: &FilePlace, name: &str) -> Option<Operation> {
    let known = Operation::from_name(name);
    if known.is_none() {
        let names: Vec<&str> = Operation::ALL.iter().map(|operation| operation.name()).collect();
        reader.error(at, format!("unknown operation `{name}`"), suggestion(name, &names));
    }
    known
}

pub(super) fn problem(node: Node<'_>) -> Option<ProblemCode> {
    let name = node.text()?;
    ProblemCode::from_name(name).or_else(|| {
        let names: Vec<&str> = ProblemCode::ALL.iter().map(|code| code.name()).collect();
        node.fail(format!("unknown problem `{name}`"), suggestion(name, &names))
    })
}

pub(super) fn field(node: Node<'_>) -> Option<Field> {
    field_named(node.reader, &node.place(), node.text()?)
}

fn field_named(reader: &Reader<'_>, at: &FilePlace, name: &str) -> Option<Field> {
    let known = Field::from_name(name);
    if known.is_none() {
        let names: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
        reader.error(at, format!("the model has no field `{name}`"), suggestion(name, &names));
    }
    known
}

/// One item or a list of them.
pub(super) fn one_or_more<'a, T>(
    node: Node<'a>,
    mut parse: impl FnMut(Node<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    if node.value().as_array().is_some() { node.list(parse) } else { Some(vec![parse(node)?]) }
}

/// `{ purpose = "register" }`: fields and the names that they get.
pub(super) fn sets(node: Node<'_>) -> Option<Vec<(Field, Box<str>)>> {
    node.table("sets", |table| {
        let mut sets = Vec::new();
        for (name, place, node) in table.entries() {
            let Some(field) = field_named(table.reader, &place, name) else { continue };
            let Some(value) = literal(node) else { continue };
            if let Kind::Name(names) = field.kind()
                && !names.contains(&value.text.as_ref())
            {
                let message = format!("`{name}` is never {:?}", value.text);
                table.reader.error(&node.place(), message, suggestion(&value.text, names));
                continue;
            }
            sets.push((field, value.text));
        }
        sets
    })
}

pub(super) fn methods(node: Node<'_>) -> Option<Vec<Method>> {
    node.list(|item| {
        let text = item.text()?;
        method(text).or_else(|| {
            item.fail(format!("unknown method {text:?}"), "write GET, POST, PUT, PATCH or DELETE")
        })
    })
}

pub(super) fn method(text: &str) -> Option<Method> {
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE]
        .into_iter()
        .find(|method| method == text)
}

/// What an example means: field names and values as text.
pub(super) fn meanings(table: &mut Table<'_>) -> Vec<Meaning> {
    let entries = table.entries();
    entries
        .into_iter()
        .filter_map(|(name, place, node)| {
            let value = literal(node)?.text;
            Some(Meaning { name: name.to_owned(), value, offset: place.offset() })
        })
        .collect()
}
