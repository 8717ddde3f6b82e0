//! qingzhenyun: dialect file 3b and its seed examples.

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{JSON, assert_form, seed};
use crate::support::http::{Answer, field};
use crate::support::legacy::LegacyServer;

const PHONE: &str = "13800138001";
const E164: &str = "+8613800138001";

fn post(server: &LegacyServer, name: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    server.send("POST", &format!("/v1/user/{name}"), &[&[JSON], headers].concat(), &body.to_string())
}

fn call(server: &LegacyServer, name: &str, body: &Value) -> Answer {
    post(server, name, &[], body)
}

fn assert_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{code}: {answer:?}");
    let body = answer.json();
    let members: Vec<_> = body.as_object().unwrap().keys().filter(|name| *name != "token").collect();
    assert_eq!(members, ["success", "message", "code", "status"], "{answer:?}");
    let expected = (json!(false), json!(code), json!(status));
    assert_eq!((body["success"].clone(), body["code"].clone(), body["status"].clone()), expected);
}

fn result(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    assert_eq!((&body["success"], &body["code"], &body["status"]), (&json!(true), &json!("OK"), &json!(200)));
    body["result"].clone()
}

/// The sliding token, which must be in the header and in the body.
fn token(answer: &Answer) -> String {
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(field(&answer.head, "authorization"), Some(format!("Bearer {token}").as_str()));
    token
}

/// Asks for a code and returns the members that prove it arrived.
fn proof(server: &LegacyServer, name: &str) -> Value {
    let phone_info = result(&call(server, name, &json!({"phone": PHONE})));
    json!({"phoneInfo": phone_info, "code": server.code(E164)})
}

fn with(mut members: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        members[name] = value.clone();
    }
    members
}

fn register(server: &LegacyServer, password: &str) -> Answer {
    let members = with(proof(server, "sendRegisterMessage"), json!({"name": "eric", "password": password}));
    let answer = call(server, "register", &members);
    assert_form(&answer, &seed("qingzhenyun.register")["response"]);
    answer
}

#[test]
fn qingzhenyun_answers_the_documents_requests_in_the_documents_form() {
    let server = LegacyServer::start("qingzhenyun", &[]);
    let example = seed("qingzhenyun.send_register_code");
    let answer = call(&server, "sendRegisterMessage", &example["request"]["body"]);
    let printed = example["response"]["body"]["result"].as_str().unwrap();
    let ours = result(&answer).as_str().unwrap().to_owned();
    // The real format; only the checksum is over another constant.
    let parts = |text: &str| {
        let inner = String::from_utf8(URL_SAFE.decode(text.replace('.', "=")).unwrap()).unwrap();
        inner.split(".qzy-sp-token@6cs92d-token.").map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(parts(&ours)[..3], parts(printed)[..3]);
    assert_eq!(parts(&ours)[3].len(), 32);

    let example = seed("qingzhenyun.register");
    let mut body = example["request"]["body"].clone();
    assert_error(&call(&server, "register", &body), 400, "{PHONE_INFO}_NOT_VALID");
    body["phoneInfo"] = json!(ours);
    assert_error(&call(&server, "register", &body), 400, "{CODE}_NOT_VALID");
    body["code"] = json!(server.code(E164));
    let answer = call(&server, "register", &body);
    assert_form(&answer, &example["response"]);
    let claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token(&answer).split('.').nth(1).unwrap()).unwrap())
            .unwrap();
    assert_eq!(
        (&claims["uuid"], &claims["name"], &claims["phone"]),
        (&json!(1), &json!("eric"), &json!(PHONE))
    );
    let again = call(&server, "sendRegisterMessage", &json!({"phone": PHONE})).json();
    assert_eq!(again, seed("qingzhenyun.send.phone_exists")["response"]["body"]);
}

#[test]
fn qingzhenyun_refuses_what_its_documents_do_not_allow() {
    let server = LegacyServer::start("qingzhenyun", &[]);
    let good = proof(&server, "sendRegisterMessage");
    let full = with(good.clone(), json!({"password": "a-fine-password"}));
    let sent = |body: &Value| call(&server, "sendRegisterMessage", body);
    assert_error(&sent(&json!({})), 400, "{PHONE}_REQUIRED");
    assert_error(&sent(&json!({"phone": 13_800_138_001_i64})), 400, "PHONE_NOT_VALIDATE");
    assert_error(&sent(&json!({"phone": E164})), 400, "PHONE_NOT_VALIDATE");
    assert_error(&sent(&json!({"phone": PHONE, "countryCode": 86})), 400, "{COUNTRY_CODE}_NOT_VALID");
    assert_error(&sent(&json!({"phone": PHONE})), 400, "SEND_MESSAGE_FREQUENTLY");
    let target = "/v1/user/sendRegisterMessage";
    let text = json!({"phone": PHONE}).to_string();
    let plain = server.send("POST", target, &[("Content-Type", "text/plain")], &text);
    assert_error(&plain, 400, "{PHONE}_REQUIRED");
    assert_error(&server.send("GET", target, &[], ""), 404, "RESOURCE_NOT_FOUND");
    assert_error(&call(&server, "nothing", &json!({})), 404, "RESOURCE_NOT_FOUND");
    for (member, code) in [
        ("password", "{PASSWORD}_REQUIRED"),
        ("code", "{CODE}_REQUIRED"),
        ("phoneInfo", "{PHONE_INFO}_REQUIRED"),
    ] {
        assert_error(&call(&server, "register", &with(full.clone(), json!({member: ""}))), 400, code);
    }
    for name in ["a@b.example", "12345"] {
        let named = with(full.clone(), json!({"name": name}));
        assert_error(&call(&server, "register", &named), 400, "{NAME}_EXISTS");
    }
    assert_error(&call(&server, "loginByMessage", &good), 400, "{PHONE_INFO}_NOT_VALID");
    let number = with(full.clone(), json!({"code": 1}));
    assert_error(&call(&server, "register", &number), 400, "{CODE}_NOT_VALID");
    assert_eq!(result(&call(&server, "register", &full))["name"].as_str().unwrap().len(), 16);
    assert_error(&call(&server, "register", &full), 400, "{CODE}_NOT_VALID");
    assert_eq!(server.codes_for(E164).len(), 1);
}

#[test]
fn qingzhenyun_logs_in_resets_and_slides_its_token() {
    let server = LegacyServer::start("qingzhenyun", &["--resend-interval", "0"]);
    let login =
        |value: &str, password: &str| call(&server, "login", &json!({"value": value, "password": password}));
    assert_error(&login(PHONE, "a-fine-password"), 400, "USER_NOT_FOUND");
    let nobody = call(&server, "sendLoginMessage", &json!({"phone": PHONE}));
    assert_error(&nobody, 400, "USER_PHONE_NOT_EXIST");
    let nobody = call(&server, "sendChangePasswordMessage2", &json!({"phone": PHONE}));
    assert_error(&nobody, 400, "USER_PHONE_NOT_FOUND");
    token(&register(&server, "a-fine-password"));
    assert_error(&login(PHONE, "another-password"), 400, "USER_LOGIN_FAILED");
    token(&login("eric", "a-fine-password"));
    let first = token(&login(PHONE, "a-fine-password"));
    token(&call(&server, "loginByMessage", &proof(&server, "sendLoginMessage")));

    let bearer = format!("Bearer {first}");
    let info = |headers: &[(&str, &str)], body: Value| post(&server, "info", headers, &body);
    assert_eq!(result(&info(&[("Authorization", &bearer)], json!({})))["phone"], PHONE);
    let second = token(&info(&[("token", &first)], json!({})));
    token(&info(&[], json!({"token": second})));
    assert_error(&info(&[], json!({})), 401, "CREDENTIALS_REQUIRED");
    assert_error(&info(&[("Authorization", "Bearer x.y.z")], json!({})), 401, "INVALID_TOKEN");
    let authorized = |name: &str, body: Value| post(&server, name, &[("Authorization", &bearer)], &body);
    assert_error(&authorized("changeName", json!({"name": "eric"})), 400, "USER_NAME_EXIST");
    assert_eq!(result(&authorized("changeName", json!({"name": "erica"}))), true);

    let reset = with(proof(&server, "sendChangePasswordMessage2"), json!({"newPassword": "a-new-password"}));
    let answer = call(&server, "changePasswordByMessage2", &reset);
    assert_eq!(result(&answer), true);
    assert_eq!(answer.json().get("token"), None);
    assert_error(&authorized("info", json!({})), 401, "USER_VERSION_NOT_MATCH");

    let bearer = format!("Bearer {}", token(&login("erica", "a-new-password")));
    let authorized = |name: &str, body: Value| post(&server, name, &[("Authorization", &bearer)], &body);
    let wrong = authorized("changePassword", json!({"oldPassword": "x", "newPassword": "y"}));
    assert_error(&wrong, 400, "USER_LOGIN_FAILED");
    let phone_info = result(&authorized("sendChangePasswordMessage", json!({})));
    let code = server.code(E164);
    let change = json!({"phoneInfo": phone_info, "code": code, "newPassword": "a-third-password"});
    let bearer = format!("Bearer {}", token(&authorized("changePasswordByMessage", change)));
    let logout = post(&server, "logout", &[("Authorization", &bearer)], &json!({}));
    assert_eq!(logout.body, r#"{"status":200,"result":true,"code":"OK","success":true}"#);
    assert_eq!(field(&logout.head, "authorization"), None);
    let after = post(&server, "info", &[("Authorization", &bearer)], &json!({}));
    assert_error(&after, 401, "INVALID_TOKEN");
    token(&login(PHONE, "a-third-password"));
}

#[test]
fn qingzhenyun_wants_md5_passwords_and_hides_statuses_when_told_to() {
    let server = LegacyServer::start("qingzhenyun", &["--password-form", "md5", "--http-status", "ok"]);
    let plain = json!({"value": PHONE, "password": "a-fine-password"});
    let answer = call(&server, "login", &plain);
    assert_eq!((answer.status, answer.json()["status"].clone()), (200, json!(400)));
    assert_eq!(answer.json()["code"], "{PASSWORD}_MUST_MD5_ENCODE");
    register(&server, "0123456789abcdef0123456789abcdef");
    let hashed = json!({"value": PHONE, "password": "0123456789abcdef0123456789abcdef"});
    token(&call(&server, "login", &hashed));
    assert_error(&call(&server, "info", &json!({})), 401, "CREDENTIALS_REQUIRED");
}
