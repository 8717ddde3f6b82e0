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

#[tokio::test]
async fn whoever_has_just_connected_when_accepting_ends_is_answered() {
    let mut edge = Edge::start(Limits::default());
    let mut fresh = edge.client().await;
    edge.until(|load| load.connections() == 1).await;
    let lifecycle = std::mem::take(&mut edge.lifecycle);
    let mut phase = lifecycle.phase();
    let (stop, mut signals) = mpsc::channel(1);
    let running = tokio::spawn(async move { lifecycle.run(&shutdown(0, 10_000), &mut signals).await });
    stop.send(StopSignal::Terminate).await.unwrap();
    phase.wait_for(|phase| *phase == Phase::Stopping).await.unwrap();
    fresh.send(get("/a")).await;
    let answer = fresh.answer().await;
    assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
    assert_eq!(timeout(PATIENCE, running).await.unwrap().unwrap(), Stopped::Clean);
}

#[tokio::test]
async fn after_a_hand_over_nobody_is_accepted_and_the_last_connection_ends_the_process() {
    let mut edge = Edge::start(Limits::default());
    let mut client = edge.client().await;
    client.send(get("/a")).await;
    assert_eq!(client.answer().await.field("connection"), Some("keep-alive"));
    let lifecycle = std::mem::take(&mut edge.lifecycle);
    let (doors, mut phase) = (lifecycle.doors(), lifecycle.phase());
    let [listening] = <[_; 1]>::try_from(doors.listening()).unwrap();
    assert!(doors.pause() && !doors.pause());
    let waiting = TcpStream::connect(edge.address).await.unwrap();
    doors.open();
    edge.until(|load| load.connections() == 2).await;
    drop(waiting);

    assert!(doors.pause());
    let (stop, mut signals) = mpsc::channel(3);
    let patient = shutdown(60_000, 60_000);
    let running = tokio::spawn(async move { lifecycle.run(&patient, &mut signals).await });
    stop.send(StopSignal::HandOver).await.unwrap();
    phase.wait_for(|phase| *phase == Phase::HandedOver).await.unwrap();
    // The process ends already; the first signal tells it what it knows.
    stop.send(StopSignal::Terminate).await.unwrap();
    client.send(get("/b")).await;
    assert_eq!(client.answer().await.field("connection"), Some("close"));
    assert_eq!(timeout(PATIENCE, running).await.unwrap().unwrap(), Stopped::Clean);
    drop(listening);
    assert!(doors.listening().is_empty(), "a socket that is not served must not stay open");
}

#[tokio::test]
async fn after_a_hand_over_the_second_signal_ends_all() {
    let mut edge = Edge::start(Limits::default());
    let mut client = edge.client().await;
    client.send(get("/held")).await;
    edge.until(|load| load.in_flight() == 1).await;
    let (stop, mut signals) = mpsc::channel(3);
    for signal in [StopSignal::HandOver, StopSignal::Terminate, StopSignal::Interrupt] {
        stop.send(signal).await.unwrap();
    }
    let patient = shutdown(60_000, 60_000);
    let run = std::mem::take(&mut edge.lifecycle).run(&patient, &mut signals);
    assert_eq!(timeout(PATIENCE, run).await.unwrap(), Stopped::Forced);
}
