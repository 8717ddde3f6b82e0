//! The PROXY protocol: a trusted proxy names the client, and nobody else does.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::support::authority::Authority;
use crate::support::coolkit::{App, is_session, login};
use crate::support::gateway::{Gateway, House};
use crate::support::http::Connection;
use crate::support::tls;
use crate::support::upstream::{Fault, FaultyUpstream, signed_in};

const PHONE: &str = "+8613800138951";
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const V2_GREETING: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn house(backend: &FaultyUpstream, app: &App, keys: &str) -> House {
    House::in_front_of(backend.address, &[app])
        .beginning_with("trusted_proxies = [\"127.0.0.2\"]")
        .listening_with(&format!("proxy_protocol = \"required\"\n{keys}"))
}

/// A connection from this address of the loopback network.
fn connect_from(source: Ipv4Addr, gateway: &Gateway) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&gateway.http.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn v1(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 192.0.2.1 56324 443\r\n").into_bytes()
}

/// Version 2 with a client's IPv6 address and a field that the gateway does not know.
fn v2(client: &str) -> Vec<u8> {
    let client: std::net::Ipv6Addr = client.parse().unwrap();
    let mut body = [client.octets(), [0; 16]].concat();
    body.extend([0xdc, 0x04, 0x01, 0xbb]);
    body.extend([0xe0, 0x00, 0x02, 0x01, 0x02]);
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [V2_GREETING, &[0x21, 0x21], &length, &body].concat()
}

fn log_in(app: &App) -> Vec<u8> {
    app.post("/api/user/login", app.body(login(PHONE, "secret")).as_bytes())
}

/// Sends what a proxy would and one login, all in one write.
fn call_behind(header: &[u8], gateway: &Gateway, app: &App) -> bool {
    let mut stream = connect_from(PROXY, gateway);
    let whole = [header, &log_in(app)].concat();
    // In two parts, so that the header does not come at once.
    stream.write_all(&whole[..header.len() / 2]).unwrap();
    is_session(&Connection::over(stream).exchange(&whole[header.len() / 2..]).json())
}

/// Whether the gateway ends a connection that begins like this, without a word.
fn is_closed_on(source: Ipv4Addr, begin: &[u8], gateway: &Gateway) -> bool {
    let mut stream = connect_from(source, gateway);
    // It may be closed before all is written.
    let _ = stream.write_all(begin);
    matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_))
}

#[test]
fn the_client_that_a_proxy_names_is_the_client() {
    let (app, backend) = (App::sample(), FaultyUpstream::start(Fault::Stalls(signed_in(PHONE))));
    let mut gateway = house(&backend, &app, "").start();
    assert!(call_behind(&v1("203.0.113.7"), &gateway, &app));
    assert!(call_behind(&v2("2001:db8::7"), &gateway, &app));
    assert!(call_behind(b"PROXY UNKNOWN\r\n", &gateway, &app), "the proxy speaks for itself");
    let local = [V2_GREETING, &[0x20, 0x00, 0x00, 0x00]].concat();
    assert!(call_behind(&local, &gateway, &app), "the proxy checks its backends");
    gateway.interrupt();
    let printed = gateway.printed();
    let named = |client: &str| printed.matches(&format!("\"client\":\"{client}\"")).count();
    assert_eq!((named("203.0.113.7"), named("2001:db8::7"), named("127.0.0.2")), (1, 1, 2), "{printed}");
}

#[test]
fn nobody_else_is_believed_and_no_header_is_no_connection() {
    let (app, backend) = (App::sample(), FaultyUpstream::start(Fault::Stalls(signed_in(PHONE))));
    let gateway = house(&backend, &app, "").start();
    let good = [v1("203.0.113.7"), log_in(&app)].concat();
    assert!(is_closed_on(STRANGER, &good, &gateway));
    let endless = [V2_GREETING, &[0x21, 0x21, 0xff, 0xff], &[0; 8192]].concat();
    for begin in [
        log_in(&app),
        b"PROXY TCP4 203.0.113.999 192.0.2.1 1 2\r\n".to_vec(),
        [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat(),
        endless,
    ] {
        assert!(is_closed_on(PROXY, &begin, &gateway), "{}", String::from_utf8_lossy(&begin));
    }
    assert_eq!(backend.requests(), 0);
    gateway.wait_for_metric("dragoman_failed_handshakes_total{reason=\"not_a_proxy\"}", 1);
    gateway.wait_for_metric("dragoman_failed_handshakes_total{reason=\"proxy_header\"}", 4);
}

#[test]
fn the_limits_count_the_client_and_not_the_proxy() {
    let (app, backend) = (App::sample(), FaultyUpstream::start(Fault::Stalls(signed_in(PHONE))));
    let mut house = house(&backend, &app, "");
    house.change("connections_per_address = \"off\"", "connections_per_address = 2");
    house.change(
        "calls_per_second_per_address = \"off\"",
        "calls_per_second_per_address = 1\nburst_per_address = 0",
    );
    let gateway = house.start();
    let open = |client: &str| {
        let mut stream = connect_from(PROXY, &gateway);
        stream.write_all(&v1(client)).unwrap();
        let mut connection = Connection::over(stream);
        let answer = connection.exchange(&log_in(&app)).json();
        (connection, answer)
    };
    let (_first, answer) = open("203.0.113.7");
    assert!(is_session(&answer), "{answer}");
    let (mut second, mut answer) = open("203.0.113.7");
    for _ in 0..1_000 {
        if answer["error"] == 429 {
            break;
        }
        answer = second.exchange(&log_in(&app)).json();
    }
    assert_eq!(answer["error"], 429, "its rate");
    let third = [v1("203.0.113.7"), log_in(&app)].concat();
    assert!(is_closed_on(PROXY, &third, &gateway), "its connections");
    let (_other, answer) = open("203.0.113.8");
    assert!(is_session(&answer), "another client: {answer}");
}

#[test]
fn a_slow_header_ends_at_the_deadline_of_a_head() {
    let (app, backend) = (App::sample(), FaultyUpstream::start(Fault::Stalls(signed_in(PHONE))));
    let mut house = house(&backend, &app, "");
    house.change("[limits]\n", "[limits]\nheader_timeout = \"300ms\"\n");
    let gateway = house.start();
    assert!(is_closed_on(PROXY, b"PROXY TCP4 203.0", &gateway));
    gateway.wait_for_metric("dragoman_failed_handshakes_total{reason=\"timeout\"}", 1);
}

#[test]
fn the_header_comes_before_the_handshake_of_tls() {
    let (app, backend, authority) =
        (App::sample(), FaultyUpstream::start(Fault::Stalls(signed_in(PHONE))), Authority::new());
    authority.sign("gateway.example");
    let (certificate, key) = (authority.file("gateway.example.pem"), authority.file("gateway.example.key"));
    let tls_key = format!("tls = {{ certificate = {certificate:?}, key = {key:?} }}");
    let gateway = house(&backend, &app, &tls_key).start();
    let mut stream = connect_from(PROXY, &gateway);
    stream.write_all(&v2("2001:db8::7")).unwrap();
    let encrypted = tls::over(stream, "gateway.example", &tls::config(&authority, &[])).unwrap();
    assert!(is_session(&Connection::through(encrypted).exchange(&log_in(&app)).json()));
}
