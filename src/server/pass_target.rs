//! The backend that requests pass through to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora::upstreams::peer::{ALPN, HttpPeer};
use pingora::utils::tls::CertKey;

use crate::config::HttpUpstream;
use crate::upstream::balancer::Balancer;
use crate::upstream::peer::{PeerTemplate, UnusableUpstream, client_certificate};

/// How long an idle connection to the backend is kept.
const IDLE: Duration = Duration::from_secs(30);

/// Where requests pass to.
pub struct PassTarget {
    pub(super) settings: HttpUpstream,
    pub(super) template: PeerTemplate,
    pub(super) balancer: Arc<Balancer>,
    client_certificate: Option<Arc<CertKey>>,
}

impl PassTarget {
    /// The backend of these settings, among whose addresses `balancer` chooses: the same one that
    /// account calls go by, so that both know of an address that fails.
    ///
    /// # Errors
    /// When the settings could not be used safely.
    pub fn new(settings: HttpUpstream, balancer: Arc<Balancer>) -> Result<Self, UnusableUpstream> {
        let template = PeerTemplate::new(&settings)?;
        let client_certificate = client_certificate(&settings)?;
        Ok(Self { settings, template, client_certificate, balancer })
    }

    /// The peer of an address. Only HTTP/1.1 can switch to another protocol.
    pub(super) fn peer(&self, address: SocketAddr, is_upgrade: bool) -> HttpPeer {
        let settings = &self.settings;
        let mut peer = self.template.peer(address);
        peer.client_cert_key.clone_from(&self.client_certificate);
        peer.options.total_connection_timeout = Some(settings.connect_timeout);
        peer.options.read_timeout = Some(settings.first_byte_timeout);
        peer.options.write_timeout = Some(settings.first_byte_timeout);
        peer.options.idle_timeout = Some(IDLE);
        if is_upgrade {
            peer.options.alpn = ALPN::H1;
        }
        peer
    }
}
