use super::support::{Edge, get, post};
use crate::config::Limits;

#[tokio::test]
async fn over_the_bound_of_calls_under_way_the_caller_is_told_when_to_come_back() {
    let limits = Limits { in_flight: 1, ..Limits::default() };
    let edge = Edge::start(limits);
    let mut first = edge.client().await;
    first.send(get("/held")).await;
    edge.until(|load| load.in_flight() == 1).await;
    let refused = edge.ask(get("/a")).await;
    assert_eq!(refused.status, 503);
    let wait: u64 = refused.field("retry-after").unwrap().parse().unwrap();
    assert!((1..=3).contains(&wait));
    edge.probe.held.add_permits(1);
    assert_eq!(first.answer().await.status, 200);
    edge.until(|load| load.in_flight() == 0).await;
    assert_eq!(edge.ask(get("/a")).await.status, 200);
}

#[tokio::test]
async fn over_the_bound_of_body_bytes_in_all_bodies_are_refused() {
    let limits = Limits { body_bytes_in_all: 10, ..Limits::default() };
    let edge = Edge::start(limits);
    let mut first = edge.client().await;
    first.send(post("/held", "12345678")).await;
    edge.until(|load| load.body_bytes() == 8).await;
    assert_eq!(edge.ask(post("/a", "123")).await.status, 503);
    assert_eq!(edge.ask(post("/a", "12")).await.status, 200);
    edge.probe.held.add_permits(1);
    assert_eq!(first.answer().await.status, 200);
    edge.until(|load| load.body_bytes() == 0).await;
}

#[tokio::test]
async fn over_the_bound_of_one_address_connections_are_closed_at_once() {
    let limits = Limits { connections_per_address: Some(2), ..Limits::default() };
    let edge = Edge::start(limits);
    let first = edge.client().await;
    let _second = edge.client().await;
    edge.until(|load| load.connections() == 2).await;
    assert!(edge.client().await.is_closed().await);
    assert_eq!(edge.load.refused_connections(), (0, 1));
    drop(first);
    edge.until(|load| load.connections() == 1).await;
    assert_eq!(edge.ask(get("/a")).await.status, 200);
}

#[tokio::test]
async fn many_clients_at_once_are_all_answered() {
    let edge = Edge::start(Limits::default());
    let asks = (0..100).map(|number| {
        let address = edge.address;
        tokio::spawn(async move {
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let mut client = super::support::Client::over(stream);
            client.send(post("/a", &number.to_string())).await;
            client.answer().await.body
        })
    });
    let asks: Vec<_> = asks.collect();
    for (number, ask) in asks.into_iter().enumerate() {
        assert_eq!(ask.await.unwrap(), format!("POST /a {number}"));
    }
    edge.until(|load| load.connections() == 0 && load.in_flight() == 0 && load.body_bytes() == 0).await;
}

#[tokio::test]
async fn an_address_that_calls_too_often_is_told_so() {
    let limits = Limits { calls_per_second_per_address: Some(1), burst_per_address: 2, ..Limits::default() };
    let edge = Edge::start(limits);
    let mut client = edge.client().await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        client.send(get("/a")).await;
        statuses.push(client.answer().await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429]);
    assert_eq!(edge.reasons(), ["address_rate"]);
}
