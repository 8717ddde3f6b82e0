//! Calls over HTTP/2: the same answers, refusals and bounds as over HTTP/1.1.

use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::pass::{mirror, target};
use super::support::{Edge, PATIENCE, get};
use crate::account::ProblemCode;
use crate::config::{Limits, Shutdown};
use crate::observe::Outcome;
use crate::server::{Phase, StopSignal, Stopped};

type Sender = SendRequest<Bytes>;

/// A connection of HTTP/2, and what tells when it ended.
async fn open(edge: &Edge) -> (Sender, tokio::task::JoinHandle<bool>) {
    let socket = TcpStream::connect(edge.address).await.unwrap();
    let (sender, connection) = h2::client::handshake(socket).await.unwrap();
    (sender.ready().await.unwrap(), tokio::spawn(async move { connection.await.is_ok() }))
}

struct Answer {
    status: u16,
    head: http::HeaderMap,
    body: String,
}

async fn answer(response: ResponseFuture) -> Answer {
    let (head, mut stream) = timeout(PATIENCE, response).await.unwrap().unwrap().into_parts();
    let mut body = Vec::new();
    while let Some(part) = timeout(PATIENCE, stream.data()).await.unwrap() {
        let part = part.unwrap();
        stream.flow_control().release_capacity(part.len()).unwrap();
        body.extend_from_slice(&part);
    }
    Answer { status: head.status.as_u16(), head: head.headers, body: String::from_utf8(body).unwrap() }
}

fn request(method: &str, path: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("http://shop.example{path}")).body(()).unwrap()
}

/// Sends one request with its body.
fn send(sender: &mut Sender, request: Request<()>, body: &str) -> ResponseFuture {
    let (response, mut stream) = sender.send_request(request, body.is_empty()).unwrap();
    if !body.is_empty() {
        stream.send_data(Bytes::copy_from_slice(body.as_bytes()), true).unwrap();
    }
    response
}

#[tokio::test]
async fn calls_are_answered_side_by_side_and_the_older_version_stays() {
    let edge = Edge::start_http2(Limits::default(), None);
    let (mut sender, _ended) = open(&edge).await;
    let held = send(&mut sender, request("POST", "/held"), "abc");
    edge.until(|load| load.in_flight() == 1).await;
    let other = answer(send(&mut sender, request("POST", "/a?b=c"), "body")).await;
    assert_eq!((other.status, other.body.as_str()), (200, "POST /a?b=c body"));
    assert_eq!(other.head["content-length"], "16");
    assert_eq!(other.head["x-request-id"].len(), 32);
    assert!(other.head.contains_key("date") && !other.head.contains_key("connection"));
    edge.probe.held.add_permits(1);
    assert_eq!(answer(held).await.body, "POST /held abc");
    let head = answer(send(&mut sender, request("HEAD", "/a"), "")).await;
    assert_eq!(
        (head.status, head.body.as_str(), &head.head["content-length"]),
        (200, "", &"8".parse().unwrap())
    );
    let none = answer(send(&mut sender, request("GET", "/none"), "")).await;
    assert_eq!((none.status, none.head.contains_key("content-length")), (204, false));
    assert_eq!(edge.ask(get("/a")).await.body, "GET /a ");
    drop(sender);
    edge.until(|load| load.connections() == 0 && load.in_flight() == 0 && load.body_bytes() == 0).await;
    assert_eq!(edge.records.0.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn refusals_are_said_in_the_applications_words() {
    let limits = Limits { body_bytes: 10, header_bytes: 1024, ..Limits::default() };
    let edge = Edge::start_http2(limits, None);
    let (mut sender, _ended) = open(&edge).await;
    let with = |name: &str, value: &str| {
        let mut request = request("POST", "/a");
        request.headers_mut().insert(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        request
    };
    for (request, body, status, reason) in [
        (request("POST", "/a"), "more than ten bytes", 413, "body_bytes"),
        (with("content-length", "999"), "", 413, "body_bytes"),
        (with("x", &"y".repeat(1100)), "", 413, "header_bytes"),
        (with("content-encoding", "gzip"), "abc", 415, "content_encoding"),
        (request("GET", "/missing"), "", 404, "not_found"),
        (request("GET", "/pass/a"), "", 404, "nowhere_to_pass"),
    ] {
        let announced = request.headers().contains_key("content-length");
        let response = match announced {
            true => sender.send_request(request, false).unwrap().0,
            false => send(&mut sender, request, body),
        };
        let answer = answer(response).await;
        assert_eq!(answer.status, status, "{reason}: {}", answer.body);
        assert!(answer.body.contains("\"code\""), "{reason}: {}", answer.body);
        assert_eq!(edge.reasons().last(), Some(&reason));
    }
    // The connection is none the worse for it.
    assert_eq!(answer(send(&mut sender, request("GET", "/a"), "")).await.status, 200);
}

#[tokio::test]
async fn rates_and_calls_under_way_are_bounded_as_ever() {
    let limits = Limits { in_flight: 1, ..Limits::default() };
    let edge = Edge::start_http2(limits, None);
    let (mut sender, _ended) = open(&edge).await;
    let held = send(&mut sender, request("GET", "/held"), "");
    edge.until(|load| load.in_flight() == 1).await;
    assert_eq!(answer(send(&mut sender, request("GET", "/a"), "")).await.status, 503);
    edge.probe.held.add_permits(1);
    assert_eq!(answer(held).await.status, 200);

    let limits = Limits { calls_per_second_per_address: Some(1), burst_per_address: 0, ..Limits::default() };
    let edge = Edge::start_http2(limits, None);
    let (mut sender, _ended) = open(&edge).await;
    let responses: Vec<_> = (0..20).map(|_| send(&mut sender, request("GET", "/a"), "")).collect();
    let mut statuses = Vec::new();
    for response in responses {
        statuses.push(answer(response).await.status);
    }
    assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn heads_that_wait_for_their_bodies_are_bounded_with_them() {
    let limits = Limits { body_bytes_in_all: 20_000, ..Limits::default() };
    let edge = Edge::start_http2(limits, None);
    let (mut sender, _ended) = open(&edge).await;
    let waiting = |sender: &mut Sender| {
        let mut request = request("POST", "/a");
        request.headers_mut().insert("x", "y".repeat(4_000).parse().unwrap());
        sender.send_request(request, false).unwrap()
    };
    let (first, second) = (waiting(&mut sender), waiting(&mut sender));
    edge.until(|load| load.body_bytes() > 16_000).await;
    let (refused, _body) = waiting(&mut sender);
    assert_eq!(answer(refused).await.status, 503);
    assert_eq!(edge.reasons().last(), Some(&"body_bytes_in_all"));
    let (response, mut body) = first;
    body.send_data(Bytes::from_static(b"abc"), true).unwrap();
    assert_eq!(answer(response).await.body, "POST /a abc");
    drop((sender, second));
    edge.until(|load| load.body_bytes() == 0).await;
}

#[tokio::test]
async fn what_passes_through_is_streamed_with_honest_fields() {
    let target = target(&mirror().await);
    let edge = Edge::start_http2(Limits::default(), Some(target));
    let (mut sender, _ended) = open(&edge).await;
    let mut asked = request("POST", "/pass/things?a=b");
    for (name, value) in
        [("x-forwarded-for", "6.6.6.6"), ("cookie", "a=1"), ("cookie", "b=2"), ("content-length", "100000")]
    {
        asked.headers_mut().append(name, value.parse().unwrap());
    }
    let body = "x".repeat(100_000);
    let (response, mut stream) = sender.send_request(asked, false).unwrap();
    let mut left = body.as_bytes();
    while !left.is_empty() {
        stream.reserve_capacity(left.len());
        let room = std::future::poll_fn(|context| stream.poll_capacity(context)).await.unwrap().unwrap();
        let (part, rest) = left.split_at(room.min(left.len()));
        left = rest;
        stream.send_data(Bytes::copy_from_slice(part), left.is_empty()).unwrap();
    }
    let answer = answer(response).await;
    assert_eq!(answer.status, 200);
    let seen = answer.body.to_lowercase();
    assert!(seen.starts_with("post /base/pass/things?a=b http/1.1\r\n"), "{}", &seen[..300]);
    for field in [
        "\r\nhost: backend.example\r\n",
        "\r\nx-forwarded-for: 127.0.0.1\r\n",
        "\r\ncookie: a=1; b=2\r\n",
        "host=\"shop.example\"",
        "\r\nx-gateway: s3cret\r\n",
    ] {
        assert_eq!(seen.matches(field).count(), 1, "{field} in {}", &seen[..600]);
    }
    assert!(seen.ends_with(&body));
    assert!(seen.contains(&format!("x-request-id: {}", answer.head["x-request-id"].to_str().unwrap())));
    edge.until(|load| load.in_flight() == 0).await;
    let records = edge.records.0.lock().unwrap();
    assert_eq!(records[0].outcome, Outcome::PassedThrough);
    assert_eq!(records[0].bytes_received, 100_000);
}

#[tokio::test]
async fn a_backend_that_is_gone_is_told_in_the_applications_words() {
    let edge = Edge::start_http2(Limits::default(), Some(target("127.0.0.1:1")));
    let (mut sender, _ended) = open(&edge).await;
    let answer = answer(send(&mut sender, request("GET", "/pass/a"), "")).await;
    assert_eq!(answer.status, 502);
    assert!(answer.body.contains(ProblemCode::UpstreamUnavailable.name()), "{}", answer.body);
    edge.until(|load| load.in_flight() == 0).await;
}

#[tokio::test]
async fn a_stop_says_goodbye_and_lets_calls_end() {
    let mut edge = Edge::start_http2(Limits::default(), None);
    let (mut sender, ended) = open(&edge).await;
    let held = send(&mut sender, request("GET", "/held"), "");
    let (_idle, idle_ended) = open(&edge).await;
    edge.until(|load| load.in_flight() == 1 && load.connections() == 2).await;
    let lifecycle = std::mem::take(&mut edge.lifecycle);
    let mut phase = lifecycle.phase();
    let (stop, mut signals) = mpsc::channel(1);
    let shutdown = Shutdown { drain_delay: Duration::from_millis(30), grace: Duration::from_millis(10_000) };
    let running = tokio::spawn(async move { lifecycle.run(&shutdown, &mut signals).await });
    stop.send(StopSignal::Terminate).await.unwrap();
    phase.wait_for(|phase| *phase == Phase::Stopping).await.unwrap();
    assert!(timeout(PATIENCE, idle_ended).await.unwrap().unwrap(), "in order");
    edge.probe.held.add_permits(1);
    assert_eq!(answer(held).await.body, "GET /held ");
    drop(sender);
    assert!(timeout(PATIENCE, ended).await.unwrap().unwrap(), "in order");
    assert_eq!(timeout(PATIENCE, running).await.unwrap().unwrap(), Stopped::Clean);
}

#[tokio::test]
async fn a_silent_connection_ends_when_its_time_is_over() {
    let limits = Limits { keepalive: Duration::from_millis(100), ..Limits::default() };
    let edge = Edge::start_http2(limits, None);
    let (mut sender, ended) = open(&edge).await;
    assert_eq!(answer(send(&mut sender, request("GET", "/a"), "")).await.status, 200);
    assert!(timeout(PATIENCE, ended).await.unwrap().unwrap(), "with a goodbye");
    edge.until(|load| load.connections() == 0).await;
}
