//! HTTP/1.1 over a plain socket, so that a test decides on every byte.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// One whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// Whether the connection ends with it.
    pub fn closes(&self) -> bool {
        field(&self.head, "connection") == Some("close")
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// One connection, kept alive between requests.
pub struct Connection<S = TcpStream>(BufReader<S>);

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    /// Over a socket that is connected.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends a GET and reads its answer.
    pub fn get(&mut self, target: &str) -> Answer {
        let host = self.0.get_ref().peer_addr().unwrap();
        self.exchange(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())
    }
}

impl<S: Read + Write> Connection<S> {
    /// Over whatever carries bytes.
    pub fn through(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    /// Sends the bytes as they are and reads one answer.
    pub fn exchange(&mut self, request: &[u8]) -> Answer {
        self.try_exchange(request).unwrap()
    }

    /// The same, where the connection may have ended.
    pub fn try_exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.0.get_mut().write_all(request)?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(io::Error::other(format!("the connection ended after {head:?}")));
            }
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = match field(&head, "content-length") {
            Some(length) => self.exactly(length.parse().unwrap())?,
            None if field(&head, "transfer-encoding").is_some() => self.chunks()?,
            None => Vec::new(),
        };
        let body = String::from_utf8(body).unwrap();
        Ok(Answer { status, head, body })
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(body)
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let mut size = String::new();
            self.0.read_line(&mut size)?;
            let size = usize::from_str_radix(size.trim_end(), 16).map_err(io::Error::other)?;
            body.extend(self.exactly(size)?);
            assert_eq!(self.exactly(2)?, b"\r\n");
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

/// The value of a header field, whatever the case of its name.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// A GET on a connection of its own.
pub fn get(address: SocketAddr, target: &str) -> Answer {
    Connection::open(address).get(target)
}
