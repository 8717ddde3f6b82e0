//! Texts for people, in a pack's languages and with holes.

use crate::config::reader::Node;
use crate::config::suggestion;
use crate::dialect::Language;
use crate::dialect::pack::template::{Template, Texts};

/// The holes of what a row writes.
pub(super) const WRITTEN_HOLES: &[&str] = &[
    "field",
    "FIELD",
    "label",
    "reason",
    "retry_after",
    "attempts_left",
    "operation",
    "problem",
    "title",
    "identifier",
];

/// The holes of what a row reads: what is found in them, and `number`, `code` or `any` for what is not looked at.
pub(super) const READ_HOLES: &[&str] = &[
    "field",
    "FIELD",
    "label",
    "reason",
    "retry_after",
    "attempts_left",
    "operation",
    "problem",
    "title",
    "identifier",
    "number",
    "any",
    "code",
];

pub(super) fn language(node: Node<'_>) -> Option<Language> {
    let tag = node.text()?;
    Language::of_tag(tag).or_else(|| {
        node.fail(format!("no texts exist in the language {tag:?}"), "known: \"en\" and \"zh-CN\"")
    })
}

/// A text for people: one for all languages, or one a language; `holes` are what can stand in it.
pub(super) fn texts(node: Node<'_>, languages: &[Language], holes: &[&str]) -> Option<Texts> {
    if let Some(text) = node.value().as_str() {
        let template = template(node, text, holes)?;
        return Some(Texts(vec![(languages.first().copied().unwrap_or_default(), template)]));
    }
    node.table("texts", |table| {
        let mut texts = Vec::new();
        // Without `languages` everything would be wrong; that is told already.
        if languages.is_empty() {
            table.entries();
            return Texts(texts);
        }
        for (tag, place, node) in table.entries() {
            let Some(language) = languages.iter().copied().find(|language| language.tag() == tag) else {
                let hint = "name it in `languages` of [dialect], or take the text out";
                table.reader.error(&place, format!("this dialect has no language {tag:?}"), hint);
                continue;
            };
            if let Some(template) = node.text().and_then(|text| template(node, text, holes)) {
                texts.push((language, template));
            }
        }
        for language in languages {
            if !table.has(language.tag()) {
                let message = format!("there is no text in the language {:?}", language.tag());
                let hint = format!(
                    "add `{} = \"…\"`, or write one text without a table for all languages",
                    language.tag()
                );
                table.reader.error(table.own_place(), message, hint);
            }
        }
        Texts(texts)
    })
}

/// A text with holes of these names.
pub(super) fn template(node: Node<'_>, text: &str, holes: &[&str]) -> Option<Template> {
    match Template::parse(text) {
        Ok(template) => {
            let unknown = template.holes().find(|hole| !holes.contains(hole)).map(str::to_owned);
            match unknown {
                None => Some(template),
                Some(_) if holes.is_empty() => node.fail(
                    "this text can't have holes",
                    "write it out, with `{{` and `}}` where braces are meant",
                ),
                Some(hole) => {
                    node.fail(format!("nothing fills the hole {{{hole}}}"), suggestion(&hole, holes))
                }
            }
        }
        Err(reason) => node.fail("a text with a hole that does not end or begin", reason),
    }
}
