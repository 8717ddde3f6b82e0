//! Listening sockets that were open before this process served: those of the process before it,
//! and those that a service manager holds for it (systemd's `LISTEN_FDS`). Connections wait in them
//! while nobody accepts, so none is lost when one process follows another.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;

use listenfd::ListenFd;
use rustix::io::{FdFlags, fcntl_setfd};
use serde::{Deserialize, Serialize};

/// Who connects to a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Those whom the gateway is there for.
    Clients,
    /// Those who run it.
    Admin,
}

impl Role {
    /// The name, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::Admin => "admin",
        }
    }
}

/// A listening socket, and for what it was opened.
#[derive(Debug)]
pub struct Inherited {
    /// Who connects to it; `None` where only its address is known.
    pub role: Option<Role>,
    /// The address that a config names for it; with port 0 the system chose the port.
    pub address: SocketAddr,
    /// The socket.
    pub listener: TcpListener,
}

/// The sockets that were open before this process served.
#[derive(Debug, Default)]
pub struct Sockets(Vec<Inherited>);

impl Sockets {
    /// Those that a process before handed over.
    pub const fn handed_over(sockets: Vec<Inherited>) -> Self {
        Self(sockets)
    }

    /// Those that the service manager holds for this process, if it does.
    ///
    /// # Errors
    /// When one of them is no listening TCP socket.
    pub fn from_service_manager() -> io::Result<Self> {
        let mut given = ListenFd::from_env();
        let mut sockets = Vec::new();
        for index in 0..given.len() {
            if let Some(listener) = given.take_tcp_listener(index)? {
                // A process started by this one must not hold it open.
                fcntl_setfd(listener.as_fd(), FdFlags::CLOEXEC)?;
                sockets.push(Inherited { role: None, address: listener.local_addr()?, listener });
            }
        }
        Ok(Self(sockets))
    }

    /// Takes the first socket of an address, as a config names it.
    pub fn take(&mut self, address: SocketAddr, role: Role) -> Option<TcpListener> {
        let fits = |socket: &Inherited| {
            socket.address == address && socket.role.is_none_or(|of_socket| of_socket == role)
        };
        let place = self.0.iter().position(fits)?;
        Some(self.0.remove(place).listener)
    }

    /// Closes those that nobody took: nobody is to wait in them.
    pub fn close(self) {
        for socket in self.0 {
            log::warn!(
                "a socket at {} was handed to this process, but its config has no such listener: closed",
                socket.address
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_taken_once_by_its_address_and_role() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let sockets = [Role::Clients, Role::Admin, Role::Clients].map(|role| Inherited {
            role: Some(role),
            address: any,
            listener: TcpListener::bind(any).unwrap(),
        });
        let ports = sockets.each_ref().map(|socket| socket.listener.local_addr().unwrap());
        let mut sockets = Sockets::handed_over(sockets.into());
        let mut take = |role| sockets.take(any, role).map(|listener| listener.local_addr().unwrap());
        assert_eq!(take(Role::Admin), Some(ports[1]));
        assert_eq!([take(Role::Clients), take(Role::Clients)], [Some(ports[0]), Some(ports[2])]);
        assert_eq!(take(Role::Clients), None);
        assert!(sockets.take("127.0.0.1:1".parse().unwrap(), Role::Clients).is_none());
    }
}
