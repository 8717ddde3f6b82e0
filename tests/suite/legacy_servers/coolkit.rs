//! coolkit: dialect file 3a, its seed examples and the vectors of the Sign.

use serde_json::{Value, json};

use super::{JSON, assert_form, seed};
use crate::support::coolkit::{App, assert_error, fresh_nonce, is_session};
use crate::support::http::Answer;
use crate::support::legacy::LegacyServer;
use crate::support::now;

const VECTORS: &str = include_str!("../../fixtures/coolkit-vectors.json");

/// The suite's sample app.
pub const OPTIONS: &[&str] =
    &["--appid", "SuiteApp0000000000000000000000Id", "--secret", "5u1t3-s3cr3t-that-n0body-may-print"];

const PHONE: &str = "+8613800138001";

/// The body of a signed send to a phone, and its `Authorization`.
pub fn signed_send(phone: &str) -> (String, String) {
    let app = App::sample();
    let body = app.body(json!({"sendType": "0", "to": phone}));
    let sign = app.sign(body.as_bytes());
    (body, sign)
}

fn start(options: &[&str]) -> LegacyServer {
    LegacyServer::start("coolkit", &[OPTIONS, options].concat())
}

fn post(server: &LegacyServer, path: &str, authorization: &str, body: &str) -> Answer {
    server.send("POST", path, &[JSON, ("Authorization", authorization)], body)
}

fn call(server: &LegacyServer, path: &str, members: Value) -> Answer {
    let app = App::sample();
    let body = app.body(members);
    post(server, path, &app.sign(body.as_bytes()), &body)
}

fn get(server: &LegacyServer, path: &str, query: &str, signed: &str) -> Answer {
    let sign = App::sample().sign(signed.as_bytes());
    server.send("GET", &format!("{path}?{query}"), &[("Authorization", &sign)], "")
}

fn send(server: &LegacyServer, purpose: &str, to: &str) -> Answer {
    let member = if to.contains('@') { "email" } else { "to" };
    call(server, "/api/sms", json!({"sendType": purpose, member: to}))
}

fn register(server: &LegacyServer, identity: &str, password: &str) -> Value {
    assert_eq!(send(server, "0", identity).body, r#"{"error":0}"#);
    let member = if identity.contains('@') { "email" } else { "phoneNumber" };
    let code = server.code(identity);
    let members = json!({"verificationCode": code, member: identity, "password": password});
    let session = call(server, "/api/user/register", members).json();
    assert!(is_session(&session), "{session}");
    session
}

fn login(server: &LegacyServer, identity: &str, password: &str) -> Answer {
    let member = if identity.contains('@') { "email" } else { "phoneNumber" };
    call(server, "/api/user/login", json!({member: identity, "password": password}))
}

/// A server of the documents' sample app, at the moment when its examples were signed.
fn at(ts: i64) -> (LegacyServer, App, Vec<Value>) {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let (id, secret) = (vectors["appid"].as_str().unwrap(), vectors["secret"].as_str().unwrap());
    let options = ["--appid", id, "--secret", secret, "--clock", &ts.to_string()];
    let server = LegacyServer::start("coolkit", &options);
    (server, App::new(id, secret), vectors["vectors"].as_array().unwrap().clone())
}

#[test]
fn coolkit_answers_the_documents_requests_in_the_documents_form() {
    let (server, app, _) = at(1_558_004_249);
    let (phone, sends) = ("+8613123456789", json!({"sendType": "0", "to": "+8613123456789"}));
    let send = app.body_at(sends, 1_558_004_249, &fresh_nonce());
    assert_eq!(post(&server, "/api/sms", &app.sign(send.as_bytes()), &send).body, r#"{"error":0}"#);

    let example = seed("coolkit.register");
    let printed = example["request"]["headers"]["Authorization"].as_str().unwrap();
    let body = &example["request"]["body"];
    let answer = post(&server, "/api/user/register", printed, &body.to_string());
    assert_error(&answer, 406, "the printed Sign belongs to another body");
    let mut body = body.clone();
    body["verificationCode"] = json!(server.code(phone));
    let body = body.to_string();
    let answer = post(&server, "/api/user/register", &app.sign(body.as_bytes()), &body);
    assert_form(&answer, &example["response"]);
    assert_eq!(answer.json()["user"]["phoneNumber"], phone);

    let example = seed("coolkit.login");
    let body = example["request"]["body"].to_string();
    let answer = post(&server, "/api/user/login", &app.sign(body.as_bytes()), &body);
    assert_form(&answer, &example["response"]);
    let again = post(&server, "/api/user/login", &app.sign(body.as_bytes()), &body);
    assert_error(&again, 406, "the same nonce");
}

#[test]
fn coolkit_takes_every_sign_of_the_vectors_and_none_with_a_byte_changed() {
    let cases = [
        ("login-post-compact", 1_560_306_258, 404),
        ("login-post-python-spaces", 1_560_306_258, 404),
        ("password-reset-post", 1_558_004_249, 401),
        ("register-post-empty-email", 1_558_004_249, 498),
        ("get-region-raw-query", 1_558_004_249, 0),
        ("get-refresh-raw-query", 1_558_004_249, 401),
        ("get-refresh-as-json", 1_558_004_249, 401),
    ];
    for (id, ts, expected) in cases {
        let (server, _, vectors) = at(ts);
        let vector = vectors.iter().find(|vector| vector["id"] == id).unwrap();
        let text = |name: &str| vector[name].as_str().unwrap();
        let sign = format!("Sign {}", text("sign"));
        let send = |signed: &str| match text("method") {
            "POST" => post(&server, text("path"), &sign, signed),
            _ if signed.starts_with('{') => {
                let members: Value = serde_json::from_str(signed).unwrap();
                let pairs = members.as_object().unwrap().iter();
                let pairs = pairs.map(|(name, value)| match value.as_str() {
                    Some(text) => format!("{name}={text}"),
                    None => format!("{name}={value}"),
                });
                let query = pairs.collect::<Vec<_>>().join("&");
                let target = format!("{}?{query}", text("path"));
                server.send("GET", &target, &[("Authorization", &sign)], "")
            }
            _ => server.send("GET", &format!("{}?{signed}", text("path")), &[("Authorization", &sign)], ""),
        };
        let changed = text("signed").replace("15580042", "15580043").replace("15603062", "15603063");
        assert_error(&send(&changed), 406, id);
        assert_eq!(send(text("signed")).json()["error"], expected, "{id}");
    }
}

#[test]
fn coolkit_refuses_what_its_documents_do_not_allow() {
    let server = start(&[]);
    let app = App::sample();
    let path = "/api/user/login";
    let good = || json!({"phoneNumber": PHONE, "password": "a-fine-password"});
    for member in ["appid", "nonce", "ts", "version", "password", "phoneNumber"] {
        let mut body: Value = serde_json::from_str(&app.body(good())).unwrap();
        body.as_object_mut().unwrap().remove(member);
        let body = body.to_string();
        let answer = post(&server, path, &app.sign(body.as_bytes()), &body);
        assert_error(&answer, 400, member);
        assert!(answer.json()["msg"].as_str().unwrap().contains(member), "{answer:?}");
    }
    let changes = [
        ("a ts as text", json!({"ts": now().to_string()}), 400),
        ("milliseconds", json!({"ts": now() * 1000}), 406),
        ("301 s ago", json!({"ts": now() - 301}), 406),
        ("version 6", json!({"version": 6}), 400),
        ("a short nonce", json!({"nonce": "1"}), 400),
        ("an unknown app", json!({"appid": "Somebody"}), 406),
        ("a phone without plus", json!({"phoneNumber": "8613800138001"}), 400),
        ("a password that is a number", json!({"password": 12_345_678}), 400),
    ];
    for (case, change, error) in changes {
        let mut body: Value = serde_json::from_str(&app.body(good())).unwrap();
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let body = body.to_string();
        assert_error(&post(&server, path, &app.sign(body.as_bytes()), &body), error, case);
    }
    let twice = app.body(good()).replacen('{', r#"{"ts":1,"#, 1);
    assert_error(&post(&server, path, &app.sign(twice.as_bytes()), &twice), 400, "a member twice");
    let form = "appid=a&nonce=b";
    assert_error(&post(&server, path, &app.sign(form.as_bytes()), form), 400, "a form");
    let body = app.body(good());
    assert_error(&post(&server, path, &app.sign(b"other"), &body), 406, "another Sign");
    let other_scheme = app.sign(body.as_bytes()).replace("Sign", "Bearer");
    assert_error(&post(&server, path, &other_scheme, &body), 406, "a good Sign under another scheme");
    let query = format!("rt=0&rt=0&appid={}&ts={}&version=8&nonce={}", app.id, now(), fresh_nonce());
    assert_error(&get(&server, "/api/user/refresh", &query, &query), 400, "a parameter twice");
    assert_error(&get(&server, path, "a=b", "a=b"), 405, "GET where POST belongs");
    let refused = call(&server, "/api/sms", json!({"sendType": 0, "to": PHONE}));
    assert_error(&refused, 400, "sendType as a number");
    let both = json!({"sendType": "0", "to": PHONE, "email": "a@example.com"});
    assert_error(&call(&server, "/api/sms", both), 400, "to and email");
    assert_error(&send(&server, "1", PHONE), 401, "a reset for nobody");
    assert_eq!(server.codes_for(PHONE), []);
}

#[test]
fn coolkit_registers_logs_in_refreshes_resets_and_changes_passwords() {
    let server = start(&["--resend-interval", "60"]);
    assert_error(&login(&server, PHONE, "a-fine-password"), 404, "nobody yet");
    register(&server, "somebody@example.com", "a-fine-password");
    let first = register(&server, PHONE, "a-fine-password");
    let members = json!({"verificationCode": "0", "phoneNumber": PHONE, "password": "x"});
    assert_error(&call(&server, "/api/user/register", members), 498, "a wrong code");
    assert_error(&send(&server, "0", PHONE), 409, "a code to register again");
    assert_error(&login(&server, PHONE, "another-password"), 401, "a wrong password");
    assert!(is_session(&login(&server, "somebody@example.com", "a-fine-password").json()));

    let refresh = |token: &str| {
        let (ts, nonce) = (now(), fresh_nonce());
        let sorted = format!(
            "appid={}&grantType=refresh&nonce={nonce}&rt={token}&ts={ts}&version=8",
            App::sample().id
        );
        let query = format!(
            "rt={token}&grantType=refresh&appid={}&ts={ts}&version=8&nonce={nonce}",
            App::sample().id
        );
        get(&server, "/api/user/refresh", &query, &sorted)
    };
    let second = refresh(first["rt"].as_str().unwrap()).json();
    assert!(is_session(&second), "{second}");
    assert_ne!(second["at"], first["at"]);
    assert_error(&refresh(first["rt"].as_str().unwrap()), 402, "an rt that was used");
    assert_error(&refresh("0123"), 401, "an rt nobody has seen");

    let change = |at: &Value, old: &str| {
        let body = App::sample().body(json!({"oldPassword": old, "newPassword": "a-new-password"}));
        post(&server, "/api/user/password", &format!("Bearer {}", at.as_str().unwrap()), &body)
    };
    assert_error(&change(&first["at"], "a-fine-password"), 402, "an at of before");
    assert_error(&change(&json!("0123"), "a-fine-password"), 401, "an at nobody has seen");
    assert_error(&change(&second["at"], "another-password"), 401, "a wrong old password");
    assert!(change(&second["at"], "a-fine-password").json()["message"].is_string());
    assert!(is_session(&login(&server, PHONE, "a-new-password").json()));

    assert_eq!(send(&server, "1", PHONE).body, r#"{"error":0}"#);
    assert_error(&send(&server, "1", PHONE), 160_038, "a second send at once");
    let members =
        json!({"verificationCode": server.code(PHONE), "phoneNumber": PHONE, "password": "x-reset"});
    assert!(is_session(&call(&server, "/api/user/password/reset", members.clone()).json()));
    assert_error(&call(&server, "/api/user/password/reset", members), 498, "a code that was used");
    assert!(is_session(&login(&server, PHONE, "x-reset").json()));
    let purposes: Vec<_> = server.codes_for(PHONE).into_iter().map(|sent| sent.purpose).collect();
    assert_eq!(purposes, ["register", "reset_password"]);
}

#[test]
fn coolkit_sends_those_who_live_elsewhere_to_their_region() {
    let server = start(&["--region", "as"]);
    register(&server, PHONE, "a-fine-password");
    assert!(is_session(&login(&server, PHONE, "a-fine-password").json()));
    let abroad = json!({"verificationCode": "1234", "email": "a@example.com", "password": "a-fine-password"});
    for answer in [login(&server, "+8613800138002", "x"), call(&server, "/api/user/register", abroad)] {
        assert_error(&answer, 301, "an account of elsewhere");
        assert_eq!(answer.json()["region"], "as");
    }
}
