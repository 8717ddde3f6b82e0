//! A backend of raw sockets that does what backends do on bad days.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::*;

/// What the backend does with each connection's requests.
#[derive(Clone, Copy)]
enum Act {
    /// Says this to every request and keeps the connection.
    Say(&'static str),
    /// Says this to the first request and closes.
    SayAndClose(&'static str),
    /// Says this to the first request, then a byte every few milliseconds.
    Trickle(&'static str),
    /// Reads and says nothing.
    Hang,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
    last: std::sync::Mutex<String>,
    closed: Notify,
}

async fn backend(act: Act) -> (String, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let seen = Arc::new(Seen::default());
    let shared = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            shared.connections.fetch_add(1, Ordering::SeqCst);
            let seen = Arc::clone(&shared);
            tokio::spawn(async move {
                serve(stream, act, &seen).await;
                seen.closed.notify_one();
            });
        }
    });
    (address, seen)
}

async fn serve(mut stream: TcpStream, act: Act, seen: &Seen) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        seen.requests.fetch_add(1, Ordering::SeqCst);
        *seen.last.lock().unwrap() = String::from_utf8_lossy(&buffer[..read]).into_owned();
        match act {
            Act::Say(text) => stream.write_all(text.as_bytes()).await.unwrap(),
            Act::SayAndClose(text) => return stream.write_all(text.as_bytes()).await.unwrap(),
            Act::Trickle(text) => {
                stream.write_all(text.as_bytes()).await.unwrap();
                while stream.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            Act::Hang => {}
        }
    }
}

async fn failure(act: Act, patience: Duration) -> Failure {
    let (address, _) = backend(act).await;
    let backend = HttpBackend::new(settings(&[&address])).unwrap();
    backend.send(login(), Instant::now() + patience).await.unwrap_err()
}

const GOOD: &str = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nServer: x\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}";

#[tokio::test]
async fn requests_and_answers_carry_what_they_should() {
    let (address, seen) = backend(Act::Say(GOOD)).await;
    let backend = HttpBackend::new(settings(&[&address])).unwrap();
    for _ in 0..3 {
        let response = backend.send(login(), far()).await.unwrap();
        assert_eq!((response.status().as_u16(), response.body().as_ref()), (201, &b"{}"[..]));
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(response.headers().get("server"), None);
    }
    assert_eq!(seen.connections.load(Ordering::SeqCst), 1, "the connection is kept");
    let request = seen.last.lock().unwrap().clone();
    assert_eq!(
        request,
        "POST /base/v1/sessions?a=b HTTP/1.1\r\nhost: backend.example\r\nx-gateway: s3cret\r\n\
         content-type: application/json\r\ncontent-length: 7\r\n\r\n{\"a\":1}"
    );
}

#[tokio::test]
async fn a_get_has_no_length_and_informational_answers_are_passed_over() {
    let text = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (address, seen) = backend(Act::Say(text)).await;
    let backend = HttpBackend::new(settings(&[&address])).unwrap();
    let request = Request::get("/v1/accounts/me").body(Bytes::new()).unwrap();
    assert_eq!(backend.send(request, far()).await.unwrap().body(), "ok");
    assert!(!seen.last.lock().unwrap().contains("content-length"));
}

#[tokio::test]
async fn every_form_of_body_is_read_whole() {
    for (text, body) in [
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", "abcde"),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", "until the end"),
        ("HTTP/1.0 200 OK\r\n\r\nold", "old"),
        ("HTTP/1.1 204 No Content\r\n\r\n", ""),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", "ab"),
    ] {
        let (address, _) = backend(Act::SayAndClose(text)).await;
        let backend = HttpBackend::new(settings(&[&address])).unwrap();
        assert_eq!(backend.send(login(), far()).await.unwrap().body(), body, "{text:?}");
    }
}

#[tokio::test]
async fn each_way_to_fail_has_its_name() {
    for (act, kind) in [
        (Act::Hang, FailureKind::AnswerTimeout),
        (Act::Trickle("HTTP/1.1 200 OK\r\nX: "), FailureKind::AnswerTimeout),
        (Act::Trickle("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"), FailureKind::BodyTimeout),
        (Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc"), FailureKind::BodyTimeout),
        (Act::SayAndClose(""), FailureKind::ClosedBeforeAnswer),
        (Act::SayAndClose("HTTP/1.1 200 OK\r\nConte"), FailureKind::ClosedBeforeAnswer),
        (
            Act::SayAndClose("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc"),
            FailureKind::ClosedWithinAnswer,
        ),
        (
            Act::SayAndClose("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
            FailureKind::ClosedWithinAnswer,
        ),
        (
            Act::SayAndClose("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            FailureKind::Malformed,
        ),
        (Act::SayAndClose("<html>not HTTP</html>\r\n\r\n"), FailureKind::Malformed),
        (
            Act::SayAndClose("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
            FailureKind::Malformed,
        ),
        (
            Act::SayAndClose("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab"),
            FailureKind::Malformed,
        ),
        (Act::SayAndClose("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), FailureKind::Malformed),
        (Act::SayAndClose("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n"), FailureKind::TooLarge),
        (
            Act::Trickle(
                "HTTP/1.1 200 OK\r\n\r\n0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
            ),
            FailureKind::TooLarge,
        ),
    ] {
        let is_late = matches!(kind, FailureKind::AnswerTimeout | FailureKind::BodyTimeout);
        let patience = if is_late { Duration::from_millis(200) } else { Duration::from_secs(10) };
        let expected = Failure { kind, delivered: true };
        assert_eq!(failure(act, patience).await, expected);
    }
}

#[tokio::test]
async fn a_post_is_delivered_at_most_once() {
    for act in [Act::SayAndClose(""), Act::SayAndClose("HTTP/1.1 200 OK\r\nContent-Le"), Act::Hang] {
        let (address, seen) = backend(act).await;
        let (other, other_seen) = backend(act).await;
        let backend = HttpBackend::new(settings(&[&address, &other])).unwrap();
        let deadline = Instant::now() + Duration::from_millis(200);
        assert!(backend.send(login(), deadline).await.unwrap_err().delivered);
        let requests = [&seen, &other_seen].map(|seen| seen.requests.load(Ordering::SeqCst));
        assert_eq!(requests, [1, 0]);
    }
}

#[tokio::test]
async fn a_kept_connection_that_the_backend_closed_is_not_used_again() {
    let (address, seen) = backend(Act::SayAndClose(GOOD)).await;
    let backend = HttpBackend::new(settings(&[&address])).unwrap();
    for round in 1..=5 {
        backend.send(login(), far()).await.unwrap();
        seen.closed.notified().await;
        assert_eq!(seen.requests.load(Ordering::SeqCst), round);
    }
}

#[tokio::test]
async fn an_incomplete_exchange_is_not_kept() {
    let (address, seen) =
        backend(Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\n")).await;
    let backend = HttpBackend::new(settings(&[&address])).unwrap();
    for _ in 0..2 {
        assert_eq!(backend.send(login(), far()).await.unwrap().body(), "ab");
    }
    assert_eq!(seen.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_refuses() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let (address, seen) = backend(Act::Say(GOOD)).await;
    let both = HttpBackend::new(settings(&[&nobody, &address])).unwrap();
    for _ in 0..4 {
        assert_eq!(both.send(login(), far()).await.unwrap().status(), 201);
    }
    assert_eq!(seen.requests.load(Ordering::SeqCst), 4);
    let none = HttpBackend::new(settings(&[&nobody])).unwrap();
    let expected = Failure { kind: FailureKind::ConnectFailed, delivered: false };
    assert_eq!(none.send(login(), far()).await.unwrap_err(), expected);
    let unknown = HttpBackend::new(settings(&["no port"])).unwrap();
    assert_eq!(unknown.send(login(), far()).await.unwrap_err(), expected);
}

#[tokio::test]
async fn the_shortest_of_all_deadlines_holds() {
    let (address, _) = backend(Act::Hang).await;
    let short = Duration::from_millis(20);
    for settings in [
        HttpUpstream { first_byte_timeout: short, ..settings(&[&address]) },
        HttpUpstream { total_timeout: short, ..settings(&[&address]) },
    ] {
        let started = Instant::now();
        let failure = HttpBackend::new(settings).unwrap().send(login(), far()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::AnswerTimeout);
        assert!(started.elapsed() < Duration::from_secs(4));
    }
}

#[tokio::test]
async fn over_the_bound_of_calls_and_the_queue_a_call_is_refused_at_once() {
    let (address, _) = backend(Act::Hang).await;
    let backend = Arc::new(HttpBackend::new(settings(&[&address])).unwrap());
    let calls: Vec<_> = (0..256 + 128)
        .map(|_| {
            let backend = Arc::clone(&backend);
            tokio::spawn(async move { backend.send(login(), far()).await })
        })
        .collect();
    while backend.waiting.load(Ordering::SeqCst) < 128 {
        tokio::task::yield_now().await;
    }
    let expected = Failure { kind: FailureKind::Busy, delivered: false };
    assert_eq!(backend.send(login(), far()).await.unwrap_err(), expected);
    for call in calls {
        call.abort();
        // Aborted or answered: only that it is over counts.
        let _ = call.await;
    }
    assert_eq!(backend.turns.available_permits(), 256);
    assert_eq!(backend.waiting.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn tls_needs_a_name_and_a_tls_backend() {
    let unnamed = HttpUpstream { tls: true, host: String::new(), ..settings(&["127.0.0.1:1"]) };
    assert_eq!(HttpBackend::new(unnamed).err(), Some(UnusableUpstream::NoHostForTls));
    let (address, _) = backend(Act::Say(GOOD)).await;
    let tls = HttpUpstream { tls: true, ..settings(&[&address]) };
    let failure = HttpBackend::new(tls).unwrap().send(login(), far()).await.unwrap_err();
    assert_eq!(failure, Failure { kind: FailureKind::TlsFailed, delivered: false });
}

#[test]
fn settings_that_would_break_a_head_are_refused() {
    let host = HttpUpstream { host: "a\r\nb".to_owned(), ..settings(&[]) };
    assert_eq!(HttpBackend::new(host).err(), Some(UnusableUpstream::Host("a\r\nb".to_owned())));
    let secret = Some(("X A".to_owned(), Secret::from("s")));
    let secret = HttpUpstream { secret, ..settings(&[]) };
    assert_eq!(HttpBackend::new(secret).err(), Some(UnusableUpstream::Secret("X A".to_owned())));
}
