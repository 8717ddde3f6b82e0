//! The legacy backends of the tests do what the dialects' documents say, and refuse what deviates: what passes
//! through the gateway to them is worth as much as they are strict.

mod coolkit;
mod discuzq;
mod qingzhenyun;
mod shopxo;

use serde_json::{Value, json};

use crate::support::http::{Answer, Connection};
use crate::support::legacy::LegacyServer;

const SEEDS: &str = include_str!("../fixtures/seed-examples.json");

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// An example of the dialects' documents.
fn seed(name: &str) -> Value {
    let seeds: Vec<Value> = serde_json::from_str(SEEDS).unwrap();
    seeds.into_iter().find(|seed| seed["name"] == name).unwrap()
}

/// The answer's body and the example's are of one form: the same members in the same order, values of the same
/// types.
fn assert_form(answer: &Answer, example: &Value) {
    assert_eq!(i64::from(answer.status), example["status"].as_i64().unwrap(), "{answer:?}");
    assert_eq!(form(&answer.json()), form(&example["body"]), "{answer:?}");
}

/// A value without what varies: types in the place of texts and numbers.
fn form(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{name}: {}", form(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(_) => "list".to_owned(),
        Value::String(_) => "text".to_owned(),
        Value::Number(number) if number.is_i64() => "integer".to_owned(),
        Value::Bool(_) => "boolean".to_owned(),
        other => other.to_string(),
    }
}

#[test]
fn a_legacy_server_lists_what_came_in_and_serves_many_requests_of_one_connection() {
    let server = LegacyServer::start("qingzhenyun", &[]);
    let mut connection = Connection::open(server.address);
    for body in ["{\"phone\":\"1\"}", "{\"phone\":\"号\"}"] {
        let request = format!(
            "POST /v1/user/sendRegisterMessage?a=%20 HTTP/1.1\r\nHost: h\r\nX-Twice: 1\r\nX-Twice: 2\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(connection.exchange(request.as_bytes()).json()["code"], "PHONE_NOT_VALIDATE");
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert_eq!(requests[1].method, "POST");
    assert_eq!(requests[1].target, "/v1/user/sendRegisterMessage?a=%20");
    assert_eq!(requests[1].header("x-twice"), ["1", "2"]);
    assert_eq!(requests[1].body, "{\"phone\":\"号\"}");
    assert_eq!(server.codes_for("+8613800138001"), []);
}

#[test]
fn a_legacy_server_ends_on_sigterm_and_when_its_standard_input_does() {
    let status = LegacyServer::start("discuzq", &[]).terminate();
    assert!(status.success(), "{status}");
    let status = LegacyServer::start("shopxo", &[]).close();
    assert!(status.success(), "{status}");
}

#[test]
fn no_code_is_sent_when_sending_fails() {
    let phone = "13800138001";
    let sign = coolkit::signed_send("+8613800138001");
    let cases = [
        ("coolkit", "/api/sms", sign.0.as_str(), json!({"error": 504})),
        (
            "qingzhenyun",
            "/v1/user/sendRegisterMessage",
            &json!({"phone": phone}).to_string(),
            json!({"code": "SEND_MESSAGE_ERROR"}),
        ),
        (
            "shopxo",
            "/api.php?s=user/regverifysend&application=app",
            &json!({"accounts": phone, "type": "sms"}).to_string(),
            json!({"code": -100, "msg": "发送失败[业务限流]"}),
        ),
    ];
    for (dialect, target, body, expected) in cases {
        let options = if dialect == "coolkit" { coolkit::OPTIONS } else { &[] };
        let server = LegacyServer::start(dialect, &[&["--fail-send"], options].concat());
        let answer = server.send("POST", target, &[JSON, ("Authorization", &sign.1)], body).json();
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&answer[name], value, "{dialect}: {answer}");
        }
        assert_eq!(server.codes_for("+8613800138001"), [], "{dialect}");
    }
    let server = LegacyServer::start("discuzq", &["--fail-send"]);
    let body = discuzq::document(json!({"mobile": phone, "type": "login"}));
    let answer = server.send("POST", "/api/sms/send", &[JSON], &body);
    discuzq::assert_error(&answer, 500, "send_failed");
    assert_eq!(server.codes_for("+8613800138001"), []);
}
