//! A backend for what passes through: large bodies, events as they happen, WebSocket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::http::field;

/// What RFC 6455 has both sides hash.
const WEBSOCKET: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const PIECE: usize = 64 * 1024;

/// A running backend.
pub struct Passed {
    pub address: SocketAddr,
    /// Has the next event sent to whoever listens.
    pub events: SyncSender<String>,
}

impl Passed {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (events, told) = sync_channel(0);
        let told = Arc::new(Mutex::new(told));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let told = Arc::clone(&told);
                // A client that goes away is part of the game.
                thread::spawn(move || serve(stream, &told));
            }
        });
        Self { address, events }
    }
}

fn serve(stream: TcpStream, events: &Mutex<Receiver<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let target = head.split(' ').nth(1)?.to_owned();
        let (path, number) = target.split_once('?').unwrap_or((&target, "0"));
        match path {
            "/files/down" => down(reader.get_mut(), number.parse().ok()?)?,
            "/files/up" => up(&mut reader, &head)?,
            "/files/events" => {
                let events = events.lock().ok()?;
                tell(reader.get_mut(), &events)?;
            }
            _ => return echo(reader, &head),
        }
    }
}

/// So many bytes.
fn down(stream: &mut TcpStream, length: usize) -> Option<()> {
    stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes()).ok()?;
    let piece = vec![b'x'; PIECE];
    let mut left = length;
    while left > 0 {
        let now = left.min(PIECE);
        stream.write_all(&piece[..now]).ok()?;
        left -= now;
    }
    Some(())
}

/// Counts the bytes of the body, which has a length or comes in chunks.
fn up(reader: &mut BufReader<TcpStream>, head: &str) -> Option<()> {
    let mut piece = vec![0; PIECE];
    let mut count = 0_u64;
    let mut take = |reader: &mut BufReader<TcpStream>, mut left: u64| {
        while left > 0 {
            let now = usize::try_from(left.min(PIECE as u64)).ok()?;
            let read = reader.read(&mut piece[..now]).ok().filter(|read| *read > 0)?;
            left -= read as u64;
            count += read as u64;
        }
        Some(())
    };
    if let Some(length) = field(head, "content-length") {
        take(reader, length.parse().ok()?)?;
    } else {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = u64::from_str_radix(size.trim_end(), 16).ok()?;
            take(reader, size)?;
            reader.read_exact(&mut [0; 2]).ok()?;
            if size == 0 {
                break;
            }
        }
    }
    let count = count.to_string();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{count}", count.len());
    reader.get_mut().write_all(answer.as_bytes()).ok()
}

/// One chunk for each event, when it happens.
fn tell(stream: &mut TcpStream, events: &Receiver<String>) -> Option<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).ok()?;
    for event in events.iter() {
        let event = format!("data: {event}\n\n");
        stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).ok()?;
    }
    stream.write_all(b"0\r\n\r\n").ok()
}

/// Switches to WebSocket and sends each message back.
fn echo(mut reader: BufReader<TcpStream>, head: &str) -> Option<()> {
    let key = field(head, "sec-websocket-key")?;
    let accept = STANDARD.encode(Sha1::digest(format!("{key}{WEBSOCKET}")));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    reader.get_mut().write_all(answer.as_bytes()).ok()?;
    loop {
        let message = read_message(&mut reader)?;
        reader.get_mut().write_all(&message_of(&message, false)).ok()?;
    }
}

/// One whole message of WebSocket, unmasked.
pub fn read_message(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    let length = match head[1] & 127 {
        126 => {
            let mut length = [0; 2];
            stream.read_exact(&mut length).ok()?;
            u16::from_be_bytes(length).into()
        }
        length => usize::from(length),
    };
    let mut mask = [0; 4];
    if head[1] & 128 != 0 {
        stream.read_exact(&mut mask).ok()?;
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).ok()?;
    message.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    Some(message)
}

/// A binary message of less than 64 KiB; clients mask theirs.
pub fn message_of(message: &[u8], masked: bool) -> Vec<u8> {
    let mask = if masked { [1, 2, 3, 4] } else { [0; 4] };
    let bit = if masked { 128 } else { 0 };
    let mut frame = vec![0x82];
    match u8::try_from(message.len()) {
        Ok(length) if length < 126 => frame.push(bit | length),
        _ => {
            frame.push(bit | 126);
            frame.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
        }
    }
    if masked {
        frame.extend(mask);
    }
    frame.extend(message.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}
