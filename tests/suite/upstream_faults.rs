//! Backends that fail: the caller learns it in time and in his own dialect, the operator learns
//! which failure it was, and nothing that may have been read is sent a second time.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::coolkit::{App, assert_error, is_session, login};
use crate::support::gateway::{Gateway, House};
use crate::support::http::{Answer, Connection};
use crate::support::upstream::{Fault, FaultyUpstream, signed_in};

/// The upstream's total deadline in the tests' config is 2 s.
const ATTEMPTS: &str = "dragoman_upstream_attempts_total{";
const DEADLINE: Duration = Duration::from_secs(4);

fn good_answer() -> Vec<u8> {
    signed_in("+8613800138601")
}

fn answer(status: &str, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn coded(coding: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn log_in(gateway: &Gateway) -> (Answer, Duration) {
    let app = App::sample();
    let start = Instant::now();
    let request = app.post("/api/user/login", app.body(login("+8613800138601", "secret")).as_bytes());
    let answer = Connection::open(gateway.http).exchange(&request);
    (answer, start.elapsed())
}

/// How often the metric of upstream attempts counted this result.
fn attempts(metrics: &str, result: &str) -> u64 {
    metrics
        .lines()
        .filter(|line| line.starts_with(ATTEMPTS))
        .filter(|line| line.contains(&format!("result=\"{result}\"")))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

#[test]
fn every_failure_is_told_in_time_named_by_the_metric_and_sent_at_most_once() {
    let whole = good_answer();
    let head_only = whole.iter().position(|byte| *byte == b'{').unwrap();
    let html = answer("200 OK", "text/html", "<html>It works!</html>");
    let not_json = answer("201 Created", "application/json", "{\"account\":");
    let no_session = answer("201 Created", "application/json", "[1, 2, 3]");
    let not_text = coded("identity", b"{\"account\":{\"id\":\"\xff\"}}");
    let huge = answer("201 Created", "application/json", &"x".repeat(100 * 1024));
    let cases = [
        (Fault::Down, "connect_failed", 0),
        (Fault::Silent, "answer_timeout", 1),
        (Fault::Closed, "closed_before_answer", 1),
        (Fault::Stalls(whole[..head_only + 20].to_vec()), "body_timeout", 1),
        (Fault::Ends(whole[..head_only + 20].to_vec()), "closed_within_answer", 1),
        (Fault::Ends(whole[..head_only].to_vec()), "closed_within_answer", 1),
        (Fault::Ends(b"\x16\x03\x01 this is no HTTP\r\n\r\n".to_vec()), "malformed", 1),
        (Fault::Ends(huge), "too_large", 1),
        (Fault::Ends(html), "unintelligible", 1),
        (Fault::Ends(not_json), "unintelligible", 1),
        (Fault::Ends(no_session), "unintelligible", 1),
        (Fault::Ends(not_text), "unintelligible", 1),
        (Fault::Ends(coded("gzip", &gzip(&vec![b' '; 1 << 20]))), "too_large", 1),
        (Fault::Ends(coded("gzip", b"no gzip")), "malformed", 1),
        (Fault::Ends(coded("compress", b"?")), "malformed", 1),
    ];
    for (fault, result, requests) in cases {
        let upstream = FaultyUpstream::start(fault);
        let gateway = House::in_front_of(upstream.address, &[&App::sample()]).start();
        let (answer, duration) = log_in(&gateway);
        assert_error(&answer, 500, result);
        assert!(duration < DEADLINE, "{result}: {duration:?}");
        assert_eq!(upstream.requests(), requests, "{result}");
        let metrics = gateway.metrics_with(ATTEMPTS);
        assert_eq!(attempts(&metrics, result), 1, "{result}: {metrics}");
        assert_eq!(attempts(&metrics, "answered"), 0, "{result}");
        assert!(
            metrics.contains("dragoman_upstream_calls{region=\"cn\",state=\"in_flight\"} 0\n"),
            "{metrics}"
        );
        assert!(
            metrics.contains("dragoman_upstream_calls{region=\"cn\",state=\"waiting\"} 0\n"),
            "{metrics}"
        );
    }
}

#[test]
fn nothing_of_a_raw_answer_reaches_the_client_or_the_log() {
    let html = answer("500 Internal Server Error", "text/html", "<h1>stack trace of the backend</h1>");
    let upstream = FaultyUpstream::start(Fault::Ends(html));
    let mut gateway = House::in_front_of(upstream.address, &[&App::sample()]).start();
    let (answer, _) = log_in(&gateway);
    assert_error(&answer, 500, "an HTML page");
    gateway.interrupt();
    for text in [&answer.head, &answer.body, &gateway.printed()] {
        assert!(!text.contains("stack trace"), "{text}");
    }
}

#[test]
fn a_post_is_not_sent_again_when_a_reused_connection_ends() {
    let upstream = FaultyUpstream::start(Fault::ClosesWhenReused(good_answer()));
    let gateway = House::in_front_of(upstream.address, &[&App::sample()]).start();
    let (answer, _) = log_in(&gateway);
    assert!(is_session(&answer.json()), "{}", answer.body);
    let (answer, _) = log_in(&gateway);
    assert_error(&answer, 500, "the reused connection ended");
    assert_eq!(upstream.requests(), 2);
}

#[test]
fn an_encoded_answer_is_understood() {
    let whole = good_answer();
    let body = &whole[whole.iter().position(|byte| *byte == b'{').unwrap()..];
    let upstream = FaultyUpstream::start(Fault::Ends(coded("gzip", &gzip(body))));
    let gateway = House::in_front_of(upstream.address, &[&App::sample()]).start();
    let (answer, _) = log_in(&gateway);
    assert!(is_session(&answer.json()), "{}", answer.body);
}

/// A gateway in front of two upstreams.
fn in_front_of_two(one: &FaultyUpstream, two: &FaultyUpstream) -> Gateway {
    let unthrottled =
        "[throttle]\nwrong_logins = \"off\"\nattempts_per_address = \"off\"\nslow_after = \"off\"\n";
    let mut house = House::in_front_of(one.address, &[&App::sample()]).with(unthrottled);
    house.change(&format!("[\"{}\"]", one.address), &format!("[\"{}\", \"{}\"]", one.address, two.address));
    house.start()
}

#[test]
fn a_flood_of_calls_that_are_answered_500_ejects_nobody() {
    let broken =
        || FaultyUpstream::start(Fault::Stalls(answer("500 Internal Server Error", "text/html", "")));
    let (one, two) = (broken(), broken());
    let gateway = in_front_of_two(&one, &two);
    for _ in 0..200 {
        let (answer, _) = log_in(&gateway);
        assert_error(&answer, 500, "a broken backend");
    }
    assert_eq!((one.requests(), two.requests()), (100, 100));
    let metrics = gateway.metrics();
    for line in metrics.lines().filter(|line| line.starts_with("dragoman_upstream_ejections_total{")) {
        assert!(line.ends_with(" 0"), "{line}");
    }
}

#[test]
fn an_address_that_resets_is_ejected_and_seen_to_be() {
    let (bad, good) =
        (FaultyUpstream::start(Fault::Closed), FaultyUpstream::start(Fault::Stalls(good_answer())));
    let gateway = in_front_of_two(&bad, &good);
    let sessions = (0..12).filter(|_| is_session(&log_in(&gateway).0.json())).count();
    assert_eq!((bad.requests(), good.requests(), sessions), (3, 9, 9), "nothing was sent twice");
    let metrics = gateway.metrics();
    for line in [
        "dragoman_upstream_address_up{address=\"0\",region=\"cn\"} 0\n",
        "dragoman_upstream_address_up{address=\"1\",region=\"cn\"} 1\n",
        "dragoman_upstream_ejections_total{address=\"0\",cause=\"reset\",region=\"cn\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
}
