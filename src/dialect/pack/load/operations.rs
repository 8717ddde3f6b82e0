//! `[operations]`: what each takes and answers.

use http::Method;

use super::answers::{Enveloped, Read as ReadAnswers};
use super::routes::{self, Read as ReadRoutes};
use super::{Context, lines, values};
use crate::account::Operation;
use crate::config::reader::{Node, Place as FilePlace, Table};
use crate::dialect::pack::codec::Codec;
use crate::dialect::pack::field::Field;
use crate::dialect::pack::literal::Literal;
use crate::dialect::pack::members::{Direction, Line, What};
use crate::dialect::pack::message::Place;
use crate::dialect::pack::plan::{
    Case, CasePlaces, CaseRoute, Condition, OperationPlan, Proof, Subject, Test,
};
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
    let reply = read_reply(table, around);
    let message =
        table.read("message", |node| values::texts(node, &context.languages, &[])).unwrap_or_default();
    let usual_status = around.answers.map_or(200, |answers| answers.status);
    let status = table.read("status", values::status).unwrap_or(usual_status);
    let in_query = usual.as_ref().is_some_and(|usual| usual.first() == Some(&Place::Query));
    let has_body = table.read("body", Node::boolean).unwrap_or(!in_query);
    let cases = cases.into_iter().map(with_constants).collect();
    Some(OperationPlan {
        operation,
        usual,
        cases,
        keeps: reply.iter().any(belongs_to_account),
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

/// What an operation says for all of its cases.
struct Common {
    proof: Proof,
    lines: Vec<Line>,
    one_of: Vec<Vec<Field>>,
    any_of: Vec<Vec<Field>>,
    exclusive: bool,
    when: Vec<Condition>,
    sets: Vec<(Field, Box<str>)>,
    routes: Vec<CaseRoute>,
    at: CasePlaces,
}

impl Common {
    fn case(&self, when: Vec<Condition>, sets: Vec<(Field, Box<str>)>, own: Vec<Line>) -> Case {
        // A case's own line stands in the place of the common one with its name.
        let replaced = |line: &&Line| !own.iter().any(|of| of.name == line.name && of.place == line.place);
        let mut lines: Vec<Line> = own.clone();
        lines.extend(self.lines.iter().filter(replaced).cloned());
        let when: Vec<Condition> = self.when.iter().cloned().chain(when).collect();
        Case {
            routes: self.routes.clone(),
            proof: self.proof,
            when,
            sets,
            needs: Vec::new(),
            lines,
            one_of: self.one_of.clone(),
            any_of: self.any_of.clone(),
            exclusive: self.exclusive,
            at: self.at,
        }
    }
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

/// The members of a good answer, in their envelope.
fn read_reply<'a>(table: &mut Table<'a>, around: &Around<'_, 'a>) -> Vec<Line> {
    let place = table.place("reply");
    let envelope = around.answers.and_then(|answers| answers.envelope.as_ref());
    let reply = table.read("reply", |node| Some((node, node.value().as_table().is_some())));
    match (envelope, reply) {
        (None, None) => Vec::new(),
        (None, Some((node, true))) => {
            node.table("reply", |table| lines::read(table, around.context)).unwrap_or_default()
        }
        (None, Some((node, false))) => lines::of_groups(node, around.context).unwrap_or_default(),
        (Some(envelope), reply) => {
            let inside = |name: &str, absent: &Option<Literal>| {
                let inner =
                    reply.and_then(|(node, is_line)| inner_line(node, is_line, name, &place, around.context));
                enveloped(inner, name, absent)
            };
            let line = |line: &Enveloped| match line {
                Enveloped::Line(line) => Some((**line).clone()),
                Enveloped::Reply { name, absent } => inside(name, absent),
            };
            envelope.iter().filter_map(line).collect()
        }
    }
}

fn inner_line<'a>(
    node: Node<'a>,
    is_line: bool,
    name: &str,
    place: &FilePlace,
    context: &Context<'a>,
) -> Option<Line> {
    if is_line {
        return lines::line(node, name.into(), Place::Body, place, context);
    }
    let lines = lines::of_groups(node, context)?;
    Some(Line { what: What::Object(lines), ..bare(name, place.offset()) })
}

fn enveloped(inner: Option<Line>, name: &str, absent: &Option<Literal>) -> Option<Line> {
    match (inner, absent) {
        (Some(mut line), absent) => {
            line.absent = line.absent.or_else(|| absent.clone());
            Some(line)
        }
        (None, Some(literal)) => {
            Some(Line { what: What::Constant { literal: literal.clone(), checked: false }, ..bare(name, 0) })
        }
        (None, None) => None,
    }
}

fn bare(name: &str, offset: usize) -> Line {
    Line {
        name: name.into(),
        aliases: Vec::new(),
        place: Place::Body,
        what: What::Dropped,
        direction: Direction::Both,
        required: false,
        absent: None,
        list: false,
        offset,
    }
}

fn belongs_to_account(line: &Line) -> bool {
    match &line.what {
        What::Value(value) => {
            line.reads() && value.fields.iter().any(|field| field.name().starts_with("account."))
        }
        What::Object(lines) => lines.iter().any(belongs_to_account),
        _ => false,
    }
}

/// What tells a case apart when read must be written too; and what it can't be written without.
fn with_constants(mut case: Case) -> Case {
    for condition in &case.when {
        let (Subject::Member { place, path }, Test::Is(literals)) = (&condition.subject, &condition.test)
        else {
            continue;
        };
        if let Some(literal) = literals.first() {
            insert(&mut case.lines, place, path, literal, condition.offset);
        }
    }
    let mut needs: Vec<Vec<Field>> = case.one_of.iter().chain(&case.any_of).cloned().collect();
    case.lines.iter().for_each(|line| collect_needs(line, &mut needs));
    case.needs = needs;
    case
}

fn insert(lines: &mut Vec<Line>, place: &Place, path: &[Box<str>], literal: &Literal, offset: usize) {
    let Some((name, rest)) = path.split_first() else { return };
    let known =
        lines.iter_mut().find(|line| line.name == *name && (line.place == *place || !rest.is_empty()));
    match (known, rest.is_empty()) {
        (Some(_), true) => {}
        (Some(Line { what: What::Object(inner), .. }), false) => insert(inner, place, rest, literal, offset),
        (Some(_), false) => {}
        (None, true) => {
            let what = What::Constant { literal: literal.clone(), checked: false };
            lines.push(Line { what, place: place.clone(), ..bare(name, offset) });
        }
        (None, false) => {
            let mut inner = Vec::new();
            insert(&mut inner, place, rest, literal, offset);
            lines.push(Line { what: What::Object(inner), place: place.clone(), ..bare(name, offset) });
        }
    }
}

fn collect_needs(line: &Line, needs: &mut Vec<Vec<Field>>) {
    match &line.what {
        What::Value(value) if line.required && line.writes() && line.absent.is_none() => {
            if let Codec::Identity(identities, _) = &value.codec {
                let kinds = [
                    (identities.username, Field::Username),
                    // Of what kind it is, and whether there is a form for it, writing finds out.
                    (identities.username, Field::Identifier),
                    (identities.phone || identities.digits_are_phones, Field::Phone),
                    (identities.email, Field::Email),
                ];
                needs.push(kinds.into_iter().filter(|(takes, _)| *takes).map(|(_, field)| field).collect());
            } else if !value.fields.iter().any(|field| field.is_of_gateway()) {
                needs.push(value.fields.clone());
            }
        }
        // What an object can't do without is only needed where the object is.
        What::Object(lines) if line.required => lines.iter().for_each(|line| collect_needs(line, needs)),
        _ => {}
    }
}
