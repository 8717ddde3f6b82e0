//! A message that came in: where its members stand.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName};

use crate::account::Problem;
use crate::json::{self, Member, Object, Value};
use crate::query::Query;

/// Where a member stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Wherever the pack's requests have their members.
    Usual,
    Body,
    /// The body, if it is a form: some servers read a member from the query and from a form, not from JSON.
    Form,
    Query,
    Header(HeaderName),
    Path,
    BasicUser,
    BasicPassword,
}

/// What a body may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyForm {
    Json,
    Form,
    Multipart,
}

/// How bodies are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BodyRules {
    /// What a client may send; the first is what a backend is sent.
    pub forms: Vec<BodyForm>,
    /// Whether JSON is read whatever the Content-Type says.
    pub any_content_type: bool,
}

/// The members of one message.
#[derive(Debug, Default)]
pub(super) struct Message<'a> {
    pub body: Object<'a>,
    /// Whether the body is a form, whose values have no JSON text of their own.
    pub is_form: bool,
    pub query: Object<'a>,
    pub headers: Option<&'a HeaderMap>,
    /// What stands in the holes of the route's path.
    pub path: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> Message<'a> {
    /// A member at the top of the message, at its place.
    pub fn top(&self, place: &Place, name: &str, usual: &[Place]) -> Option<Cow<'_, Value<'a>>> {
        match place {
            Place::Usual => usual.iter().find_map(|place| self.top(place, name, &[])),
            Place::Body => self.body.value(name).map(Cow::Borrowed),
            Place::Form => self.body.value(name).filter(|_| self.is_form).map(Cow::Borrowed),
            Place::Query => self.query.value(name).map(Cow::Borrowed),
            Place::Header(name) => text(Cow::Owned(self.headers?.get(name)?.to_str().ok()?.to_owned())),
            Place::Path => {
                let (_, value) = self.path.iter().find(|(hole, _)| *hole == name)?;
                text(value.clone())
            }
            Place::BasicUser => text(Cow::Owned(basic(self.headers?)?.0)),
            Place::BasicPassword => text(Cow::Owned(basic(self.headers?)?.1)),
        }
    }
}

fn text<'m, 'a>(text: Cow<'a, str>) -> Option<Cow<'m, Value<'a>>> {
    Some(Cow::Owned(Value::String(text)))
}

/// User and password of HTTP's Basic scheme (RFC 7617).
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    use base64::Engine as _;
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let (user, password) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then(|| (user.to_owned(), password.to_owned()))
}

/// Reads a body by the rules of a pack; no members where its form is none of theirs.
pub(super) fn read_body<'a>(
    body: &'a Bytes,
    headers: &HeaderMap,
    rules: &BodyRules,
    depth: usize,
) -> Result<(Object<'a>, bool), Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok((Object::default(), false));
    }
    match form_of(headers, rules) {
        Some(BodyForm::Json) => match json::parse(body, depth) {
            Ok(Value::Object(object)) => Ok((object, false)),
            Ok(_) => Err(Problem::malformed("the body is no JSON object")),
            Err(error) => Err(Problem::malformed(format!("the body {error}"))),
        },
        Some(BodyForm::Form) => read_form(body).map(|object| (object, true)),
        Some(BodyForm::Multipart) => super::multipart::read(body, headers).map(|object| (object, true)),
        None => Ok((Object::default(), false)),
    }
}

fn form_of(headers: &HeaderMap, rules: &BodyRules) -> Option<BodyForm> {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let begins =
        |kind: &str| declared.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind));
    let names_json = || declared.as_bytes().windows(4).any(|word| word.eq_ignore_ascii_case(b"json"));
    let offers = |form| rules.forms.contains(&form);
    if offers(BodyForm::Form) && begins("application/x-www-form-urlencoded") {
        Some(BodyForm::Form)
    } else if offers(BodyForm::Multipart) && begins("multipart/form-data") {
        Some(BodyForm::Multipart)
    } else if offers(BodyForm::Json) && (rules.any_content_type || names_json()) {
        Some(BodyForm::Json)
    } else {
        // A body without a type is what the pack's own requests are.
        rules.forms.first().copied().filter(|_| declared.is_empty())
    }
}

fn read_form(body: &Bytes) -> Result<Object<'_>, Problem> {
    let text = std::str::from_utf8(body).map_err(|_| Problem::malformed("the body is no UTF-8 text"))?;
    let query = Query::parse(text).ok_or_else(|| Problem::malformed("the body is no valid form"))?;
    nest(query.into_pairs().map(|pair| (pair.name, pair.value)))
        .ok_or_else(|| Problem::malformed("the body has a member twice"))
}

/// The pairs of a query string as members.
pub(super) fn query_members(text: &str) -> Result<Object<'_>, Problem> {
    if text.is_empty() {
        return Ok(Object::default());
    }
    let query = Query::parse(text).ok_or_else(|| Problem::malformed("the query is not valid"))?;
    nest(query.into_pairs().map(|pair| (pair.name, pair.value)))
        .ok_or_else(|| Problem::malformed("the query has a member twice"))
}

/// More members than any account call has: what is looked up member by member stays cheap.
const MOST_MEMBERS: usize = 512;

/// How deep a form's members may nest.
const DEEPEST: usize = 8;

/// Puts `user[name]=x` into an object `user`. `None` when a place is taken twice.
pub(super) fn nest<'a>(pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Option<Object<'a>> {
    let mut object = Object::default();
    for (count, (name, value)) in pairs.enumerate() {
        if count == MOST_MEMBERS {
            return None;
        }
        // What nests deeper is no member of any pack, and would be walked down to its end.
        if name.bytes().filter(|byte| *byte == b'[').count() > DEEPEST {
            return None;
        }
        match name.split_once('[') {
            Some((first, rest)) if rest.ends_with(']') && !first.is_empty() => {
                let mut path: Vec<String> = vec![first.to_owned()];
                path.extend(rest.trim_end_matches(']').split("][").map(str::to_owned));
                insert(&mut object, &path, value)?;
            }
            _ => push(&mut object, name, Value::String(value))?,
        }
    }
    Some(object)
}

fn insert<'a>(object: &mut Object<'a>, path: &[String], value: Cow<'a, str>) -> Option<()> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        return push(object, Cow::Owned(first.clone()), Value::String(value));
    }
    if object.value(first).is_none() {
        push(object, Cow::Owned(first.clone()), Value::Object(Object::default()))?;
    }
    match object.value_mut(first)? {
        Value::Object(inner) => insert(inner, rest, value),
        _ => None,
    }
}

fn push<'a>(object: &mut Object<'a>, name: Cow<'a, str>, value: Value<'a>) -> Option<()> {
    if object.value(&name).is_some() {
        return None;
    }
    object.push(Member { name, value, raw: "" });
    Some(())
}
