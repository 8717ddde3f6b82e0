//! The listener for operators.

use std::net::SocketAddr;

use super::reader::{Located, Table};
use super::value::{bind_address, name, secret};
use crate::account::Secret;

/// Where `/metrics`, `/livez`, `/readyz` and the like are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// The address to bind; port 0 lets the system choose.
    pub address: SocketAddr,
    /// What callers must present as `Authorization: Bearer`; required off loopback.
    pub token: Option<Secret>,
    /// Names that may stand in the `Host` field besides the address itself and `localhost`.
    pub hosts: Vec<String>,
}

impl Admin {
    /// The loopback address that is used where the file names none.
    pub(super) fn loopback() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 9090)), token: None, hosts: Vec::new() }
    }

    /// Reads `[admin]`; `None` when it is switched off.
    pub(super) fn read(table: &mut Table<'_>) -> Option<Located<Self>> {
        let enabled = table.read("enabled", |node| node.boolean());
        let mut admin = Self::loopback();
        if let Some(address) = table.read("address", bind_address) {
            admin.address = address;
        }
        admin.token = table.read("token", secret);
        admin.hosts = table.read("hosts", |node| node.list(name)).unwrap_or_default();
        let place = table.place("address");
        (enabled != Some(false)).then_some(Located { value: admin, place })
    }
}
