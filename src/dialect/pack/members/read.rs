//! From a message into the model, line by line.

use std::borrow::Cow;

use super::unknown::{keep, keep_unknown, read_all_extensions};
use super::{Line, ValueLine, What, join};
use crate::account::{Country, Phone, Problem};
use crate::dialect::pack::codec::Reading;
use crate::dialect::pack::field::Given;
use crate::dialect::pack::message::{Message, Place};
use crate::dialect::pack::target::Target;
use crate::json::{Member, Object, Value, name_bit};

/// How a pack's messages are read.
#[derive(Debug, Clone, Copy)]
pub(in crate::dialect::pack) struct ReadRules<'a> {
    pub dialect: &'static str,
    /// Whether `""` means that a member is not there. `null` always does.
    pub empty_is_absent: bool,
    /// Where members without a named place are looked for, in order.
    pub usual: &'a [Place],
    /// Unknown members are kept only within this path; `None` keeps those everywhere.
    pub keep_within: Option<&'a str>,
    pub country: Country,
    /// The phone that the message may name without its country.
    pub known_phone: Option<&'a Phone>,
    pub zone_minutes: i32,
}

/// Reads the lines of a message, the unknown members too.
pub(in crate::dialect::pack) fn read<T: Target>(
    lines: &[Line],
    message: &Message<'_>,
    rules: ReadRules<'_>,
    target: &mut T,
) -> Result<(), Problem> {
    let level = Level { object: &message.body, message: Some(message), within: None };
    read_level(lines, &level, rules, target)
}

/// One object of the message; the outermost has the query, the fields and the path beside it.
pub(super) struct Level<'m, 'a> {
    pub object: &'m Object<'a>,
    message: Option<&'m Message<'a>>,
    /// The object around it, and what it is called there.
    within: Option<(&'m Level<'m, 'a>, &'m str)>,
}

impl Level<'_, '_> {
    /// Where it stands, with dots.
    pub fn path(&self) -> String {
        self.within.map(|(around, name)| join(&around.path(), name)).unwrap_or_default()
    }
}

/// Finds the members of one object, and notes which have been found.
pub(super) struct Finder<'m, 'a> {
    members: &'m [Member<'a>],
    /// The bits of all names.
    bits: u64,
    /// One bit for each of the first members.
    found: u64,
    /// Where the next one is expected: most messages have their members in the order of the pack.
    next: usize,
}

impl<'m, 'a> Finder<'m, 'a> {
    fn new(members: &'m [Member<'a>]) -> Self {
        let bits = members.iter().fold(0, |bits, member| bits | name_bit(&member.name));
        Self { members, bits, found: 0, next: 0 }
    }

    fn find(&mut self, line: &Line) -> Option<&'m Value<'a>> {
        if self.bits & line.bits == 0 {
            return None;
        }
        let found = self.named(&line.name);
        found.or_else(|| line.aliases.iter().find_map(|alias| self.named(alias)))
    }

    fn named(&mut self, name: &str) -> Option<&'m Value<'a>> {
        let is = |member: &&Member<'_>| member.name == name;
        let (index, member) = match self.members.get(self.next).filter(is) {
            Some(member) => (self.next, member),
            None => self.members.iter().enumerate().find(|(_, member)| is(member))?,
        };
        self.found |= u32::try_from(index).ok().and_then(|index| 1_u64.checked_shl(index)).unwrap_or(0);
        self.next = index + 1;
        Some(&member.value)
    }

    /// Whether a line has been found for the member at this place.
    pub fn has_found(&self, index: usize) -> bool {
        index < 64 && self.found >> index & 1 == 1
    }
}

fn read_level<T: Target>(
    lines: &[Line],
    level: &Level<'_, '_>,
    rules: ReadRules<'_>,
    target: &mut T,
) -> Result<(), Problem> {
    let mut finder = Finder::new(level.object.members());
    for line in lines.iter().filter(|line| line.reads()) {
        match level.message {
            Some(message) if !is_of_body(&line.place, rules.usual) => {
                let top = |name: &str| message.top(&line.place, name, rules.usual);
                let found = top(&line.name).or_else(|| line.aliases.iter().find_map(|alias| top(alias)));
                read_found(line, found.as_deref(), level, rules, target)?;
            }
            _ => read_found(line, finder.find(line), level, rules, target)?,
        }
    }
    keep_unknown(lines, level, &finder, rules, target);
    Ok(())
}

/// Reads what was found for a line; what means that there is nothing counts as that.
fn read_found<T: Target>(
    line: &Line,
    found: Option<&Value<'_>>,
    level: &Level<'_, '_>,
    rules: ReadRules<'_>,
    target: &mut T,
) -> Result<(), Problem> {
    let Some(value) = found else {
        return if line.required { read_line(line, None, level, rules, target) } else { Ok(()) };
    };
    let value = if line.list { first_item(line, value) } else { value };
    let absent = match value {
        Value::Null => true,
        Value::String(text) => rules.empty_is_absent && text.is_empty(),
        _ => false,
    };
    read_line(line, Some(value).filter(|_| !absent), level, rules, target)
}

/// Whether members of that place stand in the body and nowhere else, as most do.
fn is_of_body(place: &Place, usual: &[Place]) -> bool {
    matches!((place, usual), (Place::Body, _) | (Place::Usual, [Place::Body]))
}

/// The first item of a list; a value that is no list stands for itself. PHP writes a list with a gap
/// as an object.
fn first_item<'v, 'a>(line: &Line, value: &'v Value<'a>) -> &'v Value<'a> {
    match value {
        Value::Array(items) => items.first().unwrap_or(&Value::Null),
        Value::Object(items) if !matches!(line.what, What::Object(_)) => {
            items.members().first().map_or(&Value::Null, |item| &item.value)
        }
        other => other,
    }
}

fn read_line<T: Target>(
    line: &Line,
    found: Option<&Value<'_>>,
    level: &Level<'_, '_>,
    rules: ReadRules<'_>,
    target: &mut T,
) -> Result<(), Problem> {
    let missing = || Problem::missing(error_name(line));
    let Some(value) = found else {
        // What a caller left out is what the object must hold.
        if let (true, true, What::Object(lines)) = (T::STRICT, line.required, &line.what) {
            let inner =
                Level { object: &Object::default(), message: None, within: Some((level, &line.name)) };
            read_level(lines, &inner, rules, target)?;
        }
        return if line.required { Err(missing()) } else { Ok(()) };
    };
    match &line.what {
        What::Value(value_line) => read_value(line, value_line, value, level, rules, target),
        What::Constant { literal, checked } => {
            if !checked || literal.is(value) {
                return Ok(());
            }
            strict::<T>(line, "has a value that is not accepted")
        }
        What::Object(lines) => match value {
            Value::Object(object) => {
                let inner = Level { object, message: None, within: Some((level, &line.name)) };
                read_level(lines, &inner, rules, target)
            }
            // Strings and lists stand where a server has nothing to say: ShopXO's "" and [].
            _ if !T::STRICT && line.required => Err(missing()),
            _ => strict::<T>(line, "must be an object"),
        },
        What::AllExtensions => read_all_extensions(value, target),
        What::Extension { .. } => {
            let raw = raw_of(line, value, level);
            if let Some(extensions) = target.extensions() {
                keep(extensions, rules.dialect, join(&level.path(), &line.name), value, raw);
            }
            Ok(())
        }
        What::Dropped | What::Template(_) => Ok(()),
    }
}

fn strict<T: Target>(line: &Line, reason: &'static str) -> Result<(), Problem> {
    if T::STRICT || line.required { Err(Problem::invalid(error_name(line), reason)) } else { Ok(()) }
}

/// What a problem calls a line: the model's field, else the wire's name.
fn error_name(line: &Line) -> Cow<'static, str> {
    match &line.what {
        What::Value(value) => value.field().map(|field| Cow::Borrowed(field.name())),
        _ => None,
    }
    .unwrap_or_else(|| Cow::Owned(line.name.to_string()))
}

fn read_value<T: Target>(
    line: &Line,
    value_line: &ValueLine,
    value: &Value<'_>,
    level: &Level<'_, '_>,
    rules: ReadRules<'_>,
    target: &mut T,
) -> Result<(), Problem> {
    let Some(field) = value_line.field() else { return Ok(()) };
    let code = value_line.code_member.as_ref().and_then(|name| match level.message {
        Some(message) => message.top(&line.place, name, rules.usual),
        None => level.object.value(name).map(Cow::Borrowed),
    });
    let calling_code = code.as_deref().and_then(Value::as_text).filter(|code| !code.is_empty());
    let ReadRules { country, known_phone, zone_minutes, .. } = rules;
    let reading = Reading { country, calling_code, known_phone, zone_minutes };
    let given = match value_line.codec.read(value, reading) {
        Ok(given) => given,
        Err(reason) => return strict::<T>(line, reason),
    };
    if value_line.agrees {
        let (Given::Text(text) | Given::Password(text, _)) = &given else { return Ok(()) };
        let same = target.text(field).is_none_or(|known| known == text);
        return if same { Ok(()) } else { strict::<T>(line, Problem::DIFFERS) };
    }
    let set = target.set(field, given).and_then(|()| {
        value_line
            .sets
            .iter()
            .try_for_each(|(field, name)| target.set(*field, Given::Text(Cow::Borrowed(name))))
    });
    match set {
        Ok(()) => Ok(()),
        Err(reason) => strict::<T>(line, reason),
    }
}

fn raw_of<'m>(line: &Line, value: &Value<'_>, level: &Level<'m, '_>) -> &'m str {
    let member = level.object.iter().find(|member| line.is_named(&member.name));
    member.filter(|member| member.value == *value).map_or("", |member| member.raw)
}
