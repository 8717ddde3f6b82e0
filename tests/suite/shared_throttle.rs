//! The throttle over several processes of the gateway that share one Redis: what reaches the upstream.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use md5::Md5;
use serde_json::json;
use sha1::Sha1;
use sha2::{Digest, Sha256};

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

fn answer(status: &str, body: &serde_json::Value) -> Fault {
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length");
    Fault::Ends(format!("{head}: {}\r\n\r\n{body}", body.len()).into_bytes())
}

fn sent() -> Fault {
    answer("202 Accepted", &json!({"challenge": "c", "expires_in": 300, "resend_in": 120}))
}

fn problem(status: u16, code: &str) -> Fault {
    let body = json!({"type": format!("urn:dragoman:problem:{code}"), "code": code, "status": status});
    answer(&format!("{status} Problem"), &body)
}

/// Gateways that share a Redis, whose listeners speak both dialects.
fn house(upstream: &FaultyUpstream, redis: &RedisServer, throttle: &str) -> House {
    let app = App::sample();
    let house = House::in_front_of(upstream.address, &[&app]).sharing(redis.url());
    let mut house = house.with(&format!("[throttle]\n{throttle}"));
    house.change(
        "dialects = [\"coolkit\"]",
        "dialects = [\"coolkit\", \"canonical\"]\nunsigned = [\"canonical\"]",
    );
    house
}

/// The same, that wait longer than a busy machine lets Redis take.
fn patient(upstream: &FaultyUpstream, redis: &RedisServer) -> House {
    let mut house = house(upstream, redis, "");
    house.change("instances = 2\ntimeout = \"1s\"", "instances = 3\ntimeout = \"5s\"");
    house
}

fn post(path: &str, fields: &str, body: &serde_json::Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nHost: api.example\r\nContent-Type: application/json\r\n{fields}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn canonical_send(phone: &str) -> Vec<u8> {
    post("/v1/verification-codes", "", &json!({"channel": "sms", "phone": phone, "purpose": "login"}))
}

fn coolkit_send(to: &str) -> Vec<u8> {
    let app = App::sample();
    let body = app.body_at(json!({"sendType": "0", "to": to}), now(), &fresh_nonce());
    app.post("/api/sms", body.as_bytes())
}

fn guess(code: usize) -> Vec<u8> {
    let body = json!({"phone": PHONE, "verification": {"code": format!("{code:04}")},
                      "new_password": "a-fine-password", "password_form": "plain"});
    post("/v1/password-resets", "", &body)
}

fn ask(gateway: &Gateway, request: &[u8]) -> Answer {
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
fn warmed(gateways: Vec<Gateway>, upstream: &FaultyUpstream) -> Vec<Gateway> {
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
    let asks = (0..1000).map(|number| match number % 4 {
        0 => canonical_send(PHONE),
        _ => coolkit_send(SPELLINGS[number % SPELLINGS.len()]),
    });
    let answers = at_once(&gateways, asks.collect());
    let passed = |answer: &&Answer| answer.status == 202 || answer.body == r#"{"error":0}"#;
    assert_eq!((answers.iter().filter(passed).count(), upstream.requests() - before), (1, 1));
    let too_frequent = |answer: &&Answer| answer.status == 429 || answer.json()["error"] == 160_038;
    assert_eq!(answers.iter().filter(too_frequent).count(), 999);
    for spelling in SPELLINGS {
        let answer = ask(&gateways[1], &coolkit_send(spelling));
        assert_eq!(answer.json()["error"], 160_038, "{spelling:?} is the same number");
    }
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

/// A phone number in its forms, as it is and hashed as somebody would who tries all numbers.
fn hashes(phone: &str) -> Vec<Vec<u8>> {
    let forms = [phone, &phone[1..], &phone[3..]];
    let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let of = |text: &str| {
        let whole = [Md5::digest(text).to_vec(), Sha1::digest(text).to_vec(), Sha256::digest(text).to_vec()];
        whole.into_iter().flat_map(|hash| {
            // Whole, cut to 128 bits or to 64, in the forms in which a hash is written.
            [
                hash[..8].to_vec(),
                hexadecimal(&hash[..8]).into_bytes(),
                STANDARD.encode(&hash[..9]).into_bytes(),
            ]
        })
    };
    forms
        .into_iter()
        .flat_map(|text| of(text).collect::<Vec<_>>())
        .chain(forms.into_iter().map(|text| text.as_bytes().to_vec()))
        .collect()
}

/// The bytes, and whatever in them is base64, decoded at each of its four offsets.
fn readings(dump: &[u8]) -> Vec<Vec<u8>> {
    let mut readings = vec![dump.to_vec()];
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'/');
    for run in dump.split(|byte| !is_base64(byte)).filter(|run| run.len() >= 8) {
        let run: Vec<u8> = run
            .iter()
            .map(|byte| match byte {
                b'+' => b'-',
                b'/' => b'_',
                byte => *byte,
            })
            .collect();
        for start in 0..4 {
            let whole = &run[start..][..(run.len() - start) / 4 * 4];
            readings.extend(URL_SAFE_NO_PAD.decode(whole));
        }
    }
    readings
}

#[test]
fn nothing_that_redis_holds_of_the_throttle_tells_a_phone_a_code_or_a_token() {
    let (redis, upstream) = (RedisServer::start(), FaultyUpstream::start(sent()));
    let house = house(&upstream, &redis, "");
    let gateways = warmed(vec![house.start()], &upstream);
    let numbers = (0..5).map(|number| format!("+861380013{:04}", 8960 + number)).collect::<Vec<_>>();
    let (code, token, challenge) = ("938274", "t0ken-of-a-session", "a-challenge-of-the-upstream");
    for phone in &numbers {
        ask(&gateways[0], &canonical_send(phone));
        let body = json!({"phone": phone, "verification": {"code": code, "challenge": challenge},
                          "new_password": "a-fine-password", "password_form": "plain"});
        ask(&gateways[0], &post("/v1/password-resets", "", &body));
        let bearer = format!("Authorization: Bearer {token}\r\n");
        let body = json!({"current_password": "a-fine-password", "new_password": "a-finer-password",
                          "password_form": "plain"});
        let change = String::from_utf8(post("/v1/accounts/me/password", &bearer, &body)).unwrap();
        ask(&gateways[0], change.replacen("POST", "PUT", 1).as_bytes());
    }
    let metrics = gateways[0].metrics_with("dragoman_requests_total{");
    for operation in ["send_code", "reset_password", "change_password"] {
        assert!(metrics.contains(&format!("operation=\"{operation}\"")), "{operation}: {metrics}");
    }
    assert!(redis.ask::<usize>("DBSIZE") > 5 * 4, "the throttle counts in Redis");
    let readings = readings(&redis.everything());
    assert!(readings.len() > 20, "keys are base64");
    let contains = |needle: &[u8]| {
        readings.iter().any(|reading| reading.windows(needle.len()).any(|window| window == needle))
    };
    assert!(contains(b"dragoman:"));
    for secret in [code, token, challenge, "a-fine-password"] {
        assert!(!contains(secret.as_bytes()), "{secret} is in Redis");
        let digest = &Sha256::digest(secret)[..8];
        assert!(!contains(digest), "a hash of {secret} is in Redis");
    }
    for phone in &numbers {
        for form in hashes(phone) {
            assert!(!contains(&form), "{phone} is in Redis as {form:?}");
        }
    }
}
