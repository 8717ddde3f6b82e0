//! What the gateway hands out itself: it holds for what it was issued for, and for nothing else.

use super::*;

const PHONE: &str = "13800138001";
const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// A listener for clients of all dialects, in front of a canonical backend.
fn open(settings: &mut Settings) {
    let all = ["coolkit", "qingzhenyun", "discuzq", "shopxo", "canonical"].map(str::to_owned).to_vec();
    settings.listeners[0].unsigned = all.clone();
    settings.listeners[0].dialects = all;
    settings.throttle.destination_interval = None;
}

/// Gateways that share keys, each changed in its own way, in front of backends that answer so.
fn sharing(answers: Vec<Answer>, change: impl FnOnce(&mut Settings)) -> Bench {
    bench_with(answers, |settings| {
        open(settings);
        settings.seal.keys = vec![crate::seal::SealKey::parse("shared", &"5ea1".repeat(16).into()).unwrap()];
        change(settings);
    })
}

fn sent() -> Answer {
    Ok((202, json!({"challenge": "of-the-backend", "expires_in": 300, "resend_in": 120}).to_string()))
}

fn no_account() -> Answer {
    let problem = json!({"type": "urn:dragoman:problem:account_not_found", "code": "account_not_found",
                         "status": 404, "bind_token": "of-the-backend"});
    Ok((404, problem.to_string()))
}

fn post(path: &str, members: &Value) -> Request<Bytes> {
    request("POST", path, JSON, &members.to_string())
}

async fn phone_info(bench: &Bench, call: &str) -> String {
    let answer = bench.json(post(&format!("/v1/user/{call}"), &json!({"phone": PHONE}))).await;
    answer["result"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn login_by(phone_info: &str) -> Request<Bytes> {
    post("/v1/user/loginByMessage", &json!({"phoneInfo": phone_info, "code": "1234"}))
}

fn document(path: &str, attributes: Value) -> Request<Bytes> {
    post(path, &json!({"data": {"attributes": attributes}}))
}

async fn mobile_token(bench: &Bench) -> String {
    let attributes = json!({"mobile": PHONE, "code": "1234", "type": "login"});
    let answer = bench.json(document("/api/sms/verify", attributes)).await;
    answer["errors"][0]["token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn register_by(mobile_token: &str) -> Request<Bytes> {
    document(
        "/api/register",
        json!({"username": "alice", "password": "12345678", "mobileToken": mobile_token}),
    )
}

async fn refused(bench: &Bench, request: Request<Bytes>, why: &str) {
    let (_, record) = bench.call(request).await;
    let invalid = Outcome::Problem(ProblemCode::InvalidField);
    assert_eq!((record.outcome, bench.asked().len()), (invalid, 0), "{why}");
}

#[tokio::test]
async fn a_phone_info_is_no_mobile_token_nor_the_other_way_round() {
    let bench = sharing(vec![sent(), no_account()], |_| {});
    let (info, token) = (phone_info(&bench, "sendLoginMessage").await, mobile_token(&bench).await);
    bench.asked();
    refused(&bench, register_by(&info), "a code was asked for, and not proven").await;
    refused(&bench, login_by(&token), "no code was asked for").await;
}

#[tokio::test]
async fn a_phone_info_of_another_purpose_or_region_or_key_or_a_late_one_is_refused() {
    let bench = sharing(vec![sent(), sent(), Ok((201, canonical_session()))], |_| {});
    let to_register = phone_info(&bench, "sendRegisterMessage").await;
    let to_log_in = phone_info(&bench, "sendLoginMessage").await;
    bench.asked();
    refused(&bench, login_by(&to_register), "it is to register with").await;
    let abroad = sharing(vec![], |settings| settings.regions.own = "eu".to_owned());
    refused(&abroad, login_by(&to_log_in), "it is another region's").await;
    let stranger = bench_with(vec![], open);
    refused(&stranger, login_by(&to_log_in), "a stranger sealed it").await;
    let (_, record) = bench.call(login_by(&to_log_in)).await;
    assert_eq!((record.outcome, bench.asked().len()), (Outcome::Success, 1), "it is good for what it is for");
    assert_eq!(record.opened_by, ["shared"], "and the key that opened it is told");
    bench.clock.advance_seconds(301);
    refused(&bench, login_by(&to_log_in), "its time is over").await;
}

#[tokio::test]
async fn a_mobile_token_is_spent_by_the_first_success() {
    let taken =
        json!({"type": "urn:dragoman:problem:account_exists", "code": "account_exists", "status": 409});
    let answers = vec![
        no_account(),
        Ok((409, taken.to_string())),
        Ok((201, canonical_session())),
        Ok((201, canonical_session())),
    ];
    let bench = sharing(answers, |_| {});
    let token = mobile_token(&bench).await;
    let (_, record) = bench.call(register_by(&token)).await;
    assert_eq!(record.outcome, Outcome::Problem(ProblemCode::AccountExists), "another name may be tried");
    let (_, record) = bench.call(register_by(&token)).await;
    assert_eq!(record.outcome, Outcome::Success);
    bench.asked();
    refused(&bench, register_by(&token), "it is spent").await;
}

#[tokio::test]
async fn a_token_of_one_app_is_nothing_in_anothers_hands() {
    // Of the built-in dialects only coolkit signs, and it carries no token of the gateway's: here is one that does.
    let context = |app| crate::seal::Context {
        kind: crate::seal::Kind::PhoneInfo,
        operation: Some(Operation::SendCode),
        purpose: Some(crate::account::Purpose::Login),
        audience: crate::seal::Audience { dialect: "qingzhenyun", app, region: "cn" },
    };
    let bench = sharing(vec![Ok((201, canonical_session()))], |_| {});
    let now = Moment::from_seconds(NOW);
    let content = crate::seal::Content {
        phone: Some(crate::account::Phone::from_e164("+8613800138001").unwrap()),
        email: None,
        challenge: None,
        issued: now,
        expires: now.plus_seconds(300),
    };
    let seal = |app| bench.gateway.trust.keys.seal(&context(app), &content).unwrap().expose().to_owned();
    refused(&bench, login_by(&seal(Some("another"))), "it was given to another app").await;
    assert_eq!(bench.call(login_by(&seal(None))).await.1.outcome, Outcome::Success);
}

#[tokio::test]
async fn with_an_app_enforced_the_same_login_as_shopxo_passes_only_where_the_config_opens_it() {
    for open in [false, true] {
        let bench =
            bench_with(vec![Ok((201, canonical_session())), Ok((201, canonical_session()))], |settings| {
                settings.listeners[0].dialects = vec!["coolkit".to_owned(), "shopxo".to_owned()];
                settings.listeners[0].unsigned = if open { vec!["shopxo".to_owned()] } else { Vec::new() };
            });
        assert_eq!(bench.call(login("n")).await.1.outcome, Outcome::Success, "as coolkit");
        let members = json!({"accounts": PHONE, "pwd": "12345678", "type": "username"});
        let (_, record) = bench.call(post("/api.php?s=user/login", &members)).await;
        let refused = Outcome::Problem(ProblemCode::NotFound);
        assert_eq!(record.outcome, if open { Outcome::Success } else { refused }, "open: {open}");
        assert_eq!(bench.asked().len(), 1 + usize::from(open));
        // Nor is the signed dialect's own route a way round.
        let unsigned =
            post("/api/user/login", &json!({"phoneNumber": "+8613800138001", "password": "12345678"}));
        assert_ne!(bench.call(unsigned).await.1.outcome, Outcome::Success);
        assert!(bench.asked().is_empty());
    }
}

#[tokio::test]
async fn extensions_never_say_what_was_checked_otherwise() {
    let bench = sharing(vec![Ok((201, canonical_session()))], |_| {});
    // A second phone, ShopXO's account, its WeChat id: none of them may reach a place that a backend reads.
    let mut members = login_body("n");
    for (name, value) in
        [("phone", "+8613900139000"), ("accounts", "13900139000"), ("weixin_openid", "somebody else's")]
    {
        members[name] = json!(value);
    }
    members["extensions"] = json!({"canonical": {"phone": "+8613900139000", "client": {"app_id": "other"}}});
    let (_, record) = bench.call(signed("/api/user/login", &members)).await;
    assert_eq!((record.outcome, record.dropped_extensions), (Outcome::Success, 0));
    let asked = body(&bench.asked().remove(0));
    assert_eq!(asked["phone"], "+8613800138001");
    assert_eq!(asked["client"]["app_id"], "app");
    let outside_of_extensions = |name: &str| asked.get(name).is_none();
    assert!(outside_of_extensions("accounts") && outside_of_extensions("weixin_openid"), "{asked}");

    for (upstream, foreign) in
        [("shopxo", ["phone", "weixin_openid"]), ("discuzq", ["accounts", "weixin_openid"])]
    {
        let http = HttpUpstream::new(upstream, &["127.0.0.1:9"], "backend.example");
        let bench = bench_with(vec![Ok((200, "{}".to_owned()))], |settings| {
            open(settings);
            settings.upstream = config::Upstream::Http(http);
        });
        let (_, record) = bench.call(signed("/api/user/login", &members)).await;
        assert!(record.dropped_extensions >= 4, "what has no place there is counted");
        let asked = bench.asked().remove(0);
        let text = String::from_utf8_lossy(asked.body()).into_owned();
        assert!(!text.contains("13900139000") && !text.contains("somebody"), "{upstream}: {text}");
        assert!(foreign.iter().all(|name| !text.contains(name)), "{upstream}: {text}");
    }
}

/// A session of the backend that ends in so many seconds; `number` tells it from others.
fn session(number: u32, expires_in: u32) -> Answer {
    let body = json!({
        "account": {"id": "7", "phone": "+8613800138001", "status": "active",
                    "created_at": "2019-03-25T03:36:51.335Z"},
        "session": {"access_token": format!("at-{number}"), "token_type": "Bearer", "expires_in": expires_in,
                    "refresh_token": format!("rt-{number}"), "refresh_expires_in": 5_184_000},
        "region": "cn",
    });
    Ok((200, body.to_string()))
}

fn me() -> Answer {
    let account = json!({"id": "7", "phone": "+8613800138001", "status": "active",
                         "created_at": "2019-03-25T03:36:51.335Z"});
    Ok((200, json!({"account": account, "region": "cn"}).to_string()))
}

async fn log_in(bench: &Bench) -> String {
    let members = json!({"value": PHONE, "password": "12345678", "countryCode": "86"});
    let answer = bench.json(post("/v1/user/login", &members)).await;
    bench.asked();
    answer["token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// Asks who it is; which token answers bring, and the paths and tokens that the backend was asked with.
async fn info(bench: &Bench, token: &str) -> (Option<String>, Vec<String>) {
    let bearer = format!("Bearer {token}");
    let fields = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let answer = bench.json(request("POST", "/v1/user/info", &fields, "{}")).await;
    let asked = bench.asked();
    let told = |asked: &Request<Bytes>| {
        let bearer = asked.headers().get("authorization").map(|value| value.to_str().unwrap());
        format!("{} {}", asked.uri().path(), bearer.unwrap_or_default())
    };
    (answer["token"].as_str().map(str::to_owned), asked.iter().map(told).collect())
}

#[tokio::test]
async fn a_session_that_ends_soon_is_renewed_only_when_the_caller_learns_of_it() {
    let failed = Ok((500, "{}".to_owned()));
    let bench = sharing(vec![session(1, 3600), failed, me(), session(2, 2_592_000), me()], |_| {});
    let first = log_in(&bench).await;
    let (token, asked) = info(&bench, &first).await;
    assert_eq!((token, asked), (None, vec!["/v1/accounts/me Bearer at-1".to_owned()]), "nothing is lost");
    let (second, asked) = info(&bench, &first).await;
    assert_eq!(asked, ["/v1/accounts/me Bearer at-1", "/v1/sessions/refresh "]);
    let (_, asked) = info(&bench, &second.unwrap()).await;
    assert_eq!(asked, ["/v1/accounts/me Bearer at-2"]);
}

#[tokio::test]
async fn a_session_that_has_ended_is_renewed_before_the_call() {
    let bench = sharing(vec![session(1, 60), session(2, 2_592_000), me()], |_| {});
    let token = log_in(&bench).await;
    bench.clock.advance_seconds(61);
    let (token, asked) = info(&bench, &token).await;
    assert_eq!(asked, ["/v1/sessions/refresh ", "/v1/accounts/me Bearer at-2"]);
    assert!(token.is_some());
}

#[tokio::test]
async fn guesses_at_the_old_password_count_for_the_account_whatever_session_makes_them() {
    let wrong = || {
        Ok((
            401,
            json!({"code": "credentials_invalid", "status": 401,
                                   "type": "urn:dragoman:problem:credentials_invalid"})
            .to_string(),
        ))
    };
    let answers =
        vec![session(1, 2_592_000), session(2, 2_592_000)].into_iter().chain((0..20).map(|_| wrong()));
    let bench = sharing(answers.collect(), |_| {});
    let tokens = [log_in(&bench).await, log_in(&bench).await];
    for number in 0..20_usize {
        let bearer = format!("Bearer {}", tokens[number % 2]);
        let fields = [("content-type", "application/json"), ("authorization", bearer.as_str())];
        let body = json!({"oldPassword": format!("wrong-{number}"), "newPassword": "87654321"}).to_string();
        let (_, record) = bench.call(request("POST", "/v1/user/changePassword", &fields, &body)).await;
        let expected = if number < 10 { ProblemCode::CredentialsInvalid } else { ProblemCode::RateLimited };
        assert_eq!(record.outcome, Outcome::Problem(expected), "{number}");
    }
    assert_eq!(bench.asked().len(), 10);
}
