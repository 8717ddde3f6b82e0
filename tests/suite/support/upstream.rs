//! A canonical upstream that fails in a chosen way and counts what reached it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing listens.
    Down,
    /// It is read and never answered.
    Silent,
    /// The connection ends without an answer.
    Closed,
    /// These bytes are sent, then the connection ends.
    Ends(Vec<u8>),
    /// These bytes are sent, then nothing more while the connection stays.
    Stalls(Vec<u8>),
    /// The first request gets this answer, the next one of the same connection none.
    ClosesWhenReused(Vec<u8>),
}

/// A running upstream.
pub struct FaultyUpstream {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    dead: Arc<AtomicBool>,
}

impl FaultyUpstream {
    pub fn start(fault: Fault) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), fault)
    }

    /// Where another one died, say.
    pub fn start_at(address: SocketAddr, fault: Fault) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, connections, dead) =
            <(Arc<Mutex<Vec<_>>>, Arc<Mutex<Vec<_>>>, Arc<AtomicBool>)>::default();
        let (kept, open, over) = (Arc::clone(&requests), Arc::clone(&connections), Arc::clone(&dead));
        if matches!(fault, Fault::Down) {
            drop(listener);
        } else {
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    open.lock().unwrap().push(stream.try_clone().unwrap());
                    let (fault, kept) = (fault.clone(), Arc::clone(&kept));
                    thread::spawn(move || {
                        let ending = stream.try_clone().unwrap();
                        serve(stream, &fault, &kept);
                        // Its copy among the connections would keep it open.
                        let _ = ending.shutdown(Shutdown::Both);
                    });
                }
            });
        }
        Self { address, requests, connections, dead }
    }

    /// Accepts nothing more, and ends its connections.
    pub fn die(&self) {
        self.dead.store(true, Ordering::SeqCst);
        // The listener notices with its next connection.
        while TcpStream::connect(self.address).is_ok() {
            thread::yield_now();
        }
        for connection in self.connections.lock().unwrap().drain(..) {
            // It may have ended by itself.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// How many whole requests came in.
    pub fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// The requests that came in, head and body.
    pub fn received(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Answers, or fails to, until the other side goes away.
fn serve(stream: TcpStream, fault: &Fault, kept: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let mut served = 0;
    while let Some(request) = read_request(&mut reader) {
        kept.lock().unwrap().push(request);
        served += 1;
        let sent = match fault {
            Fault::Down | Fault::Closed => return,
            Fault::Silent => Ok(()),
            Fault::Ends(bytes) => {
                let _ = reader.get_mut().write_all(bytes);
                return;
            }
            Fault::Stalls(bytes) => reader.get_mut().write_all(bytes),
            Fault::ClosesWhenReused(_) if served > 1 => return,
            Fault::ClosesWhenReused(bytes) => reader.get_mut().write_all(bytes),
        };
        if sent.is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = super::http::field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8(body).ok()?)
}

/// A canonical backend's whole answer to a login of this phone.
pub fn signed_in(phone: &str) -> Vec<u8> {
    let account = format!(r#"{{"id":"7","phone":"{phone}","created_at":"2026-01-02T03:04:05Z"}}"#);
    let session = concat!(
        r#"{"access_token":"a","token_type":"Bearer","expires_in":60,"#,
        r#""refresh_token":"r","refresh_expires_in":90}"#
    );
    let body = format!(r#"{{"account":{account},"session":{session},"region":"cn"}}"#);
    let head = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length";
    format!("{head}: {}\r\n\r\n{body}", body.len()).into_bytes()
}
