//! Requests: a client's read, a backend's written.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, request};

use super::{PLACES, SEND_TYPES, WECHAT_SEND_TYPE};
use crate::account::{
    Call, Channel, Email, Identifier, Operation, PasswordForm, Phone, Problem, Secret, Verification,
};
use crate::clock::Moment;
use crate::config::UpstreamApp;
use crate::dialect::{Proof, Reading, Sending, Signed, Understood, bearer_token, keep};
use crate::json::{self, Object, ObjectWriter, Value};
use crate::query::{Query, QueryWriter};
use crate::sign::{Carrier, SigningKey};

/// The protocol version that every message names.
const VERSION: i64 = 8;

/// A `ts` at or above this counts milliseconds: as seconds it would lie past the year 5000.
const SMALLEST_MILLISECONDS: i64 = 100_000_000_000;

/// Members that the model names, or that say nothing; all others are extensions.
const KNOWN_MEMBERS: &[&str] = &[
    "appid",
    "nonce",
    "ts",
    "version",
    "phoneNumber",
    "email",
    "password",
    "verificationCode",
    "sendType",
    "to",
    "oldPassword",
    "newPassword",
    "os",
];

pub(super) fn read(
    operation: Operation,
    head: &request::Parts,
    body: &Bytes,
    reading: Reading,
) -> Result<Understood, Problem> {
    match operation {
        Operation::Refresh | Operation::Region => read_query(operation, head.uri.query().unwrap_or_default()),
        _ => read_body(operation, head, body, reading),
    }
}

fn read_query(operation: Operation, query: &str) -> Result<Understood, Problem> {
    let query = Query::parse(query).ok_or_else(|| Problem::malformed("the query is not valid"))?;
    if query.has_duplicates() {
        return Err(Problem::malformed("the query has a member twice"));
    }
    let text = |name| query.present(name);
    let signed = signed(Carrier::Query, text("appid"), text("nonce"), text("ts"))?;
    let mut call = Call::new(operation);
    if operation == Operation::Refresh {
        let token = text("rt").ok_or_else(|| Problem::missing("refresh_token"))?;
        call.refresh_token = Some(token.into());
    } else if let Some(code) = text("country_code") {
        let code = code.trim_start_matches('+').parse().ok().filter(|code| (1..=999).contains(code));
        call.country_calling_code =
            Some(code.ok_or_else(|| Problem::invalid("country_calling_code", "is no country calling code"))?);
    }
    Ok(Understood { call, proof: Proof::Signature(signed) })
}

fn read_body(
    operation: Operation,
    head: &request::Parts,
    body: &Bytes,
    reading: Reading,
) -> Result<Understood, Problem> {
    let value = json::parse(body, reading.json_depth)
        .map_err(|error| Problem::malformed(format!("the body {error}")))?;
    let members = value.as_object().ok_or_else(|| Problem::malformed("the body is no JSON object"))?;
    let mut call = Call::new(operation);
    if operation == Operation::ChangePassword {
        call.token =
            Some(bearer_token(&head.headers).ok_or(crate::account::ProblemCode::TokenInvalid)?.into());
        call.old_password = Some(secret(members, "oldPassword", "old_password")?);
        call.new_password = Some(secret(members, "newPassword", "new_password")?);
        return Ok(Understood { call, proof: Proof::Token });
    }
    let text = |name| members.present(name).and_then(Value::as_text);
    let signed = signed(Carrier::Body, text("appid"), text("nonce"), text("ts"))?;
    read_identity(&mut call, members, reading)?;
    match operation {
        Operation::SendCode => read_send_type(&mut call, members)?,
        Operation::ResetPassword => {
            call.verification = Some(verification(members)?);
            call.new_password = Some(secret(members, "password", "new_password")?);
        }
        Operation::Register => {
            call.verification = Some(verification(members)?);
            call.password = Some(secret(members, "password", "password")?);
        }
        _ => call.password = Some(secret(members, "password", "password")?),
    }
    call.client.platform = text("os").map(str::to_lowercase);
    // A name with a dot would be taken for a place within an object, `user.apikey` say.
    let unknown = |name: &str| !KNOWN_MEMBERS.contains(&name) && !name.contains('.');
    for member in members.iter().filter(|member| unknown(&member.name)) {
        keep(&mut call.extensions, super::NAME, member.name.as_ref(), member);
    }
    Ok(Understood { call, proof: Proof::Signature(signed) })
}

fn signed(
    carrier: Carrier,
    app_id: Option<&str>,
    nonce: Option<&str>,
    time: Option<&str>,
) -> Result<Signed, Problem> {
    let app_id = app_id.ok_or_else(|| Problem::missing("client.app_id"))?.to_owned();
    let nonce = nonce.ok_or_else(|| Problem::missing("guard.nonce"))?.to_owned();
    let time = time.ok_or_else(|| Problem::missing("guard.time"))?;
    let time: i64 = time.parse().map_err(|_| {
        Problem::malformed("is no whole number of seconds or milliseconds").field("guard.time")
    })?;
    let time =
        if time >= SMALLEST_MILLISECONDS { Moment::from_millis(time) } else { Moment::from_seconds(time) };
    Ok(Signed { app_id, nonce, time, carrier })
}

/// A phone or an e-mail address; of both, the phone wins, but a code goes to one of them only.
fn read_identity(call: &mut Call, members: &Object<'_>, reading: Reading) -> Result<(), Problem> {
    let sending = call.operation == Operation::SendCode;
    let phone = members.present(if sending { "to" } else { "phoneNumber" });
    let email = members.present("email");
    match (phone, email) {
        (None, None) => return Err(Problem::missing("phone")),
        (Some(_), Some(_)) if sending => {
            return Err(Problem::malformed("only one of to and email may be there"));
        }
        (Some(phone), _) => {
            let phone = phone
                .as_text()
                .and_then(|text| Phone::parse_plus_optional(text, reading.default_country).ok())
                .ok_or_else(|| Problem::invalid("phone", "is no phone number"))?;
            call.phone = Some(phone);
            call.channel = sending.then_some(Channel::Sms);
        }
        (None, Some(email)) => {
            let email = email
                .as_str()
                .and_then(|text| Email::parse(text).ok())
                .ok_or_else(|| Problem::invalid("email", "is no e-mail address"))?;
            call.email = Some(email);
            call.channel = sending.then_some(Channel::Email);
        }
    }
    Ok(())
}

fn read_send_type(call: &mut Call, members: &Object<'_>) -> Result<(), Problem> {
    let send_type = members.present("sendType").and_then(Value::as_text);
    let send_type = send_type.ok_or_else(|| Problem::missing("purpose"))?;
    if send_type == WECHAT_SEND_TYPE {
        // Understood without a purpose: nobody can do it, but it counts as a send.
        return Ok(());
    }
    let purpose = SEND_TYPES.iter().find(|(wire, _)| *wire == send_type).map(|(_, purpose)| *purpose);
    call.purpose = Some(purpose.ok_or_else(|| Problem::not_supported(Operation::SendCode))?);
    Ok(())
}

fn verification(members: &Object<'_>) -> Result<Verification, Problem> {
    Ok(Verification { code: secret(members, "verificationCode", "verification.code")?, challenge: None })
}

fn secret(members: &Object<'_>, name: &str, field: &'static str) -> Result<Secret, Problem> {
    let value = members.present(name).ok_or_else(|| Problem::missing(field))?;
    value.as_text().map(Secret::from).ok_or_else(|| Problem::invalid(field, "is no text"))
}

pub(super) fn write(call: &Call, sending: &Sending<'_>) -> Result<Request<Bytes>, Problem> {
    let place = PLACES
        .iter()
        .find(|place| place.operation == call.operation)
        .ok_or_else(|| Problem::not_supported(call.operation))?;
    if place.operation == Operation::ChangePassword {
        return write_change_password(call, place.path);
    }
    // The config refuses a coolkit backend without an app, so its absence is the gateway's fault.
    let app = sending.app.ok_or(crate::account::ProblemCode::Internal)?;
    let seconds = sending.now.seconds().to_string();
    let nonce = nonce(sending.random);
    if place.method == Method::GET {
        let query = write_query(call, app, &seconds, &nonce)?;
        let target = format!("{}?{query}", place.path);
        return request(&place.method, &target, &sign(app, query.as_bytes()), Bytes::new());
    }
    let body = Bytes::from(write_body(call, app, &seconds, &nonce)?);
    request(&place.method, place.path, &sign(app, &body), body)
}

fn write_query(call: &Call, app: &UpstreamApp, seconds: &str, nonce: &str) -> Result<String, Problem> {
    let mut query = QueryWriter::default();
    if call.operation == Operation::Refresh {
        let token = call.refresh_token.as_ref().ok_or_else(|| Problem::missing("refresh_token"))?;
        query.pair("grantType", "refresh").pair("rt", token.expose());
    } else if let Some(code) = call.country_calling_code.or(call.phone.as_ref().map(Phone::calling_code)) {
        query.pair("country_code", &code.to_string());
    }
    query
        .pair("appid", &app.id)
        .pair("ts", seconds)
        .pair("version", &VERSION.to_string())
        .pair("nonce", nonce);
    Ok(query.finish())
}

fn write_body(call: &Call, app: &UpstreamApp, seconds: &str, nonce: &str) -> Result<Vec<u8>, Problem> {
    let mut body = ObjectWriter::new();
    if let Some(verification) = &call.verification {
        body.string("verificationCode", verification.code.expose());
    } else if matches!(call.operation, Operation::Register | Operation::ResetPassword) {
        return Err(Problem::missing("verification.code"));
    }
    write_identity(&mut body, call)?;
    if call.operation == Operation::SendCode {
        let purpose = call.purpose.ok_or_else(|| Problem::missing("purpose"))?;
        let send_type = SEND_TYPES.iter().find(|(_, of)| *of == purpose).map(|(wire, _)| wire);
        body.string("sendType", send_type.ok_or_else(|| Problem::not_supported(Operation::SendCode))?);
    } else {
        let (password, field) = match call.operation {
            Operation::ResetPassword => (&call.new_password, "new_password"),
            _ => (&call.password, "password"),
        };
        body.string("password", plain(call, password.as_ref(), field)?);
    }
    body.string("appid", &app.id).raw("ts", seconds).integer("version", VERSION).string("nonce", nonce);
    body.string_if("os", call.client.platform.as_deref());
    for extension in call.extensions.of(super::NAME) {
        if !KNOWN_MEMBERS.contains(&extension.path.as_str()) {
            body.raw(&extension.path, &extension.json);
        }
    }
    Ok(body.finish())
}

fn write_identity(body: &mut ObjectWriter, call: &Call) -> Result<(), Problem> {
    let sending = call.operation == Operation::SendCode;
    let classified =
        call.identifier.as_ref().map(|text| Identifier::classify(text, crate::account::Country::CHINA));
    let (phone, email) = match &classified {
        Some(Identifier::Phone(phone)) => (Some(phone), None),
        Some(Identifier::Email(email)) => (None, Some(email)),
        Some(Identifier::Username(_)) | None => (call.phone.as_ref(), call.email.as_ref()),
    };
    match (phone, email) {
        (Some(phone), _) => body.string(if sending { "to" } else { "phoneNumber" }, phone.e164()),
        (None, Some(email)) => body.string("email", email.as_str()),
        (None, None) => return Err(Problem::not_supported(call.operation)),
    };
    Ok(())
}

fn write_change_password(call: &Call, path: &str) -> Result<Request<Bytes>, Problem> {
    let token = call.token.as_ref().ok_or(crate::account::ProblemCode::TokenInvalid)?;
    if call.verification.is_some() {
        return Err(Problem::not_supported(call.operation));
    }
    let mut body = ObjectWriter::new();
    body.string("oldPassword", plain(call, call.old_password.as_ref(), "old_password")?);
    body.string("newPassword", plain(call, call.new_password.as_ref(), "new_password")?);
    request(&Method::POST, path, &format!("Bearer {}", token.expose()), Bytes::from(body.finish()))
}

/// A password that this dialect can carry: only plain ones, a hash would be a wrong password.
fn plain<'a>(call: &Call, password: Option<&'a Secret>, field: &'static str) -> Result<&'a str, Problem> {
    match call.password_form {
        PasswordForm::Plain => password.map(Secret::expose).ok_or_else(|| Problem::missing(field)),
        PasswordForm::Md5Hex => Err(Problem::not_supported(call.operation)),
    }
}

fn request(
    method: &Method,
    target: &str,
    authorization: &str,
    body: Bytes,
) -> Result<Request<Bytes>, Problem> {
    let internal = |_| Problem::new(crate::account::ProblemCode::Internal);
    // A token with control characters can't have come from a backend.
    let mut authorization = HeaderValue::from_str(authorization)
        .map_err(|_| Problem::new(crate::account::ProblemCode::TokenInvalid))?;
    authorization.set_sensitive(true);
    let mut request = Request::builder()
        .method(method.clone())
        .uri(target)
        .header(AUTHORIZATION, authorization)
        .body(body)
        .map_err(internal)?;
    if request.method() == Method::POST {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(super::CONTENT_TYPE));
    }
    Ok(request)
}

fn sign(app: &UpstreamApp, message: &[u8]) -> String {
    SigningKey::new(&app.secret).sign(message).to_authorization()
}

/// Eight letters and digits, as the vendor documents.
fn nonce(mut random: u128) -> String {
    const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut character = || {
        let digit = usize::try_from(random % 36).unwrap_or_default();
        random /= 36;
        ALPHABET.get(digit).map_or('0', |byte| char::from(*byte))
    };
    (0..8).map(|_| character()).collect()
}
