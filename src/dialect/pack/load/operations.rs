//! `[operations]`: what each takes and answers.

use http::Method;

use super::answers::Read as ReadAnswers;
use super::cases::{Common, with_constants};
use super::routes::{self, Read as ReadRoutes};
use super::{Context, lines, replies, texts, values};
use crate::account::Operation;
use crate::config::reader::{Node, Table};
use crate::dialect::pack::field::Field;
use crate::dialect::pack::members::Line;
use crate::dialect::pack::message::Place;
use crate::dialect::pack::plan::{Case, CasePlaces, CaseRoute, OperationPlan, Proof};
use crate::dialect::pack::routes::Routes;

/// What all operations are read with.
struct Around<'c, 'a> {
    context: &'c Context<'a>,
    answers: Option<&'c ReadAnswers>,
    signs: bool,
    methods: Vec<Method>,
}

pub(super) fn read<'a>(
    table: &mut Table<'a>,
    context: &Context<'a>,
    answers: Option<&ReadAnswers>,
    signs: bool,
    read_routes: ReadRoutes,
) -> (Vec<OperationPlan>, Routes) {
    let around = Around { context, answers, signs, methods: read_routes.methods };
    let mut routes = Routes { entries: Vec::new(), key: read_routes.key };
    let mut operations: Vec<OperationPlan> = Vec::new();
    for (name, place, node) in table.entries() {
        let Some(operation) = values::operation(table.reader, &place, name) else { continue };
        let index = operations.len();
        let plan = node.table(&format!("[operations.{name}]"), |table| {
            read_operation(table, (operation, place.offset()), &around, &mut |route| {
                routes.place(route, index)
            })
        });
        operations.extend(plan.flatten());
    }
    (operations, routes)
}

type Placing<'p> = &'p mut dyn FnMut(crate::dialect::pack::routes::Route) -> usize;

fn read_operation<'a>(
    table: &mut Table<'a>,
    (operation, offset): (Operation, usize),
    around: &Around<'_, 'a>,
    place_route: Placing<'_>,
) -> Option<OperationPlan> {
    let context = around.context;
    let own_routes = read_routes(table, around, place_route);
    let usual = table.read("place", |node| Some(vec![values::usual_place(node)?]));
    let proof = read_proof(table).unwrap_or(match (operation.needs_token(), around.signs) {
        (true, _) => Proof::Token,
        (false, true) => Proof::Signature,
        (false, false) => Proof::None,
    });
    let common = Common {
        proof,
        lines: members(table, context),
        one_of: field_lists(table, "one_of"),
        any_of: field_lists(table, "any_of"),
        exclusive: table.read("exclusive", Node::boolean).unwrap_or(false),
        when: table.read("when", |node| node.table("when", super::answers::conditions)).unwrap_or_default(),
        sets: table.read("sets", values::sets).unwrap_or_default(),
        routes: own_routes,
        at: CasePlaces {
            case: offset,
            one_of: table.place("one_of").offset(),
            any_of: table.place("any_of").offset(),
            sets: table.place("sets").offset(),
        },
    };
    let cases = table.read("case", |node| {
        node.list(|item| item.table("a case", |table| read_case(table, &common, around, place_route)))
    });
    let cases = cases.unwrap_or_else(|| vec![common.case(Vec::new(), common.sets.clone(), Vec::new())]);
    if cases.iter().all(|case| case.routes.is_empty()) && !table.has("route") {
        table.error(
            "route",
            format!("no route leads to `{}`", operation.name()),
            "add `route = \"POST /path\"`",
        );
    }
    let reply = replies::read(table, context, around.answers);
    let message =
        table.read("message", |node| texts::texts(node, &context.languages, &[])).unwrap_or_default();
    let usual_status = around.answers.map_or(200, |answers| answers.status);
    let status = table.read("status", values::status).unwrap_or(usual_status);
    let in_query = usual.as_ref().is_some_and(|usual| usual.first() == Some(&Place::Query));
    let has_body = table.read("body", Node::boolean).unwrap_or(!in_query);
    let cases = cases.into_iter().map(with_constants).collect();
    Some(OperationPlan {
        operation,
        usual,
        cases,
        keeps: reply.iter().any(replies::belongs_to_account),
        required: replies::required(&reply),
        reply,
        status,
        message,
        has_body,
        offset,
    })
}

fn read_proof(table: &mut Table<'_>) -> Option<Proof> {
    let proofs = &[
        ("signature", Proof::Signature),
        ("token", Proof::Token),
        ("token if sent", Proof::TokenIfSent),
        ("none", Proof::None),
    ];
    table.read("proof", |node| node.choice(proofs))
}

fn read_case<'a>(
    table: &mut Table<'a>,
    common: &Common,
    around: &Around<'_, 'a>,
    place_route: Placing<'_>,
) -> Case {
    let when = table.read("when", |node| node.table("when", super::answers::conditions)).unwrap_or_default();
    let mut sets = common.sets.clone();
    sets.extend(table.read("sets", values::sets).unwrap_or_default());
    let own = members(table, around.context);
    let routes = read_routes(table, around, place_route);
    let one_of = field_lists(table, "one_of");
    let any_of = field_lists(table, "any_of");
    let exclusive = table.read("exclusive", Node::boolean);
    let proof = read_proof(table);
    let mut case = common.case(when, sets, own);
    case.proof = proof.unwrap_or(case.proof);
    if !routes.is_empty() {
        case.routes = routes;
    }
    if !one_of.is_empty() {
        case.one_of = one_of;
    }
    if !any_of.is_empty() {
        case.any_of = any_of;
    }
    case.exclusive = exclusive.unwrap_or(case.exclusive);
    let own_place =
        |key: &str, common: usize| if table.has(key) { table.place(key).offset() } else { common };
    case.at = CasePlaces {
        case: table.own_place().offset(),
        one_of: own_place("one_of", common.at.one_of),
        any_of: own_place("any_of", common.at.any_of),
        sets: own_place("sets", common.at.sets),
    };
    case
}

/// `route = "POST /x"`, or a list of them, each with what it sets.
fn read_routes<'a>(
    table: &mut Table<'a>,
    around: &Around<'_, 'a>,
    place_route: Placing<'_>,
) -> Vec<CaseRoute> {
    let mut one = |node: Node<'a>| {
        let (text, sets) = if node.value().as_table().is_some() {
            node.table("a route", |table| {
                let text = table.need("at", |node| Some((node, node.text()?)));
                (text, table.read("sets", values::sets).unwrap_or_default())
            })?
        } else {
            (Some((node, node.text()?)), Vec::new())
        };
        let (node, text) = text?;
        let route = place_route(routes::parse(node, text, &around.methods)?);
        Some(CaseRoute { route, sets, offset: node.place().offset() })
    };
    table
        .read("route", |node| match node.value().as_array() {
            Some(_) => node.list(one),
            None => Some(vec![one(node)?]),
        })
        .unwrap_or_default()
}

/// Own members first, then those of the groups that are used; `use` may say `members` where the own ones go.
fn members<'a>(table: &mut Table<'a>, context: &Context<'a>) -> Vec<Line> {
    let own = table.read("members", |node| node.table("members", |table| lines::read(table, context)));
    let mut own = Some(own.unwrap_or_default());
    let used = table.read("use", |node| {
        values::one_or_more(node, |item| match item.value().as_str() {
            Some("members") => Some(own.take().unwrap_or_default()),
            _ => lines::of_groups(item, context),
        })
    });
    own.into_iter().chain(used.unwrap_or_default()).flatten().collect()
}

/// `["phone", "email"]`, or several such lists.
fn field_lists(table: &mut Table<'_>, key: &'static str) -> Vec<Vec<Field>> {
    let nested = |node: Node<'_>| {
        node.value()
            .as_array()
            .and_then(|items| items.first())
            .is_some_and(|first| first.get_ref().as_array().is_some())
    };
    table
        .read(key, |node| {
            if nested(node) {
                node.list(|item| item.list(values::field))
            } else {
                Some(vec![node.list(values::field)?])
            }
        })
        .unwrap_or_default()
}
