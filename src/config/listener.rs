//! Where clients are served.

use std::net::SocketAddr;

/// One address that clients connect to, and what they may speak there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The address to bind; port 0 lets the system choose.
    pub address: SocketAddr,
    /// The dialects that are recognised here, in the order in which they claim a request.
    pub dialects: Vec<String>,
    /// The dialect that answers what no dialect recognises; canonical when `None`.
    pub default_dialect: Option<String>,
    /// Dialects without a signature that stay open although an app's signature is enforced.
    pub unsigned: Vec<String>,
}
