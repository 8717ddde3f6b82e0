//! A coolkit login translated to canonical and back by code written for just that: what packs are
//! measured against. It does all that the packs do for this call, extensions and problems for
//! people included, and nothing for any other.

use bytes::Bytes;
use dragoman::account::{
    Account, AccountStatus, Call, Email, Extensions, Gender, Operation, Phone, Problem, Reply, Secret,
    Session,
};
use dragoman::clock::Moment;
use dragoman::dialect::{Asked, Reading, Sending};
use dragoman::json::{self, Object, ObjectWriter, Value};
use dragoman::sign::{Carrier, Signed};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, FORWARDED, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};

const KNOWN: &[&str] = &["appid", "nonce", "ts", "version", "phoneNumber", "email", "password", "os"];
const USER: &[&str] = &[
    "_id",
    "phoneNumber",
    "email",
    "appId",
    "lang",
    "online",
    "onlineTime",
    "ip",
    "location",
    "offlineTime",
    "appInfos",
    "nickname",
    "createdAt",
    "apikey",
];
const ACCOUNT: &[&str] = &[
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

/// Reads the client's login.
pub fn read_login(body: &Bytes, reading: Reading) -> Result<(Call, Signed), Problem> {
    let value = json::parse(body, reading.json_depth)
        .map_err(|error| Problem::malformed(format!("the body {error}")))?;
    let members = value.as_object().ok_or_else(|| Problem::malformed("the body is no JSON object"))?;
    let text = |name: &str, field: &'static str| {
        members.present(name).and_then(Value::as_text).ok_or_else(|| Problem::missing(field))
    };
    let time: i64 =
        text("ts", "guard.time")?.parse().map_err(|_| Problem::invalid("guard.time", "is no time"))?;
    let time = if time >= 100_000_000_000 { Moment::from_millis(time) } else { Moment::from_seconds(time) };
    let signed = Signed {
        app_id: text("appid", "client.app_id")?.to_owned(),
        nonce: text("nonce", "guard.nonce")?.to_owned(),
        time,
        carrier: Carrier::Body,
    };
    let mut call = Call::new(Operation::Login);
    call.password = Some(text("password", "password")?.into());
    match members.present("phoneNumber").and_then(Value::as_text) {
        Some(phone) => {
            let phone = Phone::parse_plus_optional(phone, reading.default_country);
            call.phone = Some(phone.map_err(|_| Problem::invalid("phone", "is no phone number"))?);
        }
        None => {
            let email = Email::parse(text("email", "phone")?);
            call.email = Some(email.map_err(|_| Problem::invalid("email", "is no e-mail address"))?);
        }
    }
    call.client.platform = members.present("os").and_then(Value::as_text).map(str::to_lowercase);
    for member in members.iter().filter(|member| !KNOWN.contains(&member.name.as_ref())) {
        call.extensions.keep("coolkit", member.name.as_ref(), member.raw);
    }
    Ok((call, signed))
}

/// Writes the login for the backend.
pub fn write_login(call: &Call, sending: &Sending<'_>) -> Request<Bytes> {
    let mut body = ObjectWriter::new();
    body.string_if("phone", call.phone.as_ref().map(Phone::e164));
    body.string_if("email", call.email.as_ref().map(Email::as_str));
    body.string_if("password", call.password.as_ref().map(Secret::expose));
    body.string("password_form", call.password_form.name());
    body.object("client", |object| {
        object.string("dialect", call.client.dialect);
        object.string_if("app_id", call.client.app_id.as_deref());
        object.string_if("platform", call.client.platform.as_deref());
    });
    if !call.extensions.is_empty() {
        body.object("extensions", |object| {
            for (dialect, group) in call.extensions.by_dialect() {
                object.object(dialect, |paths| {
                    for extension in group {
                        paths.raw(extension.path.as_str(), &extension.json);
                    }
                });
            }
        });
    }
    let mut request = Request::new(Bytes::from(body.finish()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = "/v1/sessions".parse().expect("it is a path");
    let headers = request.headers_mut();
    *headers = HeaderMap::with_capacity(12);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, application/problem+json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut insert = |name: HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    insert(HeaderName::from_static("x-request-id"), sending.request_id);
    insert(HeaderName::from_static("dragoman-dialect"), call.client.dialect);
    if let Some(app) = &call.client.app_id {
        insert(HeaderName::from_static("dragoman-app"), app);
    }
    if let Some(address) = sending.client_address {
        let text = address.to_string();
        insert(FORWARDED, &format!("for={text}"));
        insert(HeaderName::from_static("x-forwarded-for"), &text);
    }
    request
}

/// Reads the backend's good answer.
pub fn read_answer(body: &Bytes, reading: Reading) -> Option<Reply> {
    let value = json::parse(body, reading.json_depth).ok()?;
    let members = value.as_object()?;
    let session = members.value("session").and_then(Value::as_object)?;
    let seconds = |name| session.value(name).and_then(Value::as_integer).and_then(|n| n.try_into().ok());
    let session = Session {
        access_token: text(session, "access_token").filter(|token| !token.is_empty())?.into(),
        expires_in: seconds("expires_in"),
        refresh_token: text(session, "refresh_token").map(Secret::from),
        refresh_expires_in: seconds("refresh_expires_in"),
    };
    Some(Reply {
        account: members.value("account").and_then(Value::as_object).map(read_account),
        session: Some(session),
        region: text(members, "region"),
        ..Reply::default()
    })
}

fn text(members: &Object<'_>, name: &str) -> Option<String> {
    members.value(name).and_then(Value::as_str).map(str::to_owned)
}

fn read_account(account: &Object<'_>) -> Account {
    let text = |name| text(account, name);
    let moment = |name| text(name).as_deref().and_then(Moment::from_rfc3339);
    let mut extensions = Extensions::default();
    for member in account.iter().filter(|member| !ACCOUNT.contains(&member.name.as_ref())) {
        extensions.keep("canonical", member.name.as_ref(), member.raw);
    }
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
        extensions,
    }
}

/// Writes the good answer for the client.
pub fn write_reply(asked: &Asked<'_>, reply: &Reply) -> Option<Response<Bytes>> {
    let session = reply.session.as_ref()?;
    let account = reply.account.as_ref()?;
    let mut body = ObjectWriter::new();
    body.string("at", session.access_token.expose());
    body.string("rt", session.refresh_token.as_ref().map_or("", Secret::expose));
    let extension = |name: &str| account.extensions.member("coolkit", "user", name);
    body.object("user", |user| {
        let id = account.id.as_deref().unwrap_or_default();
        user.string("_id", id);
        user.string_if("phoneNumber", account.phone.as_ref().map(Phone::e164));
        user.string_if("email", account.email.as_ref().map(Email::as_str));
        user.string_if("appId", asked.signed.map(|signed| signed.app_id.as_str()));
        let chinese = account.locale.as_deref().is_some_and(|locale| locale.starts_with("zh"));
        user.string("lang", if chinese { "cn" } else { "en" });
        user.raw("online", extension("online").unwrap_or("false"));
        user.string_if("onlineTime", account.last_login_at.map(Moment::to_rfc3339).as_deref());
        user.string_if("ip", account.last_login_ip.as_deref());
        user.raw("location", extension("location").unwrap_or("\"\""));
        user.raw("appInfos", extension("appInfos").unwrap_or("[]"));
        user.string("nickname", account.nickname.as_deref().unwrap_or_default());
        user.string_if("createdAt", account.created_at.map(Moment::to_rfc3339).as_deref());
        match extension("apikey") {
            Some(json) => user.raw("apikey", json),
            None => user
                .string("apikey", &uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, id.as_bytes()).to_string()),
        };
        for extension in account.extensions.of("coolkit") {
            if let Some(name) = extension.path.strip_prefix("user.").filter(|name| !USER.contains(name)) {
                user.raw(name, &extension.json);
            }
        }
    });
    body.string("region", reply.region.as_deref().unwrap_or(asked.region));
    let mut response = Response::new(Bytes::from(body.finish()));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}
