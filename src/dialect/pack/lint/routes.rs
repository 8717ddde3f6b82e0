//! Every route and every case can be reached, and paths have their members.

use super::Lint;
use crate::dialect::pack::members::Line;
use crate::dialect::pack::message::Place;
use crate::dialect::pack::plan::{Case, Condition, OperationPlan, Subject, Test};
use crate::dialect::pack::routes::{Address, Route, Segment};

pub(super) fn check(lint: &Lint<'_>) {
    let routes = &lint.plan.routes.entries;
    for (index, route) in routes.iter().enumerate() {
        for earlier in routes.iter().take(index) {
            overlap(lint, earlier, route);
        }
        key(lint, route);
        cases(lint, index, route);
    }
    for plan in &lint.plan.operations {
        for case in &plan.cases {
            holes(lint, plan, case);
            conditions(lint, case);
        }
    }
}

/// How two segments meet: whether both take some text, and whether the first takes all that the second does.
fn overlap(lint: &Lint<'_>, earlier: &Route, later: &Route) {
    let methods = later.methods.iter().any(|method| earlier.methods.contains(method));
    let (Address::Path(first), Address::Path(second)) = (&earlier.address, &later.address) else {
        if methods && earlier.address == later.address {
            unreachable(lint, earlier, later);
        }
        return;
    };
    if !methods || first.len() != second.len() {
        return;
    }
    let both = |pair: (&Segment, &Segment)| match pair {
        (Segment::Fixed(one), Segment::Fixed(other)) => one == other,
        _ => true,
    };
    if !first.iter().zip(second).all(both) {
        return;
    }
    let takes = |(one, other): (&Segment, &Segment)| matches!(one, Segment::Hole(_)) || one == other;
    let swap = |(one, other)| (other, one);
    if first.iter().zip(second).all(takes) {
        unreachable(lint, earlier, later);
    } else if !first.iter().zip(second).map(swap).all(takes) {
        let message = format!("`{}` and `{}` both take some paths", earlier.text, later.text);
        let line = lint.line(earlier.offset);
        lint.error(later.offset, message, format!("nobody could say which counts: change it or line {line}"));
    }
}

fn unreachable(lint: &Lint<'_>, earlier: &Route, later: &Route) {
    let message = format!("no request gets to `{}`: `{}` takes them all", later.text, earlier.text);
    let line = lint.line(earlier.offset);
    let hint = if later.operations.is_empty() {
        format!("an operation has it in line {line}: take it out of `guarded`")
    } else {
        format!("put it before line {line}, or take it out")
    };
    lint.error(later.offset, message, hint);
}

/// The name of a route as requests name it, once their spelling is brought to one form.
fn key(lint: &Lint<'_>, route: &Route) {
    let (Address::Key(name), Some(rule)) = (&route.address, &lint.plan.routes.key) else { return };
    match rule.normalise(name, None) {
        Some(normal) if *normal == **name => {}
        Some(normal) => {
            let message = format!("no request gets to `{name}`: the rules of `key` make it `{normal}`");
            lint.error(route.offset, message, format!("write `{normal}`"));
        }
        None => lint.error(route.offset, "the name of a route is empty", "write its name, or take it out"),
    }
}

/// Of the cases that a route leads to, none may take all requests of a later one.
fn cases(lint: &Lint<'_>, index: usize, route: &Route) {
    let of_route = |case: &&Case| case.routes.iter().any(|of| of.route == index);
    let plans = route.operations.iter().filter_map(|of| lint.plan.operations.get(*of));
    let all: Vec<(&OperationPlan, &Case)> =
        plans.flat_map(|plan| plan.cases.iter().filter(of_route).map(move |case| (plan, case))).collect();
    for (number, (plan, case)) in all.iter().enumerate() {
        let takes_all = |earlier: &&(&OperationPlan, &Case)| {
            earlier.1.when.iter().all(|condition| case.when.iter().any(|of| implies(of, condition)))
        };
        let Some((other, earlier)) = all.iter().take(number).find(takes_all) else { continue };
        let (name, line) = (plan.operation.name(), lint.line(earlier.at.case));
        let message =
            format!("no request of `{}` gets here: `{}` takes them all", route.text, other.operation.name());
        let hint = format!(
            "tell it apart with `when`, put this form of `{name}` before line {line}, or take it out"
        );
        lint.error(case.at.case, message, hint);
    }
}

/// Whether a condition that holds makes another one hold.
fn implies(condition: &Condition, other: &Condition) -> bool {
    if !same_subject(&condition.subject, &other.subject) {
        return false;
    }
    let blank = |text: &str| text.is_empty() || text == "null";
    match (&condition.test, &other.test) {
        (Test::Is(some), Test::Is(more)) => some.iter().all(|of| more.iter().any(|one| one.text == of.text)),
        (Test::Is(some), Test::Present) => some.iter().all(|of| !blank(&of.text)),
        (Test::Is(some), Test::Missing) => some.iter().all(|of| blank(&of.text)),
        (Test::Present, Test::Present) | (Test::Missing, Test::Missing) => true,
        (Test::Successful, Test::Successful) => true,
        _ => false,
    }
}

/// Whether two conditions of one message can hold together.
fn agree(condition: &Condition, other: &Condition) -> bool {
    if !same_subject(&condition.subject, &other.subject) {
        return true;
    }
    let blank = |text: &str| text.is_empty() || text == "null";
    match (&condition.test, &other.test) {
        (Test::Is(some), Test::Is(more)) => some.iter().any(|of| more.iter().any(|one| one.text == of.text)),
        (Test::Is(some), Test::Present) | (Test::Present, Test::Is(some)) => {
            some.iter().any(|of| !blank(&of.text))
        }
        (Test::Is(some), Test::Missing) | (Test::Missing, Test::Is(some)) => {
            some.iter().any(|of| blank(&of.text))
        }
        (Test::Present, Test::Missing) | (Test::Missing, Test::Present) => false,
        _ => true,
    }
}

fn same_subject(one: &Subject, other: &Subject) -> bool {
    match (one, other) {
        (Subject::HttpStatus, Subject::HttpStatus) => true,
        (Subject::Member { place, path }, Subject::Member { place: other_place, path: other_path }) => {
            place == other_place && path == other_path
        }
        _ => false,
    }
}

fn conditions(lint: &Lint<'_>, case: &Case) {
    for (index, condition) in case.when.iter().enumerate() {
        if matches!(condition.subject, Subject::HttpStatus) {
            let hint = "name a member of the request: `when = { type = \"sms\" }`";
            lint.error(condition.offset, "a request has no HTTP status", hint);
        }
        if let Some(other) = case.when.iter().take(index).find(|other| !agree(condition, other)) {
            let line = lint.line(other.offset);
            let message = "this condition can't hold together with another one of the same request";
            lint.error(
                condition.offset,
                message,
                format!("the other one is in line {line}: take one of them out"),
            );
        }
    }
}

/// What stands in a path's holes has a line, and lines of the path have their hole.
fn holes(lint: &Lint<'_>, plan: &OperationPlan, case: &Case) {
    let in_path = |line: &&Line| line.place == Place::Path;
    let mut known: Vec<&str> = Vec::new();
    for of in &case.routes {
        let Some(Route { address: Address::Path(segments), text, .. }) =
            lint.plan.routes.entries.get(of.route)
        else {
            continue;
        };
        for segment in segments {
            let Segment::Hole(name) = segment else { continue };
            known.push(name);
            if !case.lines.iter().filter(in_path).any(|line| line.name == *name) {
                let message = format!("no member says what stands at {{{name}}} in `{text}`");
                lint.error(of.offset, message, format!("add `\"path {name}\" = \"field\"` to the members"));
            }
        }
    }
    for line in case.lines.iter().filter(in_path).filter(|line| !known.contains(&line.name.as_ref())) {
        let message = format!("no route of `{}` has a hole {{{}}}", plan.operation.name(), line.name);
        lint.error(line.offset, message, format!("write it into the route: `GET /path/{{{}}}`", line.name));
    }
}
