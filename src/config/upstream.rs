//! The backend behind the gateway.

use std::time::Duration;

use crate::account::Secret;

/// The one backend that calls are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// The embedded user backend, in this process.
    Embedded,
    /// A backend reached over HTTP.
    Http(HttpUpstream),
}

impl Upstream {
    /// The backend reached over HTTP, if it is one.
    pub fn http(&self) -> Option<&HttpUpstream> {
        match self {
            Self::Embedded => None,
            Self::Http(http) => Some(http),
        }
    }
}

/// A backend reached over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUpstream {
    /// The dialect that it speaks.
    pub dialect: String,
    /// `host:port` pairs of its instances; the host may be a name.
    pub addresses: Vec<String>,
    /// Whether to speak TLS.
    pub tls: bool,
    /// The `Host` field that it expects, and the name that its certificate must carry.
    pub host: String,
    /// A path in front of the dialect's own paths; empty or `/prefix` without a slash at the end.
    pub base_path: String,
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
    /// The longest wait for the first byte of an answer.
    pub first_byte_timeout: Duration,
    /// The longest wait for the whole answer.
    pub total_timeout: Duration,
    /// The largest answer that is read, in bytes.
    pub answer_bytes: usize,
    /// A header field and its value that prove to the backend that the gateway sent the call.
    pub secret: Option<(String, Secret)>,
    /// The app as which calls are signed, where the backend's dialect signs.
    pub app: Option<UpstreamApp>,
}

/// The app as which the gateway signs calls to a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamApp {
    /// The app's public id.
    pub id: String,
    /// What it signs with.
    pub secret: Secret,
}
