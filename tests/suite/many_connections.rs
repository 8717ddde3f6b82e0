//! Ten thousand clients that keep their connections and say nothing, and a hundred that say one byte
//! a second: others are served, and none of them costs much memory.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::support::authority::Authority;
use crate::support::coolkit::{App, is_session, login};
use crate::support::gateway::{Gateway, House};
use crate::support::http::Connection;
use crate::support::tls;
use crate::support::upstream::{Fault, FaultyUpstream, signed_in};

const PHONE: &str = "+8613800138961";
const IDLE: usize = 10_000;
const SLOW: usize = 100;
/// Tells this program, started anew, what it is to connect to.
const TARGET: &str = "DRAGOMAN_TEST_HOLD_CONNECTIONS_TO";
/// The file of the authority that it is to believe, where it is to speak TLS.
const BELIEVED: &str = "DRAGOMAN_TEST_BELIEVED_AUTHORITY";
/// The goal of an idle connection, in bytes.
const GOAL: u64 = 12 * 1024;
/// How many of them speak TLS, and what each of those may take: the library keeps two buffers and the keys.
const ENCRYPTED: usize = 1_000;
const ENCRYPTED_GOAL: u64 = 48 * 1024;

/// Connections that a process of their own holds until this is dropped: this one may not have as many files.
struct Holder {
    child: Child,
    input: Option<ChildStdin>,
    said: BufReader<std::process::ChildStdout>,
}

impl Holder {
    fn start(target: SocketAddr, believed: Option<&Path>) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["many_connections::holds_connections", "--exact", "--nocapture", "--quiet"])
            .env(TARGET, target.to_string())
            .envs(believed.map(|file| (BELIEVED, file)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, said) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, said }
    }

    /// Waits until it says this.
    fn wait_for(&mut self, word: &str) {
        let mut line = String::new();
        while !line.ends_with(&format!("{word}\n")) {
            line.clear();
            assert_ne!(self.said.read_line(&mut line).unwrap(), 0, "it did not come to {word:?}");
        }
    }

    /// Has it do the next thing.
    fn go_on(&mut self) {
        self.input.as_mut().unwrap().write_all(b"\n").unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// What requests are written to.
trait Client: Read + Write {}

impl<S: Read + Write> Client for S {}

/// No test unless it is told a target: then it is the process that holds connections.
#[test]
fn holds_connections() {
    let Ok(target) = std::env::var(TARGET) else { return };
    let target: SocketAddr = target.parse().unwrap();
    let mut input = std::io::stdin().lines();
    let believed = std::env::var_os(BELIEVED).map(|file| tls::believing(Path::new(&file), &[]));
    let mut connections: Vec<Box<dyn Client>> = Vec::new();
    for _ in 0..if believed.is_some() { ENCRYPTED } else { IDLE } {
        let mut connection: Box<dyn Client> = match &believed {
            Some(config) => Box::new(tls::connect(target, "gateway.example", config).unwrap()),
            None => Box::new(TcpStream::connect(target).unwrap()),
        };
        // Each was a client: it asked, was answered, and stays.
        connection.write_all(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut answer = [0; 4096];
        assert!(connection.read(&mut answer).unwrap() > 0);
        connections.push(connection);
    }
    println!("\nidle");
    input.next();
    let mut slow: Vec<TcpStream> = (0..SLOW).map(|_| TcpStream::connect(target).unwrap()).collect();
    for connection in &mut slow {
        connection.write_all(b"P").unwrap();
    }
    println!("\nslow");
    // A byte from each, over and over, until the other side has seen enough of it.
    std::thread::spawn(move || {
        loop {
            for connection in &mut slow {
                let _ = connection.write_all(b"O");
            }
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
    });
    input.next();
    drop(connections);
}

fn log_in(gateway: &Gateway, app: &App, connection: &mut Connection) {
    let request = app.post("/api/user/login", app.body(login(PHONE, "secret")).as_bytes());
    let answer = connection.exchange(&request).json();
    assert!(is_session(&answer), "{answer}");
    assert!(gateway.metric("dragoman_connections") > 0);
}

#[test]
fn ten_thousand_idle_clients_and_a_hundred_slow_ones_keep_nobody_from_being_served() {
    let app = App::sample();
    let backend = FaultyUpstream::start(Fault::Stalls(signed_in(PHONE)));
    let mut house = House::in_front_of(backend.address, &[&app]);
    house.change("[limits]\n", "[limits]\nkeepalive = \"30m\"\nheader_timeout = \"30s\"\n");
    let gateway = house.start();
    let mut connection = Connection::open(gateway.http);
    log_in(&gateway, &app, &mut connection);
    let before = gateway.memory("VmRSS");
    let mut holder = Holder::start(gateway.http, None);
    holder.wait_for("idle");
    assert_eq!(gateway.metric("dragoman_connections"), i64::try_from(IDLE).unwrap() + 1);
    let each = (gateway.memory("VmRSS") - before) / IDLE as u64;
    println!("{each} bytes for each of {IDLE} idle connections (goal: {GOAL} at most)");
    assert!(each <= GOAL, "{each} bytes each");
    holder.go_on();
    holder.wait_for("slow");
    gateway.wait_for_metric("dragoman_connections", i64::try_from(IDLE + SLOW).unwrap() + 1);
    for _ in 0..20 {
        log_in(&gateway, &app, &mut connection);
        log_in(&gateway, &app, &mut Connection::open(gateway.http));
    }
    drop(holder);
    gateway.wait_for_metric("dragoman_connections", 1);
    log_in(&gateway, &app, &mut connection);
}

#[test]
fn an_idle_client_with_tls_takes_a_little_more() {
    let (app, authority) = (App::sample(), Authority::new());
    authority.sign("gateway.example");
    let (certificate, key) = (authority.file("gateway.example.pem"), authority.file("gateway.example.key"));
    let backend = FaultyUpstream::start(Fault::Down);
    let mut house = House::in_front_of(backend.address, &[&app])
        .listening_with(&format!("tls = {{ certificate = {certificate:?}, key = {key:?} }}"));
    house.change("[limits]\n", "[limits]\nkeepalive = \"30m\"\n");
    let gateway = house.start();
    let before = gateway.memory("VmRSS");
    let mut holder = Holder::start(gateway.http, Some(&authority.file("ca.pem")));
    holder.wait_for("idle");
    assert_eq!(gateway.metric("dragoman_connections"), i64::try_from(ENCRYPTED).unwrap());
    let each = (gateway.memory("VmRSS") - before) / ENCRYPTED as u64;
    println!("{each} bytes for each of {ENCRYPTED} idle connections with TLS");
    assert!(each <= ENCRYPTED_GOAL, "{each} bytes each");
}
