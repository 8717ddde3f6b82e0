//! The form of answers, the refusals before any work, and the way in for the gateway.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn a_problem_has_the_members_of_rfc_9457_and_its_own() {
    let house = House::new();
    let told = house.post("/v1/accounts", json!({"username": "alice"})).await;
    assert_eq!(told.headers["content-type"], "application/problem+json");
    assert_eq!(told.headers["cache-control"], "no-store");
    assert_eq!(
        told.body,
        json!({
            "type": "urn:dragoman:problem:invalid_request", "title": "The request is malformed", "status": 400,
            "detail": "password is missing", "code": "invalid_request", "field": "password", "reason": "is missing",
        })
    );
}

#[tokio::test]
async fn what_is_no_call_is_refused_by_its_own_code() {
    let house = House::new();
    let json_type = ("content-type", "application/json");
    let long = format!("{{\"username\":\"{}\"}}", "a".repeat(70_000));
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000));
    let cases = [
        (Method::GET, "/v1/nowhere", vec![], "", ("not_found", 404)),
        (Method::POST, "/v1/accounts/", vec![json_type], "{}", ("not_found", 404)),
        (Method::POST, "/v1/accounts", vec![], "{}", ("unsupported_media_type", 415)),
        (
            Method::POST,
            "/v1/accounts",
            vec![json_type, ("content-encoding", "gzip")],
            "{}",
            ("unsupported_media_type", 415),
        ),
        (Method::POST, "/v1/accounts", vec![json_type], &long, ("payload_too_large", 413)),
        (Method::POST, "/v1/accounts", vec![json_type], &deep, ("invalid_request", 400)),
        (Method::POST, "/v1/accounts", vec![json_type], "", ("invalid_request", 400)),
        (Method::POST, "/v1/accounts", vec![json_type], "[]", ("invalid_request", 400)),
        (
            Method::POST,
            "/v1/accounts",
            vec![json_type],
            r#"{"username":"a","username":"b","password":"x"}"#,
            ("invalid_request", 400),
        ),
        (
            Method::POST,
            "/v1/accounts",
            vec![json_type, ("idempotency-key", "with space")],
            r#"{"username":"a","password":"x"}"#,
            ("invalid_field", 422),
        ),
        (
            Method::POST,
            "/v1/accounts",
            vec![json_type],
            r#"{"federated":{"provider":"wechat"}}"#,
            ("not_supported", 501),
        ),
    ];
    for (method, path, fields, body, problem) in cases {
        let told = house.ask(method, path, &fields, body).await;
        assert_eq!(told.problem(), Some(problem), "{path} {body:.60}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let house = House::new();
    for (path, allow) in [("/v1/accounts/me", "GET, PATCH"), ("/v1/sessions", "POST"), ("/v1/region", "GET")]
    {
        let told = house.ask(Method::HEAD, path, &[], "").await;
        assert_eq!(told.problem(), Some(("method_not_allowed", 405)));
        assert_eq!(told.headers["allow"], allow);
    }
}

#[tokio::test]
async fn values_of_the_wrong_kind_are_named() {
    let house = House::new();
    let send = json!({"channel": "sms", "phone": PHONE, "purpose": "login"});
    let cases = [
        ("/v1/verification-codes", send.clone(), "channel", json!("fax")),
        ("/v1/verification-codes", send.clone(), "phone", json!("13800138001")),
        ("/v1/verification-codes", send.clone(), "purpose", json!(1)),
        ("/v1/verification-codes", send.clone(), "code_length", json!(9)),
        ("/v1/verification-codes", send.clone(), "code_length", json!(4.5)),
        ("/v1/verification-codes", send.clone(), "email", json!("nobody")),
        ("/v1/sessions", json!({"username": "a"}), "password", json!("")),
        ("/v1/sessions", json!({"username": "a"}), "username", json!("a\u{0}")),
        ("/v1/sessions", json!({"username": "a"}), "password_form", json!("rot13")),
        ("/v1/sessions", json!({"username": "a"}), "extensions", json!({"shopxo": 1})),
        ("/v1/sessions", json!({"username": "a"}), "verification", json!([])),
    ];
    for (path, mut body, field, value) in cases {
        body[field] = value;
        let told = house.post(path, body.clone()).await;
        assert_eq!(told.problem(), Some(("invalid_field", 422)), "{body}");
        assert_eq!(told.body["field"], field);
    }
    for length in [json!(8), json!(8.0), json!(null)] {
        let mut body = send.clone();
        body["code_length"] = length;
        assert_eq!(house.post("/v1/verification-codes", body).await.status, 202);
        house.clock.advance_seconds(120);
    }
}

#[tokio::test]
async fn the_region_is_the_configured_one_or_not_supported() {
    let house = House::new();
    let ask = |path: &'static str| house.ask(Method::GET, path, &[], "");
    for path in ["/v1/region", "/v1/region?phone=%2B8613800138001", "/v1/region?country_calling_code=86"] {
        assert_eq!(ask(path).await.body, json!({"region": "cn", "base_url": null}), "{path}");
    }
    for path in ["/v1/region?phone=1", "/v1/region?email=x", "/v1/region?country_calling_code=086"] {
        assert_eq!(ask(path).await.problem(), Some(("invalid_field", 422)), "{path}");
    }
    for path in ["/v1/region?phone=1&phone=2", "/v1/region?a=%2", "/v1/region?a=%ff"] {
        assert_eq!(ask(path).await.problem(), Some(("invalid_request", 400)), "{path}");
    }
    let directory = tempfile::tempdir().unwrap();
    let settings = config::Backend { region: None, ..settings(&directory) };
    let backend = Backend::open_with(&settings, house.clock.clone(), cheap()).unwrap();
    let request = Request::get("/v1/region").body(Bytes::new()).unwrap();
    let told = Told::read(backend.handle(request).await);
    assert_eq!(told.problem(), Some(("not_supported", 501)));
    assert_eq!(told.body["operation"], "region");
}

#[tokio::test]
async fn the_gateway_is_answered_in_process_until_its_deadline() {
    let house = House::new();
    let request = || Request::get("/v1/region").body(Bytes::new()).unwrap();
    let soon = Instant::now() + Duration::from_secs(30);
    let response = house.backend.send(request(), soon).await.unwrap();
    assert_eq!(response.status(), 200);

    let register = Request::post("/v1/accounts").header("content-type", "application/json");
    let body = Bytes::from(json!({"username": "alice", "password": "right"}).to_string());
    let failure = house.backend.send(register.body(body).unwrap(), Instant::now()).await;
    let expected = Failure { kind: FailureKind::AnswerTimeout, delivered: true };
    assert_eq!(failure.unwrap_err(), expected);
    // What was delivered is done all the same.
    while house.log_in("alice", "right").await.status != 201 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn the_openapi_document_lists_exactly_the_routes() {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut documented: Vec<String> = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let methods = methods.as_object().unwrap().keys();
        documented.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    let mut served: Vec<String> = Vec::new();
    for (path, methods) in super::super::routes::ROUTES {
        served.extend(methods.iter().map(|(method, _)| format!("{method} {path}")));
    }
    documented.sort();
    served.sort();
    assert_eq!(documented, served);
}
