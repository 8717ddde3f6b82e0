//! Tells the service manager how the process is, in systemd's notification protocol: one datagram
//! of `NAME=value` lines to the socket that it names in `NOTIFY_SOCKET`.

use std::ffi::OsStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an own connection may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The way to the service manager, where there is one.
#[derive(Debug)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
    /// Whether another process is the service now.
    succeeded: AtomicBool,
}

impl Notifier {
    /// A notifier for the value of `NOTIFY_SOCKET`.
    ///
    /// # Errors
    /// When there is such a value and it can't be reached.
    pub fn new(socket: Option<&OsStr>) -> io::Result<Self> {
        let Some(name) = socket.filter(|name| !name.is_empty()) else {
            return Ok(Self::to(None));
        };
        let address = match name.as_bytes().split_first() {
            Some((b'@', abstract_name)) => UnixAddress::from_abstract_name(abstract_name)?,
            _ => UnixAddress::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        socket.set_nonblocking(true)?;
        Ok(Self::to(Some(socket)))
    }

    const fn to(socket: Option<UnixDatagram>) -> Self {
        Self { socket, succeeded: AtomicBool::new(false) }
    }

    /// Whether anybody listens.
    pub const fn is_heard(&self) -> bool {
        self.socket.is_some()
    }

    /// The process serves, from its start or again after a reload.
    pub fn ready(&self) {
        self.tell("READY=1\nSTATUS=serving");
    }

    /// The config is being read again.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// Another process serves from now on. That this one ends is nothing to be told.
    pub fn succeeded_by(&self, process: i32) {
        self.succeeded.store(true, Ordering::SeqCst);
        self.tell(&format!("MAINPID={process}\nSTATUS=serving"));
    }

    /// The process is about to end.
    pub fn stopping(&self) {
        if !self.succeeded.load(Ordering::SeqCst) {
            self.tell("STOPPING=1\nSTATUS=draining");
        }
    }

    fn tell(&self, message: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(message.as_bytes()) {
            log::warn!("the service manager can't be told: {error}");
        }
    }
}

/// Proves that the process serves: its own connections are accepted, and its own admin listener
/// says that it is ready.
///
/// # Errors
/// Which of them did not work.
pub async fn prove_serving(clients: &[SocketAddr], admin: Option<SocketAddr>) -> io::Result<()> {
    for address in clients {
        within(connect(*address)).await.map_err(|error| told(*address, &error))?;
    }
    match admin {
        Some(address) => within(ask(address)).await.map_err(|error| told(address, &error)),
        None => Ok(()),
    }
}

async fn within<T>(attempt: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, attempt).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    TcpStream::connect((ip, address.port())).await
}

async fn ask(address: SocketAddr) -> io::Result<()> {
    let mut stream = connect(address).await?;
    let host = stream.peer_addr()?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await?;
    match &status {
        b"HTTP/1.1 200" => Ok(()),
        _ => Err(io::Error::other("/readyz is not ready")),
    }
}

fn told(address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("an own connection to {address} failed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_reload_tells_its_moment_on_the_monotonic_clock() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(Some(path.as_os_str())).unwrap();
        let now = || clock_gettime(ClockId::Monotonic).tv_sec;
        let before = now();
        notifier.reloading();
        let message = heard(&manager);
        let micros = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        let seconds = micros.parse::<i64>().unwrap() / 1_000_000;
        assert!((before..=now()).contains(&seconds), "{message}");
    }

    #[test]
    fn an_abstract_socket_is_named_with_an_at_sign() {
        let name = format!("dragoman-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&UnixAddress::from_abstract_name(&name).unwrap()).unwrap();
        let notifier = Notifier::new(Some(OsStr::new(&format!("@{name}")))).unwrap();
        notifier.ready();
        notifier.stopping();
        assert!(heard(&manager).starts_with("READY=1\n"));
        assert!(heard(&manager).starts_with("STOPPING=1\n"));
    }

    #[test]
    fn without_a_manager_nobody_is_told() {
        for none in [None, Some(OsStr::new(""))] {
            assert!(!Notifier::new(none).unwrap().is_heard());
        }
        assert!(Notifier::new(Some(OsStr::new("/nowhere/at/all"))).is_err());
    }

    #[tokio::test]
    async fn what_does_not_accept_does_not_serve() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(prove_serving(&[address], None).await.is_ok());
        drop(listener);
        let error = prove_serving(&[address], None).await.unwrap_err().to_string();
        assert!(error.contains(&address.to_string()), "{error}");
    }
}
