//! The real gateway at the edge: what the edge refuses, in the form that the caller understands.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::support::{Answer, Client, Kept, PATIENCE};
use super::whole;
use crate::clock::SystemClock;
use crate::config::{App, Clients, HttpUpstream, Mode, Network, Upstream};
use crate::gateway::Gateway;
use crate::observe::Attempt;
use crate::server::admin::AdminPages;
use crate::server::admin::console::Blank;
use crate::server::serve::Edge;
use crate::server::{Load, Opening, PassTargets, RecordSink, Sockets};
use crate::upstream::FailureKind;
use crate::upstream::http::HttpBackend;

struct Front {
    edge: Edge<Gateway>,
    records: Arc<Kept>,
    _directory: tempfile::TempDir,
}

impl Front {
    /// A coolkit listener in front of a canonical backend; signatures are off.
    fn start(backend: SocketAddr) -> Self {
        Self::start_behind(backend, Clients::default())
    }

    fn start_behind(backend: SocketAddr, clients: Clients) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let upstream = HttpUpstream {
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_millis(200),
            total_timeout: Duration::from_secs(5),
            answer_bytes: 1024,
            ..HttpUpstream::new("canonical", &[&backend.to_string()], "backend.example")
        };
        let mut settings = whole::settings();
        settings.data_dir = Some(directory.path().to_owned());
        settings.upstream = Upstream::Http(upstream.clone());
        settings.admin = None;
        settings.clients = clients;
        settings.demo = false;
        settings.apps = vec![App { signature: Mode::Off, replay: Mode::Off, ..App::new("app", "secret") }];
        for listener in &mut settings.listeners {
            listener.dialects = vec!["coolkit".to_owned(), "canonical".to_owned()];
            listener.cors_origins = vec!["https://shop.example".to_owned()];
        }
        let backend = Arc::new(HttpBackend::new(upstream).unwrap());
        let gateway = Arc::new(Gateway::new(&settings, backend, Arc::new(SystemClock)).unwrap());
        let pages = AdminPages {
            metrics: Box::new(String::new),
            unready: Box::new(|| None),
            outbox: None,
            openapi: "{}",
            console: Box::new(Blank),
        };
        let records = Arc::new(Kept::default());
        let sink: Arc<dyn RecordSink> = records.clone();
        let edge = Edge::start(
            &settings,
            gateway,
            PassTargets::new(),
            pages,
            Load::new(&settings.limits),
            sink,
            Opening::AtOnce(Sockets::default()),
        )
        .unwrap();
        Self { edge, records, _directory: directory }
    }

    async fn ask(&self, request: &str) -> (Answer, Value) {
        let mut client = Client::over(TcpStream::connect(self.edge.clients()[0]).await.unwrap());
        client.send(request).await;
        let answer = client.answer().await;
        let body = serde_json::from_str(&answer.body).unwrap();
        (answer, body)
    }

    fn attempts(&self) -> Vec<Attempt> {
        self.records.0.lock().unwrap().iter().flat_map(|record| record.attempts.clone()).collect()
    }
}

async fn unused_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn login() -> String {
    let body = json!({"appid": "app", "nonce": "abcdefgh", "ts": 1, "version": 8,
                      "phoneNumber": "+8613800138001", "password": "12345678"});
    super::support::post("/api/user/login", &body.to_string())
}

#[tokio::test]
async fn what_the_edge_refuses_has_the_form_of_the_dialect_of_the_path() {
    let front = Front::start(unused_address().await);
    let large = "x".repeat(70_000);
    for request in [
        super::support::post("/api/user/login", &large),
        "POST /api/user/login HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        format!("POST /api/user/login HTTP/1.1\r\nHost: a\r\nX: {large}\r\n\r\n"),
    ] {
        let (answer, body) = front.ask(&request).await;
        assert_eq!((answer.status, &body["error"]), (200, &json!(400)), "{body}");
    }
    let (answer, body) =
        front.ask("POST /v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n").await;
    assert_eq!((answer.status, &body["code"]), (413, &json!("payload_too_large")), "{body}");
    let (answer, _) = front.ask("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn pages_of_the_listed_origins_alone_may_call_and_read_answers() {
    let front = Front::start(unused_address().await);
    let send = async |request: String| {
        let mut client = Client::over(TcpStream::connect(front.edge.clients()[0]).await.unwrap());
        client.send(&request).await;
        client.answer().await
    };
    let asks = |path: &str, origin: &str| {
        format!(
            "OPTIONS {path} HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization,content-type\r\n\r\n"
        )
    };
    for path in ["/api/user/login", "/v1/sessions"] {
        let answer = send(asks(path, "https://shop.example")).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{path}");
        assert_eq!(answer.field("access-control-allow-origin"), Some("https://shop.example"));
        assert!(answer.field("access-control-allow-methods").unwrap().contains("POST"), "{path}");
        assert_eq!(answer.field("access-control-allow-headers"), Some("authorization,content-type"));
        assert_eq!(answer.field("vary"), Some("origin"));
    }
    for origin in ["https://shop.example.evil", "http://shop.example", "null"] {
        let answer = send(asks("/v1/sessions", origin)).await;
        assert_eq!((answer.status, answer.field("access-control-allow-origin")), (405, None), "{origin}");
    }
    let nowhere = send(asks("/nowhere", "https://shop.example")).await;
    assert_eq!((nowhere.status, nowhere.field("access-control-allow-methods")), (404, None));
    let plain =
        send("OPTIONS /v1/sessions HTTP/1.1\r\nHost: a\r\nOrigin: https://shop.example\r\n\r\n".to_owned());
    assert_eq!(plain.await.status, 405, "no browser that asks first");

    let from = |origin: &str| login().replacen("Host: a\r\n", &format!("Host: a\r\nOrigin: {origin}\r\n"), 1);
    let read = send(from("https://shop.example")).await;
    assert_eq!(read.field("access-control-allow-origin"), Some("https://shop.example"));
    assert!(read.field("access-control-expose-headers").unwrap().contains("authorization"));
    let stranger = send(from("https://other.example")).await;
    assert_eq!((stranger.status, stranger.field("access-control-allow-origin")), (read.status, None));
}

#[tokio::test]
async fn a_backend_that_fails_is_the_callers_own_error_and_got_the_call_at_most_once() {
    let front = Front::start(unused_address().await);
    let (answer, body) = front.ask(&login()).await;
    assert_eq!((answer.status, &body["error"]), (200, &json!(500)), "{body}");
    assert_eq!(front.attempts(), [Attempt::Failed(FailureKind::ConnectFailed)]);

    for (said, kind) in [
        ("", FailureKind::ClosedBeforeAnswer),
        ("HTTP/1.1 201 Created\r\nContent-Length: 50\r\n\r\n{", FailureKind::ClosedWithinAnswer),
        ("garbage\r\n\r\n", FailureKind::Malformed),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = Front::start(listener.local_addr().unwrap());
        let backend = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(said.as_bytes()).await.unwrap();
        };
        let request = login();
        let ((answer, body), ()) = tokio::join!(front.ask(&request), backend);
        assert_eq!((answer.status, &body["error"]), (200, &json!(500)), "{body}");
        assert_eq!(front.attempts(), [Attempt::Failed(kind)]);
    }
}

#[tokio::test]
async fn a_login_is_translated_there_and_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = Front::start(listener.local_addr().unwrap());
    let answered = json!({
        "account": {"id": "1", "phone": "+8613800138001"},
        "session": {"access_token": "at-1", "token_type": "Bearer", "expires_in": 60, "refresh_token": "rt-1"},
        "region": "cn",
    })
    .to_string();
    let backend = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await.unwrap();
        let head = format!(
            "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answered.len()
        );
        stream.write_all((head + &answered).as_bytes()).await.unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    };
    let request = login();
    let ((answer, body), seen) = tokio::join!(front.ask(&request), backend);
    assert_eq!((answer.status, &body["at"]), (200, &json!("at-1")), "{body}");
    assert!(seen.starts_with("POST /v1/sessions HTTP/1.1\r\nhost: backend.example\r\n"), "{seen}");
    let id = answer.field("x-request-id").unwrap();
    assert!(seen.contains(&format!("x-request-id: {id}")), "{seen}");
}

#[tokio::test]
async fn only_a_trusted_proxy_says_whose_address_a_request_has() {
    let trusted_proxies = vec![Network::parse("127.0.0.0/8").unwrap()];
    let behind_proxy = Clients { trusted_proxies, ..Clients::default() };
    for (clients, field, client) in [
        (Clients::default(), "X-Forwarded-For: 198.51.100.9", "127.0.0.1"),
        (behind_proxy.clone(), "X-Forwarded-For: 192.0.2.1, 198.51.100.9", "198.51.100.9"),
        (behind_proxy.clone(), "X-Forwarded-For: ::ffff:198.51.100.9", "198.51.100.9"),
        (behind_proxy.clone(), "X-Forwarded-For: 198.51.100.9, nonsense", "127.0.0.1"),
        (behind_proxy.clone(), "X_Forwarded_For: 198.51.100.9", "127.0.0.1"),
        (behind_proxy, "Forwarded: for=198.51.100.9", "127.0.0.1"),
    ] {
        let (front, _, seen) = seen_by_the_backend(clients, field).await;
        assert!(seen.contains(&format!("x-forwarded-for: {client}\r\n")), "{field}: {seen}");
        let recorded = front.records.0.lock().unwrap()[0].client.unwrap();
        assert_eq!(recorded.to_string(), client, "{field}");
    }
}

/// What the backend is asked for a login with one more field, and the id that its answer bears.
async fn seen_by_the_backend(clients: Clients, field: &str) -> (Front, String, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = Front::start_behind(listener.local_addr().unwrap(), clients);
    let backend = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await.unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    };
    let request = login().replace("Host: a", &format!("Host: a\r\n{field}"));
    let both = async { tokio::join!(front.ask(&request), backend) };
    let ((answer, _), seen) = timeout(PATIENCE, both).await.expect("the backend is asked");
    let id = answer.field("x-request-id").unwrap().to_owned();
    (front, id, seen)
}

#[tokio::test]
async fn only_a_trusted_proxy_gives_requests_their_ids_and_only_in_their_form() {
    let trusted_proxies = vec![Network::parse("127.0.0.0/8").unwrap()];
    let behind_proxy = Clients { trusted_proxies, ..Clients::default() };
    for (clients, given, taken) in [
        (behind_proxy.clone(), "X-Request-Id: from-the-proxy-1", true),
        (Clients::default(), "X-Request-Id: from-the-proxy-1", false),
        (behind_proxy.clone(), "X-Request-Id: from the proxy", false),
        (behind_proxy, "X-Request-Id: one\r\nX-Request-Id: from-the-proxy-1", false),
    ] {
        let (front, id, seen) = seen_by_the_backend(clients, given).await;
        assert_eq!(id == "from-the-proxy-1", taken, "{given}: {id}");
        assert!(seen.contains(&format!("x-request-id: {id}\r\n")), "{given}: {seen}");
        assert_eq!(front.records.0.lock().unwrap()[0].request_id, id, "{given}");
    }
}

#[tokio::test]
async fn a_trace_goes_on_only_if_it_is_one() {
    let trace = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let (_, _, seen) = seen_by_the_backend(Clients::default(), trace).await;
    assert!(seen.contains(trace), "{seen}");
    for broken in ["traceparent: 00-0-0-01", &format!("{trace}\r\n{trace}"), &trace.to_uppercase()] {
        let (_, _, seen) = seen_by_the_backend(Clients::default(), broken).await;
        assert!(!seen.contains("traceparent"), "{broken}: {seen}");
    }
}
