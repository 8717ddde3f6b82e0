use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::support::{Edge, PATIENCE, get};
use crate::config::{Limits, Shutdown};
use crate::server::{Phase, StopSignal, Stopped};

fn shutdown(drain_delay: u64, grace: u64) -> Shutdown {
    Shutdown { drain_delay: Duration::from_millis(drain_delay), grace: Duration::from_millis(grace) }
}

#[tokio::test]
async fn a_call_under_way_ends_before_the_process_does() {
    let mut edge = Edge::start(Limits::default());
    let mut client = edge.client().await;
    let mut idle = edge.client().await;
    client.send(get("/held")).await;
    edge.until(|load| load.in_flight() == 1 && load.connections() == 2).await;
    let lifecycle = std::mem::take(&mut edge.lifecycle);
    let mut phase = lifecycle.phase();
    let (stop, mut signals) = mpsc::channel(1);
    let running = tokio::spawn(async move { lifecycle.run(&shutdown(30, 10_000), &mut signals).await });
    stop.send(StopSignal::Terminate).await.unwrap();
    phase.wait_for(|phase| *phase == Phase::Draining).await.unwrap();
    // Still accepting, but answers end their connections.
    assert_eq!(edge.ask(get("/a")).await.field("connection"), Some("close"));
    phase.wait_for(|phase| *phase == Phase::Stopping).await.unwrap();
    assert!(idle.is_closed().await);
    edge.probe.held.add_permits(1);
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "GET /held "));
    assert_eq!(timeout(PATIENCE, running).await.unwrap().unwrap(), Stopped::Clean);
    assert!(TcpStream::connect(edge.address).await.is_err());
}

#[tokio::test]
async fn ctrl_c_with_nothing_under_way_does_not_wait() {
    let mut edge = Edge::start(Limits::default());
    let _idle = edge.client().await;
    edge.until(|load| load.connections() == 1).await;
    let (stop, mut signals) = mpsc::channel(1);
    stop.send(StopSignal::Interrupt).await.unwrap();
    let patient = shutdown(60_000, 60_000);
    let run = std::mem::take(&mut edge.lifecycle).run(&patient, &mut signals);
    assert_eq!(timeout(PATIENCE, run).await.unwrap(), Stopped::Clean);
}

#[tokio::test]
async fn the_grace_ends_and_a_second_signal_ends_all() {
    for (second, expected) in [(false, Stopped::Unfinished(1)), (true, Stopped::Forced)] {
        let mut edge = Edge::start(Limits::default());
        let mut client = edge.client().await;
        client.send(get("/held")).await;
        edge.until(|load| load.in_flight() == 1).await;
        let (stop, mut signals) = mpsc::channel(2);
        stop.send(StopSignal::Terminate).await.unwrap();
        if second {
            stop.send(StopSignal::Terminate).await.unwrap();
        }
        let waits = shutdown(0, if second { 60_000 } else { 20 });
        let run = std::mem::take(&mut edge.lifecycle).run(&waits, &mut signals);
        assert_eq!(timeout(PATIENCE, run).await.unwrap(), expected);
    }
}
