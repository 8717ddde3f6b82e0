//! discuzq: dialect file 3c and its seed examples.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{JSON, assert_form, seed};
use crate::support::http::{Answer, field};
use crate::support::legacy::LegacyServer;

const MOBILE: &str = "13800138001";
const E164: &str = "+8613800138001";

/// Attributes as a request carries them.
pub fn document(attributes: Value) -> String {
    json!({"data": {"attributes": attributes}}).to_string()
}

/// Checks an error's form, and its status and code.
pub fn assert_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{code}: {answer:?}");
    assert_eq!(field(&answer.head, "content-type"), Some("application/vnd.api+json"));
    let body = answer.json();
    let errors = body["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{answer:?}");
    assert_eq!(errors[0]["status"], json!(status.to_string()));
    assert_eq!(errors[0]["code"], code);
}

fn assert_invalid(answer: &Answer, attribute: &str) {
    assert_error(answer, 422, "validation_error");
    let error = &answer.json()["errors"][0];
    assert_eq!(error["source"]["pointer"], format!("/data/attributes/{attribute}"), "{answer:?}");
    assert!(!error["detail"][0].as_str().unwrap().is_empty());
}

fn call(server: &LegacyServer, path: &str, attributes: Value) -> Answer {
    server.send("POST", path, &[JSON], &document(attributes))
}

fn session(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let data = answer.json()["data"].clone();
    let access = data["attributes"]["access_token"].as_str().unwrap().to_owned();
    let payload = URL_SAFE_NO_PAD.decode(access.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(claims["sub"], data["id"]);
    (data["id"].as_str().unwrap().to_owned(), access)
}

fn login(server: &LegacyServer, name: &str, password: &str) -> Answer {
    call(server, "/api/login", json!({"username": name, "password": password}))
}

fn verify(server: &LegacyServer, more: Value) -> Answer {
    let mut attributes = json!({"mobile": MOBILE, "code": server.code(E164), "type": "login"});
    for (name, value) in more.as_object().unwrap() {
        attributes[name] = value.clone();
    }
    call(server, "/api/sms/verify", attributes)
}

fn send(server: &LegacyServer, kind: &str) -> Answer {
    call(server, "/api/sms/send", json!({"mobile": MOBILE, "type": kind}))
}

#[test]
fn discuzq_answers_the_documents_requests_in_the_documents_form() {
    let server = LegacyServer::start("discuzq", &[]);
    let example = seed("discuzq.register");
    let body = example["request"]["body"].to_string();
    let answer = server.send("POST", "/api/register", &[JSON], &body);
    assert_form(&answer, &example["response"]);
    assert_eq!(session(&answer).0, "1");
    let again = server.send("POST", "/api/register", &[JSON], &body);
    let example = seed("discuzq.register.exists");
    assert_eq!((again.status, again.json()), (422, example["response"]["body"].clone()));
}

#[test]
fn discuzq_refuses_what_its_documents_do_not_allow() {
    let server = LegacyServer::start("discuzq", &[]);
    let register = |attributes: Value| call(&server, "/api/register", attributes);
    let password = "a-fine-password";
    assert_invalid(&register(json!({"password": password})), "username");
    assert_invalid(&register(json!({"username": "sixteencharacter", "password": password})), "username");
    assert_invalid(&register(json!({"username": 7, "password": password})), "username");
    assert_invalid(&register(json!({"username": "eric"})), "password");
    assert_invalid(&register(json!({"username": "eric", "password": "five5"})), "password");
    let strange = json!({"username": "eric", "password": password, "mobileToken": "0123"});
    assert_invalid(&register(strange), "mobileToken");
    let good = document(json!({"username": "eric", "password": password}));
    let plain = server.send("POST", "/api/register", &[("Content-Type", "text/plain")], &good);
    assert_invalid(&plain, "username");
    let flat = json!({"username": "eric", "password": password}).to_string();
    assert_invalid(&server.send("POST", "/api/register", &[JSON], &flat), "username");
    let stray = server.send("POST", "/api/register", &[JSON, ("Authorization", "Bearer 0123")], &good);
    assert_error(&stray, 401, "access_denied");
    assert_error(&server.send("PUT", "/api/register", &[JSON], &good), 404, "route_not_found");
    let foreign = json!({"mobile": E164, "type": "login"});
    assert_invalid(&call(&server, "/api/sms/send", foreign), "mobile");
    assert_invalid(&call(&server, "/api/sms/send", json!({"mobile": MOBILE})), "type");
    assert_error(&send(&server, "bind"), 401, "not_authenticated");
    assert_eq!(server.codes_for(E164), []);
    assert_eq!(send(&server, "login").json()["data"]["attributes"]["interval"], 60);
    let second = send(&server, "login");
    assert_error(&second, 500, "sms_interval");
    assert!(second.json()["errors"][0]["detail"][0].as_str().unwrap().ends_with("秒后重新发送验证码"));
    assert_invalid(&verify(&server, json!({"code": 1})), "code");
    assert_error(&verify(&server, json!({"code": "0"})), 500, "sms_verify_error");
    assert_eq!(server.codes_for(E164).len(), 1);
}

#[test]
fn discuzq_binds_an_unknown_mobile_by_its_token_and_logs_in_by_code() {
    let server = LegacyServer::start("discuzq", &["--resend-interval", "0"]);
    send(&server, "login");
    let unknown = verify(&server, json!({}));
    assert_error(&unknown, 400, "not_found_user");
    let token = unknown.json()["errors"][0]["token"].as_str().unwrap().to_owned();
    assert_eq!(token.len(), 40);
    assert_error(&verify(&server, json!({})), 500, "sms_verify_error");
    let members = |name: &str| json!({"username": name, "password": "a-fine-password", "mobileToken": token});
    session(&call(&server, "/api/register", members("eric")));
    assert_invalid(&call(&server, "/api/register", members("erica")), "mobileToken");

    send(&server, "login");
    let answer = verify(&server, json!({}));
    let (id, access) = session(&answer);
    let user = &answer.json()["included"][0];
    assert_eq!((&user["type"], &user["id"]), (&json!("users"), &json!(id)));
    assert_eq!(user["attributes"]["mobile"], "138****8001");
    assert_eq!(login(&server, MOBILE, "a-fine-password").status, 200);

    let path = format!("/api/users/{id}");
    let shown = |target: &str, headers: &[(&str, &str)]| server.send("GET", target, headers, "");
    for answer in [
        shown(&path, &[("Authorization", &format!("Bearer {access}"))]),
        shown(&path, &[("Authorization", &access)]),
        shown(&format!("{path}?token={access}"), &[]),
    ] {
        assert_eq!(answer.json()["data"]["attributes"]["originalMobile"], MOBILE);
    }
    assert_error(&shown(&path, &[]), 401, "not_authenticated");
    assert_error(&shown(&path, &[("token", &access)]), 401, "not_authenticated");
    assert_error(&shown("/api/users/2", &[("Authorization", &access)]), 401, "permission_denied");

    send(&server, "reset_pwd");
    assert_invalid(&verify(&server, json!({"type": "reset_pwd"})), "password");
    let reset = verify(&server, json!({"type": "reset_pwd", "password": "a-new-password"}));
    assert_eq!(reset.json()["data"]["type"], "users");
    assert_eq!(login(&server, "eric", "a-new-password").status, 200);
    let purposes: Vec<_> = server.codes_for(E164).into_iter().map(|sent| sent.purpose).collect();
    assert_eq!(purposes, ["login", "login", "reset_password"]);
}

#[test]
fn discuzq_registers_at_once_when_the_verify_says_so() {
    let server = LegacyServer::start("discuzq", &["--created"]);
    send(&server, "login");
    let answer = verify(&server, json!({"register": 1}));
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.json()["data"]["type"], "token");
}

#[test]
fn discuzq_counts_failed_logins_refreshes_once_and_changes_passwords() {
    let server = LegacyServer::start("discuzq", &[]);
    let attributes = json!({"username": "eric", "password": "a-fine-password", "code": "invited"});
    let registered = call(&server, "/api/register", attributes);
    let refresh = registered.json()["data"]["attributes"]["refresh_token"].clone();
    let again = call(&server, "/api/refresh-token", json!({"refresh_token": refresh}));
    let (id, access) = session(&again);
    let spent = call(&server, "/api/refresh-token", json!({"refresh_token": refresh}));
    assert_error(&spent, 401, "invalid_request");

    let change = |attributes: Value| {
        let headers = [JSON, ("Authorization", access.as_str())];
        server.send("PATCH", &format!("/api/users/{id}"), &headers, &document(attributes))
    };
    let wrong = json!({"password": "another-password", "newPassword": "a-new-password"});
    assert_error(&change(wrong), 403, "login_failed");
    let unequal =
        json!({"password": "a-fine-password", "newPassword": "a-new-password", "password_confirmation": "x"});
    assert_invalid(&change(unequal), "password_confirmation");
    let right = json!({"password": "a-fine-password", "newPassword": "a-new-password"});
    assert_eq!(change(right).json()["data"]["type"], "users");

    let nobody = login(&server, "nobody", "a-new-password");
    assert_error(&nobody, 403, "login_failed");
    assert_eq!(nobody.json()["errors"][0].get("detail"), None);
    for left in (1..5).rev() {
        let answer = login(&server, "eric", "a-fine-password");
        assert_error(&answer, 403, "login_failed");
        assert_eq!(answer.json()["errors"][0]["detail"][0], format!("登录失败，您还可以尝试{left}次"));
    }
    for password in ["a-fine-password", "a-new-password"] {
        assert_error(&login(&server, "eric", password), 402, "login_failures_times_toplimit");
    }
}

#[test]
fn discuzq_in_review_creates_the_account_and_says_401() {
    let server = LegacyServer::start("discuzq", &["--review"]);
    let attributes = json!({"username": "eric", "password": "a-fine-password"});
    assert_error(&call(&server, "/api/register", attributes.clone()), 401, "register_validate");
    assert_invalid(&call(&server, "/api/register", attributes), "username");
    assert_error(&login(&server, "eric", "a-fine-password"), 401, "register_validate");
    let server = LegacyServer::start("discuzq", &["--registration-closed"]);
    let attributes = json!({"username": "eric", "password": "a-fine-password"});
    assert_error(&call(&server, "/api/register", attributes), 401, "register_close");
}
