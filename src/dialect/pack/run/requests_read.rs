//! A client's request, read.

use std::borrow::Cow;

use bytes::Bytes;
use http::request;

use crate::account::{Operation, Problem, ProblemCode, Secret};
use crate::dialect::pack::field::{Field, Given};
use crate::dialect::pack::members::read;
use crate::dialect::pack::message::{Message, Place, query_members, read_body};
use crate::dialect::pack::plan::{Case, OperationPlan, Plan, Proof as PlannedProof, Subject, TokenPlace};
use crate::dialect::pack::routes::{Found, Target};
use crate::dialect::pack::target::{CallTarget, Target as _};
use crate::dialect::{Proof, Reading, Understood, normalise_path};
use crate::sign::{Carrier, Signed};

pub(super) fn read_call(
    plan: &Plan,
    head: &request::Parts,
    body: &Bytes,
    reading: Reading,
) -> Result<Understood, Problem> {
    let path = normalise_path(head.uri.path()).ok_or_else(|| Problem::malformed("the path is not valid"))?;
    let query = head.uri.query().unwrap_or_default();
    let target = Target { method: &head.method, path: &path, query, pinned: true };
    let Found::Route(route, holes) = plan.routes.find(target) else {
        return Err(ProblemCode::NotFound.into());
    };
    let operations = plan.routes.entries.get(route).map_or(&[][..], |route| route.operations.as_slice());
    let operations = || operations.iter().filter_map(|index| plan.operations.get(*index));
    let has_body = operations().any(|operation| operation.has_body);
    let (body, is_form) = if has_body {
        read_body(body, &head.headers, &plan.requests.body, reading.json_depth)?
    } else {
        Default::default()
    };
    let query = query_members(query)?;
    let message = Message { body, is_form, query, headers: Some(&head.headers), path: holes };
    let chosen = operations().find_map(|operation| {
        let usual = operation.usual.as_deref().unwrap_or(&plan.requests.usual);
        let fits = |case: &&Case| {
            case.routes.iter().any(|of| of.route == route)
                && case.when.iter().all(|condition| condition.holds(&message, 0, usual))
        };
        operation.cases.iter().find(fits).map(|case| (operation, case, usual))
    });
    let Some((operation, case, usual)) = chosen else {
        return Err(no_case(plan, operations().collect(), &message));
    };
    let mut target = CallTarget::new(operation.operation);
    let given = |name| Given::Text(Cow::Borrowed(name));
    let route_sets = case.routes.iter().find(|of| of.route == route).map_or(&[][..], |of| of.sets.as_slice());
    for (field, name) in route_sets.iter().chain(&case.sets) {
        target.set(*field, given(name)).map_err(|_| ProblemCode::Internal)?;
    }
    if target.other_purpose && operation.operation != Operation::SendCode {
        return Err(Problem::not_supported(operation.operation));
    }
    let rules = plan.read_rules(reading, usual, true);
    // Who may ask comes first: a caller without a token learns nothing about its members.
    match case.proof {
        PlannedProof::Token => target.call.token = Some(token(plan, &message)?.into()),
        PlannedProof::TokenIfSent => match token(plan, &message) {
            Err(problem) if problem.code == ProblemCode::TokenInvalid => {}
            found => target.call.token = Some(found?.into()),
        },
        PlannedProof::None | PlannedProof::Signature => {}
    }
    read(&case.lines, &message, rules, &mut target)?;
    choose_one(case, &mut target)?;
    finish(case.proof, target, usual)
}

/// Of several names that a call may go by the first wins, and one must be there.
fn choose_one(case: &Case, target: &mut CallTarget) -> Result<(), Problem> {
    for fields in &case.one_of {
        let mut there = fields.iter().filter(|field| target.has(**field)).copied();
        let Some(_) = there.next() else {
            let first = fields.first().map_or("", |field| field.name());
            return Err(Problem::missing(first));
        };
        let others: Vec<Field> = there.collect();
        if case.exclusive && !others.is_empty() {
            let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
            return Err(Problem::malformed(format!("only one of {} may be there", names.join(", "))));
        }
        others.into_iter().for_each(|field| target.clear(field));
    }
    let lacking = case.any_of.iter().find(|fields| !fields.iter().any(|field| target.has(*field)));
    match lacking {
        Some(fields) => Err(Problem::missing(fields.first().map_or("", |field| field.name()))),
        None => Ok(()),
    }
}

fn finish(proof: PlannedProof, mut target: CallTarget, usual: &[Place]) -> Result<Understood, Problem> {
    target.complete();
    let CallTarget { call, app_id, nonce, time, .. } = target;
    let proof = match proof {
        PlannedProof::None | PlannedProof::TokenIfSent => Proof::None,
        PlannedProof::Token => Proof::Token,
        PlannedProof::Signature => {
            let carrier = if usual.first() == Some(&Place::Query) { Carrier::Query } else { Carrier::Body };
            Proof::Signature(Signed {
                app_id: app_id.ok_or_else(|| Problem::missing("client.app_id"))?,
                nonce: nonce.ok_or_else(|| Problem::missing("guard.nonce"))?,
                time: time.ok_or_else(|| Problem::missing("guard.time"))?,
                carrier,
            })
        }
    };
    Ok(Understood { call, proof })
}

/// What is wrong when a request is none of the forms that its route takes.
fn no_case(plan: &Plan, operations: Vec<&OperationPlan>, message: &Message<'_>) -> Problem {
    let conditions =
        operations.iter().flat_map(|operation| operation.cases.iter().flat_map(|case| &case.when));
    let failing = conditions.into_iter().find_map(|condition| match &condition.subject {
        Subject::Member { place, path } => Some((place, path)),
        Subject::HttpStatus => None,
    });
    let Some((place, path)) = failing else { return ProblemCode::NotSupported.into() };
    let name = path.last().map(ToString::to_string).unwrap_or_default();
    let there = path.first().and_then(|first| message.top(place, first, &plan.requests.usual)).is_some();
    if there && path.len() == 1 {
        Problem::invalid(name, "is not one of the allowed values")
    } else {
        Problem::missing(name)
    }
}

/// The one token of a request; two different ones would let nobody say which counts.
fn token(plan: &Plan, message: &Message<'_>) -> Result<String, Problem> {
    let mut found: Option<String> = None;
    for place in &plan.token.read {
        let name = place.name.as_ref();
        let Some(value) = message.top(&place.place, name, &plan.requests.usual) else { continue };
        let Some(text) = value.as_str().and_then(|text| without_scheme(text, place)) else { continue };
        match &found {
            Some(known) if *known != text => {
                return Err(Problem::malformed("two different tokens were sent"));
            }
            _ => found = Some(text),
        }
    }
    found.ok_or_else(|| Problem::new(ProblemCode::TokenInvalid).field("token").reason(Problem::MISSING))
}

/// What stands where a request has its token, of the places that are not in its body.
pub(super) fn tokens_of_head(plan: &Plan, head: &request::Parts) -> Vec<Secret> {
    let query = query_members(head.uri.query().unwrap_or_default()).unwrap_or_default();
    let message = Message { query, headers: Some(&head.headers), ..Message::default() };
    let places = plan.token.read.iter();
    let texts = places.filter_map(|place| {
        let value = message.top(&place.place, place.name.as_ref(), &[Place::Query])?;
        value.as_str().and_then(|text| without_scheme(text, place))
    });
    texts.map(Secret::from).collect()
}

pub(super) fn without_scheme(text: &str, place: &TokenPlace) -> Option<String> {
    let text = text.trim();
    let bare = match &place.scheme {
        None => text,
        Some(scheme) => match text.split_once(' ') {
            Some((found, rest)) if found.eq_ignore_ascii_case(scheme) => rest.trim(),
            None if place.scheme_optional => text,
            _ => return None,
        },
    };
    (!bare.is_empty()).then(|| bare.to_owned())
}
