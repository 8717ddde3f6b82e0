//! The edge as the settings describe it, clients and operators.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::support::{Client, PATIENCE, Probe, get};
use crate::account::Country;
use crate::config::{
    Admin, Clients, Limits, Listener, Log, Regions, Replay, Settings, Shutdown, Throttle, Upstream,
};
use crate::server::admin::AdminPages;
use crate::server::admin::console::Blank;
use crate::server::serve::{Edge, ServeError};
use crate::server::{Load, NoRecords, Opening, PassTargets, Sockets, StopSignal, Stopped};

pub fn settings() -> Settings {
    let listener = |address: &str| Listener {
        address: address.parse().unwrap(),
        dialects: Vec::new(),
        default_dialect: None,
        unsigned: Vec::new(),
        settings: Default::default(),
        hosts: Default::default(),
        region: None,
        tls: Vec::new(),
        http2: false,
        cors_origins: Vec::new(),
        proxy_protocol: false,
    };
    Settings {
        listeners: vec![listener("127.0.0.1:0"), listener("127.0.0.1:0")],
        admin: Some(Admin { address: "127.0.0.1:0".parse().unwrap(), token: None, hosts: Vec::new() }),
        data_dir: None,
        upgrade_socket: None,
        upstream: Upstream::Embedded,
        pass_through: Vec::new(),
        apps: Vec::new(),
        limits: Limits::default(),
        clients: Clients::default(),
        replay: Replay::default(),
        throttle: Throttle::default(),
        store: crate::config::Store::default(),
        seal: crate::config::Seal::default(),
        dialects_dir: None,
        dialects: Vec::new(),
        regions: Regions::default(),
        log: Log::default(),
        traces: None,
        shutdown: Shutdown { drain_delay: Duration::from_secs(60), grace: Duration::from_secs(60) },
        backends: Vec::new(),
        default_country: Country::CHINA,
        demo: true,
    }
}

fn start(settings: &Settings) -> Result<(Arc<Probe>, Edge<Probe>), ServeError> {
    let probe = Arc::new(Probe { held: Semaphore::new(0) });
    let pages = AdminPages {
        metrics: Box::new(|| "dragoman_up 1\n".to_owned()),
        unready: Box::new(|| None),
        outbox: None,
        openapi: "{}",
        console: Box::new(Blank),
    };
    let load = Load::new(&settings.limits);
    let edge = Edge::start(
        settings,
        Arc::clone(&probe),
        PassTargets::new(),
        pages,
        load,
        Arc::new(NoRecords),
        Opening::AtOnce(Sockets::default()),
    )?;
    Ok((probe, edge))
}

async fn ask(address: std::net::SocketAddr, request: &str) -> (u16, String) {
    let mut client = Client::over(TcpStream::connect(address).await.unwrap());
    client.send(request).await;
    let answer = client.answer().await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn clients_and_operators_are_served_until_the_last_call_is_over_and_then_it_is_saved() {
    let settings = settings();
    let (probe, edge) = start(&settings).unwrap();
    let clients = edge.clients().to_vec();
    let admin = edge.admin().unwrap();
    for address in &clients {
        assert_eq!(ask(*address, &get("/a")).await.0, 200);
    }
    let probe_ready = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(ask(admin, probe_ready).await, (200, "ready\n".to_owned()));
    let mut held = Client::over(TcpStream::connect(clients[0]).await.unwrap());
    held.send(get("/held")).await;
    let load = Arc::clone(edge.load());
    while load.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    let saved = Arc::new(AtomicBool::new(false));
    let save = {
        let (saved, load) = (Arc::clone(&saved), Arc::clone(&load));
        async move { saved.store(load.in_flight() == 0, Ordering::SeqCst) }
    };
    let (stop, mut signals) = mpsc::channel(1);
    let running = tokio::spawn(async move { edge.run(&settings, &mut signals, save).await });
    stop.send(StopSignal::Interrupt).await.unwrap();
    while ask(admin, probe_ready).await != (503, "draining\n".to_owned()) {
        tokio::task::yield_now().await;
    }
    assert!(!saved.load(Ordering::SeqCst));
    probe.held.add_permits(1);
    assert_eq!(held.answer().await.status, 200);
    assert_eq!(timeout(PATIENCE, running).await.unwrap().unwrap(), Stopped::Clean);
    assert!(saved.load(Ordering::SeqCst));
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_that_names_it() {
    let mut settings = settings();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _holder = std::net::TcpListener::bind(taken).unwrap();
    settings.listeners[1].address = taken;
    let error = start(&settings).err().unwrap();
    assert!(matches!(error, ServeError::Bind(_)));
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}

#[tokio::test]
async fn an_open_admin_listener_off_loopback_is_an_error() {
    let mut settings = settings();
    settings.admin = Some(Admin { address: "0.0.0.0:0".parse().unwrap(), token: None, hosts: Vec::new() });
    assert!(matches!(start(&settings).err(), Some(ServeError::Admin(_))));
}
