//! Answers: a client's written, a backend's read.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::requests_read::without_scheme;
use super::requests_written::insert_token;
use crate::account::{Call, Problem, ProblemCode, Reply, Session};
use crate::dialect::pack::field::Field;
use crate::dialect::pack::members::{BodyWriter, FormWriter, Outgoing, ReadRules, read, write};
use crate::dialect::pack::message::{BodyForm, Message, Place, read_body};
use crate::dialect::pack::plan::{OperationPlan, Plan};
use crate::dialect::pack::source::{ProblemSource, ReplySource, Source};
use crate::dialect::pack::target::{ProblemTarget, ReplyTarget};
use crate::dialect::pack::wire_names::WireNames;
use crate::dialect::{Asked, Reading, unreadable};
use crate::json::ObjectWriter;

/// Writes the good answer to a client.
pub(super) fn write_reply(plan: &Plan, asked: &Asked<'_>, reply: &Reply) -> Result<Response<Bytes>, Problem> {
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

pub(super) fn body_of(
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
    let lacks = |fields: &&Vec<Field>| fields.iter().all(|field| source.get(*field).is_none());
    operation.required.iter().find(lacks).and_then(|fields| fields.first().copied())
}

pub(super) fn write_problem(plan: &Plan, asked: &Asked<'_>, problem: &Problem) -> Response<Bytes> {
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

/// The problem of an answer whose code is one of `codes`, which mean another region.
pub(super) fn wrong_region(
    plan: &Plan,
    codes: &[String],
    answer: &Response<Bytes>,
    reading: Reading,
) -> Option<Problem> {
    let body = read_body(answer.body(), answer.headers(), &plan.answers.body, reading.json_depth);
    let (body, is_form) = body.ok()?;
    let message = Message { body, is_form, headers: Some(answer.headers()), ..Message::default() };
    let mut told = ProblemTarget::default();
    let rules = plan.read_rules(reading, &[Place::Body], false);
    read(&plan.answers.problem, &message, rules, &mut told).ok()?;
    let code = told.code.or(told.unknown_name)?;
    let mut problem = Problem::new(ProblemCode::WrongRegion);
    problem.region = told.region.map(String::into_boxed_str);
    codes.contains(&code).then_some(problem)
}

pub(super) fn read_answer(
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
