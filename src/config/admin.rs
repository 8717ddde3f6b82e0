//! The listener for operators.

use std::net::SocketAddr;

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
