//! Clients of qingzhenyun at the demo.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{OTHER_PASSWORD, PASSWORD, at_demo, other_than};
use crate::support::clients::{Client, For};
use crate::support::http::{Answer, field};

/// The answer is a failure of the server's form, and nothing more.
fn error(answer: &Answer, status: u16, code: &str, message: &str) {
    let expected = json!({"success": false, "message": message, "code": code, "status": status});
    assert_eq!((answer.status, answer.json()), (status, expected), "{answer:?}");
}

fn post(client: &Client, call: &str, members: Value) -> Answer {
    client.json("POST", &format!("/v1/user/{call}"), None, &members)
}

#[test]
fn a_qingzhenyun_client_is_answered_as_its_server_answers() {
    let (_directory, gateway, mut client) = at_demo("qingzhenyun");
    let phone = "13800138102";
    error(&post(&client, "sendRegisterMessage", json!({})), 400, "{PHONE}_REQUIRED", "{PHONE}_REQUIRED");
    let bad = post(&client, "sendRegisterMessage", json!({"phone": "12"}));
    error(&bad, 400, "PHONE_NOT_VALIDATE", "Phone not validate");

    let sent = client.ask_code(For::Register, phone);
    assert!(sent.body.starts_with("{\"status\":200,\"result\":\""), "{sent:?}");
    assert!(sent.body.ends_with("\",\"code\":\"OK\",\"success\":true}"), "{sent:?}");
    let again = client.ask_code(For::Register, phone);
    error(&again, 400, "SEND_MESSAGE_FREQUENTLY", "SEND_MESSAGE_FREQUENTLY");
    assert!(field(&again.head, "retry-after").is_some_and(|wait| wait.parse::<u64>().unwrap() > 100));

    let code = gateway.code(&format!("+86{phone}"));
    let good = json!({"password": PASSWORD, "code": code, "phoneInfo": client.challenge});
    let with = |name: &str, value: Value| {
        let mut members = good.clone();
        members[name] = value;
        post(&client, "register", members)
    };
    error(&with("code", Value::Null), 400, "{CODE}_REQUIRED", "{CODE}_REQUIRED");
    error(&with("code", json!(other_than(&code))), 400, "{CODE}_NOT_VALID", "{CODE}_NOT_VALID");
    error(&with("phoneInfo", Value::Null), 400, "{PHONE_INFO}_REQUIRED", "{PHONE_INFO}_REQUIRED");
    let forged = other_than(client.challenge.as_deref().unwrap());
    error(&with("phoneInfo", json!(forged)), 400, "{PHONE_INFO}_NOT_VALID", "{PHONE_INFO}_NOT_VALID");
    error(&with("name", json!("zoe@example.com")), 400, "{NAME}_EXISTS", "{NAME}_EXISTS");
    let registered = client.register(phone, &code, PASSWORD);
    let body = registered.json();
    assert_eq!(body["result"]["phone"], phone, "{body}");
    assert!(
        body["result"]["uuid"].is_u64() && body["result"]["createTime"].as_i64().unwrap() > 1_700_000_000_000
    );
    let token = client.token.clone().unwrap();
    assert_token(&registered, &token, phone);

    let wrong = post(&client, "login", json!({"value": phone, "password": "wrong-password"}));
    error(&wrong, 400, "USER_LOGIN_FAILED", "USER_LOGIN_FAILED");
    let md5 = "6b0e8ea9cfa8ed1ea6b3cbd4b3d4a2b4";
    let wrong = post(&client, "login", json!({"value": phone, "password": md5}));
    error(&wrong, 400, "USER_LOGIN_FAILED", "USER_LOGIN_FAILED");
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let body = format!("value={phone}&password={PASSWORD}&countryCode=86");
    assert!(client.is_good(&client.send("POST", "/v1/user/login", &form, &body)));
    assert!(client.logs_in(phone, PASSWORD));
    lives(client);
}

/// What the account does once it is there.
fn lives(mut client: Client) {
    the_token_is_taken_from_five_places(&client);
    let token = client.token.as_deref();
    let named = client.json("POST", "/v1/user/changeName", token, &json!({"name": "zoe"}));
    assert_eq!(named.json()["result"], true, "{named:?}");
    let me = client.me().unwrap();
    assert_eq!(me.json()["result"]["name"], "zoe", "{me:?}");
    let slid = me.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(field(&me.head, "authorization"), Some(format!("Bearer {slid}").as_str()));
    let change = json!({"oldPassword": PASSWORD, "newPassword": OTHER_PASSWORD});
    let changed = client.json("POST", "/v1/user/changePassword", Some(&slid), &change);
    assert_eq!(changed.json()["result"], true, "{changed:?}");
    assert!(client.logs_in("zoe", OTHER_PASSWORD));

    let out = client.log_out().unwrap();
    assert_eq!((&out.json()["result"], out.json().get("token")), (&json!(true), None), "{out:?}");
    error(&client.me().unwrap(), 401, "INVALID_TOKEN", "INVALID_TOKEN");
    error(&post(&client, "info", json!({})), 401, "CREDENTIALS_REQUIRED", "CREDENTIALS_REQUIRED");
}

/// The newest token is in body and header, and its claims are what the web client reads.
fn assert_token(answer: &Answer, token: &str, phone: &str) {
    let body = answer.json();
    assert_eq!(field(&answer.head, "authorization"), Some(format!("Bearer {token}").as_str()));
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!((&claims["uuid"], &claims["phone"]), (&body["result"]["uuid"], &json!(phone)), "{claims}");
}

fn the_token_is_taken_from_five_places(client: &Client) {
    let token = client.token.as_deref().unwrap();
    let json_body = ("Content-Type", "application/json");
    let bearer = format!("Bearer {token}");
    for (target, name, value, body) in [
        ("/v1/user/info".to_owned(), "Authorization", bearer.as_str(), json!({})),
        ("/v1/user/info".to_owned(), "token", token, json!({})),
        (format!("/v1/user/info?auth={token}"), "X-None", "0", json!({})),
        (format!("/v1/user/info?token={token}"), "X-None", "0", json!({})),
        ("/v1/user/info".to_owned(), "X-None", "0", json!({"token": token})),
    ] {
        let me = client.send("POST", &target, &[json_body, (name, value)], &body.to_string());
        assert!(client.is_good(&me), "{name} {body}: {me:?}");
    }
}
