//! What is the same for all connections to a backend: TLS, the version of HTTP, and the fields by
//! which the backend knows the gateway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use pingora::connectors::ConnectorOptions;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::{ALPN, HttpPeer};
use pingora::utils::tls::CertKey;
use thiserror::Error;

use crate::config::{HttpUpstream, HttpVersion};

/// Calls at once over one connection of HTTP/2, unless the backend allows less.
const STREAMS: usize = 100;

/// How much of one answer of HTTP/2 may be under way, in bytes: answers are small and bounded.
const STREAM_WINDOW: u32 = 1 << 20;

/// How often a connection of HTTP/2 is asked whether it is still there. Others share its fate, so a
/// dead one must not wait for a call to find out.
const PING: Duration = Duration::from_secs(10);

/// The settings name no backend that can be reached safely.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnusableUpstream {
    /// Without a name to compare, any certificate would be accepted.
    #[error("the upstream speaks TLS but has no host: give the name that its certificate must carry")]
    NoHostForTls,
    /// The host can't stand in a header field.
    #[error("the upstream's host {0:?} is no valid Host field")]
    Host(String),
    /// The secret's field can't be written.
    #[error("the upstream's secret header {0:?} has no valid name or value")]
    Secret(String),
    /// A certificate or key is of no use.
    #[error("the upstream's certificates: {0}")]
    Certificates(String),
    /// The figures contradict each other.
    #[error("can't count calls to the upstream: {0}")]
    Figures(String),
}

/// What is the same for all connections to a backend.
pub struct PeerTemplate {
    /// The `Host` field.
    pub host: HeaderValue,
    /// The field that proves to the backend that the gateway sent a request.
    pub secret: Option<(HeaderName, HeaderValue)>,
    tls: bool,
    server_name: String,
    version: HttpVersion,
    authorities: Option<String>,
    client_files: Option<(String, String)>,
}

impl PeerTemplate {
    /// That of these settings.
    ///
    /// # Errors
    /// When the settings could not be used safely.
    pub fn new(settings: &HttpUpstream) -> Result<Self, UnusableUpstream> {
        let server_name = server_name(&settings.host);
        if settings.tls && server_name.is_empty() {
            return Err(UnusableUpstream::NoHostForTls);
        }
        let host = HeaderValue::from_str(&settings.host);
        let host = host.map_err(|_| UnusableUpstream::Host(settings.host.clone()))?;
        let secret = match &settings.secret {
            None => None,
            Some((name, secret)) => {
                let unusable = || UnusableUpstream::Secret(name.clone());
                let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
                let value = HeaderValue::from_str(secret.expose()).map_err(|_| unusable())?;
                Some((field, value))
            }
        };
        // Pingora panics at files that it can't use.
        settings.certificates.check().map_err(UnusableUpstream::Certificates)?;
        let text = |file: &crate::config::PemFile| file.path.to_string_lossy().into_owned();
        let client = settings.certificates.client.as_ref();
        Ok(Self {
            host,
            secret,
            tls: settings.tls,
            server_name: server_name.to_owned(),
            version: settings.http_version,
            authorities: settings.certificates.authorities.as_ref().map(text),
            client_files: client.map(|client| (text(&client.certificate), text(&client.key))),
        })
    }

    /// One of the backend's addresses.
    pub fn peer(&self, address: SocketAddr) -> HttpPeer {
        let mut peer = HttpPeer::new(address, self.tls, self.server_name.clone());
        if self.version != HttpVersion::One {
            peer.options.alpn = if self.version == HttpVersion::Two { ALPN::H2 } else { ALPN::H2H1 };
            peer.options.max_h2_streams = STREAMS;
            peer.options.h2_stream_window_size = Some(STREAM_WINDOW);
            peer.options.h2_ping_interval = Some(PING);
        }
        peer
    }

    /// The version of HTTP.
    pub const fn version(&self) -> HttpVersion {
        self.version
    }

    /// `http` or `https`.
    pub const fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// A connector's options, with room for this many idle connections.
    pub fn connector_options(&self, idle: usize) -> ConnectorOptions {
        let mut options = ConnectorOptions::new(idle);
        options.ca_file.clone_from(&self.authorities);
        options.cert_key_file.clone_from(&self.client_files);
        options
    }

    /// The same for Pingora's proxy, but for what the gateway shows of itself, which that takes from
    /// each peer.
    pub fn server_conf(&self) -> ServerConf {
        ServerConf { ca_file: self.authorities.clone(), ..ServerConf::default() }
    }
}

/// What the gateway shows of itself, in the form that Pingora's peers carry.
///
/// # Errors
/// When one of the files holds none.
pub fn client_certificate(settings: &HttpUpstream) -> Result<Option<Arc<CertKey>>, UnusableUpstream> {
    let Some(client) = &settings.certificates.client else { return Ok(None) };
    let (certificates, key) = client.der().map_err(UnusableUpstream::Certificates)?;
    Ok(Some(Arc::new(CertKey::new(certificates, key))))
}

/// A host without its port.
pub fn server_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    }
}
