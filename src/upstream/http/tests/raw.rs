//! A backend that fails in a chosen way, over HTTP/1.1 or HTTP/2, and counts what reached it.

use std::io::Write;
use std::net::SocketAddr;

use flate2::Compression;
use flate2::write::GzEncoder;
use h2::RecvStream;
use h2::server::SendResponse;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::*;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// It is answered well.
    Answer,
    /// It is answered with 500.
    Break,
    /// Nobody listens.
    Refuse,
    /// The connection is reset before, within or after the answer.
    ResetBefore,
    ResetWithin,
    ResetAfter,
    /// Nothing happens.
    Hang,
    /// The answer comes, a byte a second.
    Trickle,
    /// The answer is shorter than its length says.
    WrongLength,
    /// The answer decodes to 64 MiB.
    Bomb,
    /// The answer has a GiB, and says so or not.
    Announced,
    Endless,
    /// The answer is behind a 100.
    Continue,
    /// It is refused as too large before its body was read.
    Early,
}

pub(super) const BODY: &str = "{\"id\":1}";
const GIB: usize = 1 << 30;

/// A running backend. Dropped, it is dead: it accepts nothing more and its connections are gone.
pub(super) struct Raw {
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
    accepting: AbortHandle,
}

/// What reached it.
#[derive(Default)]
pub(super) struct Seen {
    pub deliveries: AtomicUsize,
    pub open: AtomicUsize,
    connections: std::sync::Mutex<Vec<AbortHandle>>,
}

impl Seen {
    pub(super) fn deliveries(&self) -> usize {
        self.deliveries.load(Ordering::SeqCst)
    }

    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

struct Open(Arc<Seen>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Raw {
    pub(super) async fn start(version: HttpVersion, act: Act) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), version, act).await
    }

    pub(super) async fn start_at(address: SocketAddr, version: HttpVersion, act: Act) -> Self {
        // The port of a dead backend is free a moment later.
        let listener = loop {
            match TcpListener::bind(address).await {
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => tokio::task::yield_now().await,
                listener => break listener.unwrap(),
            }
        };
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        let accepting = tokio::spawn(async move {
            if act == Act::Refuse {
                return drop(listener);
            }
            while let Ok((stream, _)) = listener.accept().await {
                shared.open.fetch_add(1, Ordering::SeqCst);
                let open = Open(Arc::clone(&shared));
                let serving = tokio::spawn(async move {
                    match version {
                        HttpVersion::Two => serve_v2(stream, act, &open.0).await,
                        _ => serve_v1(stream, act, &open.0).await,
                    }
                });
                shared.connections.lock().unwrap().push(serving.abort_handle());
            }
        });
        Self { address, seen, accepting: accepting.abort_handle() }
    }

    pub(super) fn text(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.accepting.abort();
        for connection in self.seen.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }
}

fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b' '; 64 << 20]).unwrap();
    encoder.finish().unwrap()
}

fn reset(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Reads a head, and the body unless it is not wanted; false when the client went away.
async fn read_request(stream: &mut TcpStream, with_body: bool) -> bool {
    let mut seen = Vec::new();
    loop {
        if let Some(end) = seen.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&seen[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if !with_body || seen.len() >= end + 4 + length {
                return true;
            }
        }
        match stream.read_buf(&mut seen).await {
            Ok(1..) => {}
            _ => return false,
        }
    }
}

async fn serve_v1(mut stream: TcpStream, act: Act, seen: &Seen) {
    while read_request(&mut stream, act != Act::Early).await {
        seen.deliveries.fetch_add(1, Ordering::SeqCst);
        // A client that goes away is part of the game.
        let Ok(true) = answer_v1(&mut stream, act).await else { return };
    }
}

/// Whether the connection goes on.
async fn answer_v1(stream: &mut TcpStream, act: Act) -> std::io::Result<bool> {
    let whole = format!("HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len());
    let piece = vec![b' '; 1 << 16];
    match act {
        Act::Answer => stream.write_all(whole.as_bytes()).await?,
        Act::Break => {
            stream.write_all(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n").await?;
        }
        Act::Refuse => return Ok(false),
        Act::ResetBefore => {
            reset(stream);
            return Ok(false);
        }
        Act::ResetWithin => {
            stream.write_all(&whole.as_bytes()[..whole.len() - 3]).await?;
            // Let it be read first: a reset takes what was not.
            tokio::time::sleep(Duration::from_millis(50)).await;
            reset(stream);
            return Ok(false);
        }
        Act::ResetAfter => {
            stream.write_all(whole.as_bytes()).await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
            reset(stream);
            return Ok(false);
        }
        Act::Hang => {}
        Act::Trickle => {
            stream.write_all(&whole.as_bytes()[..whole.len() - BODY.len()]).await?;
            for byte in BODY.bytes() {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        Act::WrongLength => {
            stream.write_all(&whole.as_bytes()[..whole.len() - 3]).await?;
            return Ok(false);
        }
        Act::Bomb => {
            let bomb = bomb();
            let head = format!(
                "HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                bomb.len()
            );
            stream.write_all(&[head.as_bytes(), &bomb].concat()).await?;
        }
        Act::Announced | Act::Endless => {
            let length =
                if act == Act::Announced { format!("Content-Length: {GIB}\r\n") } else { String::new() };
            stream.write_all(format!("HTTP/1.1 201 Created\r\n{length}\r\n").as_bytes()).await?;
            for _ in 0..GIB / piece.len() {
                stream.write_all(&piece).await?;
            }
            return Ok(false);
        }
        Act::Continue => {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            stream.write_all(whole.as_bytes()).await?;
        }
        Act::Early => {
            stream.write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n").await?;
            return Ok(false);
        }
    }
    Ok(true)
}

async fn serve_v2(stream: TcpStream, act: Act, seen: &Arc<Seen>) {
    if act == Act::ResetBefore || act == Act::ResetWithin || act == Act::ResetAfter {
        reset(&stream);
    }
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let (gone, mut is_gone) = tokio::sync::mpsc::channel::<()>(1);
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            _ = is_gone.recv() => return,
        };
        let Some(Ok((request, respond))) = accepted else { return };
        let (seen, gone) = (Arc::clone(seen), gone.clone());
        tokio::spawn(async move {
            let mut body = request.into_body();
            if act != Act::Early {
                while let Some(Ok(part)) = body.data().await {
                    body.flow_control().release_capacity(part.len()).unwrap();
                }
            }
            seen.deliveries.fetch_add(1, Ordering::SeqCst);
            if !answer_v2(respond, body, act).await {
                // Received or not, the connection ends.
                let _ = gone.send(()).await;
            }
        });
    }
}

/// Whether the connection goes on.
async fn answer_v2(mut respond: SendResponse<Bytes>, body: RecvStream, act: Act) -> bool {
    let head = |status: u16, fields: &[(&str, String)]| {
        let mut builder = Response::builder().status(status);
        for (name, value) in fields {
            builder = builder.header(*name, value);
        }
        builder.body(()).unwrap()
    };
    let length = |length: usize| [("content-length", length.to_string())];
    let pause = || tokio::time::sleep(Duration::from_millis(50));
    match act {
        Act::Answer | Act::Continue | Act::ResetAfter => {
            if act == Act::Continue {
                respond.send_informational(head(100, &[])).unwrap();
            }
            let mut stream = respond.send_response(head(201, &length(BODY.len())), false).unwrap();
            stream.send_data(BODY.into(), true).unwrap();
            pause().await;
            return act != Act::ResetAfter;
        }
        Act::Break => drop(respond.send_response(head(500, &[]), true).unwrap()),
        Act::Refuse | Act::ResetBefore => return false,
        Act::ResetWithin | Act::WrongLength => {
            let mut stream = respond.send_response(head(201, &length(BODY.len())), false).unwrap();
            stream.send_data(BODY[3..].into(), act == Act::WrongLength).unwrap();
            pause().await;
            return act == Act::WrongLength;
        }
        // Until the client gives up.
        Act::Hang => drop(std::future::poll_fn(|cx| respond.poll_reset(cx)).await),
        Act::Trickle => {
            let mut stream = respond.send_response(head(201, &length(BODY.len())), false).unwrap();
            for byte in BODY.bytes() {
                if stream.send_data(vec![byte].into(), false).is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        Act::Bomb => {
            let fields = [("content-encoding", "gzip".to_owned())];
            let mut stream = respond.send_response(head(201, &fields), false).unwrap();
            stream.send_data(bomb().into(), true).unwrap();
        }
        Act::Announced | Act::Endless => {
            let announced = length(GIB);
            let fields = if act == Act::Announced { &announced[..] } else { &[] };
            let mut stream = respond.send_response(head(201, fields), false).unwrap();
            let piece = Bytes::from(vec![b' '; 1 << 16]);
            loop {
                stream.reserve_capacity(piece.len());
                let Some(Ok(room)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else { break };
                if stream.send_data(piece.slice(..room.min(piece.len())), false).is_err() {
                    break;
                }
            }
        }
        Act::Early => {
            // The body that is dropped below has the client told to stop.
            drop(respond.send_response(head(413, &[]), true).unwrap());
        }
    }
    drop(body);
    true
}
