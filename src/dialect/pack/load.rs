//! From a pack's text to a plan, or to everything that is wrong with it.

mod answers;
mod cases;
mod challenge;
mod identity;
mod lines;
mod operations;
mod problems;
mod replies;
mod routes;
mod settings;
mod texts;
mod values;

use std::collections::BTreeMap;

use http::header::HeaderValue;
use toml::Spanned;
use toml::de::DeTable;

use super::message::{BodyForm, BodyRules, Place as WirePlace};
use super::plan::{Lack, Plan, Requests, TokenPlace, TokenPlan};
use super::{Example, Loaded, Pack};
use crate::config::reader::{Node, Place, Reader, Table};
use crate::config::{Document, Severity};
use crate::dialect::Language;
use lines::Groups;
use settings::Chosen;

/// The version of the format that this reads.
const FORMAT: i64 = 1;

/// What all parts of a pack are read with.
struct Context<'a> {
    /// Settings of the pack, with the values that are chosen here.
    chosen: Chosen,
    groups: Groups<'a>,
    /// Whether a number counts where the model has text.
    numbers_as_text: bool,
    languages: Vec<Language>,
}

impl Pack {
    /// Reads a pack; `file` is what findings call it, `settings` are options of the pack that the
    /// config sets. Findings that are warnings come with it.
    ///
    /// # Errors
    /// Everything that is wrong with the text, in the order of its lines.
    pub fn load(file: &str, text: &str, settings: &BTreeMap<String, String>) -> Loaded {
        let no_variables = |_: &str| None;
        let reader = Reader::new(file, text, &no_variables);
        let document = reader.parse();
        let pack =
            document.as_ref().and_then(|document| Self::read(&reader, document, (file, text), settings));
        if let Some(pack) = &pack
            && !reader.has_errors()
        {
            super::lint::check(pack, &reader);
        }
        Self::unless_broken(pack, reader)
    }

    /// The same for a pack that comes with the binary: the project's tests have checked it, with each of
    /// its settings, so that a start does not wait for that.
    pub(in crate::dialect) fn load_built_in(
        file: &str,
        (text, document): (&'static str, &'static Document),
        settings: &BTreeMap<String, String>,
    ) -> Loaded {
        let no_variables = |_: &str| None;
        let reader = Reader::new(file, text, &no_variables);
        let pack = Self::read(&reader, document, (file, text), settings);
        Self::unless_broken(pack, reader)
    }

    fn read(
        reader: &Reader<'_>,
        document: &Spanned<DeTable<'_>>,
        (file, text): (&str, &str),
        settings: &BTreeMap<String, String>,
    ) -> Option<Self> {
        let whole = |table: &mut Table<'_>| read(table, settings);
        let pack = Table::walk(reader, "the pack", document.get_ref(), Place::File, whole)?;
        Some(Self { file: file.into(), text: text.into(), usual: settings.is_empty(), ..pack })
    }

    fn unless_broken(pack: Option<Self>, reader: Reader<'_>) -> Loaded {
        let findings = reader.into_findings();
        let failed = findings.iter().any(|finding| finding.severity == Severity::Error);
        match pack {
            Some(pack) if !failed => Ok((pack, findings)),
            _ => Err(findings),
        }
    }
}

fn read<'a>(table: &mut Table<'a>, settings: &BTreeMap<String, String>) -> Option<Pack> {
    let format = table.need("format", |node| {
        match node.value().as_integer().and_then(|number| number.as_str().parse().ok()) {
            Some(FORMAT) => Some(FORMAT),
            Some(_) => {
                node.fail("unknown format of packs", format!("this version reads `format = {FORMAT}`"))
            }
            None => node.wrong_type("a number", "write `format = 1`"),
        }
    });
    let identity = table.need("dialect", |node| node.table("[dialect]", identity::read)).flatten();
    let chosen = table
        .read("settings", |node| node.table("[settings]", |table| settings::read(table, settings)))
        .unwrap_or_else(|| settings::none(table, settings));
    let numbers_as_text = identity.as_ref().is_some_and(|identity| identity.numbers_as_text);
    let groups = table.read("groups", |node| node.table("[groups]", Groups::collect)).unwrap_or_default();
    let Some(identity) = identity else {
        // What follows can't be read without it, and is not unknown for that.
        table.entries();
        return None;
    };
    let context = Context { chosen, groups, numbers_as_text, languages: identity.languages.clone() };
    let requests = table
        .read("requests", |node| node.table("[requests]", |table| read_requests(table, &context)))
        .unwrap_or_else(usual_requests);
    let challenge = table.read("challenge", |node| node.table("[challenge]", challenge::read).flatten());
    let token = table.read("token", |node| node.table("[token]", read_token)).unwrap_or_default();
    let (routes, guarded) =
        table.read("routes", |node| node.table("[routes]", routes::read)).unwrap_or_default();
    let answers =
        table.need("answers", |node| node.table("[answers]", |table| answers::read(table, &context)));
    let operations = table.need("operations", |node| {
        node.table("[operations]", |table| {
            operations::read(table, &context, answers.as_ref(), identity.signs, routes)
        })
    });
    let lacks = table.read("lacks", |node| node.table("[lacks]", read_lacks)).unwrap_or_default();
    let problems =
        table.need("problems", |node| node.table("[problems]", |table| problems::read(table, &context)));
    let examples =
        table.read("example", |node| node.list(|item| item.table("[[example]]", read_example).flatten()));
    // Where something can't be read, what it would have used is not known.
    if !table.reader.has_errors() {
        context.groups.note_unused(table.reader);
        context.chosen.note_unused(table.reader);
    }
    let (operations, mut routes) = operations?;
    guarded.into_iter().for_each(|route| routes.guard(route));
    let answers = answers?;
    format?;
    let cases =
        || operations.iter().flat_map(|operation| operation.cases.iter().map(|case| case.lines.as_slice()));
    let needs_randomness = cases().chain([requests.always.as_slice()]).any(super::members::is_random);
    let plan = Plan {
        name: identity.name,
        title: identity.title.into(),
        languages: identity.languages,
        zone_minutes: identity.zone_minutes,
        habits: identity.habits,
        requests,
        answers: answers.answers,
        routes,
        operations,
        lacks,
        token,
        challenge,
        signs: identity.signs,
        problems: problems?,
        needs_randomness,
    };
    Some(Pack {
        plan,
        sources: identity.sources,
        settings: context.chosen.described,
        examples: examples.unwrap_or_default(),
        file: "".into(),
        text: "".into(),
        usual: true,
    })
}

fn usual_requests() -> Requests {
    Requests {
        body: BodyRules { forms: vec![BodyForm::Json], any_content_type: false },
        content_type: HeaderValue::from_static("application/json"),
        accept: None,
        empty_is_absent: false,
        usual: vec![WirePlace::Body],
        keep_within: None,
        always: Vec::new(),
    }
}

fn read_requests(table: &mut Table<'_>, context: &Context<'_>) -> Requests {
    let usual = usual_requests();
    let forms = table.read("body", values::body_forms).unwrap_or(usual.body.forms);
    let any_content_type = table.read("content_type_checked", Node::boolean).is_some_and(|checked| !checked);
    let form = forms.first() == Some(&BodyForm::Form);
    let default_type = if form { "application/x-www-form-urlencoded" } else { "application/json" };
    let content_type =
        table.read("content_type", values::header_value).unwrap_or(HeaderValue::from_static(default_type));
    let places = table.read("places", |node| node.list(values::usual_place));
    Requests {
        body: BodyRules { forms, any_content_type },
        content_type,
        accept: table.read("accept", values::header_value),
        empty_is_absent: table.read("empty_is_absent", Node::boolean).unwrap_or(false),
        usual: places.unwrap_or(usual.usual),
        keep_within: table.read("keep_within", Node::text).map(Into::into),
        always: table
            .read("always", |node| node.table("[requests.always]", |table| lines::read(table, context)))
            .unwrap_or_default(),
    }
}

fn read_token(table: &mut Table<'_>) -> TokenPlan {
    TokenPlan {
        read: table.need("read", |node| node.list(values::token_place)).unwrap_or_default(),
        write: table.need("write", values::token_place),
        fresh: table.read("fresh", values::token_place),
    }
}

fn read_lacks(table: &mut Table<'_>) -> Vec<Lack> {
    let mut lacks = Vec::new();
    for (name, place, node) in table.entries() {
        let Some(operation) = values::operation(table.reader, &place, name) else { continue };
        let lack = |why: &str| Lack { operation, why: why.into(), offset: place.offset() };
        lacks.extend(node.text().map(lack));
    }
    lacks
}

fn read_example(table: &mut Table<'_>) -> Option<Example> {
    let offset = table.own_place().offset();
    let text = |table: &mut Table<'_>, key| table.read(key, Node::text).map(str::to_owned);
    let name = table.need("name", Node::text);
    Some(Example {
        request: text(table, "request"),
        headers: table
            .read("headers", |node| node.list(Node::text))
            .unwrap_or_default()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        body: text(table, "body"),
        operation: text(table, "operation"),
        status: table.read("status", values::status),
        answer: text(table, "answer"),
        means: table
            .read("means", |node| node.table("means", |table| values::meanings(table)))
            .unwrap_or_default(),
        only_read: table.read("only", |node| node.choice(&[("read", true)])).unwrap_or(false),
        offset,
        name: name?.to_owned(),
    })
}

impl Default for TokenPlace {
    fn default() -> Self {
        Self { place: WirePlace::Usual, name: "".into(), scheme: None, scheme_optional: false }
    }
}
