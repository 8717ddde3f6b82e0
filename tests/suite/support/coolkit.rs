//! A small coolkit client that signs as the vendor's apps do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::gateway::Gateway;
use super::http::{Answer, Connection};
use super::now;

/// An app that signs.
pub struct App {
    pub id: String,
    pub secret: String,
}

impl App {
    pub fn new(id: &str, secret: &str) -> Self {
        Self { id: id.to_owned(), secret: secret.to_owned() }
    }

    /// The one that most tests use.
    pub fn sample() -> Self {
        Self::new("SuiteApp0000000000000000000000Id", "5u1t3-s3cr3t-that-n0body-may-print")
    }

    /// The value of the `Authorization` field.
    pub fn sign(&self, message: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(message);
        format!("Sign {}", STANDARD.encode(mac.finalize().into_bytes()))
    }

    /// The members as a body of this app, with a fresh nonce and the time of now.
    pub fn body(&self, members: Value) -> String {
        self.body_at(members, now(), &fresh_nonce())
    }

    /// The same with a given time and nonce.
    pub fn body_at(&self, mut members: Value, ts: i64, nonce: &str) -> String {
        members["appid"] = json!(self.id);
        members["ts"] = json!(ts);
        members["nonce"] = json!(nonce);
        members["version"] = json!(8);
        members.to_string()
    }

    /// A whole request with a right Sign.
    pub fn post(&self, path: &str, body: &[u8]) -> Vec<u8> {
        post(path, &self.sign(body), body)
    }
}

/// A login with a phone number.
pub fn login(phone: &str, password: &str) -> Value {
    json!({"phoneNumber": phone, "password": password})
}

/// A whole request, whatever its Authorization is worth.
pub fn post(path: &str, authorization: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: api.example\r\nAuthorization: {authorization}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(body);
    request
}

/// Eight characters that no other request of this process has.
pub fn fresh_nonce() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{:08x}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Sends one signed call on a connection of its own.
pub fn call(address: SocketAddr, app: &App, path: &str, members: Value) -> Value {
    let request = app.post(path, app.body(members).as_bytes());
    let answer = Connection::open(address).exchange(&request);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Trades a refresh token for a new session: a GET whose query is signed.
pub fn refresh(address: SocketAddr, app: &App, token: &str) -> Value {
    let (ts, nonce) = (now(), fresh_nonce());
    let query = format!("rt={token}&grantType=refresh&appid={}&ts={ts}&version=8&nonce={nonce}", app.id);
    let sign = app.sign(query.as_bytes());
    let request = format!(
        "GET /api/user/refresh?{query} HTTP/1.1\r\nHost: api.example\r\nAuthorization: {sign}\r\n\r\n"
    );
    Connection::open(address).exchange(request.as_bytes()).json()
}

/// Proves a phone or e-mail with a code and registers it; the answer has `at`, `rt` and `user`.
pub fn register(gateway: &Gateway, app: &App, identity: &str, password: &str) -> Value {
    let (member, asked) = if identity.contains('@') {
        ("email", json!({"sendType": "0", "email": identity}))
    } else {
        ("phoneNumber", json!({"sendType": "0", "to": identity}))
    };
    let sent = call(gateway.http, app, "/api/sms", asked);
    assert_eq!(sent, json!({"error": 0}));
    let code = gateway.code(identity);
    let members = json!({member: identity, "verificationCode": code, "password": password});
    let registered = call(gateway.http, app, "/api/user/register", members);
    assert!(is_session(&registered), "{registered}");
    registered
}

/// Whether this is a good answer to a register or a login.
pub fn is_session(answer: &Value) -> bool {
    answer.get("error").is_none() && answer["at"].is_string() && answer["user"]["apikey"].is_string()
}

/// Checks coolkit's form of an error: HTTP 200, an integer, and a text under both names.
pub fn assert_error(answer: &Answer, error: i64, case: &str) {
    assert_eq!(answer.status, 200, "{case}: {answer:?}");
    let body = answer.json();
    assert_eq!(body["error"], json!(error), "{case}: {body}");
    for member in ["msg", "info"] {
        let text = body[member].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "{case}: no {member} in {body}");
    }
}
