use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use super::support::{Edge, get, post};
use crate::config::Limits;
use crate::observe::Outcome;
use crate::server::connection::Connection;
use crate::server::{NoRecords, Service};

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let edge = Edge::start(Limits::default());
    let mut client = edge.client().await;
    for round in 0..5 {
        client.send(post(&format!("/a?{round}"), "hello")).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body), (200, format!("POST /a?{round} hello")));
    }
    assert_eq!(edge.records.0.lock().unwrap().len(), 5);
    assert_eq!(edge.load.connections(), 1);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let edge = Edge::start(Limits::default());
    let mut client = edge.client().await;
    client.send([post("/1", "one"), get("/2"), post("/3", "three")].concat()).await;
    for expected in ["POST /1 one", "GET /2 ", "POST /3 three"] {
        assert_eq!(client.answer().await.body, expected);
    }
}

#[tokio::test]
async fn a_body_that_arrives_in_pieces_is_put_together() {
    let edge = Edge::start(Limits::default());
    let mut client = edge.client().await;
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    for piece in ["3\r\nabc\r\n", "2\r\nde\r\n", "0\r\n\r\n"] {
        client.send(piece).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.answer().await.body, "POST /a abcde");
    client.send("POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc").await;
    client.send("def").await;
    assert_eq!(client.answer().await.body, "POST /b abcdef");
}

#[tokio::test]
async fn a_post_without_a_length_has_an_empty_body() {
    let edge = Edge::start(Limits::default());
    let answer = edge.ask("POST /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.body, "POST /a ");
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it_and_keeps_its_connection() {
    let edge = Edge::start(Limits::default());
    let mut client = edge.client().await;
    for _ in 0..2 {
        client.send("POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await;
        assert_eq!(client.head().await.status, 100);
        client.send("hello").await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.field("connection")), (200, Some("keep-alive")));
        assert_eq!(answer.body, "POST /a hello");
    }
}

#[tokio::test]
async fn a_head_request_gets_the_fields_of_a_get_and_no_body() {
    let edge = Edge::start(Limits::default());
    let mut client = edge.client().await;
    client.send("HEAD /abc HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = client.head().await;
    assert_eq!((answer.status, answer.field("content-length")), (200, Some("10")));
    client.send(get("/next")).await;
    assert_eq!(client.answer().await.body, "GET /next ");
}

#[tokio::test]
async fn no_content_has_no_length() {
    let edge = Edge::start(Limits::default());
    let mut client = edge.client().await;
    client.send(get("/none")).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.field("content-length")), (204, None));
    client.send(get("/next")).await;
    assert_eq!(client.answer().await.body, "GET /next ");
}

#[tokio::test]
async fn every_answer_has_an_id_and_a_date() {
    let edge = Edge::start(Limits::default());
    let answer = edge.ask("GET /a HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\n\r\n").await;
    let id = answer.field("x-request-id").unwrap().to_owned();
    assert_eq!(id.len(), 32);
    assert!(answer.field("date").unwrap().ends_with(" GMT"));
    assert_eq!(edge.records.0.lock().unwrap()[0].request_id, id);
}

#[tokio::test]
async fn a_client_that_asks_for_the_end_gets_it() {
    let edge = Edge::start(Limits::default());
    for request in
        ["GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET /a HTTP/1.0\r\nHost: a\r\n\r\n"]
    {
        let mut client = edge.client().await;
        client.send(request).await;
        assert_eq!(client.answer().await.field("connection"), Some("close"));
        assert!(client.is_closed().await);
    }
    edge.until(|load| load.connections() == 0).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_the_end() {
    let limits = Limits { keepalive: Duration::from_millis(50), ..Limits::default() };
    let edge = Edge::start(limits);
    let mut client = edge.client().await;
    client.send(get("/a")).await;
    client.answer().await;
    assert!(client.is_closed().await);
    edge.until(|load| load.connections() == 0).await;
}

#[tokio::test]
async fn a_client_that_goes_away_within_its_body_leaves_nothing_behind() {
    let edge = Edge::start(Limits::default());
    let mut client = edge.client().await;
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc").await;
    edge.until(|load| load.body_bytes() == 100).await;
    assert_eq!(edge.load.in_flight(), 0, "a slow body takes no call's place");
    drop(client);
    edge.until(|load| load.connections() == 0 && load.in_flight() == 0 && load.body_bytes() == 0).await;
    assert_eq!(edge.records.0.lock().unwrap()[0].outcome, Outcome::ClientGone);
}

#[tokio::test]
async fn an_application_that_panics_leaves_nothing_behind() {
    let edge = Edge::start(Limits::default());
    let mut client = edge.client().await;
    client.send(post("/panic", "abc")).await;
    assert!(client.is_closed().await);
    edge.until(|load| load.connections() == 0 && load.in_flight() == 0 && load.body_bytes() == 0).await;
    assert_eq!(edge.ask(get("/a")).await.status, 200);
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up() {
    let limits = Limits { call_timeout: Duration::from_millis(10), ..Limits::default() };
    let edge = Edge::start(limits);
    let answer = edge.ask(get("/held")).await;
    assert_eq!(answer.status, 504);
    assert_eq!(edge.reasons(), ["call_timeout"]);
}

#[tokio::test]
async fn a_client_that_goes_away_before_the_answer_leaves_nothing_behind() {
    let edge = Edge::start(Limits::default());
    let mut client = edge.client().await;
    client.send(post("/held", "abc")).await;
    edge.until(|load| load.in_flight() == 1).await;
    drop(client);
    edge.probe.held.add_permits(1);
    edge.until(|load| load.connections() == 0 && load.in_flight() == 0 && load.body_bytes() == 0).await;
    assert_eq!(edge.records.0.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_idle_connection_takes_little_memory() {
    let edge = Edge::start(Limits::default());
    let service =
        Service::new(Arc::clone(&edge.probe), Limits::default(), Arc::clone(&edge.load), Arc::new(NoRecords));
    let phase = edge.lifecycle.phase();
    let connection = Connection {
        service: Arc::new(service),
        listener: 0,
        client: None,
        secure: false,
        http2: false,
        phase,
    };
    let socket = TcpStream::connect(edge.address).await.unwrap();
    let stream = pingora::protocols::l4::stream::Stream::from(socket);
    let size = std::mem::size_of_val(&connection.run(Box::new(stream), edge.load.connect_proxy().unwrap()));
    // With the stream, the read buffer and the task's own header it stays under 12 KiB.
    assert!(size <= 8 * 1024, "{size}");
}
