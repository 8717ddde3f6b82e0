//! A request to a backend, written.

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, FORWARDED, HeaderMap, HeaderName, HeaderValue,
};
use http::{Method, Request};

use super::super::place_of;
use crate::account::{
    Call, Channel, Email, Extensions, Federated, Operation, Phone, Problem, ProblemCode, Purpose, Secret,
};
use crate::dialect::Sending;
use crate::json::ObjectWriter;
use crate::query::QueryWriter;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const DRAGOMAN_DIALECT: HeaderName = HeaderName::from_static("dragoman-dialect");
const DRAGOMAN_APP: HeaderName = HeaderName::from_static("dragoman-app");

/// Room for so many header fields is made at once.
const USUAL_FIELDS: usize = 12;

pub(in super::super) fn write(call: &Call, sending: &Sending<'_>) -> Result<Request<Bytes>, Problem> {
    let place = place_of(call.operation).ok_or_else(|| Problem::not_supported(call.operation))?;
    let has_body = !matches!(call.operation, Operation::WhoAmI | Operation::LogOut | Operation::Region);
    let body = if has_body { Bytes::from(write_body(call)) } else { Bytes::new() };
    let mut target = place.path.to_owned();
    if call.operation == Operation::Region {
        write_region_query(call, &mut target);
    }
    let mut request = Request::new(body);
    *request.method_mut() = place.method.clone();
    *request.uri_mut() = target.parse().map_err(|_| ProblemCode::Internal)?;
    let headers = request.headers_mut();
    *headers = HeaderMap::with_capacity(USUAL_FIELDS);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, application/problem+json"));
    if place.method != Method::GET && place.method != Method::DELETE {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    write_headers(headers, call, sending)?;
    Ok(request)
}

fn write_headers(headers: &mut HeaderMap, call: &Call, sending: &Sending<'_>) -> Result<(), Problem> {
    if let Some(token) = &call.token {
        // A token that no header field can hold is none that a backend ever gave.
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_| ProblemCode::TokenInvalid)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let mut insert = |name: HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    insert(X_REQUEST_ID, sending.request_id);
    insert(DRAGOMAN_DIALECT, call.client.dialect);
    if let Some(app) = &call.client.app_id {
        insert(DRAGOMAN_APP, app);
    }
    if let Some(address) = sending.client_address {
        let text = address.to_string();
        let forwarded = if address.is_ipv6() { ["for=\"[", &text, "]\""] } else { ["for=", &text, ""] };
        insert(FORWARDED, &forwarded.concat());
        insert(X_FORWARDED_FOR, &text);
    }
    let repeatable =
        matches!(call.operation, Operation::Register | Operation::SendCode | Operation::ResetPassword);
    if let Some(key) = sending.idempotency_key.filter(|_| repeatable) {
        insert(IDEMPOTENCY_KEY, key);
    }
    for (name, value) in [(ACCEPT_LANGUAGE, sending.accept_language), (TRACEPARENT, sending.traceparent)] {
        if let Some(value) = value {
            headers.insert(name, value.clone());
        }
    }
    Ok(())
}

fn write_region_query(call: &Call, target: &mut String) {
    let mut query = QueryWriter::default();
    if let Some(phone) = &call.phone {
        query.pair("phone", phone.e164());
    }
    if let Some(email) = &call.email {
        query.pair("email", email.as_str());
    }
    if let Some(code) = call.country_calling_code {
        query.pair("country_calling_code", &code.to_string());
    }
    let query = query.finish();
    if !query.is_empty() {
        target.push('?');
        target.push_str(&query);
    }
}

fn write_body(call: &Call) -> Vec<u8> {
    let mut body = ObjectWriter::new();
    body.string_if("channel", call.channel.map(Channel::name));
    body.string_if("username", call.username.as_deref());
    body.string_if("phone", call.phone.as_ref().map(Phone::e164));
    body.string_if("email", call.email.as_ref().map(Email::as_str));
    body.string_if("identifier", call.identifier.as_deref());
    body.string_if("purpose", call.purpose.map(Purpose::name));
    if let Some(length) = call.code_length {
        body.integer("code_length", i64::from(length));
    }
    body.string_if("password", call.password.as_ref().map(Secret::expose));
    body.string_if("old_password", call.old_password.as_ref().map(Secret::expose));
    body.string_if("new_password", call.new_password.as_ref().map(Secret::expose));
    if call.password.is_some() || call.new_password.is_some() {
        body.string("password_form", call.password_form.name());
    }
    if let Some(verification) = &call.verification {
        body.object("verification", |object| {
            object.string("code", verification.code.expose());
            object.string_if("challenge", verification.challenge.as_ref().map(Secret::expose));
        });
    }
    if let Some(captcha) = &call.captcha {
        body.object("captcha", |object| {
            object.string("kind", &captcha.kind);
            object.string_if("answer", captcha.answer.as_deref());
            object.string_if("ticket", captcha.ticket.as_deref());
            object.string_if("rand_str", captcha.rand_str.as_deref());
            object.string_if("device", captcha.device.as_deref());
        });
    }
    body.string_if("nickname", call.nickname.as_deref());
    body.string_if("avatar_url", call.avatar_url.as_deref());
    body.string_if("invite_code", call.invite_code.as_deref());
    body.string_if("reason", call.reason.as_deref());
    body.string_if("refresh_token", call.refresh_token.as_ref().map(Secret::expose));
    if let Some(federated) = &call.federated {
        write_federated(&mut body, federated);
    }
    body.string_if("bind_token", call.bind_token.as_ref().map(Secret::expose));
    if matches!(call.operation, Operation::Register | Operation::Login | Operation::LoginCode) {
        write_client(&mut body, call);
    }
    write_extensions(&mut body, &call.extensions);
    body.finish()
}

fn write_federated(body: &mut ObjectWriter, federated: &Federated) {
    body.object("federated", |object| {
        object.string("provider", &federated.provider);
        object.string_if("token", federated.token.as_ref().map(Secret::expose));
        object.string_if("code", federated.code.as_ref().map(Secret::expose));
        object.string_if("iv", federated.iv.as_deref());
        object.string_if("encrypted_data", federated.encrypted_data.as_ref().map(Secret::expose));
        if let Some(rebind) = federated.rebind {
            object.bool("rebind", rebind);
        }
    });
}

fn write_client(body: &mut ObjectWriter, call: &Call) {
    let client = &call.client;
    body.object("client", |object| {
        object.string("dialect", client.dialect);
        object.string_if("app_id", client.app_id.as_deref());
        object.string_if("platform", client.platform.as_deref());
        object.string_if("locale", client.locale.as_deref());
        object.string_if("device", client.device.as_deref());
    });
}

/// `{dialect: {path: value}}`, in the order in which the dialects were read.
pub(in super::super) fn write_extensions(body: &mut ObjectWriter, extensions: &Extensions) {
    if extensions.is_empty() {
        return;
    }
    body.object("extensions", |object| {
        for (dialect, group) in extensions.by_dialect() {
            object.object(dialect, |paths| {
                for extension in group {
                    paths.raw(&extension.path, &extension.json);
                }
            });
        }
    });
}
