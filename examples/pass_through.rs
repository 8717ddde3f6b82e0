//! The yardstick of the benches: the smallest proxy that can be built on the same Pingora. It
//! understands nothing, checks nothing and translates nothing.
//!
//! `pass_through UPSTREAM` prints `listening http ADDRESS` and serves until SIGINT.

use std::net::{SocketAddr, TcpListener};

use async_trait::async_trait;
use pingora::prelude::{HttpPeer, Result, Server, Session, http_proxy_service};
use pingora::proxy::ProxyHttp;

struct PassThrough(SocketAddr);

#[async_trait]
impl ProxyHttp for PassThrough {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.0, false, String::new())))
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let upstream = std::env::args().nth(1).ok_or("usage: pass_through UPSTREAM")?;
    // Pingora does not tell which port it bound, so a free one is looked for first.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut server = Server::new(None)?;
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, PassThrough(upstream.parse()?));
    service.add_tcp(&address.to_string());
    server.add_service(service);
    eprintln!("listening http {address}");
    server.run_forever();
}
