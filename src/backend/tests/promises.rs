//! What must hold however many ask at once, and over a restart.

use super::*;

/// Sends one request many times in parallel and answers the statuses.
async fn in_parallel(house: &House, times: usize, path: &'static str, body: Value) -> Vec<Told> {
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..times {
        let (backend, body) = (house.backend.clone(), body.to_string());
        calls.spawn(async move {
            let request = Request::post(path).header("content-type", "application/json");
            Told::read(backend.handle(request.body(Bytes::from(body)).unwrap()).await)
        });
    }
    calls.join_all().await
}

fn count(answers: &[Told], status: u16) -> usize {
    answers.iter().filter(|told| told.status == status).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_300_parallel_registers_of_one_name_one_makes_an_account() {
    let house = House::new();
    let body = json!({"username": "alice", "password": "right"});
    let answers = in_parallel(&house, 300, "/v1/accounts", body).await;
    assert_eq!((count(&answers, 201), count(&answers, 409)), (1, 299));
    assert_eq!(house.log_in("alice", "right").await.text("/account/id"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_100_parallel_uses_of_one_code_one_succeeds() {
    let house = House::new();
    house.register_phone().await;
    let code = house.code("login").await;
    let body = json!({"phone": PHONE, "verification": {"code": code}});
    let answers = in_parallel(&house, 100, "/v1/sessions", body).await;
    assert_eq!((count(&answers, 201), count(&answers, 422)), (1, 99));
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_guesses_get_five_tries_between_them() {
    let house = House::new();
    let code = house.code("login").await;
    let body = json!({"phone": PHONE, "verification": {"code": other_than(&code)}});
    let answers = in_parallel(&house, 50, "/v1/sessions", body).await;
    let tries = answers.iter().filter(|told| told.body["code"] == "code_invalid");
    assert_eq!(tries.count(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_parallel_refreshes_with_one_token_exactly_one_wins() {
    let house = House::new();
    let told = house.register("alice").await;
    let body = json!({"refresh_token": told.text("/session/refresh_token")});
    let answers = in_parallel(&house, 20, "/v1/sessions/refresh", body).await;
    assert_eq!((count(&answers, 200), count(&answers, 401)), (1, 19));
    let winner = answers.iter().find(|told| told.status == 200).unwrap();
    assert_eq!(house.me(winner.text("/session/access_token")).await.status, 200);
    let old = house.me(told.text("/session/access_token")).await;
    assert_eq!(old.problem(), Some(("token_invalid", 401)));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_parallel_uses_of_one_bind_token_one_succeeds() {
    let house = House::new();
    let code = house.code("login").await;
    let body = json!({"phone": PHONE, "verification": {"code": code}});
    let told = house.post("/v1/sessions", body).await;
    let body = json!({"password": "right", "bind_token": told.text("/bind_token")});
    let answers = in_parallel(&house, 20, "/v1/accounts", body).await;
    assert_eq!((count(&answers, 201), count(&answers, 422)), (1, 19));
}

#[tokio::test]
async fn accounts_sessions_used_codes_and_the_outbox_survive_a_restart() {
    let house = House::new();
    let token = house.register_phone().await.text("/session/access_token").to_owned();
    let used = house.code("login").await;
    let log_in = |code: &str| json!({"phone": PHONE, "verification": {"code": code}});
    assert_eq!(house.post("/v1/sessions", log_in(&used)).await.status, 201);
    let house = house.reopen();
    assert_eq!(house.backend.outbox().len(), 2);
    assert_eq!(house.me(&token).await.text("/account/phone"), PHONE);
    let again = house.post("/v1/sessions", log_in(&used)).await;
    assert_eq!(again.problem(), Some(("code_expired", 422)));
    let ask = json!({"channel": "sms", "phone": PHONE, "purpose": "login"});
    let told = house.post("/v1/verification-codes", ask).await;
    assert_eq!(told.problem(), Some(("send_too_frequent", 429)));

    house.clock.advance_seconds(120);
    let live = house.code("login").await;
    let house = house.reopen();
    assert_eq!(house.post("/v1/sessions", log_in(&live)).await.status, 201);
}

#[tokio::test]
async fn a_repeated_request_is_done_once_and_replays_no_session() {
    let house = House::new();
    let body = json!({"username": "alice", "password": "right"});
    let first = house.post_once("/v1/accounts", "key-1", body.clone()).await;
    assert_eq!(first.text("/account/username"), "alice");
    let house = house.reopen();
    let again = house.post_once("/v1/accounts", "key-1", body.clone()).await;
    assert_eq!(again.status, 201);
    assert_eq!(again.body, json!({"account": null, "session": null, "region": "cn"}));
    let other = json!({"username": "bob", "password": "right"});
    let misuse = house.post_once("/v1/accounts", "key-1", other).await;
    assert_eq!(misuse.problem(), Some(("invalid_field", 422)));
    assert_eq!(misuse.body["field"], "Idempotency-Key");
    let anew = house.post_once("/v1/accounts", "key-2", body.clone()).await;
    assert_eq!(anew.problem(), Some(("account_exists", 409)));
    house.clock.advance_seconds(86_400);
    let late = house.post_once("/v1/accounts", "key-1", body).await;
    assert_eq!(late.problem(), Some(("account_exists", 409)));
}

#[tokio::test]
async fn a_repeated_send_sends_once_and_a_refused_request_may_be_tried_again() {
    let house = House::new();
    let send = json!({"channel": "sms", "phone": PHONE, "purpose": "register"});
    for challenge in [true, false] {
        let told = house.post_once("/v1/verification-codes", "key", send.clone()).await;
        assert_eq!((told.status, told.body["challenge"].is_string()), (202, challenge));
    }
    assert_eq!(house.backend.outbox().len(), 1);

    let code = house.backend.outbox()[0].code.expose().to_owned();
    let register =
        |code: String| json!({"phone": PHONE, "password": "right", "verification": {"code": code}});
    let refused = house.post_once("/v1/accounts", "r", register(other_than(&code))).await;
    assert_eq!(refused.problem(), Some(("code_invalid", 422)));
    assert_eq!(house.post_once("/v1/accounts", "r", register(code)).await.status, 201);

    let code = house.code("reset_password").await;
    let reset = json!({"phone": PHONE, "verification": {"code": code}, "new_password": "new"});
    let first = house.post_once("/v1/password-resets", "p", reset.clone()).await;
    let again = house.post_once("/v1/password-resets", "p", reset).await;
    assert_eq!((first.status, again.status), (200, 200));
    assert!(first.body["session"].is_object() && again.body["session"].is_null());
}
