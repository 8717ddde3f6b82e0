//! The throttle over several processes of the gateway that share one Redis: what reaches the upstream.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::clients::DIALECTS;
use crate::support::coolkit::{App, fresh_nonce};
use crate::support::gateway::{Gateway, House};
use crate::support::http::{Answer, Connection, field};
use crate::support::now;
use crate::support::redis::RedisServer;
use crate::support::upstream::{Fault, FaultyUpstream};

/// Ways in which coolkit's clients write one number.
const SPELLINGS: [&str; 20] = [
    "+8613800138950",
    "8613800138950",
    "008613800138950",
    "+86 13800138950",
    "+86 1380 0138 950",
    "0086 (138) 00138950",
    "+86 138 0013 8950",
    "+86-138-0013-8950",
    "+86 (138) 0013 8950",
    "(+86) 138-0013-8950",
    "0086 138 0013 8950",
    "0086-13800138950",
    "86 138 0013 8950",
    "86-13800138950",
    " +8613800138950 ",
    "＋８６ １３８ ００１３ ８９５０",
    "＋８６１３８００１３８９５０",
    "８６１３８００１３８９５０",
    "+86 138-00138950",
    "+86.138.0013.8950",
];
const PHONE: &str = SPELLINGS[0];

/// Ways in which clients of the other dialects write it, whose country is the config's.
const NATIONAL_SPELLINGS: [&str; 7] = [
    "13800138950",
    "138 0013 8950",
    "138-0013-8950",
    "(138) 0013 8950",
    "１３８００１３８９５０",
    "+86 138 0013 8950",
    "0086 138 0013 8950",
];

/// What the backend's codes are known by.
pub const CHALLENGE: &str = "a-challenge-of-the-backend";

pub fn answer(status: &str, body: &serde_json::Value) -> Fault {
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length");
    Fault::Ends(format!("{head}: {}\r\n\r\n{body}", body.len()).into_bytes())
}

pub fn sent() -> Fault {
    answer("202 Accepted", &json!({"challenge": CHALLENGE, "expires_in": 300, "resend_in": 120}))
}

fn problem(status: u16, code: &str) -> Fault {
    let body = json!({"type": format!("urn:dragoman:problem:{code}"), "code": code, "status": status});
    answer(&format!("{status} Problem"), &body)
}

/// Gateways that share a Redis, whose listeners speak all dialects.
pub fn house(upstream: &FaultyUpstream, redis: &RedisServer, throttle: &str) -> House {
    let app = App::sample();
    let house = House::in_front_of(upstream.address, &[&app]).sharing(redis.url());
    let mut house = house.with(&format!("[throttle]\n{throttle}"));
    house.change(
        "dialects = [\"coolkit\"]",
        &format!(
            "dialects = {DIALECTS:?}\nunsigned = [\"canonical\", \"qingzhenyun\", \"discuzq\", \"shopxo\"]"
        ),
    );
    house
}

/// The same, that wait longer than a busy machine lets Redis take.
fn patient(upstream: &FaultyUpstream, redis: &RedisServer) -> House {
    let mut house = house(upstream, redis, "");
    house.change("instances = 2\ntimeout = \"1s\"", "instances = 3\ntimeout = \"5s\"");
    house
}

pub fn post(path: &str, fields: &str, body: &serde_json::Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nHost: api.example\r\nContent-Type: application/json\r\n{fields}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub fn canonical_send(phone: &str) -> Vec<u8> {
    post("/v1/verification-codes", "", &json!({"channel": "sms", "phone": phone, "purpose": "login"}))
}

pub fn coolkit_send(kind: &str, to: &str) -> Vec<u8> {
    let app = App::sample();
    let body = app.body_at(json!({"sendType": kind, "to": to}), now(), &fresh_nonce());
    app.post("/api/sms", body.as_bytes())
}

fn qingzhenyun_send(call: &str, phone: &str) -> Vec<u8> {
    post(&format!("/v1/user/{call}"), "", &json!({"phone": phone}))
}

/// With a token, which it takes to bind a phone.
fn discuzq_send(kind: &str, mobile: &str) -> Vec<u8> {
    post(
        "/api/sms/send",
        "Authorization: Bearer t\r\n",
        &json!({"data": {"attributes": {"mobile": mobile, "type": kind}}}),
    )
}

fn shopxo_send(route: &str, member: &str, account: &str) -> Vec<u8> {
    post(&format!("/api.php?s={route}&application=app"), "", &json!({member: account, "type": "sms"}))
}

fn guess(code: usize) -> Vec<u8> {
    let body = json!({"phone": PHONE, "verification": {"code": format!("{code:04}")},
                      "new_password": "a-fine-password", "password_form": "plain"});
    post("/v1/password-resets", "", &body)
}

pub fn ask(gateway: &Gateway, request: &[u8]) -> Answer {
    Connection::open(gateway.http).exchange(request)
}

/// Sends all requests at once, spread over the gateways.
fn at_once(gateways: &[Gateway], requests: Vec<Vec<u8>>) -> Vec<Answer> {
    let barrier = Arc::new(Barrier::new(requests.len()));
    let threads: Vec<_> = requests
        .into_iter()
        .enumerate()
        .map(|(index, request)| {
            let (barrier, address) = (Arc::clone(&barrier), gateways[index % gateways.len()].http);
            thread::spawn(move || {
                let mut connection = Connection::open(address);
                barrier.wait();
                connection.exchange(&request)
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// Waits until signed calls pass: a Redis that was empty is not believed for the first second.
pub fn warmed(gateways: Vec<Gateway>, upstream: &FaultyUpstream) -> Vec<Gateway> {
    let app = App::sample();
    for gateway in &gateways {
        let start = Instant::now();
        let before = upstream.requests();
        while upstream.requests() == before {
            let login = json!({"phoneNumber": "+8613800138999", "password": "a-fine-password"});
            let body = app.body_at(login, now(), &fresh_nonce());
            ask(gateway, &app.post("/api/user/login", body.as_bytes()));
            assert!(start.elapsed() < Duration::from_secs(30), "signed calls never pass");
            thread::sleep(Duration::from_millis(20));
        }
    }
    gateways
}

#[test]
fn of_a_thousand_asks_at_once_for_one_number_to_three_processes_one_reaches_the_upstream() {
    let (redis, upstream) = (RedisServer::start(), FaultyUpstream::start(sent()));
    let gateways = warmed((0..3).map(|_| patient(&upstream, &redis).start()).collect(), &upstream);
    let before = upstream.requests();
    let ask_number = |number: usize| {
        let (international, national) = (
            SPELLINGS[number / 9 % SPELLINGS.len()],
            NATIONAL_SPELLINGS[number / 9 % NATIONAL_SPELLINGS.len()],
        );
        match number % 9 {
            0 => canonical_send(PHONE),
            1 => coolkit_send("0", international),
            2 => coolkit_send("1", international),
            3 => qingzhenyun_send("sendRegisterMessage", national),
            4 => qingzhenyun_send("sendLoginMessage", national),
            5 => discuzq_send("login", national),
            6 => discuzq_send("reset_pwd", national),
            7 => shopxo_send("user/regverifysend", "accounts", national),
            _ => shopxo_send("user/loginverifysend", "accounts", national),
        }
    };
    let answers = at_once(&gateways, (0..1000).map(ask_number).collect());
    let passed = answers.iter().filter(|answer| is_sent(answer)).count();
    assert_eq!((passed, upstream.requests() - before), (1, 1));
    let refused = answers.iter().filter(|answer| is_too_frequent(answer)).count();
    assert_eq!(refused, 999);
    for spelling in SPELLINGS {
        let answer = ask(&gateways[1], &coolkit_send("0", spelling));
        assert_eq!(answer.json()["error"], 160_038, "{spelling:?} is the same number");
    }
    for spelling in NATIONAL_SPELLINGS {
        let answer = ask(&gateways[2], &discuzq_send("login", spelling));
        assert!(is_too_frequent(&answer), "{spelling:?} is the same number: {answer:?}");
    }
}

#[test]
fn of_a_thousand_asks_for_codes_that_no_operation_stands_for_all_count_like_sends() {
    let (redis, upstream) = (RedisServer::start(), FaultyUpstream::start(sent()));
    let gateways = warmed((0..3).map(|_| patient(&upstream, &redis).start()).collect(), &upstream);
    let before = upstream.requests();
    let ask_number = |number: usize| match number % 5 {
        0 => shopxo_send("user/appmobilebindverifysend", "mobile", "13800138950"),
        1 => coolkit_send("4", PHONE),
        2 => discuzq_send("bind", "13800138950"),
        3 => discuzq_send("rebind", "13800138950"),
        _ => discuzq_send("verify", "13800138950"),
    };
    let answers = at_once(&gateways, (0..1000).map(ask_number).collect());
    let refused = answers.iter().filter(|answer| is_too_frequent(answer)).count();
    // The one that was let in may be a bind, which the backend has a form for.
    assert_eq!(refused, 999);
    assert!(upstream.requests() - before <= 1);
    assert!(is_too_frequent(&ask(&gateways[0], &canonical_send(PHONE))), "they used up what the number may");
}

/// Whether a caller of any dialect is told that its code is on its way.
fn is_sent(answer: &Answer) -> bool {
    let body = answer.json();
    answer.status == 202
        || body == json!({"error": 0})
        || body["success"] == true
        || body["data"]["type"].is_string()
        || body["code"] == 0
}

/// Whether a caller of any dialect is told to wait before it asks again.
fn is_too_frequent(answer: &Answer) -> bool {
    let body = answer.json();
    body["code"] == "send_too_frequent"
        || body["error"] == 160_038
        || body["code"] == "SEND_MESSAGE_FREQUENTLY"
        || body["errors"][0]["code"] == "sms_interval"
        || body["code"] == -100
}

#[test]
fn of_a_thousand_guesses_at_once_at_one_code_five_reach_the_upstream_and_a_restart_gives_no_more() {
    let upstream = FaultyUpstream::start(problem(422, "code_invalid"));
    let redis = RedisServer::start();
    let mut gateways: Vec<Gateway> = (0..3).map(|_| patient(&upstream, &redis).start()).collect();
    let answers = at_once(&gateways, (0..1000).map(guess).collect());
    let forwarded = answers.iter().filter(|answer| answer.json()["code"] == "code_invalid").count();
    assert_eq!((forwarded, upstream.requests()), (5, 5));
    for gateway in &mut gateways {
        gateway.crash();
    }
    let gateway = patient(&upstream, &redis).start();
    let answer = ask(&gateway, &guess(1234));
    assert_eq!((answer.status, &answer.json()["code"]), (429, &json!("rate_limited")), "{answer:?}");
    assert_eq!(upstream.requests(), 5);
}

#[test]
fn a_refusal_that_says_nothing_was_sent_frees_the_number_for_all_and_a_timeout_does_not() {
    for (fault, reached) in
        [(problem(409, "account_exists"), 2), (problem(404, "account_not_found"), 2), (Fault::Silent, 1)]
    {
        let name = format!("{fault:?}");
        let (redis, upstream) = (RedisServer::start(), FaultyUpstream::start(fault));
        let start = || patient(&upstream, &redis).start();
        let (one, other) = (start(), start());
        ask(&one, &canonical_send(PHONE));
        let second = ask(&other, &canonical_send(PHONE));
        assert_eq!(upstream.requests(), reached, "{name}");
        assert_eq!(second.json()["code"] == "send_too_frequent", reached == 1, "{name}");
    }
}

/// Asks for fresh numbers until one passes.
fn until_it_passes(gateway: &Gateway) {
    let start = Instant::now();
    for number in 0.. {
        let answer = ask(gateway, &canonical_send(&format!("+86138{number:04}8951")));
        if answer.status == 202 {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "sends never pass: {answer:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn without_redis_sends_are_counted_alone_or_refused_as_configured_and_shared_soon_after_its_return() {
    for local in [true, false] {
        let (mut redis, upstream) = (RedisServer::start(), FaultyUpstream::start(sent()));
        let mode = if local { "" } else { "on_store_error = \"refuse\"\n" };
        let start = || {
            let mut house = house(&upstream, &redis, &format!("{mode}address_per_hour = \"off\""));
            house.change("instances = 2\ntimeout = \"1s\"", "instances = 2\ntimeout = \"100ms\"");
            house.start()
        };
        let (one, other) = (start(), start());
        assert_eq!(ask(&one, &canonical_send("+8613800138952")).status, 202);

        redis.crash();
        let alone = ask(&one, &canonical_send("+8613800138953"));
        assert_eq!(ask(&other, &canonical_send("+8613800138956")).status == 202, local);
        if local {
            assert_eq!(alone.status, 202, "{alone:?}");
            assert_eq!(ask(&one, &canonical_send("+8613800138953")).status, 429);
            assert_eq!(ask(&one, &canonical_send("+8613800138952")).status, 429, "it knows its own");
        } else {
            assert_eq!((alone.status, &alone.json()["code"]), (503, &json!("overloaded")));
            assert_eq!(field(&alone.head, "retry-after"), Some("5"));
            let refusals = one.metrics_with("dragoman_refusals_total{");
            assert!(refusals.contains(r#"guard="throttle",reason="store_away""#), "{refusals}");
        }
        let decision = if local { "local" } else { "refused" };
        let counted = format!("dragoman_throttle_alone_decisions_total{{decision=\"{decision}\"}}");
        let metrics = one.metrics_with(&counted);
        assert!(!metrics.contains(&format!("{counted} 0")), "{metrics}");
        assert!(metrics.contains("\ndragoman_throttle_alone 1\n"), "{metrics}");

        redis.restart();
        let start = Instant::now();
        if local {
            while [&one, &other].iter().any(|one| !one.metrics().contains("\ndragoman_throttle_alone 0\n")) {
                assert!(start.elapsed() < Duration::from_secs(30), "they stay alone");
            }
        } else {
            until_it_passes(&one);
        }
        let back = start.elapsed();
        if local {
            assert_eq!(ask(&other, &canonical_send("+8613800138953")).status, 429, "the other was told");
            assert_eq!(ask(&other, &canonical_send("+8613800138952")).status, 429, "and what was forgotten");
        }
        assert!(back < Duration::from_secs(1), "{back:?}");
    }
}

#[test]
fn a_strangers_word_on_its_address_and_its_many_addresses_give_it_no_more_sends() {
    let (redis, upstream) = (RedisServer::start(), FaultyUpstream::start(sent()));
    let gateway = house(&upstream, &redis, "address_per_hour = 5").start();
    for number in 0..50 {
        let fields = match number % 3 {
            0 => format!("X-Forwarded-For: 198.51.100.{number}\r\n"),
            1 => format!("X_Forwarded_For: 198.51.100.{number}\r\n"),
            _ => format!("Forwarded: for=198.51.100.{number}\r\nX-Real-IP: 198.51.100.{number}\r\n"),
        };
        let phone = format!("+86138{number:04}8954");
        let body = json!({"channel": "sms", "phone": phone, "purpose": "login"});
        ask(&gateway, &post("/v1/verification-codes", &fields, &body));
    }
    assert_eq!(upstream.requests(), 5);
}

/// One answer to a request from a chosen address of this machine.
fn ask_from(from: IpAddr, gateway: SocketAddr, request: &[u8]) -> Answer {
    let socket = socket2::Socket::new(socket2::Domain::for_address(gateway), socket2::Type::STREAM, None);
    let socket = socket.unwrap();
    socket.bind(&SocketAddr::new(from, 0).into()).unwrap();
    socket.connect(&gateway.into()).unwrap();
    Connection::over(socket.into()).exchange(request)
}

#[test]
fn on_a_dual_stack_listener_two_ipv4_clients_are_two() {
    let (redis, upstream) = (RedisServer::start(), FaultyUpstream::start(sent()));
    let mut house = house(&upstream, &redis, "address_per_hour = 2");
    house.change("address = \"127.0.0.1:0\"\ndialects", "address = \"[::]:0\"\ndialects");
    let gateway = house.start();
    let address = SocketAddr::from(([127, 0, 0, 1], gateway.http.port()));
    for (number, (from, passes)) in
        [(2, true), (2, true), (2, false), (3, true), (3, true), (3, false)].into_iter().enumerate()
    {
        let phone = format!("+86138{number:04}8955");
        let answer = ask_from(IpAddr::from([127, 0, 0, from]), address, &canonical_send(&phone));
        assert_eq!(answer.status == 202, passes, "{number}: {answer:?}");
    }
    assert_eq!(upstream.requests(), 4);
}
