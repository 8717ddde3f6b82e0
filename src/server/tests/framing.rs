use std::time::Duration;

use super::support::{Edge, get, post};
use crate::config::Limits;

#[tokio::test]
async fn what_two_parsers_could_read_differently_is_refused_and_the_connection_ends() {
    let edge = Edge::start(Limits::default());
    let head = "POST /a HTTP/1.1\r\nHost: a\r\n";
    let smuggled = "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n";
    for request in [
        format!("{head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{head}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{head}Content-Length: 0\r\nContent-Length: 44\r\n\r\n{smuggled}"),
        format!("{head}Transfer-Encoding: xchunked\r\n\r\n{smuggled}"),
        format!("{head}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{head}Content-Length : 5\r\n\r\nabcde{smuggled}"),
        format!("{head}X: a\r\n Content-Length: 5\r\n\r\nabcde"),
        format!("{head}X: a\rContent-Length: 5\r\n\r\nabcde"),
        format!("{head}X: a\0b\r\n\r\n"),
        format!("{head}: b\r\n\r\n"),
        format!("{head}no colon\r\n\r\n"),
        "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /a HTTP/1.1\r\n\r\n".to_owned(),
        "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
        "GET /a HTTP/1.1\nHost: a\n\n".to_owned(),
        "GET /a HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(),
        "GET /a\r\nHost: a\r\n\r\n".to_owned(),
    ] {
        let mut client = edge.client().await;
        client.send(&request).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.field("connection")), (400, Some("close")), "{request:?}");
        assert!(client.is_closed().await, "{request:?}");
    }
    assert_eq!(edge.ask(get("/a")).await.status, 200);
}

#[tokio::test]
async fn malformed_chunks_are_refused_and_the_connection_ends() {
    let edge = Edge::start(Limits::default());
    for chunks in [
        "zz\r\nabc\r\n0\r\n\r\n",
        "-1\r\na\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\na",
    ] {
        let mut client = edge.client().await;
        client
            .send(format!("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"))
            .await;
        assert_eq!(client.answer().await.status, 400, "{chunks:?}");
        assert!(client.is_closed().await);
    }
    assert_eq!(edge.reasons(), ["malformed_body"; 4]);
}

#[tokio::test]
async fn a_head_over_the_bound_is_refused() {
    let limits = Limits { header_bytes: 300, ..Limits::default() };
    let edge = Edge::start(limits);
    let just_fits = format!("GET /a HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(300 - 33));
    assert_eq!(just_fits.len(), 300);
    assert_eq!(edge.ask(&just_fits).await.status, 200);
    assert_eq!(edge.ask(just_fits.replace("X:", "XX:")).await.status, 413);
    let endless = format!("GET /a HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(100_000));
    assert_eq!(edge.ask(endless).await.status, 413);
    assert_eq!(edge.reasons(), ["header_bytes"; 2]);
}

#[tokio::test]
async fn a_body_over_the_bound_is_refused_before_and_while_it_is_read() {
    let limits = Limits { body_bytes: 100, ..Limits::default() };
    let edge = Edge::start(limits);
    assert_eq!(edge.ask(post("/a", &"x".repeat(100))).await.status, 200);
    assert_eq!(edge.ask(post("/a", &"x".repeat(101))).await.status, 413);
    // Announced only: nothing of it is sent.
    assert_eq!(
        edge.ask("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n").await.status,
        413
    );
    let chunk = format!("32\r\n{}\r\n", "x".repeat(50));
    let chunked =
        format!("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(3));
    assert_eq!(edge.ask(chunked).await.status, 413);
    assert_eq!(edge.reasons(), ["body_bytes"; 3]);
    edge.until(|load| load.body_bytes() == 0).await;
}

#[tokio::test]
async fn the_answer_to_a_large_refused_body_still_arrives() {
    let edge = Edge::start(Limits::default());
    let answer = edge.ask(post("/a", &"x".repeat(2_000_000))).await;
    assert_eq!((answer.status, answer.field("connection")), (413, Some("close")));
}

#[tokio::test]
async fn a_slow_head_and_a_slow_body_are_refused() {
    let limits = Limits {
        header_timeout: Duration::from_millis(40),
        body_timeout: Duration::from_millis(40),
        ..Limits::default()
    };
    let edge = Edge::start(limits);
    assert_eq!(edge.ask("GET /a HTTP/1.1\r\nHos").await.status, 400);
    assert_eq!(edge.ask("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab").await.status, 400);
    assert_eq!(edge.reasons(), ["header_timeout", "body_timeout"]);
}

#[tokio::test]
async fn compressed_bodies_are_refused() {
    let edge = Edge::start(Limits::default());
    let gzip = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab";
    assert_eq!(edge.ask(gzip).await.status, 415);
    assert_eq!(edge.ask(gzip.replace("gzip", "identity")).await.status, 200);
}

#[tokio::test]
async fn after_a_refusal_the_connection_goes_on_where_the_body_can_be_skipped() {
    let edge = Edge::start(Limits { body_bytes: 100, ..Limits::default() });
    let mut client = edge.client().await;
    for (request, status) in [
        (get("/missing"), 404),
        (post("/missing", "abc"), 404),
        (post("/a", &"x".repeat(50_000)), 413),
        (get("/a"), 200),
    ] {
        client.send(request).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.field("connection")), (status, Some("keep-alive")));
    }
    let waiting = "POST /missing HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    client.send(waiting).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.field("connection")), (404, Some("close")));
    assert!(client.is_closed().await);
}
