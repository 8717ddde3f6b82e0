//! A compiled pack at work: the dialect interface over its plan.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, request};

use super::Pack;
use super::field::Field;
use super::members::{BodyWriter, FormWriter, Line, Outgoing, ReadRules, What, WriteRules, read, write};
use super::message::{BodyForm, Message, Place, query_members, read_body};
use super::plan::{Case, CaseRoute, OperationPlan, Plan, Proof as PlannedProof, TokenPlace};
use super::routes::{Address, Found, Target};
use super::source::{CallSource, ProblemSource, ReplySource, Source};
use super::target::{CallTarget, ProblemTarget, ReplyTarget};
use super::wire_names::WireNames;
use crate::account::{Call, Country, Operation, Problem, ProblemCode, Reply, Session};
use crate::dialect::{
    Asked, Claim, Dialect, Habits, Language, Proof, Reading, Sending, Understood, normalise_path, unreadable,
};
use crate::json::ObjectWriter;
use crate::sign::{Carrier, Signed, SigningKey};

impl Dialect for Pack {
    fn name(&self) -> &'static str {
        self.plan.name
    }

    fn signs(&self) -> bool {
        self.plan.signs
    }

    fn habits(&self) -> &Habits {
        &self.plan.habits
    }

    fn needs_randomness(&self) -> bool {
        self.plan.needs_randomness
    }

    fn has(&self, operation: Operation) -> bool {
        self.plan.operation(operation).is_some()
    }

    fn claim(&self, target: Target<'_>) -> Claim {
        match self.plan.routes.find(target) {
            Found::Foreign => Claim::Foreign,
            Found::WrongMethod => Claim::WrongMethod,
            Found::Ambiguous => Claim::Ambiguous,
            Found::Route(route, _) => {
                let route = self.plan.routes.entries.get(route);
                let first = route.and_then(|route| route.operations.first());
                match first.and_then(|index| self.plan.operations.get(*index)) {
                    Some(operation) => Claim::Operation(operation.operation),
                    None => Claim::NoOperation,
                }
            }
        }
    }

    fn read_call(
        &self,
        _operation: Operation,
        head: &request::Parts,
        body: &Bytes,
        reading: Reading,
    ) -> Result<Understood, Problem> {
        read_call(&self.plan, head, body, reading)
    }

    fn write_reply(&self, asked: &Asked<'_>, reply: &Reply) -> Result<Response<Bytes>, Problem> {
        let plan = &self.plan;
        let operation = asked.operation.and_then(|operation| plan.operation(operation));
        let operation = operation.ok_or(ProblemCode::Internal)?;
        let language = plan.language(asked);
        let message = operation.message.of(language).and_then(|text| text.fixed()).unwrap_or_default();
        let source = ReplySource { asked, reply, message };
        if let Some(missing) = missing_in_reply(operation, &source) {
            tracing::debug!(field = missing.name(), "the reply lacks what this dialect can't do without");
            return Err(ProblemCode::UpstreamUnintelligible.into());
        }
        let status = StatusCode::from_u16(operation.status).map_err(|_| ProblemCode::Internal)?;
        let mut outgoing = Outgoing::default();
        let rules = plan.write_rules(asked.country, &Place::Body, None);
        let body = if status == StatusCode::NO_CONTENT {
            Vec::new()
        } else {
            body_of(plan.answers.body.forms.first(), |body| {
                write(&operation.reply, &source, rules, body, &mut outgoing)
            })?
        };
        let mut response = answer(status, &plan.answers.content_type, body, outgoing.headers);
        if let (Some(place), Some(token)) = (&plan.token.fresh, source.get(Field::SessionAccessToken)) {
            insert_token(response.headers_mut(), place, &token.to_text());
        }
        Ok(response)
    }

    fn write_problem(&self, asked: &Asked<'_>, problem: &Problem) -> Response<Bytes> {
        write_problem(&self.plan, asked, problem)
    }

    fn write_call(&self, call: &Call, sending: &Sending<'_>) -> Result<Request<Bytes>, Problem> {
        write_call(&self.plan, call, sending)
    }

    fn read_answer(&self, call: &Call, answer: &Response<Bytes>, reading: Reading) -> Result<Reply, Problem> {
        read_answer(&self.plan, call, answer, reading)
    }
}

impl Plan {
    fn read_rules<'p>(&'p self, reading: Reading, usual: &'p [Place], request: bool) -> ReadRules<'p> {
        ReadRules {
            dialect: self.name,
            empty_is_absent: if request {
                self.requests.empty_is_absent
            } else {
                self.answers.empty_is_absent
            },
            usual,
            keep_within: self.requests.keep_within.as_deref().filter(|_| request),
            country: reading.default_country,
            known_phone: None,
            zone_minutes: self.zone_minutes,
        }
    }

    fn write_rules<'p>(
        &'p self,
        country: Country,
        usual: &'p Place,
        within: Option<&'p str>,
    ) -> WriteRules<'p> {
        WriteRules {
            dialect: self.name,
            usual,
            country,
            zone_minutes: self.zone_minutes,
            beaten: &[],
            keep_within: within,
        }
    }
}

fn read_call(
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
    let path: Vec<(&str, std::borrow::Cow<'_, str>)> =
        holes.iter().map(|(name, value)| (name.as_ref(), value.clone())).collect();
    let message = Message { body, is_form, query: query_members(query)?, headers: Some(&head.headers), path };
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
    let given = |name: &str| super::field::Given::Text(std::borrow::Cow::Owned(name.to_owned()));
    let route_sets = case.routes.iter().find(|of| of.route == route).map_or(&[][..], |of| of.sets.as_slice());
    for (field, name) in route_sets.iter().chain(&case.sets) {
        super::target::Target::set(&mut target, *field, given(name)).map_err(|_| ProblemCode::Internal)?;
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
        super::plan::Subject::Member { place, path } => Some((place, path)),
        super::plan::Subject::HttpStatus => None,
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

fn without_scheme(text: &str, place: &TokenPlace) -> Option<String> {
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

fn write_call(plan: &Plan, call: &Call, sending: &Sending<'_>) -> Result<Request<Bytes>, Problem> {
    let not_supported = || Problem::not_supported(call.operation);
    let operation = plan.operation(call.operation).ok_or_else(not_supported)?;
    let source = CallSource::new(call, sending);
    let (case, route) = choose_case(operation, &source)?;
    let usual = operation.usual.as_deref().unwrap_or(&plan.requests.usual).first().unwrap_or(&Place::Body);
    let rules = plan.write_rules(sending.default_country, usual, plan.requests.keep_within.as_deref());
    let beaten = beaten(case, &source);
    let rules = WriteRules { beaten: &beaten, ..rules };
    let mut outgoing = Outgoing::default();
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
    let losers = |fields: &Vec<Field>| {
        let there: Vec<Field> =
            fields.iter().filter(|field| source.get(**field).is_some()).copied().collect();
        there.into_iter().skip(1)
    };
    case.one_of.iter().flat_map(losers).collect()
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
    (case, route): (&Case, &super::routes::Route),
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
    let (method, mut target) = address(plan, route, &path)?;
    if !query.is_empty() {
        target.push(if target.contains('?') { '&' } else { '?' });
        target.push_str(&query);
    }
    let mut request = Request::new(body);
    *request.uri_mut() = target.parse().map_err(|_| ProblemCode::Internal)?;
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

fn address(
    plan: &Plan,
    route: &super::routes::Route,
    path: &[(Box<str>, String)],
) -> Result<(Method, String), Problem> {
    match (&route.address, &plan.routes.key) {
        (Address::Key(_), Some(rule)) => Ok((rule.method.clone(), rule.path.to_string())),
        (Address::Key(_), None) => Err(ProblemCode::Internal.into()),
        (Address::Path(segments), _) => {
            let mut target = String::new();
            for segment in segments {
                target.push('/');
                match segment {
                    super::routes::Segment::Fixed(text) => target.push_str(text),
                    super::routes::Segment::Hole(name) => {
                        let value = path.iter().find(|(of, _)| of == name).map(|(_, value)| value);
                        let value = value.ok_or_else(|| Problem::new(ProblemCode::TokenInvalid))?;
                        crate::query::percent_encode(value, &mut target);
                    }
                }
            }
            Ok((route.methods.first().cloned().unwrap_or(Method::POST), target))
        }
    }
}

/// A token that no header field can hold is none that a backend ever gave.
fn insert_secret(headers: &mut HeaderMap, name: HeaderName, text: &str) -> Result<(), Problem> {
    let mut value = HeaderValue::from_str(text).map_err(|_| ProblemCode::TokenInvalid)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

fn insert_token(headers: &mut HeaderMap, place: &TokenPlace, token: &str) {
    if let Some(name) = place.header() {
        let scheme = place.scheme.as_deref().map(|scheme| format!("{scheme} ")).unwrap_or_default();
        _ = insert_secret(headers, name.clone(), &format!("{scheme}{token}"));
    }
}

fn body_of(
    form: Option<&BodyForm>,
    write: impl FnOnce(&mut BodyWriter<'_>) -> Result<(), Problem>,
) -> Result<Vec<u8>, Problem> {
    if form == Some(&BodyForm::Form) {
        let mut writer = FormWriter::default();
        write(&mut BodyWriter::Form(&mut writer))?;
        return Ok(writer.pairs.finish().into_bytes());
    }
    let mut writer = ObjectWriter::new();
    write(&mut BodyWriter::Json(&mut writer))?;
    Ok(writer.finish())
}

fn answer(
    status: StatusCode,
    content_type: &HeaderValue,
    body: Vec<u8>,
    headers: Vec<(HeaderName, HeaderValue)>,
) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    if status != StatusCode::NO_CONTENT {
        fields.insert(CONTENT_TYPE, content_type.clone());
    }
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.extend(headers);
    response
}

/// A required field of the reply that has no value.
fn missing_in_reply(operation: &OperationPlan, source: &ReplySource<'_>) -> Option<Field> {
    super::required_fields(&operation.reply)
        .into_iter()
        .find(|fields| fields.iter().all(|field| source.get(*field).is_none()))
        .and_then(|fields| fields.first().copied())
}

fn write_problem(plan: &Plan, asked: &Asked<'_>, problem: &Problem) -> Response<Bytes> {
    let operation = asked.operation.and_then(|operation| plan.operation(operation));
    let language = plan.language(asked);
    let row = plan.problems.row(problem, asked);
    let names = WireNames { own: operation, all: &plan.operations };
    let field = problem.field.as_deref().or(row.and_then(|row| row.names.as_deref()));
    let fill = |template| plan.problems.fill(template, asked, problem, (field, names), language);
    let status = row.and_then(|row| row.status).unwrap_or(problem.code.status());
    let text = row.and_then(|row| row.text.of(language)).map(fill).unwrap_or_default();
    let code = row.and_then(|row| row.code.as_ref()).map(|(code, quoted)| (fill(code).into(), *quoted));
    let wire_field = field.filter(|_| problem.code.names_field()).map(|field| names.of(field));
    let source =
        ProblemSource { asked, problem, code, status, text: text.into(), wire_field: wire_field.as_deref() };
    let mut outgoing = Outgoing::default();
    let rules = plan.write_rules(asked.country, &Place::Body, None);
    let form = plan.answers.body.forms.first();
    let written = body_of(form, |body| write(&plan.answers.problem, &source, rules, body, &mut outgoing));
    let http = plan.answers.problem_status.of(status);
    let http = StatusCode::from_u16(http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer(http, &plan.answers.problem_content_type, written.unwrap_or_default(), outgoing.headers)
}

fn read_answer(
    plan: &Plan,
    call: &Call,
    answer: &Response<Bytes>,
    reading: Reading,
) -> Result<Reply, Problem> {
    let status = answer.status();
    let operation = plan.operation(call.operation).ok_or(ProblemCode::Internal)?;
    if status == StatusCode::NO_CONTENT && operation.status == status.as_u16() {
        return Ok(Reply::default());
    }
    let (body, is_form) = read_body(answer.body(), answer.headers(), &plan.answers.body, reading.json_depth)
        .map_err(|_| unreadable(status))?;
    let nothing = body.is_empty();
    let message = Message { body, is_form, headers: Some(answer.headers()), ..Message::default() };
    let usual = &[Place::Body][..];
    let code = status.as_u16();
    let good = plan
        .answers
        .good
        .iter()
        .any(|all| all.iter().all(|condition| condition.holds(&message, code, usual)));
    let rules = ReadRules { known_phone: call.phone.as_ref(), ..plan.read_rules(reading, usual, false) };
    if good && status.is_success() && !nothing {
        // An answer that has nothing of what its operation answers is an answer to something else.
        let says_something =
            message.body.iter().any(|member| operation.reply.iter().any(|line| line.is_named(&member.name)));
        if !says_something && !operation.reply.is_empty() {
            return Err(unreadable(status));
        }
        let mut target = ReplyTarget { keeps: operation.keeps, ..ReplyTarget::default() };
        read(&operation.reply, &message, rules, &mut target).map_err(|_| unreadable(status))?;
        let mut reply = target.into_reply();
        if let (None, Some(place)) = (&reply.session, &plan.token.fresh) {
            let fresh = message.top(&place.place, &place.name, usual);
            let token = fresh.and_then(|value| value.as_str().and_then(|text| without_scheme(text, place)));
            reply.session = token.map(|token| Session::of_access_token(token.into()));
        }
        return Ok(reply);
    }
    let mut told = ProblemTarget::default();
    read(&plan.answers.problem, &message, rules, &mut told).map_err(|_| unreadable(status))?;
    if told.code.is_none() && told.named.is_none() {
        return Err(unreadable(status));
    }
    let names = WireNames { own: Some(operation), all: &plan.operations };
    Err(plan.problems.read(told, code, call, names).unwrap_or_else(|| unreadable(status)))
}

/// The language that a caller is answered in, where it says none itself.
impl Pack {
    /// The language of texts for a caller that names none.
    pub fn default_language(&self) -> Language {
        self.plan.default_language()
    }
}
