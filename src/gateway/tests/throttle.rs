//! The throttle seen from outside: what reaches the backend, and what callers are told.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

/// Ways in which coolkit's clients write one number. Digits without a plus are international
/// there, so that a bare national number is one of another country.
const SPELLINGS: [&str; 20] = [
    "+8613800138001",
    "8613800138001",
    "008613800138001",
    "+86 13800138001",
    "+86 1380 0138 001",
    "0086 (138) 00138001",
    "+86 138 0013 8001",
    "+86-138-0013-8001",
    "+86 (138) 0013 8001",
    "(+86) 138-0013-8001",
    "0086 138 0013 8001",
    "0086-13800138001",
    "86 138 0013 8001",
    "86-13800138001",
    " +8613800138001 ",
    "１３８００１３８００１",
    "＋８６１３８００１３８００１",
    "８６１３８００１３８００１",
    "+86 138-00138001",
    "+86.138.0013.8001",
];

fn client(number: u32) -> IpAddr {
    IpAddr::V4((0x0a00_0000 + number).into())
}

fn coolkit_send(to: &str, send_type: &str, nonce: u32) -> Request<Bytes> {
    let nonce = format!("n{nonce}");
    let body =
        json!({"appid": "app", "nonce": nonce, "ts": NOW, "version": 8, "sendType": send_type, "to": to});
    signed("/api/sms", &body)
}

fn canonical_send(phone: &str, purpose: &str) -> Request<Bytes> {
    let body = json!({"channel": "sms", "phone": phone, "purpose": purpose});
    request("POST", "/v1/verification-codes", &[], &body.to_string())
}

fn reset(code: u32) -> Request<Bytes> {
    let body = json!({"phone": "+8613800138001", "verification": {"code": format!("{code:04}")},
                      "new_password": "12345678", "password_form": "plain"});
    request("POST", "/v1/password-resets", &[], &body.to_string())
}

fn sent() -> Answer {
    Ok((202, json!({"challenge": "c", "expires_in": 300, "resend_in": 120}).to_string()))
}

fn problem(status: u16, code: &str) -> Answer {
    let body = json!({"type": format!("urn:dragoman:problem:{code}"), "code": code, "status": status});
    Ok((status, body.to_string()))
}

/// Sends all requests at once, each from an address of its own; the outcomes.
async fn at_once(bench: Bench, requests: Vec<Request<Bytes>>) -> (Arc<Bench>, Vec<Outcome>) {
    let bench = Arc::new(bench);
    let mut calls = tokio::task::JoinSet::new();
    for (number, request) in (0..).zip(requests) {
        let bench = bench.clone();
        calls.spawn(async move { bench.call_from(client(number), request).await.1.outcome });
    }
    let outcomes = calls.join_all().await;
    (bench, outcomes)
}

fn count(outcomes: &[Outcome], outcome: Outcome) -> usize {
    outcomes.iter().filter(|found| **found == outcome).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_asks_at_once_for_one_number_in_both_dialects_one_reaches_the_backend() {
    let asks = (0..1000).map(|number| match number % 2 {
        0 => coolkit_send(SPELLINGS[number as usize / 2 % SPELLINGS.len()], "0", number),
        _ => canonical_send("+8613800138001", "login"),
    });
    let bench = bench((0..1000).map(|_| sent()).collect());
    let (bench, outcomes) = at_once(bench, asks.collect()).await;
    assert_eq!(count(&outcomes, Outcome::Success), 1);
    assert_eq!(count(&outcomes, Outcome::Problem(ProblemCode::SendTooFrequent)), 999);
    let asked = bench.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(body(&asked[0])["phone"], "+8613800138001");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_guesses_at_once_at_one_code_five_reach_the_backend() {
    let bench = bench((0..1000).map(|_| problem(422, "code_invalid")).collect());
    let (bench, outcomes) = at_once(bench, (0..1000).map(reset).collect()).await;
    assert_eq!(count(&outcomes, Outcome::Problem(ProblemCode::CodeInvalid)), 5);
    assert_eq!(count(&outcomes, Outcome::Problem(ProblemCode::RateLimited)), 995);
    assert_eq!(bench.asked().len(), 5);
}

#[tokio::test]
async fn a_refusal_that_says_nothing_was_sent_frees_the_number_and_a_timeout_does_not() {
    let timeout = |delivered| Err(Failure { kind: FailureKind::AnswerTimeout, delivered });
    let unreachable = Err(Failure { kind: FailureKind::ConnectFailed, delivered: false });
    for (first, free) in [
        (problem(409, "account_exists"), true),
        (problem(404, "account_not_found"), true),
        (unreachable, true),
        (timeout(true), false),
        (problem(502, "send_failed"), false),
        (Ok((200, "<html>".to_owned())), false),
    ] {
        let name = format!("{first:?}");
        let bench = bench(vec![first, sent()]);
        bench.call(coolkit_send("+8613800138001", "0", 1)).await;
        let (_, record) = bench.call(coolkit_send("+8613800138001", "1", 2)).await;
        let expected = if free { Outcome::Success } else { Outcome::Problem(ProblemCode::SendTooFrequent) };
        assert_eq!(record.outcome, expected, "{name}");
    }
}

#[tokio::test]
async fn the_wait_is_told_in_fields_and_in_each_dialects_own_words() {
    let bench = bench(vec![sent(), sent()]);
    let policy = "\"destination_interval\";q=1;w=120";
    let (response, _) = bench.call(canonical_send("+8613800138001", "register")).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(response.headers()["ratelimit-policy"], policy);
    assert_eq!(response.headers()["ratelimit"], "\"destination_interval\";r=0;t=120");

    bench.clock.advance_seconds(23);
    let (response, record) = bench.call(canonical_send("+8613800138001", "login")).await;
    let answer: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!((&answer["code"], &answer["retry_after"]), (&json!("send_too_frequent"), &json!(97)));
    let expected = Refusal { guard: crate::guard::Guard::Throttle, reason: "destination_interval" };
    assert_eq!(record.refusal, Some(expected));
    for response in [response, bench.call(coolkit_send("8613800138001", "0", 1)).await.0] {
        assert_eq!(response.headers()["retry-after"], "97");
        assert_eq!(response.headers()["ratelimit-policy"], policy);
        assert_eq!(response.headers()["ratelimit"], "\"destination_interval\";r=0;t=97");
    }
    let answer = bench.json(coolkit_send("8613800138001", "0", 2)).await;
    assert_eq!(
        (&answer["error"], &answer["msg"]),
        (&json!(160_038), &json!("too frequent, try again in 97 s"))
    );

    bench.clock.advance_seconds(97);
    let (_, record) = bench.call(canonical_send("+8613800138001", "login")).await;
    assert_eq!(record.outcome, Outcome::Success);
}

#[tokio::test]
async fn a_purpose_that_nobody_can_serve_counts_as_a_send_and_reaches_nobody() {
    let bench = bench(vec![sent()]);
    assert_eq!(bench.json(coolkit_send("+8613800138001", "4", 0)).await["error"], 407);
    for number in 1..20 {
        let answer = bench.json(coolkit_send("+8613800138001", "4", number)).await;
        assert_eq!(answer["error"], 160_038, "{number}");
    }
    assert_eq!(bench.json(coolkit_send("+8613800138001", "0", 20)).await["error"], 160_038);
    assert!(bench.asked().is_empty());
    let unknown = bench.json(coolkit_send("+8613800138002", "7", 21)).await;
    assert_eq!(unknown["error"], 407);
}

#[tokio::test]
async fn rotating_addresses_within_one_network_are_one_client() {
    let bench = bench((0..30).map(|_| sent()).collect());
    let mut refused = 0;
    for number in 0..30_u32 {
        let from: IpAddr = format!("2001:db8::{number:x}:1").parse().unwrap();
        let phone = format!("+86138{:08}", number * 10_000);
        let (_, record) = bench.call_from(from, canonical_send(&phone, "login")).await;
        refused += usize::from(record.refusal.is_some_and(|refusal| refusal.reason == "address_sends"));
    }
    assert_eq!((refused, bench.asked().len()), (10, 20));
}

#[tokio::test(start_paused = true)]
async fn an_account_tried_from_everywhere_is_answered_late_but_answered() {
    let wrong = || problem(401, "credentials_invalid");
    let bench = bench((0..21).map(|_| wrong()).chain([Ok((201, canonical_session()))]).collect());
    let login = |password: &str| {
        let body = json!({"phone": "+8613800138001", "password": password, "password_form": "plain"});
        request("POST", "/v1/sessions", &[], &body.to_string())
    };
    for number in 0..21 {
        let (_, record) = bench.call_from(client(number), login("wrong")).await;
        assert_eq!(record.outcome, Outcome::Problem(ProblemCode::CredentialsInvalid), "{number}");
        assert_eq!(record.slowed, number == 20, "{number}");
    }
    let start = Instant::now();
    let (_, record) = bench.call_from(client(99), login("right")).await;
    assert_eq!((record.outcome, record.slowed), (Outcome::Success, true));
    assert_eq!(start.elapsed(), Duration::from_secs(2));
}

/// Opens all dialects, so that each can ask for a code in its own way.
fn with_every_dialect(settings: &mut Settings) {
    let all = ["coolkit", "qingzhenyun", "discuzq", "shopxo", "canonical"];
    let names: Vec<String> = all.iter().map(|name| (*name).to_owned()).collect();
    let listener = &mut settings.listeners[0];
    listener.unsigned = names.clone();
    listener.dialects = names;
    settings.throttle.address_per_hour = None;
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn discuzq_send(mobile: &str, kind: &str) -> Request<Bytes> {
    let body = json!({"data": {"attributes": {"mobile": mobile, "type": kind}}});
    request("POST", "/api/sms/send", JSON, &body.to_string())
}

fn shopxo_send(route: &str, member: &str, account: &str) -> Request<Bytes> {
    let target = format!("/api.php?s={route}&application=app&token=0123456789abcdef0123456789abcdef");
    request("POST", &target, JSON, &json!({member: account, "type": "sms"}).to_string())
}

fn qingzhenyun_send(route: &str, phone: &str) -> Request<Bytes> {
    request("POST", &format!("/v1/user/{route}"), JSON, &json!({"phone": phone}).to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_asks_at_once_over_all_dialects_and_spellings_one_reaches_the_backend() {
    let bench = bench_with((0..1000).map(|_| sent()).collect(), with_every_dialect);
    let national =
        ["13800138001", "138 0013 8001", "138-0013-8001", "１３８００１３８００１", "+86 138 0013 8001"];
    let ask = |number: u32| {
        let spelling = national[number as usize / 8 % national.len()];
        match number % 8 {
            0 => coolkit_send(SPELLINGS[number as usize / 8 % SPELLINGS.len()], "0", number),
            1 => coolkit_send(SPELLINGS[number as usize / 8 % SPELLINGS.len()], "1", number),
            2 => qingzhenyun_send("sendRegisterMessage", spelling),
            3 => qingzhenyun_send("sendLoginMessage", spelling),
            4 => discuzq_send(spelling, "login"),
            5 => shopxo_send("user/regverifysend", "accounts", spelling),
            6 => shopxo_send("user/loginverifysend", "accounts", spelling),
            _ => canonical_send("+8613800138001", "login"),
        }
    };
    let (bench, outcomes) = at_once(bench, (0..1000).map(ask).collect()).await;
    assert_eq!(count(&outcomes, Outcome::Success), 1);
    assert_eq!(count(&outcomes, Outcome::Problem(ProblemCode::SendTooFrequent)), 999);
    assert_eq!(bench.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn codes_for_what_no_operation_stands_for_count_like_any_send() {
    type Ask = fn(u32) -> Request<Bytes>;
    let odd: [(&str, Ask); 6] = [
        ("coolkit's sendType 4", |number| coolkit_send("+8613800138001", "4", number)),
        ("ShopXO's bind", |_| shopxo_send("user/appmobilebindverifysend", "mobile", "13800138001")),
        ("Discuz! Q's rebind", |_| discuzq_send("13800138001", "rebind")),
        ("Discuz! Q's verify", |_| discuzq_send("13800138001", "verify")),
        ("Discuz! Q's reset_pay_pwd", |_| discuzq_send("13800138001", "reset_pay_pwd")),
        ("ShopXO's bind, spelt otherwise", |_| {
            shopxo_send("/User/AppMobileBindVerifySend.html", "mobile", "13800138001")
        }),
    ];
    for (name, ask) in odd {
        let bench = bench_with(vec![sent()], with_every_dialect);
        let (bench, outcomes) = at_once(bench, (0..1000).map(ask).collect()).await;
        let of = |code| count(&outcomes, Outcome::Problem(code));
        let told = (of(ProblemCode::NotSupported), of(ProblemCode::SendTooFrequent));
        assert_eq!(told, (1, 999), "{name}");
        let (_, record) = bench.call(canonical_send("+8613800138001", "login")).await;
        assert_eq!(record.outcome, Outcome::Problem(ProblemCode::SendTooFrequent), "{name}");
        assert!(bench.asked().is_empty(), "{name}");
    }
}

/// A phoneInfo as a backend of qingzhenyun makes it, padded in one of the ways that it reads.
fn phone_info(phone: &str, purpose: u32, checksum: u32, padding: &str) -> String {
    let base64 = |text: &str| URL_SAFE_NO_PAD.encode(text) + padding;
    let parts = [base64("86"), base64(phone), base64(&purpose.to_string()), base64(&checksum.to_string())];
    base64(&parts.join(".qzy-sp-token@6cs92d-token."))
}

fn of_one_dialect(settings: &mut Settings) {
    with_every_dialect(settings);
    let http = HttpUpstream::new("qingzhenyun", &["127.0.0.1:9"], "backend.example");
    settings.upstream = config::Upstream::Http(http);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tries_count_for_the_phone_that_a_backends_own_challenge_names_however_it_is_written() {
    let wrong =
        || Ok((400, json!({"success": false, "code": "{CODE}_NOT_VALID", "status": 400}).to_string()));
    let guess = |number: u32| {
        let info = phone_info("13800138001", 20, number / 3, ["", ".", "="][number as usize % 3]);
        let body = json!({"phoneInfo": info, "code": format!("{number:04}")});
        request("POST", "/v1/user/loginByMessage", JSON, &body.to_string())
    };
    let bench = bench_with((0..300).map(|_| wrong()).collect(), of_one_dialect);
    let first = bench.call(guess(1)).await.1;
    assert_eq!(first.outcome, Outcome::Problem(ProblemCode::CodeInvalid));
    let sent = body(&bench.asked().remove(0));
    assert_eq!(sent["phoneInfo"], phone_info("13800138001", 20, 0, "."), "it is passed on as it is");
    let (bench, outcomes) = at_once(bench, (0..300).map(guess).collect()).await;
    assert_eq!(count(&outcomes, Outcome::Problem(ProblemCode::CodeInvalid)), 4);
    assert_eq!(count(&outcomes, Outcome::Problem(ProblemCode::RateLimited)), 296);
    assert_eq!(bench.asked().len(), 4);
}

#[tokio::test]
async fn a_challenge_that_names_no_phone_reaches_no_backend() {
    let bench = bench_with(vec![], of_one_dialect);
    let good = phone_info("13800138001", 20, 7, "");
    let extra = URL_SAFE_NO_PAD.encode("ODY.qzy-sp-token@6cs92d-token.MTM4MDAxMzgwMDE");
    for info in ["made up", &good[4..], &format!("{good}!"), &phone_info("no phone", 20, 7, ""), &extra] {
        let body = json!({"phoneInfo": info, "code": "1234"}).to_string();
        let (_, record) = bench.call(request("POST", "/v1/user/loginByMessage", JSON, &body)).await;
        assert_eq!(record.outcome, Outcome::Problem(ProblemCode::InvalidField), "{info}");
    }
    assert!(bench.asked().is_empty());
}

#[tokio::test]
async fn no_caller_has_a_strangers_code_made_shorter() {
    for (client, wish, sent_with) in [
        ("canonical", Some(4), None),
        ("canonical", Some(8), Some(8)),
        ("canonical", None, None),
        ("shopxo", None, Some(4)),
    ] {
        let bench = bench_with(vec![sent()], with_every_dialect);
        let request = match client {
            "shopxo" => shopxo_send("user/loginverifysend", "accounts", "13800138001"),
            _ => {
                let mut body = json!({"channel": "sms", "phone": "+8613800138001", "purpose": "login"});
                if let Some(wish) = wish {
                    body["code_length"] = json!(wish);
                }
                request_of(&body)
            }
        };
        assert_eq!(bench.call(request).await.1.outcome, Outcome::Success);
        let asked = body(&bench.asked().remove(0));
        assert_eq!(asked["code_length"].as_u64(), sent_with, "{client} {wish:?}");
    }
}

fn request_of(body: &Value) -> Request<Bytes> {
    request("POST", "/v1/verification-codes", JSON, &body.to_string())
}
