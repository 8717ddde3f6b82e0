//! `[dialect]`: who the dialect is, and what its clients and backends need.

use super::texts;
use super::values;
use crate::config::reader::{Node, Table};
use crate::dialect::{Habits, Language};

/// `[dialect]`
pub(super) struct Identity {
    pub name: &'static str,
    pub title: String,
    pub sources: Vec<String>,
    pub languages: Vec<Language>,
    pub zone_minutes: i32,
    pub signs: bool,
    pub numbers_as_text: bool,
    pub habits: Habits,
}

/// Reads `[dialect]`.
pub(super) fn read(table: &mut Table<'_>) -> Option<Identity> {
    let name = table.need("name", name);
    let title = table.need("title", Node::text);
    let sources = table.need("sources", |node| node.list(Node::text));
    let languages = table.need("languages", |node| node.list(texts::language)).unwrap_or_default();
    let zone_minutes = table.read("time_zone", values::time_zone).unwrap_or(0);
    let signs =
        table.read("signature", |node| node.choice(&[("coolkit", true), ("none", false)])).unwrap_or(false);
    let numbers_as_text = table.read("numbers_as_text", Node::boolean).unwrap_or(false);
    let habits = Habits {
        needs_session: table.read("needs_session", Node::boolean).unwrap_or(false),
        tells_region: table
            .read("wrong_region", |node| node.choice(&[("tell", true), ("follow", false)]))
            .unwrap_or(false),
        carries_challenge: table
            .read("challenge", |node| node.choice(&[("carried", true), ("none", false)]))
            .unwrap_or(false),
        challenge_names_destination: table
            .read("challenge_names_destination", Node::boolean)
            .unwrap_or(false),
        gateway_tokens: table
            .read("tokens", |node| node.choice(&[("issued by the gateway", true), ("passed on", false)]))
            .unwrap_or(false),
        binds_after_code_login: table.read("generated_name", Node::text).map(Into::into),
        path_names_account: table.read("path_names_account", Node::boolean).unwrap_or(false),
        code_length: table.read("code_length", values::code_length),
    };
    Some(Identity {
        name: name?,
        title: title?.to_owned(),
        sources: sources?.into_iter().map(str::to_owned).collect(),
        languages,
        zone_minutes,
        signs,
        numbers_as_text,
        habits,
    })
}

/// The name of a dialect: it stands in configs, metrics and URLs.
fn name(node: Node<'_>) -> Option<&'static str> {
    let text = node.text()?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if text.is_empty() || text.len() > 32 || !text.chars().all(allowed) {
        return node.fail(
            format!("{text:?} can't be the name of a dialect"),
            "use up to 32 lower-case letters, digits, hyphens and underscores",
        );
    }
    Some(crate::dialect::pack::intern(text))
}
