//! Passwords, sessions and tokens.

use super::*;

const SOME_MD5: &str = "e10adc3949ba59abbe56e057f20f883e";

pub(super) fn md5_of(text: &str) -> String {
    use md5::Digest;
    crate::hexadecimal::encode(&md5::Md5::digest(text))
}

#[tokio::test]
async fn both_forms_of_a_password_log_in_whichever_registered() {
    let house = House::new();
    house.register("plain").await;
    let body = json!({"username": "hashed", "password": md5_of("right"), "password_form": "md5_hex"});
    assert_eq!(house.post("/v1/accounts", body).await.status, 201);
    for username in ["plain", "hashed"] {
        let md5 = json!({"username": username, "password": md5_of("right"), "password_form": "md5_hex"});
        assert_eq!(house.post("/v1/sessions", md5).await.status, 201);
        assert_eq!(house.log_in(username, "right").await.status, 201);
        let wrong = json!({"username": username, "password": SOME_MD5, "password_form": "md5_hex"});
        assert_eq!(house.post("/v1/sessions", wrong).await.problem(), Some(("credentials_invalid", 401)));
        let as_plain = house.log_in(username, &md5_of("right")).await;
        assert_eq!(as_plain.problem(), Some(("credentials_invalid", 401)));
    }
    let malformed = json!({"username": "plain", "password": "RIGHT", "password_form": "md5_hex"});
    assert_eq!(house.post("/v1/sessions", malformed).await.problem(), Some(("invalid_field", 422)));
    assert_eq!(house.log_in("nobody", "right").await.problem(), Some(("account_not_found", 404)));
}

#[tokio::test]
async fn a_reset_sets_the_password_and_ends_every_session() {
    let house = House::new();
    let old = house.register_phone().await.text("/session/access_token").to_owned();
    let code = house.code("reset_password").await;
    let body = json!({"phone": PHONE, "verification": {"code": code}, "new_password": "new"});
    let told = house.post("/v1/password-resets", body).await;
    assert_eq!(told.status, 200);
    assert_eq!(house.me(&old).await.problem(), Some(("token_invalid", 401)));
    assert_eq!(house.me(told.text("/session/access_token")).await.status, 200);
    let log_in =
        |password: &'static str| house.post("/v1/sessions", json!({"phone": PHONE, "password": password}));
    assert_eq!(log_in("right").await.problem(), Some(("credentials_invalid", 401)));
    assert_eq!(log_in("new").await.status, 201);
}

#[tokio::test]
async fn a_change_of_the_password_ends_the_other_sessions_and_keeps_its_own() {
    let house = House::new();
    let other = house.register_phone().await.text("/session/access_token").to_owned();
    let log_in = house.post("/v1/sessions", json!({"phone": PHONE, "password": "right"})).await;
    let own = log_in.text("/session/access_token").to_owned();
    let change = |body: Value| house.with_token(&own, Method::PUT, "/v1/accounts/me/password", body);
    let wrong = change(json!({"old_password": "wrong", "new_password": "new"})).await;
    assert_eq!(wrong.problem(), Some(("credentials_invalid", 401)));
    let right = change(json!({"old_password": "right", "new_password": "new"})).await;
    assert_eq!((right.status, right.body), (204, Value::Null));
    assert_eq!(house.me(&other).await.problem(), Some(("token_invalid", 401)));
    assert_eq!(house.me(&own).await.status, 200);

    let code = house.code("change_password").await;
    let guess = json!({"verification": {"code": other_than(&code)}, "new_password": "newer"});
    assert_eq!(change(guess).await.problem(), Some(("code_invalid", 422)));
    let good = json!({"verification": {"code": code}, "new_password": "newer"});
    assert_eq!(change(good).await.status, 204);
    let told = house.post("/v1/sessions", json!({"phone": PHONE, "password": "newer"})).await;
    assert_eq!(told.status, 201);
}

#[tokio::test]
async fn tokens_end_at_their_time_and_at_a_logout() {
    let house = House::new();
    let told = house.register("alice").await;
    let (access, refresh) = (told.text("/session/access_token"), told.text("/session/refresh_token"));
    house.clock.advance_seconds(30 * 86_400 - 1);
    assert_eq!(house.me(access).await.status, 200);
    house.clock.advance_seconds(1);
    let told = house.me(access).await;
    assert_eq!(told.problem(), Some(("token_invalid", 401)));
    assert_eq!(told.headers["www-authenticate"], "Bearer");

    let trade = |token: &str| house.post("/v1/sessions/refresh", json!({"refresh_token": token}));
    let fresh = trade(refresh).await;
    assert_eq!(fresh.text("/account/username"), "alice");
    let access = fresh.text("/session/access_token");
    assert_eq!(house.me(access).await.status, 200);
    let end = || house.with_token(access, Method::DELETE, "/v1/sessions/current", Value::Null);
    assert_eq!(end().await.status, 204);
    assert_eq!(end().await.problem(), Some(("token_invalid", 401)));
    let gone = trade(fresh.text("/session/refresh_token")).await;
    assert_eq!(gone.problem(), Some(("token_invalid", 401)));

    let last = house.log_in("alice", "right").await;
    house.clock.advance_seconds(60 * 86_400);
    let late = trade(last.text("/session/refresh_token")).await;
    assert_eq!(late.problem(), Some(("token_invalid", 401)));
}

#[tokio::test]
async fn an_account_keeps_its_hundred_newest_sessions() {
    let house = House::new();
    let first = house.register("alice").await;
    let second = house.log_in("alice", "right").await;
    for _ in 0..99 {
        assert_eq!(house.log_in("alice", "right").await.status, 201);
    }
    let gone = house.me(first.text("/session/access_token")).await;
    assert_eq!(gone.problem(), Some(("token_invalid", 401)));
    assert_eq!(house.me(second.text("/session/access_token")).await.status, 200);
}
