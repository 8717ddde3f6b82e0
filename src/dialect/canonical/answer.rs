//! Good answers: a client's written, a backend's read.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::{call, place_of, problem};
use crate::account::{
    Account, AccountStatus, Call, Email, Gender, Operation, Phone, Problem, ProblemCode, Reply, Secret,
    Session,
};
use crate::clock::Moment;
use crate::dialect::{Asked, Reading, answer, unreadable};
use crate::json::{self, Object, ObjectWriter, Value};

const CONTENT_TYPE: &str = "application/json";

/// Seconds that a code lives and until the next may be asked for, where the backend does not say.
const CODE_SECONDS: u64 = 300;
const RESEND_SECONDS: u64 = 120;

/// Members of `account` that the model names.
const ACCOUNT_MEMBERS: &[&str] = &[
    "id",
    "username",
    "phone",
    "email",
    "nickname",
    "avatar_url",
    "gender",
    "status",
    "created_at",
    "updated_at",
    "last_login_at",
    "last_login_ip",
    "locale",
    "extensions",
];

pub(super) fn write(asked: &Asked<'_>, reply: &Reply) -> Result<Response<Bytes>, Problem> {
    let operation = asked.operation.ok_or(ProblemCode::Internal)?;
    let place = place_of(operation).ok_or(ProblemCode::Internal)?;
    let status = StatusCode::from_u16(place.status).map_err(|_| ProblemCode::Internal)?;
    if status == StatusCode::NO_CONTENT {
        return Ok(answer(status, CONTENT_TYPE, Vec::new()));
    }
    let mut body = ObjectWriter::new();
    match operation {
        Operation::SendCode => {
            body.string_or_null("challenge", reply.challenge.as_ref().map(Secret::expose));
            body.integer_or_null("expires_in", reply.expires_in.or(Some(CODE_SECONDS)));
            body.integer_or_null("resend_in", reply.resend_in.or(Some(RESEND_SECONDS)));
        }
        Operation::Region => {
            body.string_or_null("region", reply.region.as_deref());
            body.string_or_null("base_url", reply.base_url.as_deref());
        }
        _ => {
            write_account(&mut body, reply.account.as_ref());
            if operation.opens_session() {
                write_session(&mut body, reply.session.as_ref());
            }
            body.string_or_null("region", reply.region.as_deref());
        }
    }
    Ok(answer(status, CONTENT_TYPE, body.finish()))
}

fn write_account(body: &mut ObjectWriter, account: Option<&Account>) {
    let Some(account) = account else {
        body.null("account");
        return;
    };
    let moment = |moment: Option<Moment>| moment.map(Moment::to_rfc3339);
    body.object("account", |object| {
        object.string_or_null("id", account.id.as_deref());
        object.string_or_null("username", account.username.as_deref());
        object.string_or_null("phone", account.phone.as_ref().map(Phone::e164));
        object.string_or_null("email", account.email.as_ref().map(Email::as_str));
        object.string_or_null("nickname", account.nickname.as_deref());
        object.string_or_null("avatar_url", account.avatar_url.as_deref());
        object.string_or_null("gender", account.gender.map(Gender::name));
        object.string_or_null("status", account.status.map(AccountStatus::name));
        object.string_or_null("created_at", moment(account.created_at).as_deref());
        object.string_or_null("updated_at", moment(account.updated_at).as_deref());
        object.string_or_null("last_login_at", moment(account.last_login_at).as_deref());
        object.string_or_null("last_login_ip", account.last_login_ip.as_deref());
        object.string_or_null("locale", account.locale.as_deref());
        call::write_extensions(object, &account.extensions);
    });
}

fn write_session(body: &mut ObjectWriter, session: Option<&Session>) {
    let Some(session) = session else {
        body.null("session");
        return;
    };
    body.object("session", |object| {
        object.string("access_token", session.access_token.expose());
        object.string("token_type", "Bearer");
        object.integer_or_null("expires_in", session.expires_in);
        object.string_or_null("refresh_token", session.refresh_token.as_ref().map(Secret::expose));
        object.integer_or_null("refresh_expires_in", session.refresh_expires_in);
    });
}

pub(super) fn read(call: &Call, response: &Response<Bytes>, reading: Reading) -> Result<Reply, Problem> {
    let status = response.status();
    let place = place_of(call.operation).ok_or(ProblemCode::Internal)?;
    if status.as_u16() == place.status && status == StatusCode::NO_CONTENT {
        return Ok(Reply::default());
    }
    let value = json::parse(response.body(), reading.json_depth).map_err(|_| unreadable(status))?;
    let members = value.as_object().ok_or_else(|| unreadable(status))?;
    if !status.is_success() {
        return Err(problem::read(members).unwrap_or_else(|| unreadable(status)));
    }
    read_reply(call.operation, members)
        .filter(|reply| is_complete(call.operation, reply))
        .ok_or_else(|| unreadable(status))
}

/// Whether a reply has what its operation promises: an answer of another kind is no answer.
fn is_complete(operation: Operation, reply: &Reply) -> bool {
    match operation {
        Operation::Login | Operation::LoginCode | Operation::Refresh => reply.session.is_some(),
        Operation::WhoAmI | Operation::ChangeName => reply.account.is_some(),
        Operation::Region => reply.region.is_some(),
        _ => true,
    }
}

fn read_reply(operation: Operation, members: &Object<'_>) -> Option<Reply> {
    let number = |name| seconds(members, name);
    let mut reply = Reply { region: text(members, "region"), ..Reply::default() };
    match operation {
        Operation::SendCode => {
            // A bare `{}` promises nothing: one of the three members must be there.
            let told =
                ["challenge", "expires_in", "resend_in"].iter().any(|name| members.value(name).is_some());
            reply.challenge = text(members, "challenge").map(Secret::from);
            reply.expires_in = number("expires_in");
            reply.resend_in = number("resend_in");
            told.then_some(reply)
        }
        Operation::Region => {
            reply.base_url = text(members, "base_url");
            Some(reply)
        }
        _ => {
            let told = ["account", "session"].iter().any(|name| members.value(name).is_some());
            reply.account = members.value("account").and_then(Value::as_object).map(read_account);
            reply.session = match members.value("session") {
                Some(Value::Object(session)) => Some(read_session(session)?),
                _ => None,
            };
            told.then_some(reply)
        }
    }
}

fn text(members: &Object<'_>, name: &str) -> Option<String> {
    members.value(name).and_then(Value::as_str).map(str::to_owned)
}

fn seconds(members: &Object<'_>, name: &str) -> Option<u64> {
    members.value(name).and_then(Value::as_integer).and_then(|seconds| seconds.try_into().ok())
}

fn read_session(session: &Object<'_>) -> Option<Session> {
    Some(Session {
        access_token: text(session, "access_token").filter(|token| !token.is_empty())?.into(),
        expires_in: seconds(session, "expires_in"),
        refresh_token: text(session, "refresh_token").map(Secret::from),
        refresh_expires_in: seconds(session, "refresh_expires_in"),
    })
}

fn read_account(account: &Object<'_>) -> Account {
    let text = |name| text(account, name);
    let moment = |name| text(name).as_deref().and_then(Moment::from_rfc3339);
    Account {
        id: account.value("id").and_then(Value::as_text).map(str::to_owned),
        username: text("username"),
        phone: text("phone").and_then(|text| Phone::from_e164(&text).ok()),
        email: text("email").and_then(|text| Email::parse(&text).ok()),
        nickname: text("nickname"),
        avatar_url: text("avatar_url"),
        gender: text("gender").and_then(|name| Gender::from_name(&name)),
        status: text("status").and_then(|name| AccountStatus::from_name(&name)),
        created_at: moment("created_at"),
        updated_at: moment("updated_at"),
        last_login_at: moment("last_login_at"),
        last_login_ip: text("last_login_ip"),
        locale: text("locale"),
        extensions: call::read_extensions(account, ACCOUNT_MEMBERS).unwrap_or_default(),
    }
}
