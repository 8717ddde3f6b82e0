//! What only HTTP/2 lets a client do to a server.

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PING, PROTOCOL_ERROR,
    REFUSED_STREAM, RST_STREAM, Raw, STATUS_200, STATUS_400, block, request,
};
use super::support::Edge;
use crate::config::Limits;

fn edge() -> Edge {
    let limits = Limits { calls_per_second_per_address: None, header_bytes: 4096, ..Limits::default() };
    Edge::start_http2(limits, None)
}

#[tokio::test]
async fn malformed_requests_are_reset_and_reach_nobody() {
    let edge = edge();
    let get = |more: &[(&'static str, &'static str)]| request("GET", "/a", more);
    let with_first = |pair: (&'static str, &'static str)| [&[pair], get(&[]).as_slice()].concat();
    for (case, fields) in [
        ("connection", get(&[("connection", "x")])),
        ("keep-alive", get(&[("keep-alive", "1")])),
        ("proxy-connection", get(&[("proxy-connection", "1")])),
        ("transfer-encoding", get(&[("transfer-encoding", "chunked")])),
        ("upgrade", get(&[("upgrade", "h2c")])),
        ("te", get(&[("te", "gzip")])),
        ("an upper-case name", get(&[("X-A", "b")])),
        ("an unknown pseudo field", get(&[(":host", "b")])),
        ("a pseudo field of answers", get(&[(":status", "200")])),
        ("a second path", get(&[(":path", "/b")])),
        ("a pseudo field after others", [with_first(("x", "y"))].concat()),
        ("no path", vec![(":method", "GET"), (":scheme", "http"), (":authority", "a")]),
        ("an empty path", request("GET", "", &[])),
        ("two lengths", get(&[("content-length", "1"), ("content-length", "2")])),
        ("a length without a body", get(&[("content-length", "5")])),
        ("no number for a length", get(&[("content-length", "+5")])),
    ] {
        let mut raw = Raw::open(&edge).await;
        raw.ask(1, &fields).await;
        assert_eq!(raw.end_of(1).await, Err(PROTOCOL_ERROR), "{case}");
    }
    assert_eq!(edge.records.0.lock().unwrap().len(), 0, "nothing was a call");
}

#[tokio::test]
async fn ambiguous_targets_are_refused_and_reach_nobody() {
    let edge = edge();
    for (case, fields) in [
        ("two hosts that differ", request("GET", "/a", &[("host", "b")])),
        ("a user in the authority", {
            vec![(":method", "GET"), (":scheme", "http"), (":path", "/a"), (":authority", "u@a")]
        }),
        ("an absolute path", request("GET", "http://b/a", &[])),
    ] {
        let mut raw = Raw::open(&edge).await;
        raw.ask(1, &fields).await;
        let end = raw.end_of(1).await;
        assert!(matches!(end, Ok(STATUS_400) | Err(PROTOCOL_ERROR)), "{case}: {end:?}");
        raw.ask(3, &request("GET", "/b", &[])).await;
        assert_eq!(raw.end_of(3).await, Ok(STATUS_200), "{case}: the connection goes on");
    }
    for record in edge.records.0.lock().unwrap().iter() {
        assert_eq!(record.status, 200);
    }
}

#[tokio::test]
async fn a_body_of_another_length_than_announced_is_no_call() {
    let edge = edge();
    for (announced, body) in [("3", "abcdef"), ("9", "abc")] {
        let mut raw = Raw::open(&edge).await;
        let fields = request("POST", "/a", &[("content-length", announced)]);
        raw.send(HEADERS, END_HEADERS, 1, &block(&fields)).await;
        raw.send(DATA, END_STREAM, 1, body.as_bytes()).await;
        assert_eq!(raw.end_of(1).await, Err(PROTOCOL_ERROR), "{announced}");
    }
    edge.until(|load| load.in_flight() == 0).await;
    for record in edge.records.0.lock().unwrap().iter() {
        assert_eq!(record.status, 0, "nothing was answered");
    }
}

#[tokio::test]
async fn an_endless_head_is_refused_before_it_is_held() {
    let edge = edge();
    let mut raw = Raw::open(&edge).await;
    let fields = request("GET", "/a", &[]);
    raw.send(HEADERS, END_STREAM, 1, &block(&fields)).await;
    let filler = "y".repeat(1000);
    let more = block(&[("x", filler.as_str())]);
    let mut ended = None;
    for _ in 0..10_000 {
        raw.send(CONTINUATION, 0, 1, &more).await;
        // Whether it is enough by now is only known by a frame that came.
        if let Ok(frame) = tokio::time::timeout(std::time::Duration::ZERO, raw.next()).await
            && frame.as_ref().is_none_or(|frame| matches!(frame.kind, GOAWAY | RST_STREAM))
        {
            ended = Some(frame);
            break;
        }
    }
    assert!(ended.is_some(), "ten megabytes of a head were taken");
    assert_eq!(edge.records.0.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_head_over_the_bound_is_refused_and_its_connection_goes_on() {
    let edge = edge();
    let mut raw = Raw::open(&edge).await;
    let filler = "y".repeat(10_000);
    raw.ask(1, &request("GET", "/a", &[("x", &filler)])).await;
    let end = raw.end_of(1).await;
    assert_ne!(end, Ok(STATUS_200));
    raw.ask(3, &request("GET", "/b", &[])).await;
    assert_eq!(raw.end_of(3).await, Ok(STATUS_200));
}

#[tokio::test]
async fn streams_that_are_reset_at_once_end_the_connection() {
    let edge = edge();
    let mut raw = Raw::open(&edge).await;
    for number in 0..2_000 {
        let stream = 1 + 2 * number;
        raw.ask(stream, &request("GET", "/held", &[])).await;
        raw.reset(stream).await;
    }
    loop {
        match raw.next().await {
            Some(frame) if frame.kind == GOAWAY => {
                assert_eq!(frame.code(), ENHANCE_YOUR_CALM);
                break;
            }
            Some(_) => {}
            None => break,
        }
    }
    assert!(edge.load.in_flight() <= 100, "{} calls under way", edge.load.in_flight());
    edge.probe.held.add_permits(10_000);
    edge.until(|load| load.connections() == 0 && load.in_flight() == 0).await;
}

#[tokio::test]
async fn calls_whose_streams_were_reset_still_count() {
    let edge = edge();
    let mut raw = Raw::open(&edge).await;
    for number in 0..100 {
        let stream = 1 + 2 * number;
        raw.ask(stream, &request("GET", "/held", &[])).await;
        let under_way = usize::try_from(number).unwrap() + 1;
        edge.until(|load| load.in_flight() == under_way).await;
        raw.reset(stream).await;
    }
    raw.ask(201, &request("GET", "/a", &[])).await;
    assert_eq!(raw.end_of(201).await, Err(REFUSED_STREAM));
    assert_eq!(edge.load.in_flight(), 100);
    edge.probe.held.add_permits(100);
    edge.until(|load| load.in_flight() == 0).await;
    raw.ask(203, &request("GET", "/a", &[])).await;
    assert_eq!(raw.end_of(203).await, Ok(STATUS_200), "there is room again");
}

#[tokio::test]
async fn more_streams_than_announced_are_refused() {
    let edge = edge();
    let mut raw = Raw::open(&edge).await;
    for number in 0..101 {
        raw.ask(1 + 2 * number, &request("GET", "/held", &[])).await;
    }
    assert_eq!(raw.end_of(201).await, Err(REFUSED_STREAM));
    edge.until(|load| load.in_flight() == 100).await;
    edge.probe.held.add_permits(100);
    edge.until(|load| load.in_flight() == 0).await;
}

#[tokio::test]
async fn a_flood_of_pings_is_answered_or_ended_and_disturbs_nobody() {
    let edge = edge();
    let mut raw = Raw::open(&edge).await;
    for _ in 0..1_000 {
        raw.send(PING, 0, 0, &[0; 8]).await;
    }
    let mut other = Raw::open(&edge).await;
    other.ask(1, &request("GET", "/a", &[])).await;
    assert_eq!(other.end_of(1).await, Ok(STATUS_200));
}
