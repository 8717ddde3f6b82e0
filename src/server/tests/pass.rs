use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::support::{Edge, get, post};
use crate::account::{ProblemCode, Secret};
use crate::config::{HttpUpstream, HttpVersion, Limits};
use crate::observe::{Attempt, Outcome};
use crate::server::PassTarget;
use crate::upstream::FailureKind;
use crate::upstream::balancer::Balancer;
use crate::upstream::figures::RegionFigures;

pub fn target(address: &str) -> PassTarget {
    target_of(upstream(&[address]))
}

fn target_of(settings: HttpUpstream) -> PassTarget {
    let balancer = Balancer::new(&settings, RegionFigures::unseen().unwrap());
    PassTarget::new(settings, Arc::new(balancer)).unwrap()
}

fn upstream(addresses: &[&str]) -> HttpUpstream {
    HttpUpstream {
        base_path: "/base".to_owned(),
        connect_timeout: Duration::from_secs(5),
        first_byte_timeout: Duration::from_secs(5),
        total_timeout: Duration::from_secs(5),
        secret: Some(("X-Gateway".to_owned(), Secret::from("s3cret"))),
        ..HttpUpstream::new("canonical", addresses, "backend.example")
    }
}

/// A backend that shows the client what it was sent, up to the end of the body.
pub async fn mirror() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut seen = Vec::new();
                let mut buffer = [0; 4096];
                let is_whole = |seen: &[u8]| {
                    let text = String::from_utf8_lossy(seen).to_lowercase();
                    let (head, body) = text.split_once("\r\n\r\n")?;
                    let length = head.split("content-length: ").nth(1)?;
                    let length: usize = length.lines().next()?.parse().ok()?;
                    Some(body.len() >= length)
                };
                loop {
                    let read = stream.read(&mut buffer).await.unwrap();
                    seen.extend_from_slice(&buffer[..read]);
                    let has_head = seen.windows(4).any(|window| window == b"\r\n\r\n");
                    if has_head && is_whole(&seen).unwrap_or(true) {
                        break;
                    }
                }
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", seen.len());
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.write_all(&seen).await.unwrap();
            });
        }
    });
    address
}

#[tokio::test]
async fn what_passes_through_reaches_the_backend_with_honest_fields() {
    let target = target(&mirror().await);
    let edge = Edge::start_passing(Limits::default(), Some(target));
    let mut client = edge.client().await;
    client
        .send("GET /pass/things?token=t HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 6.6.6.6\r\nX-Gateway: forged\r\nDragoman-App: forged\r\nAccept: */*\r\n\r\n")
        .await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 200);
    let seen = answer.body.to_lowercase();
    assert!(seen.starts_with("get /base/pass/things?token=t http/1.1\r\n"), "{seen}");
    for field in ["host: backend.example", "x-gateway: s3cret", "x-forwarded-for: 127.0.0.1", "accept: */*"] {
        assert_eq!(seen.matches(field).count(), 1, "{field} in {seen}");
    }
    assert!(!seen.contains("forged") && !seen.contains("6.6.6.6"), "{seen}");
    assert!(seen.contains(&format!("x-request-id: {}", answer.field("x-request-id").unwrap())));
    // The connection goes on, for passed requests and for answered ones.
    client.send("POST /pass/things HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe").await;
    client.send("llo").await;
    assert!(client.answer().await.body.ends_with("\r\n\r\nhello"));
    client.send(get("/a")).await;
    assert_eq!(client.answer().await.body, "GET /a ");
    let records = edge.records.0.lock().unwrap().clone();
    assert_eq!(records[0].outcome, Outcome::PassedThrough);
    assert_eq!(records[1].bytes_received, 5);
    edge.until(|load| load.in_flight() == 0).await;
}

#[tokio::test]
async fn a_backend_that_is_down_is_answered_for() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let target = target(&address);
    let edge = Edge::start_passing(Limits::default(), Some(target));
    let answer = edge.ask(get("/pass/things")).await;
    assert_eq!(answer.status, 502);
    assert!(answer.body.contains("upstream_unavailable"), "{}", answer.body);
    edge.until(|load| load.in_flight() == 0 && load.connections() == 0).await;
    let records = edge.records.0.lock().unwrap().clone();
    assert_eq!(records[0].outcome, Outcome::Problem(ProblemCode::UpstreamUnavailable));
    assert_eq!(records[0].attempts, [Attempt::Failed(FailureKind::ConnectFailed)]);
    assert_eq!(records[0].refusal, None);
}

#[tokio::test]
async fn a_client_that_wants_the_backend_to_forget_who_asks_is_told_no() {
    let target = target(&mirror().await);
    let edge = Edge::start_passing(Limits::default(), Some(target));
    let answer = edge.ask("GET /pass/a HTTP/1.1\r\nHost: a\r\nConnection: x-forwarded-for\r\n\r\n").await;
    assert_eq!(answer.status, 400);
    edge.until(|load| load.in_flight() == 0).await;
    assert_eq!(edge.reasons(), ["malformed_head"]);
    let answer =
        edge.ask("GET /pass/a HTTP/1.1\r\nHost: a\r\nConnection: x-gateway, forwarded\r\n\r\n").await;
    for field in ["x-gateway: s3cret", "forwarded: for=127.0.0.1"] {
        assert!(answer.body.to_lowercase().contains(field), "{}", answer.body);
    }
}

#[tokio::test]
async fn without_a_backend_nothing_passes() {
    let edge = Edge::start(Limits::default());
    assert_eq!(edge.ask(get("/pass/things")).await.status, 404);
    assert_eq!(edge.reasons(), ["nowhere_to_pass"]);
}

/// A backend that talks with one client as the test says.
async fn partner() -> (String, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener.local_addr().unwrap().to_string(), listener)
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn an_answer_streams_while_the_backend_still_speaks() {
    let (address, backend) = partner().await;
    let edge = Edge::start_passing(Limits::default(), Some(target(&address)));
    let mut client = edge.client().await;
    client.send(get("/pass/events")).await;
    let (mut backend, _) = backend.accept().await.unwrap();
    read_head(&mut backend).await;
    backend.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await.unwrap();
    assert_eq!(client.head().await.status, 200);
    client.until("first").await;
    backend.write_all(b"6\r\nsecond\r\n0\r\n\r\n").await.unwrap();
    client.until("second").await;
    edge.until(|load| load.in_flight() == 0).await;
}

#[tokio::test]
async fn a_body_beyond_the_bound_of_account_calls_streams_to_the_backend() {
    let target = target(&mirror().await);
    let limits = Limits { body_bytes: 10, ..Limits::default() };
    let edge = Edge::start_passing(limits, Some(target));
    let body = "x".repeat(300_000);
    let answer = edge.ask(post("/pass/upload", &body)).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.ends_with(&body));
}

#[tokio::test]
async fn a_websocket_is_switched_to_and_carries_bytes_both_ways() {
    let (address, backend) = partner().await;
    let edge = Edge::start_passing(Limits::default(), Some(target(&address)));
    let mut client = edge.client().await;
    client
        .send("GET /pass/socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        .await;
    let (mut backend, _) = backend.accept().await.unwrap();
    assert!(read_head(&mut backend).await.to_lowercase().contains("upgrade: websocket\r\n"));
    backend
        .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.head().await.status, 101);
    client.send("ping").await;
    let mut heard = [0; 4];
    backend.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"ping");
    backend.write_all(b"pong").await.unwrap();
    client.until("pong").await;
    drop(backend);
    edge.until(|load| load.in_flight() == 0 && load.connections() == 0).await;
}

#[tokio::test]
async fn a_post_passes_at_most_once_when_the_backend_hangs_up() {
    let (address, backend) = partner().await;
    let edge = Edge::start_passing(Limits::default(), Some(target(&address)));
    let mut client = edge.client().await;
    client.send(post("/pass/order", "one")).await;
    let (mut stream, _) = backend.accept().await.unwrap();
    read_head(&mut stream).await;
    drop(stream);
    assert_eq!(client.answer().await.status, 502);
    edge.until(|load| load.in_flight() == 0 && load.connections() == 0).await;
    let again = tokio::time::timeout(Duration::from_millis(100), backend.accept()).await;
    assert!(again.is_err(), "the request was sent again");
}

#[tokio::test]
async fn an_address_that_refuses_is_passed_over_and_account_calls_learn_of_it() {
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let settings = upstream(&[&dead, &mirror().await]);
    let balancer = Arc::new(Balancer::new(&settings, RegionFigures::unseen().unwrap()));
    let target = PassTarget::new(settings, Arc::clone(&balancer)).unwrap();
    let edge = Edge::start_passing(Limits::default(), Some(target));
    for _ in 0..8 {
        let mut client = edge.client().await;
        client.send(post("/pass/order", "one")).await;
        assert_eq!(client.answer().await.status, 200);
    }
    let next = (0..4).map(|_| balancer.pick(&[]).unwrap().address().to_string());
    assert!(next.into_iter().all(|address| address != dead), "it was ejected");
}

#[tokio::test]
async fn bodies_that_the_backend_hangs_up_on_eject_nobody() {
    let (one, two) = (partner().await, partner().await);
    let settings = upstream(&[&one.0, &two.0]);
    let balancer = Arc::new(Balancer::new(&settings, RegionFigures::unseen().unwrap()));
    let target = PassTarget::new(settings, Arc::clone(&balancer)).unwrap();
    let edge = Edge::start_passing(Limits::default(), Some(target));
    for round in 0..8 {
        let mut client = edge.client().await;
        client
            .send("POST /pass/order HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nunfinish".to_owned())
            .await;
        let backend = if round % 2 == 0 { &one.1 } else { &two.1 };
        let (mut stream, _) = backend.accept().await.unwrap();
        read_head(&mut stream).await;
        drop(stream);
        assert_eq!(client.answer().await.status, 502);
    }
    let next: Vec<_> = (0..4).map(|_| balancer.pick(&[]).unwrap().address()).collect();
    assert!(next[0] != next[1] && next[0] == next[2], "both still take turns: {next:?}");
}

#[tokio::test]
async fn requests_pass_over_http_2() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let seen = format!(
                        "{} {}",
                        request.uri().path(),
                        request.headers()["x-gateway"].to_str().unwrap()
                    );
                    let length = http::Response::builder().header("content-length", seen.len());
                    let mut stream = respond.send_response(length.body(()).unwrap(), false).unwrap();
                    stream.send_data(seen.into(), true).unwrap();
                }
            });
        }
    });
    let settings = HttpUpstream { http_version: HttpVersion::Two, ..upstream(&[&address]) };
    let edge = Edge::start_passing(Limits::default(), Some(target_of(settings)));
    for _ in 0..2 {
        let mut client = edge.client().await;
        client.send(get("/pass/order")).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "/base/pass/order s3cret"));
    }
}
