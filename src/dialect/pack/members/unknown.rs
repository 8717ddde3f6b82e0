//! What the model does not name: kept as it was read, but for secrets.

use super::read::{Finder, Level, ReadRules};
use super::{Line, What, join};
use crate::account::{Extensions, Problem};
use crate::dialect::pack::target::Target;
use crate::json::{Member, Object, Value};

/// `{dialect: {path: value}}`, as the canonical dialect has them.
pub(super) fn read_all_extensions<T: Target>(value: &Value<'_>, target: &mut T) -> Result<(), Problem> {
    let wrong = || {
        let reason = "must hold an object for each dialect";
        if T::STRICT { Err(Problem::invalid("extensions", reason)) } else { Ok(()) }
    };
    let Some(dialects) = value.as_object() else { return wrong() };
    for dialect in dialects.iter() {
        let Some(paths) = dialect.value.as_object() else { return wrong() };
        for path in paths.iter() {
            if let Some(extensions) = target.extensions() {
                keep(extensions, &dialect.name, path.name.to_string(), &path.value, path.raw);
            }
        }
    }
    Ok(())
}

/// Keeps the members of an object that no line reads.
pub(super) fn keep_unknown<T: Target>(
    lines: &[Line],
    level: &Level<'_, '_>,
    finder: &Finder<'_, '_>,
    rules: ReadRules<'_>,
    target: &mut T,
) {
    let members = level.object.members().iter().enumerate();
    // A name with a dot would be taken for a place within an object, `user.apikey` say.
    let unknown = |(index, member): &(usize, &Member<'_>)| {
        !finder.has_found(*index)
            && !lines.iter().any(|line| line.is_named(&member.name) && !is_kept(line))
            && !member.name.contains('.')
    };
    let mut unknown = members.filter(unknown).map(|(_, member)| member).peekable();
    if unknown.peek().is_none() {
        return;
    }
    let path = level.path();
    if rules.keep_within.is_some_and(|within| within != path) {
        return;
    }
    for member in unknown {
        if let Some(extensions) = target.extensions() {
            keep(extensions, rules.dialect, join(&path, &member.name), &member.value, member.raw);
        }
    }
}

/// Whether the line is written from a field, and what it was is kept beside the model.
fn is_kept(line: &Line) -> bool {
    matches!(&line.what, What::Value(value) if value.extension) && !line.reads()
}

/// Keeps a member that the model does not name, exactly as it was read unless a secret stands within.
pub(super) fn keep(extensions: &mut Extensions, dialect: &str, path: String, value: &Value<'_>, raw: &str) {
    if !raw.is_empty() && !holds_secret(value) {
        return extensions.keep(dialect, path, raw);
    }
    let mut json = String::new();
    without_secrets(value).write_json(&mut json);
    extensions.keep(dialect, path, json);
}

fn holds_secret(value: &Value<'_>) -> bool {
    match value {
        Value::Array(items) => items.iter().any(holds_secret),
        Value::Object(object) => {
            object.iter().any(|member| Extensions::is_secret(&member.name) || holds_secret(&member.value))
        }
        _ => false,
    }
}

fn without_secrets<'a>(value: &Value<'a>) -> Value<'a> {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(without_secrets).collect()),
        Value::Object(object) => {
            let mut open = Object::default();
            for member in object.iter().filter(|member| !Extensions::is_secret(&member.name)) {
                open.push(Member {
                    name: member.name.clone(),
                    value: without_secrets(&member.value),
                    raw: "",
                });
            }
            Value::Object(open)
        }
        other => other.clone(),
    }
}
