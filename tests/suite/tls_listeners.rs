//! TLS in front: who is shown which certificate, and how certificates are renewed.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::support::authority::Authority;
use crate::support::coolkit::{App, is_session, login};
use crate::support::gateway::{Gateway, House};
use crate::support::http::Connection;
use crate::support::tls::{self, Encrypted};
use crate::support::upstream::{Fault, FaultyUpstream, signed_in};

const PHONE: &str = "+8613800138901";
const PATIENCE: Duration = Duration::from_secs(60);

fn backend() -> FaultyUpstream {
    FaultyUpstream::start(Fault::Stalls(signed_in(PHONE)))
}

/// `tls = …` with the certificates of these files.
fn showing(authority: &Authority, files: &[&str]) -> String {
    let entry = |file: &&str| {
        let (certificate, key) =
            (authority.file(&format!("{file}.pem")), authority.file(&format!("{file}.key")));
        format!("{{ certificate = {certificate:?}, key = {key:?} }}")
    };
    match files {
        [file] => format!("tls = {}", entry(file)),
        _ => format!("tls = [{}]", files.iter().map(entry).collect::<Vec<_>>().join(", ")),
    }
}

fn copy(authority: &Authority, from: &str, to: &str) {
    for kind in ["key", "pem"] {
        fs::copy(authority.file(&format!("{from}.{kind}")), authority.file(&format!("{to}.{kind}"))).unwrap();
    }
}

fn log_in(stream: Encrypted, app: &App) -> bool {
    let request = app.post("/api/user/login", app.body(login(PHONE, "secret")).as_bytes());
    is_session(&Connection::through(stream).exchange(&request).json())
}

/// The certificate that a client of this name is shown.
fn shown(gateway: &Gateway, authority: &Authority, name: &str) -> Option<Vec<u8>> {
    let stream = tls::connect(gateway.http, name, &tls::config(authority, &[])).ok()?;
    Some(stream.conn.peer_certificates().unwrap()[0].to_vec())
}

fn der(authority: &Authority, file: &str) -> Vec<u8> {
    CertificateDer::from_pem_file(authority.file(&format!("{file}.pem"))).unwrap().to_vec()
}

/// Waits until something is so; nothing announces it.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::yield_now();
    }
}

#[test]
fn a_client_logs_in_over_tls_and_nothing_is_served_in_the_clear() {
    let (app, backend, authority) = (App::sample(), backend(), Authority::new());
    authority.sign("gateway.example");
    let gateway = House::in_front_of(backend.address, &[&app])
        .listening_with(&showing(&authority, &["gateway.example"]))
        .start();
    let config = tls::config(&authority, &[]);
    assert!(log_in(tls::connect(gateway.http, "gateway.example", &config).unwrap(), &app));
    assert!(tls::connect(gateway.http, "other.example", &config).is_err(), "another name");
    assert!(tls::connect(gateway.http, "gateway.example", &tls::config(&Authority::new(), &[])).is_err());
    let mut clear = TcpStream::connect(gateway.http).unwrap();
    clear.write_all(b"GET /api/user/me HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut said = Vec::new();
    // A TLS alert may come, or a reset that takes it along.
    let _ = clear.read_to_end(&mut said);
    assert!(!said.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&said));
    gateway.wait_for_metric("dragoman_failed_handshakes_total{reason=\"tls\"}", 3);
    gateway.wait_for_metric("dragoman_connections", 0);
}

#[test]
fn old_versions_of_tls_are_refused() {
    let (app, backend, authority) = (App::sample(), backend(), Authority::new());
    authority.sign("gateway.example");
    let gateway = House::in_front_of(backend.address, &[&app])
        .listening_with(&showing(&authority, &["gateway.example"]))
        .start();
    let handshake = |version: &str| {
        let connect = format!("s_client -connect {} -{version} -cipher ALL:@SECLEVEL=0", gateway.http);
        let mut client = Command::new("openssl");
        client.args(connect.split(' ')).stdin(Stdio::null()).output().unwrap().status.success()
    };
    for (version, taken) in [("tls1", false), ("tls1_1", false), ("tls1_2", true), ("tls1_3", true)] {
        assert_eq!(handshake(version), taken, "{version}");
    }
}

#[test]
fn a_client_is_shown_the_certificate_of_the_name_it_asks_for() {
    let (app, backend, authority) = (App::sample(), backend(), Authority::new());
    authority.sign("one.example");
    authority.sign_for("many", "*.two.example", 2);
    let gateway = House::in_front_of(backend.address, &[&app])
        .listening_with(&showing(&authority, &["one.example", "many"]))
        .start();
    assert_eq!(shown(&gateway, &authority, "one.example"), Some(der(&authority, "one.example")));
    assert_eq!(shown(&gateway, &authority, "shop.two.example"), Some(der(&authority, "many")));
    // The first one is shown, and has the wrong name.
    assert_eq!(shown(&gateway, &authority, "three.example"), None);
}

#[test]
fn a_renewed_certificate_is_taken_by_itself_and_a_broken_one_leaves_the_old() {
    let (app, backend, authority) = (App::sample(), backend(), Authority::new());
    for (file, days) in [("first", 2), ("second", 30), ("third", 60)] {
        authority.sign_for(file, "gateway.example", days);
    }
    copy(&authority, "first", "live");
    let gateway =
        House::in_front_of(backend.address, &[&app]).listening_with(&showing(&authority, &["live"])).start();
    let expiry = |gateway: &Gateway| {
        let line =
            "dragoman_certificate_expiry_timestamp_seconds{certificate=\"0\",listener=\"127.0.0.1:0\"}";
        gateway.metric(line)
    };
    let now = crate::support::now();
    assert!((now + 86_400..now + 3 * 86_400).contains(&expiry(&gateway)));
    let shows = |file: &str| shown(&gateway, &authority, "gateway.example") == Some(der(&authority, file));
    let open = tls::connect(gateway.http, "gateway.example", &tls::config(&authority, &[])).unwrap();

    copy(&authority, "second", "live");
    until("the renewed certificate is shown", || shows("second"));
    gateway.wait_for_metric("dragoman_certificate_renewals_total{result=\"success\"}", 1);
    assert!((now + 29 * 86_400..now + 31 * 86_400).contains(&expiry(&gateway)));
    assert!(log_in(open, &app), "a connection of before goes on");

    fs::copy(authority.file("third.key"), authority.file("live.key")).unwrap();
    until("the broken one is told", || {
        gateway.metric("dragoman_certificate_renewals_total{result=\"failure\"}") > 0
    });
    until("and logged", || gateway.printed().contains("the key does not fit the certificate"));
    assert!(shows("second"));
    assert!(!gateway.reload(), "a reload refuses it as well");
    assert!(shows("second"));

    copy(&authority, "third", "live");
    assert!(gateway.reload());
    assert!(shows("third"), "SIGHUP takes it at once");
}

#[test]
fn a_client_that_does_not_shake_hands_is_bounded_counted_and_let_go() {
    let (app, backend, authority) = (App::sample(), backend(), Authority::new());
    authority.sign("gateway.example");
    let mut house = House::in_front_of(backend.address, &[&app])
        .listening_with(&showing(&authority, &["gateway.example"]));
    house.change("[limits]\n", "[limits]\nconnections = 2\nheader_timeout = \"300ms\"\n");
    let gateway = house.start();
    let mut silent = TcpStream::connect(gateway.http).unwrap();
    let mut slow = TcpStream::connect(gateway.http).unwrap();
    slow.write_all(b"\x16\x03\x01").unwrap();
    gateway.wait_for_metric("dragoman_connections", 2);
    let mut third = TcpStream::connect(gateway.http).unwrap();
    assert!(matches!(third.read(&mut [0; 1]), Ok(0) | Err(_)), "over the bound");
    for stuck in [&mut silent, &mut slow] {
        stuck.set_read_timeout(Some(PATIENCE)).unwrap();
        assert!(matches!(stuck.read(&mut [0; 1]), Ok(0)), "let go at the deadline");
    }
    gateway.wait_for_metric("dragoman_failed_handshakes_total{reason=\"timeout\"}", 2);
    let config = tls::config(&authority, &[]);
    assert!(log_in(tls::connect(gateway.http, "gateway.example", &config).unwrap(), &app));
}

#[test]
fn a_key_of_another_certificate_is_refused_at_the_start() {
    let (app, backend, authority) = (App::sample(), backend(), Authority::new());
    authority.sign("one.example");
    authority.sign("two.example");
    fs::copy(authority.file("two.example.key"), authority.file("one.example.key")).unwrap();
    let house =
        House::in_front_of(backend.address, &[&app]).listening_with(&showing(&authority, &["one.example"]));
    let output = house.check();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("dragoman.toml:5:") && said.contains("the key does not fit"), "{said}");
}
