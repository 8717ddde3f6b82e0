//! What a connection goes through before its first request: the PROXY protocol, by which a trusted
//! proxy names the client, and TLS. Both together have the deadline of a request's head.

mod proxy_protocol;
mod tls;

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use http::HeaderValue;
use pingora::listeners::tls::Acceptor;
use pingora::protocols::l4;
use pingora::protocols::{Peek, Stream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::application::Application;
use super::connection::FIRST_REQUEST_TIME;
use super::lifecycle::Phase;
use super::load::{ConnectionShare, HandshakeFault};
use super::service::Service;
use crate::config;
use crate::guard::normalised;

/// How connections of one listener begin, and which pages may call there.
#[derive(Default)]
pub struct Entrance {
    proxy_protocol: bool,
    http2: bool,
    tls: Option<Acceptor>,
    cors_origins: Vec<HeaderValue>,
}

/// The entrances of all listeners, in the order of the config.
pub type Entrances = Arc<[Entrance]>;

/// A connection that may send its first request.
pub struct Entered {
    /// What requests are read from.
    pub stream: Stream,
    /// Who connected, or for whom a proxy did.
    pub client: IpAddr,
    /// Its share of the load.
    pub share: ConnectionShare,
}

/// Why a connection came to nothing.
enum Ended {
    /// The client went away, or has too many.
    Quietly,
    /// Something was wrong with it.
    By(HandshakeFault),
}

impl Entrance {
    /// The entrance of a listener.
    ///
    /// # Errors
    /// When its certificates are of no use.
    pub fn new(listener: &config::Listener) -> Result<Self, String> {
        let tls =
            if listener.tls.is_empty() { None } else { Some(tls::acceptor(&listener.tls, listener.http2)?) };
        let origin = |origin: &String| HeaderValue::try_from(origin).ok();
        Ok(Self {
            proxy_protocol: listener.proxy_protocol,
            http2: listener.http2,
            tls,
            cors_origins: listener.cors_origins.iter().filter_map(origin).collect(),
        })
    }

    /// The entrances of these listeners.
    ///
    /// # Errors
    /// When certificates are of no use.
    pub fn of(listeners: &[config::Listener]) -> Result<Entrances, String> {
        listeners.iter().map(Self::new).collect()
    }

    /// The origins whose pages may call.
    pub fn cors_origins(&self) -> &[HeaderValue] {
        &self.cors_origins
    }

    /// Whether a connection's first bytes are those of its first request.
    pub const fn is_open(&self) -> bool {
        !self.proxy_protocol && self.tls.is_none()
    }

    /// Whether HTTP/2 may begin without having asked: with TLS the handshake asks.
    pub const fn takes_preface(&self) -> bool {
        self.http2 && self.tls.is_none()
    }

    /// Whether what passes is encrypted.
    pub const fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Lets a connection in; `None` where nothing came of it, which the load counts.
    pub async fn admit<A: Application>(
        &self,
        service: &Service<A>,
        stream: l4::stream::Stream,
        peer: IpAddr,
        share: ConnectionShare,
        phase: &mut watch::Receiver<Phase>,
    ) -> Option<Entered> {
        let limit = service.serving().limits.header_timeout;
        let mut pass = pin!(timeout(limit, self.pass(service, stream, peer, share)));
        let passed = tokio::select! {
            biased;
            passed = &mut pass => Some(passed),
            _ = phase.wait_for(|phase| *phase == Phase::Stopping) => None,
        };
        let passed = match passed {
            Some(passed) => passed,
            // Who was just accepted may still send the first request.
            None => timeout(FIRST_REQUEST_TIME, pass).await.and_then(|passed| passed),
        };
        match passed.unwrap_or(Err(Ended::By(HandshakeFault::TooSlow))) {
            Ok(entered) => Some(entered),
            Err(Ended::Quietly) => None,
            Err(Ended::By(fault)) => {
                log::debug!("a connection from {peer} came to nothing: {fault:?}");
                service.load().handshake_failed(fault);
                None
            }
        }
    }

    async fn pass<A: Application>(
        &self,
        service: &Service<A>,
        mut stream: l4::stream::Stream,
        peer: IpAddr,
        mut share: ConnectionShare,
    ) -> Result<Entered, Ended> {
        let mut client = peer;
        if self.proxy_protocol {
            if !service.is_proxy(peer) {
                return Err(Ended::By(HandshakeFault::NotAProxy));
            }
            is_there(&mut stream).await?;
            let named = proxy_protocol::read(&mut stream).await;
            client = named.map_err(Ended::By)?.map_or(peer, normalised);
            if !service.is_proxy(client) {
                share = share.of(client).map_err(|_| Ended::Quietly)?;
            }
        }
        let Some(tls) = &self.tls else {
            return Ok(Entered { stream: Box::new(stream), client, share });
        };
        is_there(&mut stream).await?;
        match tls.tls_handshake(stream).await {
            Ok(stream) => Ok(Entered { stream: Box::new(stream), client, share }),
            Err(_) => Err(Ended::By(HandshakeFault::Tls)),
        }
    }
}

/// Waits for the first byte: who only looks whether somebody listens did nothing wrong.
async fn is_there(stream: &mut l4::stream::Stream) -> Result<(), Ended> {
    match stream.try_peek(&mut [0]).await {
        Ok(_) => Ok(()),
        Err(_) => Err(Ended::Quietly),
    }
}
