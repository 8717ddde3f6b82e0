//! A request to a backend, written.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri};

use super::answers::body_of;
use crate::account::{Call, Problem, ProblemCode};
use crate::dialect::Sending;
use crate::dialect::pack::field::Field;
use crate::dialect::pack::members::{BodyWriter, FormWriter, Line, Outgoing, What, WriteRules, write};
use crate::dialect::pack::message::Place;
use crate::dialect::pack::plan::{Case, CaseRoute, OperationPlan, Plan, Proof as PlannedProof, TokenPlace};
use crate::dialect::pack::routes::{Address, Route, Segment};
use crate::dialect::pack::source::{CallSource, Source};
use crate::sign::SigningKey;

pub(super) fn write_call(plan: &Plan, call: &Call, sending: &Sending<'_>) -> Result<Request<Bytes>, Problem> {
    let not_supported = || Problem::not_supported(call.operation);
    let operation = plan.operation(call.operation).ok_or_else(not_supported)?;
    let source = CallSource::new(call, sending);
    let (case, route) = choose_case(operation, &source)?;
    let usual = operation.usual.as_deref().unwrap_or(&plan.requests.usual).first().unwrap_or(&Place::Body);
    let rules = plan.write_rules(sending.default_country, usual, plan.requests.keep_within.as_deref());
    let beaten = beaten(case, &source);
    let rules = WriteRules { beaten: &beaten, ..rules };
    let headers = Vec::with_capacity(plan.requests.always.len());
    let mut outgoing = Outgoing { headers, ..Outgoing::default() };
    let route = plan.routes.entries.get(route.route).ok_or_else(not_supported)?;
    if let (Address::Key(name), Some(rule)) = (&route.address, &plan.routes.key) {
        outgoing.query.pair(&rule.parameter, name);
    }
    let mut aside = FormWriter::default();
    write(&plan.requests.always, &source, rules, &mut BodyWriter::Form(&mut aside), &mut outgoing)?;
    let form = plan.requests.body.forms.first();
    let tidy = |mut problem: Problem| {
        if problem.code == ProblemCode::NotSupported {
            problem.operation = Some(call.operation);
        }
        problem
    };
    let written =
        body_of(form, |body| write(&case.lines, &source, rules, body, &mut outgoing)).map_err(tidy)?;
    let body = if operation.has_body { Bytes::from(written) } else { Bytes::new() };
    build(plan, operation, (case, route), (call, sending), outgoing, body)
}

/// Of several names that a call may go by only the first is written.
fn beaten(case: &Case, source: &CallSource<'_>) -> Vec<Field> {
    let there = |field: &&Field| source.get(**field).is_some();
    case.one_of.iter().flat_map(|fields| fields.iter().filter(there).skip(1)).copied().collect()
}

/// The first form whose fields the call has.
fn choose_case<'p>(
    operation: &'p OperationPlan,
    source: &CallSource<'_>,
) -> Result<(&'p Case, &'p CaseRoute), Problem> {
    let agrees = |sets: &[(Field, Box<str>)]| {
        sets.iter().all(|(field, name)| source.get(*field).is_none_or(|datum| datum.to_text() == **name))
    };
    let has_any = |fields: &Vec<Field>| fields.iter().any(|field| source.get(*field).is_some());
    let call = operation.operation;
    let mut lacking: Option<&Vec<Field>> = None;
    let mut hopeless = true;
    for case in operation.cases.iter().filter(|case| agrees(&case.sets)) {
        let Some(route) = case.routes.iter().find(|route| agrees(&route.sets)) else { continue };
        match case.needs.iter().find(|fields| !has_any(fields)) {
            None => return Ok((case, route)),
            Some(fields) if fields.iter().any(|field| is_not_to_be_had(*field, source)) => {}
            Some(fields) => {
                hopeless = false;
                lacking = lacking.or(Some(fields));
            }
        }
    }
    match lacking.and_then(|fields| fields.first()) {
        Some(field) if !hopeless => Err(Problem::missing(field.name())),
        _ => Err(Problem::not_supported(call)),
    }
}

/// Whether the caller is not to blame for a field that it left out: the call goes by another name, by a name
/// that no code can be sent to, or by another proof.
fn is_not_to_be_had(field: Field, source: &CallSource<'_>) -> bool {
    let has = |field| source.get(field).is_some();
    match field {
        Field::VerificationCode => !has(Field::Phone) && !has(Field::Email) && !has(Field::Token),
        Field::VerificationChallenge => {
            has(Field::VerificationCode) || is_not_to_be_had(Field::VerificationCode, source)
        }
        Field::OldPassword => has(Field::VerificationCode),
        field => field.is_identity(),
    }
}

fn build(
    plan: &Plan,
    operation: &OperationPlan,
    (case, route): (&Case, &Route),
    (call, sending): (&Call, &Sending<'_>),
    outgoing: Outgoing,
    body: Bytes,
) -> Result<Request<Bytes>, Problem> {
    let Outgoing { query, headers, path, basic_user, basic_password } = outgoing;
    let mut query = query;
    let proof = case.proof;
    if matches!(proof, PlannedProof::Token | PlannedProof::TokenIfSent)
        && !case.lines.iter().any(writes_token)
        && let (Some(TokenPlace { place: Place::Query, name, .. }), Some(token)) =
            (&plan.token.write, &call.token)
    {
        query.pair(name, token.expose());
    }
    let query = query.finish();
    let named = call.account_of_path.as_ref().filter(|_| plan.habits.path_names_account);
    if named.is_some_and(|named| path.iter().any(|(_, own)| own != named)) {
        return Err(ProblemCode::NotPermitted.into());
    }
    let (method, target) = address(plan, route, &path, &query)?;
    let mut request = Request::new(body);
    *request.uri_mut() = target;
    let fields = request.headers_mut();
    *fields = HeaderMap::with_capacity(headers.len() + 4);
    if let Some(accept) = &plan.requests.accept {
        fields.insert(ACCEPT, accept.clone());
    }
    if operation.has_body {
        fields.insert(CONTENT_TYPE, plan.requests.content_type.clone());
    }
    fields.extend(headers);
    if let Some(user) = basic_user {
        use base64::Engine as _;
        let pair = format!("{user}:{}", basic_password.unwrap_or_default());
        let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
        insert_secret(fields, AUTHORIZATION, &format!("Basic {encoded}"))?;
    }
    match proof {
        PlannedProof::Signature => {
            // The config refuses such a backend without an app, so its absence is the gateway's fault.
            let app = sending.app.ok_or(ProblemCode::Internal)?;
            let message = if operation.has_body { request.body().as_ref() } else { query.as_bytes() };
            let signature = SigningKey::new(&app.secret).sign(message).to_authorization();
            insert_secret(request.headers_mut(), AUTHORIZATION, &signature)?;
        }
        PlannedProof::Token => {
            // Where others send a code to anybody, this dialect wants to know who asks, and they can't say.
            let missing = || match call.operation.needs_token() {
                true => Problem::new(ProblemCode::TokenInvalid),
                false => Problem::not_supported(call.operation),
            };
            let token = call.token.as_ref().ok_or_else(missing)?;
            if let Some(place) = &plan.token.write {
                insert_token(request.headers_mut(), place, token.expose());
            }
        }
        PlannedProof::TokenIfSent => {
            if let (Some(place), Some(token)) = (&plan.token.write, &call.token) {
                insert_token(request.headers_mut(), place, token.expose());
            }
        }
        PlannedProof::None => {}
    }
    *request.method_mut() = method;
    Ok(request)
}

/// Whether the line is the token's place among the members, so that it has no other one.
fn writes_token(line: &Line) -> bool {
    matches!(&line.what, What::Value(value) if line.writes() && value.fields.contains(&Field::Token))
}

/// Method and target of a request, with its query.
fn address(
    plan: &Plan,
    route: &Route,
    path: &[(Box<str>, String)],
    query: &str,
) -> Result<(Method, Uri), Problem> {
    let first = || route.methods.first().cloned().unwrap_or(Method::POST);
    let (method, mut target) = match (&route.address, &route.whole, &plan.routes.key) {
        (_, Some(whole), _) if query.is_empty() => return Ok((first(), whole.clone())),
        (Address::Path(segments), ..) => (first(), filled(segments, path)?),
        (Address::Key(_), _, Some(rule)) => (rule.method.clone(), rule.path.to_string()),
        (Address::Key(_), _, None) => return Err(ProblemCode::Internal.into()),
    };
    if !query.is_empty() {
        let joint = if target.contains('?') { "&" } else { "?" };
        target.extend([joint, query]);
    }
    Ok((method, target.parse().map_err(|_| ProblemCode::Internal)?))
}

/// A path with its holes filled.
fn filled(segments: &[Segment], path: &[(Box<str>, String)]) -> Result<String, Problem> {
    let mut target = String::new();
    for segment in segments {
        target.push('/');
        match segment {
            Segment::Fixed(text) => target.push_str(text),
            Segment::Hole(name) => {
                let value = path.iter().find(|(of, _)| of == name).map(|(_, value)| value);
                let value = value.ok_or_else(|| Problem::new(ProblemCode::TokenInvalid))?;
                crate::query::percent_encode(value, &mut target);
            }
        }
    }
    Ok(target)
}

/// A token that no header field can hold is none that a backend ever gave.
fn insert_secret(headers: &mut HeaderMap, name: HeaderName, text: &str) -> Result<(), Problem> {
    headers.insert(name, secret_value(text).ok_or(ProblemCode::TokenInvalid)?);
    Ok(())
}

fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A token as the value of its header field.
pub(super) fn token_value(place: &TokenPlace, token: &str) -> Option<HeaderValue> {
    match place.scheme.as_deref() {
        Some(scheme) => secret_value(&[scheme, " ", token].concat()),
        None => secret_value(token),
    }
}

pub(super) fn insert_token(headers: &mut HeaderMap, place: &TokenPlace, token: &str) {
    if let Some((name, value)) = place.header().zip(token_value(place, token)) {
        headers.insert(name.clone(), value);
    }
}
