//! Who an account is, and what is told of it.

use super::*;

#[tokio::test]
async fn an_account_has_all_members_and_keeps_extensions_as_given() {
    let house = House::new();
    let body = r#"{"username":" Alice ","password":"right","nickname":"","avatar_url":"https://example.com/a.png",
        "client":{"dialect":"shopxo","locale":"zh-CN"},"unknown":[1],
        "extensions":{"shopxo":{"integral":12345678901234567890.10,"empty":"","none":null,
            "pwd":"x","user.token":"y","nested":{"Secret":1,"kept":[{"salt":2,"z":1e400}]}}}}"#;
    let fields = [("content-type", "application/json"), ("x-forwarded-for", "192.0.2.7")];
    let request = Request::post("/v1/accounts")
        .header(fields[0].0, fields[0].1)
        .header(fields[1].0, fields[1].1)
        .body(Bytes::from(body))
        .unwrap();
    let response = house.backend.handle(request).await;
    assert_eq!(response.status(), 201);
    let text = String::from_utf8(response.body().to_vec()).unwrap();
    let account = concat!(
        r#"{"account":{"id":"1","username":"Alice","phone":null,"email":null,"nickname":"","#,
        r#""avatar_url":"https://example.com/a.png","gender":null,"status":"active","#,
        r#""created_at":"2026-01-02T03:04:05.000Z","updated_at":"2026-01-02T03:04:05.000Z","#,
        r#""last_login_at":"2026-01-02T03:04:05.000Z","last_login_ip":"192.0.2.7","locale":"zh-CN","#,
        r#""extensions":{"shopxo":{"integral":12345678901234567890.10,"empty":"","none":null,"#,
        r#""nested":{"kept":[{"z":1e400}]}}}},"session":{"access_token":""#,
    );
    assert!(text.starts_with(account), "{text}");
    assert!(text.ends_with(r#""region":"cn"}"#), "{text}");
    let session = &serde_json::from_str::<Value>(&text.replace("1e400", "0")).unwrap()["session"];
    assert_eq!(session["token_type"], "Bearer");
    assert_eq!(session["expires_in"], 2_592_000);
    assert_eq!(session["refresh_expires_in"], 5_184_000);
}

#[tokio::test]
async fn names_phones_and_emails_are_unique_in_every_spelling() {
    let house = House::new();
    house.register("Alice").await;
    for name in ["alice", "ALICE ", "ａｌｉｃｅ"] {
        let body = json!({"username": name, "password": "x"});
        let told = house.post("/v1/accounts", body).await;
        assert_eq!(told.problem(), Some(("account_exists", 409)), "{name}");
        assert_eq!(told.body["field"], "username");
        assert_eq!(house.log_in(name, "right").await.text("/account/username"), "Alice");
    }
    let ask = |email: &'static str| {
        house.post(
            "/v1/verification-codes",
            json!({"channel": "email", "email": email, "purpose": "register"}),
        )
    };
    ask("Bob@Example.com").await;
    let code = house.backend.outbox()[0].code.expose().to_owned();
    let body = json!({"email": "bob@example.com", "password": "x", "verification": {"code": code}});
    assert_eq!(house.post("/v1/accounts", body).await.status, 201);
    house.clock.advance_seconds(120);
    assert_eq!(ask("BOB@example.com").await.problem(), Some(("account_exists", 409)));
}

#[tokio::test]
async fn a_phone_or_email_needs_proof_and_each_its_own() {
    let house = House::new();
    let register = |body: Value| house.post("/v1/accounts", body);
    let told = register(json!({"phone": PHONE, "password": "x"})).await;
    assert_eq!(told.problem(), Some(("invalid_request", 400)));
    assert_eq!(told.body["field"], "verification.code");
    let guess = json!({"phone": PHONE, "password": "x", "verification": {"code": "000000"}});
    assert_eq!(register(guess).await.problem(), Some(("code_invalid", 422)));

    let code = house.code("register").await;
    let both =
        json!({"phone": PHONE, "email": "a@example.com", "password": "x", "verification": {"code": code}});
    let told = register(both).await;
    assert_eq!(told.problem(), Some(("invalid_field", 422)));
    assert_eq!(told.body["field"], "email");
    let phone = json!({"phone": PHONE, "password": "x", "verification": {"code": code}});
    assert_eq!(register(phone).await.status, 201);
}

#[tokio::test]
async fn an_identifier_finds_phone_and_name_and_a_phone_goes_before_a_name_that_looks_like_it() {
    let house = House::new();
    house.register("13800138001").await;
    let log_in = |identifier: &'static str| {
        house.post("/v1/sessions", json!({"identifier": identifier, "password": "right"}))
    };
    assert_eq!(log_in("13800138001").await.text("/account/id"), "1");
    house.register_phone().await;
    for spelling in ["13800138001", "+86 138-0013-8001"] {
        assert_eq!(log_in(spelling).await.text("/account/id"), "2");
    }
}

#[tokio::test]
async fn a_login_names_one_account_and_gives_one_proof() {
    let house = House::new();
    let cases = [
        json!({"password": "x"}),
        json!({"username": "alice"}),
        json!({"username": "alice", "email": "a@example.com", "password": "x"}),
        json!({"phone": PHONE, "password": "x", "verification": {"code": "1"}}),
    ];
    for body in cases {
        let told = house.post("/v1/sessions", body.clone()).await;
        assert_eq!(told.problem(), Some(("invalid_request", 400)), "{body}");
    }
    let body = json!({"username": "alice", "verification": {"code": "1"}});
    let told = house.post("/v1/sessions", body).await;
    assert_eq!(told.problem(), Some(("invalid_field", 422)));
    assert_eq!(told.body["field"], "username");
}

#[tokio::test]
async fn a_name_is_changed_to_a_free_one() {
    let house = House::new();
    house.register("bob").await;
    let token = house.register("alice").await.text("/session/access_token").to_owned();
    let patch = |body: Value| house.with_token(&token, Method::PATCH, "/v1/accounts/me", body);
    let taken = patch(json!({"username": "BOB"})).await;
    assert_eq!(taken.problem(), Some(("account_exists", 409)));
    let told = patch(json!({"username": "ALICE", "nickname": "A"})).await;
    assert_eq!((told.text("/account/username"), told.text("/account/nickname")), ("ALICE", "A"));
    assert_eq!(patch(json!({"nickname": null})).await.text("/account/nickname"), "A");
    assert_eq!(house.me(&token).await.text("/account/username"), "ALICE");
}

#[tokio::test]
async fn an_account_that_is_blocked_is_told_so_and_only_with_the_right_password() {
    let house = House::new();
    let token = house.register("alice").await.text("/session/access_token").to_owned();
    let block =
        |status: &'static str| {
            house.backend.0.database.write(move |transaction| {
                Ok(transaction.execute("UPDATE accounts SET status = ?1", [status])?)
            })
        };
    for (status, code) in [
        ("blocked", "account_blocked"),
        ("rejected", "account_blocked"),
        ("inactive", "account_inactive"),
        ("pending_review", "account_pending_review"),
    ] {
        block(status).await.unwrap();
        assert_eq!(house.log_in("alice", "right").await.problem(), Some((code, 403)));
        assert_eq!(house.log_in("alice", "wrong").await.problem(), Some(("credentials_invalid", 401)));
        assert_eq!(house.me(&token).await.problem(), Some((code, 403)));
    }
}
