//! Callers and backends that mean ill.

use super::*;

#[tokio::test]
async fn a_signature_over_a_body_vouches_for_no_query() {
    let refreshed = Ok((200, canonical_session()));
    let bench = bench_with(vec![refreshed.clone(), refreshed], |_| {});
    // Whoever overheard one signed body puts it under a query of his own, with any nonce and time.
    let body = login_body("overheard").to_string();
    let sign = SigningKey::new(&Secret::from(SECRET)).sign(body.as_bytes()).to_authorization();
    for nonce in ["one", "two"] {
        let target = format!("/api/user/refresh?rt=stolen&appid=app&ts={NOW}&nonce={nonce}&version=8");
        let answer = bench.json(request("GET", &target, &[("authorization", &sign)], &body)).await;
        assert_eq!(answer["error"], 406, "{answer}");
    }
    assert!(bench.asked().is_empty());
}

#[tokio::test]
async fn a_caller_can_not_send_the_backend_one_extension_twice() {
    let bench = bench(vec![Ok((201, canonical_session()))]);
    let sent = r#"{"username":"a","password":"b","x":1,"extensions":{"canonical":{"x":2}}}"#;
    let fields = [("content-type", "application/json")];
    let (answer, _) = bench.call(request("POST", "/v1/sessions", &fields, sent)).await;
    assert_eq!(answer.status(), 201);
    let asked = bench.asked().remove(0);
    let text = String::from_utf8(asked.body().to_vec()).unwrap();
    assert_eq!(text.matches("\"x\":").count(), 1, "{text}");
}

#[tokio::test]
async fn no_secret_of_the_backend_reaches_a_client_however_deep_it_stands() {
    let account = json!({"at": "at-1", "rt": "rt-1", "region": "cn", "user": {"_id": "7", "profile":
        {"level": 1.50, "history": [{"Password": "$2a$10$hash", "salt": "s", "by": "a\"b"}]}}});
    let bench = bench_with(vec![Ok((200, account.to_string()))], coolkit_upstream);
    let body = json!({"username": null, "phone": "+8613800138001", "password": "12345678"}).to_string();
    let fields = [("content-type", "application/json")];
    let answer = bench.json(request("POST", "/v1/sessions", &fields, &body)).await;
    let profile = &answer["account"]["extensions"]["coolkit"]["user.profile"];
    assert_eq!(*profile, json!({"level": 1.5, "history": [{"by": "a\"b"}]}), "{answer}");
}

#[tokio::test]
async fn a_member_with_a_dot_in_its_name_is_not_taken_for_a_place() {
    let bench = bench(vec![Ok((201, canonical_session()))]);
    let mut body = login_body("n");
    body["user.apikey"] = json!("somebody else's");
    bench.call(signed("/api/user/login", &body)).await;
    let asked = bench.asked().remove(0);
    assert!(!String::from_utf8_lossy(asked.body()).contains("apikey"));
}

#[test]
fn a_form_that_nests_without_end_is_refused_and_not_walked() {
    let bench = bench_with(Vec::new(), |settings| {
        let listener = &mut settings.listeners[0];
        listener.dialects = vec!["shopxo".to_owned()];
        listener.unsigned = listener.dialects.clone();
    });
    let deep = format!("a[{}]=x", "][".repeat(30_000));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for (target, body) in [
        ("/api.php?s=user/login".to_owned(), format!("{deep}&accounts=ab_c&pwd=123456&type=username")),
        (format!("/api.php?s=user/login&{deep}"), "accounts=ab_c&pwd=123456&type=username".to_owned()),
    ] {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let (_, record) = runtime.block_on(bench.call(request("POST", &target, &form, &body)));
        assert_eq!(record.outcome, Outcome::Problem(ProblemCode::InvalidRequest));
    }
}

#[test]
fn no_spelling_of_a_backends_route_passes_through() {
    let bench = bench_with(Vec::new(), |settings| {
        settings.listeners[0].dialects = vec!["canonical".to_owned()];
        settings.upstream =
            config::Upstream::Http(HttpUpstream::new("shopxo", &["127.0.0.1:9"], "backend.example"));
        let file = "[[listener]]\naddress = \"127.0.0.1:0\"\n[upstream]\nkind = \"http\"\ndialect = \"shopxo\"\n\
                    addresses = [\"127.0.0.1:9\"]\n[[pass_through]]\nprefix = \"/\"\n";
        settings.pass_through = Settings::parse("pass", file, &|_| None).unwrap().0.pass_through;
    });
    let arrival = Arrival {
        listener: 0,
        client: None,
        request_id: String::new(),
        deadline: Instant::now() + Duration::from_secs(1),
    };
    let passes = |target: &str| {
        let (head, _) = request("POST", target, &[], "").into_parts();
        bench.gateway.route(&arrival, &head) == Route::PassThrough
    };
    assert!(passes("/api.php?s=goods/index") && passes("/goods/7"));
    for target in [
        "/api.php?s=user/loginverifysend",
        "/api.php?s=user/loginverifysend/accounts/13800138000/type/sms",
        "/api.php?s=user|loginverifysend",
        "/api.php?s=user_/loginverifysend",
        "/api.php?s=User/LoginVerifySend.html",
        "/api.php?s=safety/logout",
        "/api.php/user/reg",
        "/index.php?s=api/user/reg",
        "/index.php?s=api.x/user/reg",
        "/goods/x?s=api/user/loginverifysend",
    ] {
        assert!(!passes(target), "{target}");
    }
}
