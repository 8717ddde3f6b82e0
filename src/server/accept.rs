//! Binds addresses and accepts connections.
//!
//! Pingora's own listeners retry a failed bind for 30 s and then leave a deaf process, and don't
//! bound connections: hence these.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use pingora::protocols::l4::stream::Stream;
use pingora::protocols::{GetSocketDigest, SocketDigest};
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::application::Application;
use super::connection::Connection;
use super::entrance::Entrance;
use super::lifecycle::Phase;
use super::load::ConnectionShare;
use super::service::Service;
use super::sockets::{Role, Sockets};
use crate::guard::normalised;

/// Connections that may wait to be accepted; the standard library's 128 would make a burst of clients wait
/// a second for their next try. The system's own bound (net.core.somaxconn) may be lower.
const BACKLOG: i32 = 4_096;

/// How long accepting pauses when the process has no file handle left.
const PAUSE: Duration = Duration::from_millis(100);

/// An address could not be bound.
#[derive(Debug, Error)]
#[error("can't listen on {address} ({purpose}): {source}")]
pub struct BindError {
    address: SocketAddr,
    purpose: &'static str,
    source: io::Error,
}

/// A bound address, not yet served.
#[derive(Debug)]
pub struct Bound {
    /// Shared with nobody but a hand-over, for a moment: it closes when it is no longer served.
    pub(super) listener: Arc<std::net::TcpListener>,
    pub(super) role: Role,
    /// As the config names it; with port 0 the system chose the port.
    pub(super) configured: SocketAddr,
    address: SocketAddr,
}

impl Bound {
    /// Binds an address; port 0 lets the system choose.
    ///
    /// # Errors
    /// When the address is taken, not this machine's, or not permitted.
    pub fn bind(address: SocketAddr, role: Role) -> Result<Self, BindError> {
        Self::take_or_bind(address, role, &mut Sockets::default())
    }

    /// The same, where a socket of that address may be open already.
    ///
    /// # Errors
    /// As [`Bound::bind`].
    pub fn take_or_bind(
        configured: SocketAddr,
        role: Role,
        sockets: &mut Sockets,
    ) -> Result<Self, BindError> {
        let failed = |source| BindError { address: configured, purpose: role.name(), source };
        let listener = match sockets.take(configured, role) {
            Some(listener) => listener.set_nonblocking(true).map(|()| listener),
            None => listen(configured),
        };
        let listener = listener.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener: Arc::new(listener), role, configured, address })
    }

    /// The address that clients connect to.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of a process before this one may still be ending.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Accepts connections until the process stops. `alive` is held by everything that is served, so
/// that its receiver learns when the last connection ended.
pub async fn accept<A: Application>(
    bound: Bound,
    listener: usize,
    service: Arc<Service<A>>,
    mut phase: watch::Receiver<Phase>,
    alive: mpsc::Sender<()>,
) {
    let acceptor = match bound.listener.try_clone().and_then(TcpListener::from_std) {
        Ok(acceptor) => acceptor,
        Err(error) => return log::error!("can't accept on {}: {error}", bound.address),
    };
    let mut pausing = false;
    while phase.wait_for(|phase| *phase != Phase::Paused).await.is_ok_and(|phase| phase.accepts()) {
        let accepted = tokio::select! {
            biased;
            changed = phase.wait_for(|phase| !phase.accepts()) => match changed {
                Ok(_) => continue,
                Err(_) => return,
            },
            accepted = acceptor.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                pausing = false;
                let client = normalised(peer.ip());
                // Over a limit the connection is closed at once; the load counts it.
                let Ok(share) = service.connect(client) else {
                    continue;
                };
                let connection = Connection {
                    service: Arc::clone(&service),
                    listener,
                    client: Some(client),
                    secure: false,
                    http2: false,
                    phase: phase.clone(),
                };
                let alive = alive.clone();
                tokio::spawn(async move {
                    let _held = alive;
                    enter(connection, wrap(stream), client, share).await;
                });
            }
            Err(error) if is_out_of_handles(&error) => {
                if !pausing {
                    log::error!("can't accept on {}: {error}; pausing until one is free", bound.address);
                }
                pausing = true;
                sleep(PAUSE).await;
            }
            // The client was gone before it was accepted.
            Err(error) => log::debug!("accepting on {}: {error}", bound.address),
        }
    }
}

/// Takes a connection through its listener's entrance, and serves it.
async fn enter<A: Application>(
    mut connection: Connection<A>,
    stream: Stream,
    peer: IpAddr,
    share: ConnectionShare,
) {
    let serving = connection.service.serving();
    let entrance = serving.entrance(connection.listener);
    connection.http2 = entrance.is_some_and(Entrance::takes_preface);
    let Some(entrance) = entrance.filter(|entrance| !entrance.is_open()) else {
        drop(serving);
        return connection.run(Box::new(stream), share).await;
    };
    // Boxed, since idle connections would otherwise keep room for it.
    let entering = entrance.admit(&connection.service, stream, peer, share, &mut connection.phase);
    let Some(entered) = Box::pin(entering).await else { return };
    connection.client = Some(entered.client);
    connection.secure = entrance.is_secure();
    drop(serving);
    connection.run(entered.stream, entered.share).await;
}

/// An accepted stream as Pingora wants it.
fn wrap(stream: TcpStream) -> Stream {
    let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
    let mut stream = Stream::from(stream);
    if let Err(error) = stream.set_nodelay() {
        log::debug!("an accepted connection can't be set to no delay: {error}");
    }
    stream.set_socket_digest(digest);
    stream
}

fn is_out_of_handles(error: &io::Error) -> bool {
    // ENFILE, EMFILE, ENOBUFS, ENOMEM: the numbers are Linux's.
    matches!(error.raw_os_error(), Some(23 | 24 | 105 | 12))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_connections_waits_to_be_accepted() {
        let bound = Bound::bind("127.0.0.1:0".parse().unwrap(), Role::Clients).unwrap();
        let system: usize =
            std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap();
        let connect =
            |_| std::net::TcpStream::connect_timeout(&bound.address(), Duration::from_millis(900)).unwrap();
        let burst = system.min(400);
        let waiting: Vec<_> = (0..burst).map(connect).collect();
        assert_eq!(waiting.len(), burst);
    }

    #[test]
    fn a_taken_address_is_a_clear_error() {
        let first = Bound::bind("127.0.0.1:0".parse().unwrap(), Role::Clients).unwrap();
        assert_ne!(first.address().port(), 0);
        let error = Bound::bind(first.address(), Role::Clients).unwrap_err().to_string();
        assert!(error.starts_with(&format!("can't listen on {} (clients): ", first.address())), "{error}");
    }
}
