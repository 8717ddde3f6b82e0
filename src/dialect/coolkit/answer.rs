//! Good answers: a client's written, a backend's read.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{Response, StatusCode};
use uuid::Uuid;

use super::{CONTENT_TYPE, LANGUAGES, NAME, problem};
use crate::account::{
    Account, Call, Email, Extensions, Operation, Phone, Problem, ProblemCode, Reply, Secret, Session,
};
use crate::clock::Moment;
use crate::dialect::{Asked, Reading, answer, keep, unreadable};
use crate::json::{self, Object, ObjectWriter, Value};

/// The lives of tokens, as the vendor documents them: `at` a month, `rt` two.
const ACCESS_SECONDS: u64 = 2_592_000;
const REFRESH_SECONDS: u64 = 2 * ACCESS_SECONDS;

/// Members of `user` that the model names.
const USER_MEMBERS: &[&str] =
    &["_id", "phoneNumber", "email", "appId", "lang", "onlineTime", "ip", "nickname", "createdAt"];

/// Members of `user` that only this dialect has, in the order of the vendor's own answers.
const USER_EXTENSIONS: &[&str] = &["online", "location", "offlineTime", "appInfos", "apikey"];

/// Members of the answer that the model names, or that say nothing.
const TOP_MEMBERS: &[&str] = &["at", "rt", "user", "region", "error", "msg", "info"];

pub(super) fn write(asked: &Asked<'_>, reply: &Reply) -> Result<Response<Bytes>, Problem> {
    let mut body = ObjectWriter::new();
    match asked.operation {
        Some(Operation::SendCode) => {
            body.integer("error", 0);
        }
        Some(Operation::Region) => {
            let region = reply.region.as_deref().unwrap_or(asked.region);
            body.integer("error", 0).string("region", region).string("requestid", &request_id(asked));
        }
        Some(Operation::ChangePassword) => {
            body.string("message", "Change password is success!");
        }
        Some(operation) if operation.opens_session() => write_signed_in(&mut body, asked, reply)?,
        _ => return Err(Problem::new(ProblemCode::Internal)),
    }
    Ok(answer(StatusCode::OK, CONTENT_TYPE, body.finish()))
}

fn request_id(asked: &Asked<'_>) -> String {
    asked.signed.map_or_else(String::new, |signed| format!("{}-{}", signed.nonce, signed.time.seconds()))
}

fn write_signed_in(body: &mut ObjectWriter, asked: &Asked<'_>, reply: &Reply) -> Result<(), Problem> {
    // Clients can't use an answer without a token; the exchange has tried to get one.
    let session = reply.session.as_ref().ok_or(ProblemCode::UpstreamUnintelligible)?;
    body.string("at", session.access_token.expose());
    body.string("rt", session.refresh_token.as_ref().map_or("", Secret::expose));
    let nobody = Account::default();
    let account = reply.account.as_ref().unwrap_or(&nobody);
    body.object("user", |user| write_user(user, asked, account));
    body.string("region", reply.region.as_deref().unwrap_or(asked.region));
    for extension in account.extensions.of(NAME) {
        if !extension.path.contains('.') && !TOP_MEMBERS.contains(&extension.path.as_str()) {
            body.raw(&extension.path, &extension.json);
        }
    }
    Ok(())
}

fn write_user(user: &mut ObjectWriter, asked: &Asked<'_>, account: &Account) {
    let call = asked.call;
    let id = account.id.as_deref().unwrap_or_default();
    let extension = |name: &str| account.extensions.member(NAME, "user", name);
    let phone = account.phone.as_ref().or(call.and_then(|call| call.phone.as_ref()));
    let email = account.email.as_ref().or(call.and_then(|call| call.email.as_ref()));
    user.string("_id", id);
    user.string_if("phoneNumber", phone.map(Phone::e164));
    user.string_if("email", email.map(Email::as_str));
    user.string_if("appId", asked.signed.map(|signed| signed.app_id.as_str()));
    user.string("lang", language(account.locale.as_deref()));
    user.raw("online", extension("online").unwrap_or("false"));
    user.string_if("onlineTime", account.last_login_at.map(Moment::to_rfc3339).as_deref());
    user.string_if("ip", account.last_login_ip.as_deref());
    user.raw("location", extension("location").unwrap_or("\"\""));
    if let Some(json) = extension("offlineTime") {
        user.raw("offlineTime", json);
    }
    user.raw("appInfos", extension("appInfos").unwrap_or("[]"));
    user.string("nickname", account.nickname.as_deref().unwrap_or_default());
    user.string_if("createdAt", account.created_at.map(Moment::to_rfc3339).as_deref());
    match extension("apikey") {
        Some(json) => user.raw("apikey", json),
        None => user.string("apikey", &api_key(id)),
    };
    let mut written = BTreeSet::new();
    for extension in account.extensions.of(NAME) {
        let Some(name) = extension.path.strip_prefix("user.") else {
            continue;
        };
        let named = USER_MEMBERS.contains(&name) || USER_EXTENSIONS.contains(&name);
        if !named && written.insert(name) {
            user.raw(name, &extension.json);
        }
    }
}

/// Devices are addressed with it, so it must stay the same for one account: UUIDv5 of the id.
fn api_key(id: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, id.as_bytes()).to_string()
}

fn language(locale: Option<&str>) -> &'static str {
    match locale {
        Some(locale) if locale.starts_with("zh") => "cn",
        _ => "en",
    }
}

pub(super) fn read(call: &Call, response: &Response<Bytes>, reading: Reading) -> Result<Reply, Problem> {
    let status = response.status();
    let value = json::parse(response.body(), reading.json_depth).map_err(|_| unreadable(status))?;
    let members = value.as_object().ok_or_else(|| unreadable(status))?;
    if let Some(problem) = problem::read(call.operation, status, members) {
        return Err(problem);
    }
    let reply = match call.operation {
        Operation::SendCode => members.value("error").map(|_| Reply::default()),
        Operation::Region => members
            .present("region")
            .and_then(Value::as_str)
            .map(|region| Reply { region: Some(region.to_owned()), ..Reply::default() }),
        Operation::ChangePassword => {
            members.value("message").or(members.value("error")).map(|_| Reply::default())
        }
        _ => read_signed_in(members, reading),
    };
    reply.filter(|_| status.is_success()).ok_or_else(|| unreadable(status))
}

fn read_signed_in(members: &Object<'_>, reading: Reading) -> Option<Reply> {
    let access_token = members.present("at").and_then(Value::as_text)?;
    let refresh_token = members.present("rt").and_then(Value::as_text).map(Secret::from);
    let session = Session {
        access_token: access_token.into(),
        expires_in: Some(ACCESS_SECONDS),
        refresh_expires_in: refresh_token.as_ref().map(|_| REFRESH_SECONDS),
        refresh_token,
    };
    let mut account = members.value("user").and_then(Value::as_object).map(|user| read_user(user, reading));
    for member in members.iter().filter(|member| !TOP_MEMBERS.contains(&member.name.as_ref())) {
        let extensions = &mut account.get_or_insert_default().extensions;
        keep(extensions, NAME, member.name.as_ref(), member);
    }
    let region = members.present("region").and_then(Value::as_str).map(str::to_owned);
    Some(Reply { account, session: Some(session), region, ..Reply::default() })
}

fn read_user(user: &Object<'_>, reading: Reading) -> Account {
    let text = |name| user.present(name).and_then(Value::as_text).map(str::to_owned);
    let moment = |name| user.present(name).and_then(Value::as_str).and_then(Moment::from_rfc3339);
    let mut extensions = Extensions::default();
    for member in user.iter().filter(|member| !USER_MEMBERS.contains(&member.name.as_ref())) {
        keep(&mut extensions, NAME, format!("user.{}", member.name), member);
    }
    let phone = user.present("phoneNumber").and_then(Value::as_text);
    let lang = user.present("lang").and_then(Value::as_str);
    Account {
        id: text("_id"),
        phone: phone.and_then(|text| Phone::parse_plus_optional(text, reading.default_country).ok()),
        email: user.present("email").and_then(Value::as_str).and_then(|text| Email::parse(text).ok()),
        nickname: text("nickname"),
        created_at: moment("createdAt"),
        last_login_at: moment("onlineTime"),
        last_login_ip: text("ip"),
        locale: LANGUAGES.iter().find(|(wire, _)| Some(*wire) == lang).map(|(_, tag)| (*tag).to_owned()),
        extensions,
        ..Account::default()
    }
}
