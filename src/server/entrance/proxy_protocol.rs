//! The PROXY protocol, versions 1 and 2: for whom a proxy connects.

use std::net::IpAddr;

use pingora::protocols::l4::stream::Stream;
use proxy_header::{Error, ParseConfig, ProxyHeader};
use tokio::io::AsyncReadExt;

use crate::server::load::HandshakeFault;

/// The largest header: addresses take 232 bytes at most, the rest is what proxies add.
const BOUND: usize = 4_096;

/// Reads the header in front of a connection and leaves what follows it. `None` where the proxy
/// speaks for itself, or for a client that has no address.
pub async fn read(stream: &mut Stream) -> Result<Option<IpAddr>, HandshakeFault> {
    let config = ParseConfig { include_tlvs: false, allow_v1: true, allow_v2: true };
    let mut buffer = Vec::with_capacity(256);
    loop {
        let read = stream.read_buf(&mut buffer).await;
        if !matches!(read, Ok(1..)) {
            return Err(HandshakeFault::ProxyHeader);
        }
        match ProxyHeader::parse(&buffer, config) {
            Ok((header, length)) => {
                let client = header.proxied_address().map(|address| address.source.ip());
                stream.rewind(buffer.get(length..).unwrap_or_default());
                return Ok(client);
            }
            Err(Error::BufferTooShort) if buffer.len() < BOUND => {}
            Err(_) => return Err(HandshakeFault::ProxyHeader),
        }
    }
}
