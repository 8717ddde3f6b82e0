//! The backend as a caller sees it: requests in, answers out, a real database, a clock that the test moves.

mod codes;
mod contract;
mod gateway;
mod identities;
mod passwords;
mod promises;
mod residents;
mod storage;

use std::sync::Arc;

use http::{Method, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::clock::ManualClock;

const PHONE: &str = "+8613800138001";

/// A backend in a directory of its own.
struct House {
    directory: TempDir,
    clock: Arc<ManualClock>,
    backend: Backend,
}

/// An answer, read.
#[derive(Debug)]
struct Told {
    status: u16,
    headers: http::HeaderMap,
    body: Value,
}

impl Told {
    fn read(response: Response<Bytes>) -> Self {
        let (head, body) = response.into_parts();
        Self {
            status: head.status.as_u16(),
            headers: head.headers,
            body: match body.is_empty() {
                true => Value::Null,
                false => serde_json::from_slice(&body).unwrap(),
            },
        }
    }

    /// The problem's code and status, or `None` for a good answer.
    fn problem(&self) -> Option<(&str, u16)> {
        self.body["code"].as_str().map(|code| (code, self.status))
    }

    fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap()
    }
}

fn settings(directory: &TempDir) -> config::Backend {
    config::Backend {
        database: directory.path().join("users.db"),
        outbox: directory.path().join("outbox.jsonl"),
        region: Some("cn".to_owned()),
        residents: None,
    }
}

fn cheap() -> Options {
    Options { password_cost: PasswordCost { memory_kib: 8, passes: 1 }, ..Options::default() }
}

impl House {
    /// The backend of a region that shares a file with those of others.
    fn of_region(region: &str, residents: &std::path::Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Moment::from_rfc3339("2026-01-02T03:04:05Z").unwrap()));
        let settings = config::Backend {
            region: Some(region.to_owned()),
            residents: Some(residents.to_owned()),
            ..settings(&directory)
        };
        let backend = Backend::open_with(&settings, clock.clone(), cheap()).unwrap();
        Self { directory, clock, backend }
    }

    fn new() -> Self {
        Self::with(cheap())
    }

    fn with(options: Options) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Moment::from_rfc3339("2026-01-02T03:04:05Z").unwrap()));
        let backend = Backend::open_with(&settings(&directory), clock.clone(), options).unwrap();
        Self { directory, clock, backend }
    }

    /// Closes the database and opens it again.
    fn reopen(mut self) -> Self {
        let spare = tempfile::tempdir().unwrap();
        self.backend = Backend::open_with(&settings(&spare), self.clock.clone(), cheap()).unwrap();
        self.backend = Backend::open_with(&settings(&self.directory), self.clock.clone(), cheap()).unwrap();
        self
    }

    async fn ask(&self, method: Method, path: &str, fields: &[(&str, &str)], body: &str) -> Told {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::from(body.to_owned())).unwrap();
        Told::read(self.backend.handle(request).await)
    }

    async fn post(&self, path: &str, body: Value) -> Told {
        let fields = [("content-type", "application/json")];
        self.ask(Method::POST, path, &fields, &body.to_string()).await
    }

    async fn post_once(&self, path: &str, key: &str, body: Value) -> Told {
        let fields = [("content-type", "application/json"), ("idempotency-key", key)];
        self.ask(Method::POST, path, &fields, &body.to_string()).await
    }

    /// A request with an access token.
    async fn with_token(&self, token: &str, method: Method, path: &str, body: Value) -> Told {
        let token = format!("Bearer {token}");
        let fields = [("content-type", "application/json"), ("authorization", token.as_str())];
        self.ask(method, path, &fields, &body.to_string()).await
    }

    async fn me(&self, token: &str) -> Told {
        self.with_token(token, Method::GET, "/v1/accounts/me", Value::Null).await
    }

    async fn register(&self, username: &str) -> Told {
        let told = self.post("/v1/accounts", json!({"username": username, "password": "right"})).await;
        assert_eq!(told.status, 201, "{told:?}");
        told
    }

    async fn log_in(&self, username: &str, password: &str) -> Told {
        self.post("/v1/sessions", json!({"username": username, "password": password})).await
    }

    /// Asks for a code to [`PHONE`] and takes it from the outbox.
    async fn code(&self, purpose: &str) -> String {
        let told = self
            .post("/v1/verification-codes", json!({"channel": "sms", "phone": PHONE, "purpose": purpose}))
            .await;
        assert_eq!(told.status, 202, "{told:?}");
        self.backend.outbox()[0].code.expose().to_owned()
    }

    /// Registers [`PHONE`] with a code.
    async fn register_phone(&self) -> Told {
        let code = self.code("register").await;
        let body = json!({"phone": PHONE, "password": "right", "verification": {"code": code}});
        let told = self.post("/v1/accounts", body).await;
        assert_eq!(told.status, 201, "{told:?}");
        told
    }
}

/// A code that is certainly not the given one.
fn other_than(code: &str) -> String {
    let flipped = |digit| if digit == '0' { '1' } else { '0' };
    code.chars().map(flipped).collect()
}
