//! `[problems]`: one table of rows for both ways, and what people call the fields.

use super::{Context, texts, values};
use crate::account::Operation;
use crate::config::reader::{Node, Table};
use crate::config::suggestion;
use crate::dialect::pack::problems::{Problems, Reason, Row, Scope};
use crate::dialect::pack::template::Template;

pub(super) fn read<'a>(table: &mut Table<'a>, context: &Context<'a>) -> Problems {
    let rows =
        table.need("rows", |node| node.list(|item| item.table("a row", |table| read_row(table, context))));
    let labels = table.read("labels", |node| {
        node.table("[problems.labels]", |table| {
            let entries = table.entries();
            entries
                .into_iter()
                .filter_map(|(name, place, node)| {
                    Some((name.into(), texts::texts(node, &context.languages, &[])?, place.offset()))
                })
                .collect()
        })
    });
    Problems {
        rows: rows.unwrap_or_default(),
        labels: labels.unwrap_or_default(),
        offset: table.own_place().offset(),
    }
}

fn read_row<'a>(table: &mut Table<'a>, context: &Context<'a>) -> Row {
    let problems = table.need("problem", |node| match node.value().as_str() {
        Some("*") => Some(None),
        _ => values::one_or_more(node, values::problem).map(Some),
    });
    let only = table.read("only", |node| node.choice(&[("read", true), ("write", false)]));
    let fields = table.read("field", |node| values::one_or_more(node, Node::text)).unwrap_or_default();
    let reads_as =
        table.read("reads_as", |node| values::one_or_more(node, values::problem)).unwrap_or_default();
    Row {
        problems: problems.unwrap_or(Some(Vec::new())),
        on: table.read("on", |node| values::one_or_more(node, scope)).unwrap_or_default(),
        fields: fields.into_iter().map(Into::into).collect(),
        reason: table.read("reason", |node| {
            node.choice(&[("missing", Reason::Missing), ("form", Reason::Form), ("differs", Reason::Differs)])
        }),
        code: table.read("code", |node| {
            code(node, if only == Some(true) { texts::READ_HOLES } else { texts::WRITTEN_HOLES })
        }),
        status: table.read("status", values::status),
        text: table
            .read("text", |node| texts::texts(node, &context.languages, texts::WRITTEN_HOLES))
            .unwrap_or_default(),
        matches: table.read("matches", patterns),
        reads: only != Some(false),
        writes: only != Some(true),
        names: table.read("names", Node::text).map(Into::into),
        reads_as,
        offset: table.own_place().offset(),
    }
}

/// A number, or a text that may have holes.
fn code(node: Node<'_>, holes: &[&str]) -> Option<(Template, bool)> {
    if let Some(text) = node.value().as_str() {
        return Some((texts::template(node, text, holes)?, true));
    }
    let number = values::integer(node)?;
    Some((texts::template(node, &number.to_string(), &[])?, false))
}

/// What the text holds: one of these somewhere in it; an empty list is no text at all.
fn patterns(node: Node<'_>) -> Option<Vec<Template>> {
    values::one_or_more(node, |item| texts::template(item, item.text()?, texts::READ_HOLES))
}

/// `login`, `send_code/register`, `register/sms`.
fn scope(node: Node<'_>) -> Option<Scope> {
    let text = node.text()?;
    let (name, form) = match text.split_once('/') {
        Some((name, form)) => (name, Some(form)),
        None => (text, None),
    };
    let Some(operation) = Operation::from_name(name) else {
        let names: Vec<&str> = Operation::ALL.iter().map(|operation| operation.name()).collect();
        return node.fail(format!("unknown operation `{name}`"), suggestion(name, &names));
    };
    const FORMS: &[&str] = &[
        "sms",
        "email",
        "username",
        "register",
        "login",
        "reset_password",
        "change_password",
        "bind",
        "delete_account",
    ];
    match form {
        Some(form) if !FORMS.contains(&form) => {
            node.fail(format!("unknown form `{form}`"), suggestion(form, FORMS))
        }
        form => Some(Scope { operation, form: form.map(Into::into) }),
    }
}
