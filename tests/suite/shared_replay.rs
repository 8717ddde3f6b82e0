//! Several processes of the gateway that share one Redis.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::support::coolkit::{App, assert_error, fresh_nonce, is_session, login};
use crate::support::gateway::{Gateway, House};
use crate::support::http::{self, Answer, Connection};
use crate::support::now;
use crate::support::redis::RedisServer;
use crate::support::upstream::{Fault, FaultyUpstream, signed_in};

const LOGIN: &str = "/api/user/login";
const PHONE: &str = "+8613800138901";

fn upstream() -> FaultyUpstream {
    FaultyUpstream::start(Fault::Ends(signed_in(PHONE)))
}

fn request_at(app: &App, ts: i64) -> Vec<u8> {
    app.post(LOGIN, app.body_at(login(PHONE, "a-fine-password"), ts, &fresh_nonce()).as_bytes())
}

fn ask(gateway: &Gateway, request: &[u8]) -> Answer {
    Connection::open(gateway.http).exchange(request)
}

/// Sends fresh calls with the time of now until one passes.
fn until_it_passes(gateway: &Gateway, app: &App) -> Duration {
    let start = Instant::now();
    while !is_session(&ask(gateway, &request_at(app, now())).json()) {
        assert!(start.elapsed() < Duration::from_secs(30), "signed calls never pass");
        thread::sleep(Duration::from_millis(20));
    }
    start.elapsed()
}

#[test]
fn of_500_identical_requests_to_two_processes_one_reaches_the_upstream() {
    let (app, redis, upstream) = (App::sample(), RedisServer::start(), upstream());
    let start = || House::in_front_of(upstream.address, &[&app]).sharing(redis.url()).start();
    let gateways = [start(), start()];
    for gateway in &gateways {
        until_it_passes(gateway, &app);
    }
    let before = upstream.requests();
    let request = Arc::new(request_at(&app, now()));
    let barrier = Arc::new(Barrier::new(500));
    let threads: Vec<_> = (0..500)
        .map(|index| {
            let (request, barrier) = (Arc::clone(&request), Arc::clone(&barrier));
            let address = gateways[index % 2].http;
            thread::spawn(move || {
                let mut connection = Connection::open(address);
                barrier.wait();
                connection.exchange(&request)
            })
        })
        .collect();
    let answers: Vec<Answer> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let passed = answers.iter().filter(|answer| is_session(&answer.json())).count();
    assert_eq!((passed, upstream.requests() - before), (1, 1));
}

#[test]
fn without_redis_signed_calls_are_refused_and_pass_again_soon_after_its_return() {
    let (app, mut redis, upstream) = (App::sample(), RedisServer::start(), upstream());
    let gateway = House::in_front_of(upstream.address, &[&app]).sharing(redis.url()).start();
    until_it_passes(&gateway, &app);
    let accepted = request_at(&app, now());
    assert!(is_session(&ask(&gateway, &accepted).json()));

    redis.freeze();
    assert_error(&ask(&gateway, &request_at(&app, now())), 500, "a Redis that does not answer");
    redis.thaw();
    let back = until_it_passes(&gateway, &app);
    assert!(back < Duration::from_secs(1), "{back:?}");
    assert_error(&ask(&gateway, &accepted), 406, "a replay");

    redis.crash();
    assert_error(&ask(&gateway, &request_at(&app, now())), 500, "no Redis");
    let metrics = gateway.metrics_with("dragoman_refusals_total{");
    assert!(metrics.contains(r#"guard="replay",reason="store_away""#), "{metrics}");
    let errors = metrics.lines().filter(|line| line.starts_with("dragoman_store_errors_total{"));
    assert!(errors.clone().any(|line| !line.ends_with(" 0")), "{metrics}");
    for series in [
        "dragoman_store_duration_seconds_count",
        "dragoman_store_clock_offset_seconds",
        "dragoman_store_breaker_open",
        "dragoman_store_connected 0",
    ] {
        assert!(metrics.contains(&format!("\n{series}")), "no {series} in {metrics}");
    }
    redis.restart();
    // It remembers nothing, so for the future window of 1 s nothing is believed.
    let back = until_it_passes(&gateway, &app);
    assert!(back < Duration::from_secs(4), "{back:?}");
    assert_error(&ask(&gateway, &accepted), 406, "a replay of what Redis forgot");
    assert_eq!(http::get(gateway.admin(), "/readyz").status, 200);
}

#[test]
fn a_crash_of_the_gateway_forgets_nothing_and_refuses_nothing_new() {
    let (app, redis, upstream) = (App::sample(), RedisServer::start(), upstream());
    let house = House::in_front_of(upstream.address, &[&app]).sharing(redis.url());
    let mut gateway = house.start();
    until_it_passes(&gateway, &app);
    let accepted = request_at(&app, now());
    assert!(is_session(&ask(&gateway, &accepted).json()));
    gateway.crash();
    let gateway = house.start();
    assert_error(&ask(&gateway, &accepted), 406, "a replay");
    assert!(is_session(&ask(&gateway, &request_at(&app, now())).json()), "new calls pass at once");
}

#[test]
fn redis_holds_nothing_that_tells_who_called() {
    let (app, redis, upstream) = (App::sample(), RedisServer::start(), upstream());
    let gateway = House::in_front_of(upstream.address, &[&app]).sharing(redis.url()).start();
    until_it_passes(&gateway, &app);
    let (ts, nonce) = (now(), "n0nc3abc");
    let body = app.body_at(login(PHONE, "a-fine-password"), ts, nonce);
    assert!(is_session(&ask(&gateway, &app.post(LOGIN, body.as_bytes())).json()));

    let dump = redis.everything();
    assert!(dump.starts_with(b"dragoman:") && redis.ask::<usize>("DBSIZE") >= 3);
    let signature = app.sign(body.as_bytes());
    let signature = signature.trim_start_matches("Sign ");
    let said =
        [&app.id, &app.secret, nonce, &ts.to_string(), PHONE, &PHONE[1..], "a-fine-password", signature];
    for secret in said {
        for (form, bytes) in forms(secret) {
            assert!(!contains(&dump, &bytes), "{form} of {secret:?} is in Redis");
        }
    }
}

/// A text as it is, encoded, and hashed as it would be found by trying all numbers.
fn forms(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let hashes = [Md5::digest(text).to_vec(), Sha1::digest(text).to_vec(), Sha256::digest(text).to_vec()];
    let mut forms = vec![
        ("the text", text.as_bytes().to_vec()),
        ("base64", STANDARD.encode(text).trim_end_matches('=').as_bytes().to_vec()),
    ];
    for hash in hashes {
        forms.push(("a hash", hexadecimal(&hash).into_bytes()));
        forms.push(("half a hash", hash[..16].to_vec()));
        forms.push(("a hash in base64", STANDARD.encode(&hash).as_bytes()[..20].to_vec()));
    }
    forms
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
