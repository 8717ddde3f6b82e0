//! Gateways behind a load balancer that polls `/readyz` stop one after the other, and no request is
//! lost.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::clients::{Client, DIALECTS};
use crate::support::coolkit::App;
use crate::support::gateway::{Gateway, House};
use crate::support::http::{self, Connection};
use crate::support::load::Load;
use crate::support::redis::{RedisServer, wait_until};
use crate::support::upstream::{Fault, FaultyUpstream, signed_in};

/// How often a gateway is asked whether it is ready.
const POLL: Duration = Duration::from_millis(50);

/// One gateway, as the load balancer knows it.
struct Member {
    clients: SocketAddr,
    admin: SocketAddr,
    ready: AtomicBool,
    connections: AtomicUsize,
}

impl Member {
    fn of(gateway: &Gateway) -> Arc<Self> {
        let ready = AtomicBool::new(false);
        let connections = AtomicUsize::new(0);
        Arc::new(Self { clients: gateway.http, admin: gateway.admin(), ready, connections })
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::SeqCst)
    }

    fn poll(&self) {
        let mut ready = false;
        if let Ok(stream) = TcpStream::connect(self.admin) {
            let request = format!("GET /readyz HTTP/1.1\r\nHost: {}\r\n\r\n", self.admin);
            let answer = Connection::over(stream).try_exchange(request.as_bytes());
            ready = answer.is_ok_and(|answer| answer.status == 200);
        }
        self.ready.store(ready, Ordering::SeqCst);
    }
}

/// Passes connections on to gateways that are ready, by turns.
struct Balancer {
    address: SocketAddr,
    members: Arc<Mutex<Vec<Arc<Member>>>>,
}

impl Balancer {
    fn start(gateways: &[Gateway]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let members: Arc<Mutex<Vec<_>>> = Arc::new(Mutex::new(gateways.iter().map(Member::of).collect()));
        let polled = Arc::clone(&members);
        thread::spawn(move || {
            // Ends with the test's process.
            loop {
                let members = polled.lock().unwrap().clone();
                members.iter().for_each(|member| member.poll());
                thread::sleep(POLL);
            }
        });
        let balanced = Arc::clone(&members);
        thread::spawn(move || {
            for (turn, client) in listener.incoming().flatten().enumerate() {
                let members = balanced.lock().unwrap().clone();
                thread::spawn(move || pass_on(&client, &members, turn));
            }
        });
        let balancer = Self { address, members };
        wait_until("all are ready", || {
            balancer.members.lock().unwrap().iter().all(|member| member.is_ready())
        });
        balancer
    }

    /// Puts a new gateway in the place of one that is gone.
    fn replace(&self, index: usize, gateway: &Gateway) {
        let member = Member::of(gateway);
        self.members.lock().unwrap()[index] = Arc::clone(&member);
        wait_until("it is ready", || member.is_ready());
    }
}

fn pass_on(client: &TcpStream, members: &[Arc<Member>], turn: usize) {
    let ready: Vec<_> = members.iter().filter(|member| member.is_ready()).collect();
    let member = ready[turn % ready.len()];
    member.connections.fetch_add(1, Ordering::SeqCst);
    let server = TcpStream::connect(member.clients).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| copy(client, &server));
        copy(&server, client);
        // The server is done with it, so the client need not say anything more.
        let _ = client.shutdown(Shutdown::Both);
    });
}

/// Copies until one side ends, and tells the other.
fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    // A side that is gone ends the connection as well.
    let _ = io::copy(&mut from, &mut to).and_then(|_| to.flush());
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn gateways_that_stop_one_after_the_other_lose_no_request() {
    let (app, redis) = (App::sample(), RedisServer::start());
    let backend = FaultyUpstream::start(Fault::Stalls(signed_in("+8613800138001")));
    let mut houses = [0, 1].map(|_| {
        let house = House::in_front_of(backend.address, &[&app]).for_clients_of(&DIALECTS);
        house.sharing(redis.url())
    });
    for house in &mut houses {
        house.change("drain_delay = \"0s\"", "drain_delay = \"1s\"");
    }
    let mut gateways = houses.each_ref().map(House::start);
    for gateway in &gateways {
        let mut client = Client::new("coolkit", gateway.http, &app);
        wait_until("signed calls pass", || client.logs_in("13800138000", "a-fine-password"));
    }
    let balancer = Balancer::start(&gateways);
    let load = Load::new(balancer.address, &app, 10);
    load.run(|| {
        for (index, share) in [(0, 200), (1, 600)] {
            load.until(share);
            stops_in_order(&mut gateways[index]);
            gateways[index] = houses[index].start();
            balancer.replace(index, &gateways[index]);
        }
    });
    let figures = &load.figures;
    assert_eq!(figures.failed(), Vec::<String>::new());
    assert_eq!((figures.good(), figures.replays("passed")), (load.requests(), 0), "{figures:?}");
    let both =
        balancer.members.lock().unwrap().iter().all(|member| member.connections.load(Ordering::SeqCst) > 0);
    assert!(both, "a gateway that is back gets its share");
}

fn stops_in_order(gateway: &mut Gateway) {
    gateway.signal("TERM");
    wait_until("it is not ready", || http::get(gateway.admin(), "/readyz").status == 503);
    // Whoever has not heard of it is served all the same.
    let answer = http::get(gateway.http, "/v1/region?country_calling_code=86");
    assert_eq!((answer.status, answer.closes()), (200, true), "{answer:?}");
    assert!(gateway.wait().success(), "{}", gateway.printed());
    let printed = gateway.printed();
    let at = |text: &str| printed.find(text).unwrap_or_else(|| panic!("{text} in {printed}"));
    assert!(at("stopping: connections end") < at("no more connections are accepted"));
    assert!(TcpStream::connect(gateway.http).is_err());
}
