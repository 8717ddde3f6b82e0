//! Bodies that no client of good will sends: a clear error, and life goes on.

use crate::support::coolkit::{App, assert_error, is_session, login, register};
use crate::support::gateway::House;
use crate::support::http::Connection;

const LOGIN: &str = "/api/user/login";
const PHONE: &str = "+8613800138301";
const PASSWORD: &str = "a-fine-password";

/// A signed body with one more member at its end.
fn body_with(app: &App, member: &str) -> String {
    let body = app.body(login(PHONE, PASSWORD));
    format!("{},{member}}}", body.strip_suffix('}').unwrap())
}

#[test]
fn a_bad_body_gets_a_clear_error_and_its_connection_goes_on() {
    let app = App::sample();
    let gateway = House::embedded(&[&app]).start();
    register(&gateway, &app, PHONE, PASSWORD);
    let deep = format!("\"deep\":{}{}", "[".repeat(1000), "]".repeat(1000));
    let mut invalid_utf8 = body_with(&app, "\"x\":\"?\"").into_bytes();
    let place = invalid_utf8.iter().rposition(|byte| *byte == b'?').unwrap();
    invalid_utf8[place] = 0xff;
    let cases = [
        ("over the limit", body_with(&app, &format!("\"x\":\"{}\"", "x".repeat(66 * 1024))).into_bytes()),
        ("1,000 levels deep", body_with(&app, &deep).into_bytes()),
        ("invalid UTF-8", invalid_utf8),
        ("a duplicate member", body_with(&app, "\"password\":\"another\"").into_bytes()),
        ("a duplicate member, escaped", body_with(&app, r#""pass\u0077ord":"another""#).into_bytes()),
        ("no object", b"[]".to_vec()),
        ("cut off", b"{\"appid\":".to_vec()),
        ("empty", Vec::new()),
    ];
    let mut connection = Connection::open(gateway.http);
    for (case, body) in &cases {
        assert_error(&connection.exchange(&app.post(LOGIN, body)), 400, case);
        let good = app.post(LOGIN, app.body(login(PHONE, PASSWORD)).as_bytes());
        assert!(is_session(&connection.exchange(&good).json()), "after {case}");
    }
}

#[test]
fn a_post_without_content_length_is_answered_and_its_connection_goes_on() {
    let app = App::sample();
    let gateway = House::embedded(&[&app]).start();
    register(&gateway, &app, PHONE, PASSWORD);
    let mut connection = Connection::open(gateway.http);
    let bare =
        format!("POST {LOGIN} HTTP/1.1\r\nHost: api.example\r\nAuthorization: {}\r\n\r\n", app.sign(b""));
    assert_error(&connection.exchange(bare.as_bytes()), 400, "no Content-Length");

    let body = app.body(login(PHONE, PASSWORD));
    let chunked = format!(
        "POST {LOGIN} HTTP/1.1\r\nHost: api.example\r\nAuthorization: {}\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{body}\r\n0\r\n\r\n",
        app.sign(body.as_bytes()),
        body.len()
    );
    assert!(is_session(&connection.exchange(chunked.as_bytes()).json()), "in chunks");
}

#[test]
fn a_missing_member_is_named() {
    let app = App::sample();
    let gateway = House::embedded(&[&app]).start();
    for missing in ["appid", "nonce", "ts", "password"] {
        let body = app.body(login(PHONE, PASSWORD));
        let mut members: serde_json::Value = serde_json::from_str(&body).unwrap();
        members.as_object_mut().unwrap().remove(missing);
        let request = app.post(LOGIN, members.to_string().as_bytes());
        let answer = Connection::open(gateway.http).exchange(&request);
        assert_error(&answer, 400, missing);
        assert!(answer.json()["msg"].as_str().unwrap().contains(missing), "{}", answer.body);
    }
}
