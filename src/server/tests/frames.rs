//! HTTP/2 frame by frame, for clients that no library would be.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::support::{Edge, PATIENCE};
use crate::server::http2::PREFACE;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const PROTOCOL_ERROR: u32 = 1;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// One frame that came.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The code of a RST_STREAM or GOAWAY.
    pub fn code(&self) -> u32 {
        let start = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[start..start + 4].try_into().unwrap())
    }
}

/// A connection that sends frames as they are.
pub struct Raw(TcpStream);

impl Raw {
    /// Begins HTTP/2.
    pub async fn open(edge: &Edge) -> Self {
        let mut raw = Self(TcpStream::connect(edge.address).await.unwrap());
        // The preface in two parts: it need not come at once.
        raw.0.write_all(&PREFACE[..10]).await.unwrap();
        raw.0.write_all(&PREFACE[10..]).await.unwrap();
        raw.send(SETTINGS, 0, 0, &[]).await;
        raw
    }

    pub async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        // An edge that had enough may be gone.
        let _ = timeout(PATIENCE, self.0.write_all(&frame)).await.expect("sending took too long");
    }

    /// Opens a stream with these fields and nothing more.
    pub async fn ask(&mut self, stream: u32, fields: &[(&str, &str)]) {
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &block(fields)).await;
    }

    pub async fn reset(&mut self, stream: u32) {
        self.send(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()).await;
    }

    /// The next frame; `None` when the connection ended.
    pub async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        let read = timeout(PATIENCE, self.0.read_exact(&mut head)).await.expect("reading took too long");
        read.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
        Some(Frame { kind: head[3], stream, payload })
    }

    /// How a stream ended: `Err` with the code of its reset, else the first byte of its answer's
    /// head, which is the status where it is one of the common ones.
    pub async fn end_of(&mut self, stream: u32) -> Result<u8, u32> {
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("stream {stream} did not end"));
            match frame.kind {
                GOAWAY if frame.code() != 0 => return Err(frame.code()),
                RST_STREAM if frame.stream == stream => return Err(frame.code()),
                HEADERS if frame.stream == stream => return Ok(frame.payload[0]),
                _ => {}
            }
        }
    }
}

/// `:status: 200`, as HPACK's static table has it.
pub const STATUS_200: u8 = 0x88;
/// `:status: 400`
pub const STATUS_400: u8 = 0x8c;

/// Fields without compression, each as a new name.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(&mut block, text.len());
            block.extend(text.bytes());
        }
    }
    block
}

/// An integer of HPACK with a prefix of seven bits.
fn length(block: &mut Vec<u8>, length: usize) {
    if length < 127 {
        return block.push(u8::try_from(length).unwrap());
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

/// The pseudo fields of a request to this path, and more.
pub fn request<'a>(method: &'a str, path: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "a")];
    [&pseudo, more].concat()
}
