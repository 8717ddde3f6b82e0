//! What passes through the gateway is streamed: however large, however slow, whichever protocol.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::authority::Authority;
use crate::support::coolkit::App;
use crate::support::gateway::{Gateway, House};
use crate::support::http::Connection;
use crate::support::passed::{Passed, message_of, read_message};
use crate::support::upstream::{Fault, FaultyUpstream};

const GIB: usize = 1 << 30;
/// Far less than any of the bodies.
const FLAT: u64 = 16 << 20;

fn house(backend: &Passed) -> House {
    let mut house = House::in_front_of(backend.address, &[&App::sample()])
        .with("[[pass_through]]\nprefix = \"/files\"\n");
    house.change(
        "first_byte_timeout = \"1s\"\ntotal_timeout = \"2s\"",
        "first_byte_timeout = \"60s\"\ntotal_timeout = \"60s\"",
    );
    house
}

/// The same with TLS and HTTP/2.
fn secure_house(backend: &Passed, authority: &Authority) -> House {
    authority.sign("gateway.example");
    let (certificate, key) = (authority.file("gateway.example.pem"), authority.file("gateway.example.key"));
    house(backend).listening_with(&format!("tls = {{ certificate = {certificate:?}, key = {key:?} }}"))
}

/// curl over HTTP/2, which fails where it gets another version.
fn curl(gateway: &Gateway, authority: &Authority, target: &str) -> Command {
    let mut command = Command::new("curl");
    let port = gateway.http.port();
    command
        .args(["--silent", "--show-error", "--fail", "--http2", "--no-buffer"])
        .arg("--cacert")
        .arg(authority.file("ca.pem"))
        .arg("--resolve")
        .arg(format!("gateway.example:{port}:127.0.0.1"))
        .arg(format!("https://gateway.example:{port}{target}"));
    command
}

/// Runs `pass`, and tells that the gateway's memory did not grow by what passed.
fn stays_flat(gateway: &Gateway, what: &str, pass: impl FnOnce()) {
    let before = gateway.memory("VmRSS");
    gateway.forget_memory_peak();
    pass();
    let peak = gateway.memory("VmHWM");
    println!("{what}: {} KiB before, {} KiB at most", before >> 10, peak >> 10);
    assert!(peak < before + FLAT, "{what}: {before} bytes before, {peak} at most");
}

#[test]
fn a_gib_down_and_a_gib_up_take_no_memory() {
    let backend = Passed::start();
    let gateway = house(&backend).start();
    Connection::open(gateway.http).get("/files/down?1000");
    stays_flat(&gateway, "1 GiB down", || {
        let mut stream = TcpStream::connect(gateway.http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let ask = format!("GET /files/down?{GIB} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(ask.as_bytes()).unwrap();
        let mut reader = BufReader::with_capacity(1 << 18, stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            reader.read_line(&mut head).unwrap();
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let mut count = 0;
        while let Ok(bytes @ [_, ..]) = reader.fill_buf() {
            let length = bytes.len();
            count += length;
            reader.consume(length);
        }
        assert_eq!(count, GIB);
    });
    stays_flat(&gateway, "1 GiB up", || {
        let mut stream = TcpStream::connect(gateway.http).unwrap();
        let head = format!("PUT /files/up HTTP/1.1\r\nHost: a\r\nContent-Length: {GIB}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let piece = vec![b'x'; 1 << 18];
        for _ in 0..GIB / piece.len() {
            stream.write_all(&piece).unwrap();
        }
        assert_eq!(Connection::over(stream).exchange(b"").body, GIB.to_string());
    });
    gateway.wait_for_metric("dragoman_in_flight_requests", 0);
}

#[test]
fn large_bodies_over_tls_and_http_2_take_no_memory_either() {
    const SIZE: usize = 256 << 20;
    let (backend, authority) = (Passed::start(), Authority::new());
    let gateway = secure_house(&backend, &authority).start();
    assert!(curl(&gateway, &authority, "/files/down?1000").output().unwrap().status.success());
    stays_flat(&gateway, "256 MiB down over HTTP/2", || {
        let mut command = curl(&gateway, &authority, &format!("/files/down?{SIZE}"));
        command.args(["--output", "/dev/null", "--write-out", "%{http_version} %{size_download}"]);
        let said = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&said.stdout), format!("2 {SIZE}"));
    });
    stays_flat(&gateway, "256 MiB up over HTTP/2", || {
        let mut command = curl(&gateway, &authority, "/files/up");
        command.args(["--upload-file", "-", "--write-out", " %{http_version}"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..SIZE / piece.len() {
            input.write_all(&piece).unwrap();
        }
        drop(input);
        let said = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&said.stdout), format!("{SIZE} 2"));
    });
    gateway.wait_for_metric("dragoman_in_flight_requests", 0);
}

/// Reads one event; the next is sent only after it came.
fn next_event(reader: &mut impl BufRead) -> String {
    loop {
        let mut line = String::new();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0, "the events ended");
        if let Some(event) = line.trim_end().strip_prefix("data: ") {
            return event.to_owned();
        }
    }
}

#[test]
fn events_arrive_one_by_one_as_they_happen() {
    let (backend, authority) = (Passed::start(), Authority::new());
    let gateway = house(&backend).start();
    let mut stream = TcpStream::connect(gateway.http).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let ask = b"GET /files/events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n";
    stream.write_all(ask).unwrap();
    let mut reader = BufReader::new(stream);
    for number in 0..20 {
        backend.events.send(number.to_string()).unwrap();
        assert_eq!(next_event(&mut reader), number.to_string());
    }

    let backend = Passed::start();
    let gateway = secure_house(&backend, &authority).start();
    let mut child: Child =
        curl(&gateway, &authority, "/files/events").stdout(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    for number in 0..20 {
        backend.events.send(number.to_string()).unwrap();
        assert_eq!(next_event(&mut reader), number.to_string());
    }
    // The client goes away, and so does the call.
    child.kill().unwrap();
    child.wait().unwrap();
    gateway.wait_for_metric("dragoman_in_flight_requests", 0);
}

#[test]
fn web_socket_messages_come_back() {
    let (backend, authority) = (Passed::start(), Authority::new());
    let gateway = secure_house(&backend, &authority).start();
    // A client of WebSocket asks for HTTP/1.1 by ALPN.
    let config = crate::support::tls::config(&authority, &["http/1.1"]);
    let mut stream = crate::support::tls::connect(gateway.http, "gateway.example", &config).unwrap();
    let ask = "GET /files/echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
               Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(ask.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    // The answer that RFC 6455 has for this key.
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    for length in [0, 1, 125, 126, 5_000, 60_000] {
        let message: Vec<u8> = (0..length).map(|byte| u8::try_from(byte % 251).unwrap()).collect();
        stream.write_all(&message_of(&message, true)).unwrap();
        assert_eq!(read_message(&mut stream).unwrap(), message, "{length}");
    }
    drop(stream);
    gateway.wait_for_metric("dragoman_in_flight_requests", 0);
}

#[test]
fn the_token_of_what_passes_is_moved_where_that_was_asked_for() {
    let shop = FaultyUpstream::start(Fault::Ends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()));
    let house = House::translating("shopxo", shop.address, &App::sample())
        .for_clients_of(&["canonical"])
        .with("[[pass_through]]\nprefix = \"/files\"\nmove_token = true\n");
    let gateway = house.start();
    let mut client = Connection::open(gateway.http);
    let request =
        "GET /files/a?b=c HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t0k3n\r\nX-Own: kept\r\n\r\n";
    assert_eq!(client.exchange(request.as_bytes()).status, 200);
    let seen = shop.received().pop().unwrap();
    assert!(seen.starts_with("GET /files/a?b=c&token=t0k3n HTTP/1.1\r\n"), "{seen}");
    assert!(!seen.to_ascii_lowercase().contains("authorization:"), "{seen}");
    assert!(seen.to_ascii_lowercase().contains("x-own: kept"), "{seen}");
    assert!(!gateway.printed().contains("t0k3n"));
}
