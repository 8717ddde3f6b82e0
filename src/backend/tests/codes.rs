//! Verification codes: pause, lifetime, tries, one use, and what they open.

use super::*;

async fn log_in_with(house: &House, code: &str) -> Told {
    let body = json!({"phone": PHONE, "verification": {"code": code}});
    house.post("/v1/sessions", body).await
}

#[tokio::test]
async fn a_second_code_for_one_purpose_waits_two_minutes() {
    let house = House::new();
    house.code("register").await;
    house.clock.advance_seconds(50);
    let body = json!({"channel": "sms", "phone": PHONE, "purpose": "register"});
    let told = house.post("/v1/verification-codes", body).await;
    assert_eq!(told.problem(), Some(("send_too_frequent", 429)));
    assert_eq!(told.body["retry_after"], 70);
    assert_eq!(told.headers["retry-after"], "70");
    assert_eq!(told.headers["ratelimit"], "\"send\";r=0;t=70");
    house.code("login").await;
    house.clock.advance_seconds(70);
    house.code("register").await;
    house.clock.advance_seconds(-3_600);
    house.code("register").await;
    assert_eq!(house.backend.outbox().len(), 4);
}

#[tokio::test]
async fn of_a_thousand_parallel_asks_one_is_sent() {
    let house = House::new();
    let body = json!({"channel": "email", "email": "a@example.com", "purpose": "login", "code_length": 4});
    let mut asks = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let (backend, body) = (house.backend.clone(), body.to_string());
        asks.spawn(async move {
            let request = Request::post("/v1/verification-codes").header("content-type", "application/json");
            backend.handle(request.body(Bytes::from(body)).unwrap()).await.status().as_u16()
        });
    }
    let statuses = asks.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 202).count(), 1);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 999);
    assert_eq!(house.backend.outbox().len(), 1);
    assert_eq!(house.backend.outbox()[0].code.expose().len(), 4);
}

#[tokio::test]
async fn a_code_is_not_sent_where_it_could_not_be_used() {
    let house = House::new();
    let ask = |phone: &'static str, purpose: &'static str| {
        house.post("/v1/verification-codes", json!({"channel": "sms", "phone": phone, "purpose": purpose}))
    };
    for purpose in ["reset_password", "change_password", "delete_account"] {
        assert_eq!(ask(PHONE, purpose).await.problem(), Some(("account_not_found", 404)));
    }
    house.register_phone().await;
    house.clock.advance_seconds(120);
    let exists = ask(PHONE, "register").await;
    assert_eq!(exists.problem(), Some(("account_exists", 409)));
    assert_eq!(exists.body["field"], "phone");
    let bound = ask(PHONE, "bind").await;
    assert_eq!(bound.problem(), Some(("identity_already_bound", 409)));
}

#[tokio::test]
async fn a_code_goes_to_the_address_that_was_proven_and_to_no_other_spelling() {
    let house = House::new();
    let ask = |email: &'static str, purpose: &'static str| {
        house.post("/v1/verification-codes", json!({"channel": "email", "email": email, "purpose": purpose}))
    };
    assert_eq!(ask("Mike@example.com", "register").await.status, 202);
    let code = house.backend.outbox()[0].code.expose().to_owned();
    let body = json!({"email": "Mike@example.com", "password": "x", "verification": {"code": code}});
    assert_eq!(house.post("/v1/accounts", body).await.status, 201);
    for purpose in ["reset_password", "login"] {
        assert_eq!(ask("MIKE@example.com", purpose).await.status, 202);
        assert_eq!(house.backend.outbox()[0].to, "Mike@example.com");
        let told = ask("mi\u{212a}e@example.com", "reset_password").await;
        assert_eq!(told.problem(), Some(("account_not_found", 404)));
    }
}

#[tokio::test]
async fn a_code_ends_after_five_minutes_and_after_five_tries() {
    let house = House::new();
    house.register_phone().await;
    let code = house.code("login").await;
    house.clock.advance_seconds(300);
    assert_eq!(log_in_with(&house, &code).await.problem(), Some(("code_expired", 422)));

    let code = house.code("login").await;
    for _ in 0..5 {
        let told = log_in_with(&house, &other_than(&code)).await;
        assert_eq!(told.problem(), Some(("code_invalid", 422)));
    }
    assert_eq!(log_in_with(&house, &code).await.problem(), Some(("code_expired", 422)));

    house.clock.advance_seconds(120);
    let code = house.code("login").await;
    log_in_with(&house, &other_than(&code)).await;
    assert_eq!(log_in_with(&house, &code).await.status, 201);
    assert_eq!(log_in_with(&house, &code).await.problem(), Some(("code_expired", 422)));
}

#[tokio::test]
async fn a_code_is_good_for_its_own_purpose_and_destination_only() {
    let house = House::new();
    house.register_phone().await;
    let reset = house.code("reset_password").await;
    assert_eq!(log_in_with(&house, &reset).await.problem(), Some(("code_invalid", 422)));
    let body = json!({"phone": "+8613800138002", "verification": {"code": reset}, "new_password": "x"});
    assert_eq!(house.post("/v1/password-resets", body).await.problem(), Some(("account_not_found", 404)));
}

#[tokio::test]
async fn a_challenge_chooses_among_live_codes_and_without_one_the_newest_counts() {
    let house = House::new();
    house.register_phone().await;
    let ask = json!({"channel": "sms", "phone": PHONE, "purpose": "login"});
    let first = house.post("/v1/verification-codes", ask.clone()).await;
    let first_code = house.backend.outbox()[0].code.expose().to_owned();
    house.clock.advance_seconds(120);
    house.post("/v1/verification-codes", ask).await;
    let log_in = |verification: Value| {
        house.post("/v1/sessions", json!({"phone": PHONE, "verification": verification}))
    };
    let second_code = house.backend.outbox()[0].code.expose().to_owned();
    if first_code != second_code {
        let told = log_in(json!({"code": first_code})).await;
        assert_eq!(told.problem(), Some(("code_invalid", 422)));
    }
    let unknown = log_in(json!({"code": first_code, "challenge": "nonsense"})).await;
    assert_eq!(unknown.problem(), Some(("code_invalid", 422)));
    let chosen = log_in(json!({"code": first_code, "challenge": first.text("/challenge")})).await;
    assert_eq!(chosen.status, 201);
    assert_eq!(log_in(json!({"code": second_code})).await.status, 201);
}

#[tokio::test]
async fn a_code_login_of_an_unknown_number_gives_a_bind_token_for_one_use_within_an_hour() {
    let house = House::new();
    let code = house.code("login").await;
    let told = log_in_with(&house, &code).await;
    assert_eq!(told.problem(), Some(("account_not_found", 404)));
    let token = told.text("/bind_token").to_owned();
    let register = |name: &'static str, token: String| {
        house.post("/v1/accounts", json!({"username": name, "password": "right", "bind_token": token}))
    };
    let wrong = register("bob", "nonsense".to_owned()).await;
    assert_eq!(wrong.problem(), Some(("invalid_field", 422)));
    assert_eq!(wrong.body["field"], "bind_token");
    let told = register("alice", token.clone()).await;
    assert_eq!(told.text("/account/phone"), PHONE);
    assert_eq!(told.text("/account/username"), "alice");
    assert_eq!(register("carol", token).await.problem(), Some(("invalid_field", 422)));
}

#[tokio::test]
async fn a_refused_register_leaves_the_bind_token_good() {
    let house = House::new();
    let code = house.code("login").await;
    let token = log_in_with(&house, &code).await.text("/bind_token").to_owned();
    let ask = json!({"channel": "email", "email": "a@example.com", "purpose": "register"});
    house.post("/v1/verification-codes", ask).await;
    let code = house.backend.outbox()[0].code.expose().to_owned();
    let register = |code: String| {
        let body = json!({"phone": PHONE, "email": "a@example.com", "password": "x", "bind_token": token,
            "verification": {"code": code}});
        house.post("/v1/accounts", body)
    };
    assert_eq!(register(other_than(&code)).await.problem(), Some(("code_invalid", 422)));
    let told = register(code).await;
    assert_eq!((told.text("/account/phone"), told.text("/account/email")), (PHONE, "a@example.com"));
}

#[tokio::test]
async fn a_bind_token_ends_after_an_hour_and_may_bind_at_a_login() {
    let house = House::new();
    house.register("alice").await;
    let code = house.code("login").await;
    let token = log_in_with(&house, &code).await.text("/bind_token").to_owned();
    let body = json!({"username": "alice", "password": "right", "bind_token": token});
    house.clock.advance_seconds(3_599);
    let told = house.post("/v1/sessions", body.clone()).await;
    assert_eq!(told.text("/account/phone"), PHONE);
    assert_eq!(house.post("/v1/sessions", body).await.problem(), Some(("invalid_field", 422)));

    let code = house.code("login").await;
    assert_eq!(log_in_with(&house, &code).await.text("/account/username"), "alice");
}

#[tokio::test]
async fn a_code_that_could_not_be_sent_is_taken_back() {
    struct Broken;
    #[async_trait]
    impl Sender for Broken {
        async fn send(&self, _: Message) -> Result<(), SendFailed> {
            Err(SendFailed("no line".to_owned()))
        }
    }
    let house = House::with(Options { sender: Some(Arc::new(Broken)), ..cheap() });
    let body = json!({"channel": "sms", "phone": PHONE, "purpose": "login"});
    for _ in 0..2 {
        let told = house.post_once("/v1/verification-codes", "key", body.clone()).await;
        assert_eq!(told.problem(), Some(("send_failed", 502)));
    }
    assert_eq!(log_in_with(&house, "000000").await.problem(), Some(("code_invalid", 422)));
    assert!(house.backend.outbox().is_empty());
}
