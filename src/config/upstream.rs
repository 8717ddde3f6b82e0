//! The backend behind the gateway.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

mod address;
mod balancing;
mod certificates;
mod identity;

use super::listener::{known_dialect, pack_settings};
use super::reader::{Node, Table};
use super::value::{duration, number, size};
use crate::account::Secret;
use address::{address, host_of, is_loopback};
use identity::{header_secret, upstream_app};

pub(super) use address::base_path;
pub use balancing::{Balancing, Ejection, HealthCheck, Policy};
pub use certificates::Certificates;
pub use identity::UpstreamApp;

/// The backend that a region's calls are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a process has one for each region")]
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
    /// The certificates of TLS.
    pub certificates: Certificates,
    /// The version of HTTP.
    pub http_version: HttpVersion,
    /// How calls are shared among the addresses.
    pub balancing: Balancing,
    /// How many calls are under way at once.
    pub concurrency: Concurrency,
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
    /// Options of the dialect, as its pack names them.
    pub settings: BTreeMap<String, String>,
}

/// The version of HTTP that is spoken to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1.
    One,
    /// HTTP/2, without TLS too.
    Two,
    /// What the TLS handshake agrees upon, HTTP/2 first.
    Auto,
}

/// How many calls are under way to a backend at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concurrency {
    /// How many are sent.
    pub in_flight: usize,
    /// How many more may wait for their turn.
    pub queue: usize,
    /// How long they wait at most.
    pub queue_timeout: Duration,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { in_flight: 256, queue: 128, queue_timeout: Duration::from_secs(1) }
    }
}

const HTTP_KEYS: [&str; 21] = [
    "dialect",
    "addresses",
    "tls",
    "certificates",
    "client_certificate",
    "http_version",
    "host",
    "balance",
    "ejection",
    "health_check",
    "in_flight",
    "queue",
    "queue_timeout",
    "base_path",
    "connect_timeout",
    "first_byte_timeout",
    "total_timeout",
    "answer_size",
    "secret",
    "app",
    "settings",
];

#[derive(Clone, Copy)]
enum Kind {
    Embedded,
    Http,
}

impl Upstream {
    /// Reads `[upstream]`.
    pub(super) fn read(table: &mut Table<'_>) -> Option<Self> {
        let kinds = [("embedded", Kind::Embedded), ("http", Kind::Http)];
        match table.need("kind", |node| node.choice(&kinds)) {
            Some(Kind::Http) => HttpUpstream::read(table).map(Self::Http),
            Some(Kind::Embedded) => {
                refuse_http_keys(table);
                Some(Self::Embedded)
            }
            None => {
                table.ignore(&HTTP_KEYS);
                None
            }
        }
    }
}

fn refuse_http_keys(table: &mut Table<'_>) {
    table.ignore(&HTTP_KEYS);
    for key in HTTP_KEYS.iter().filter(|key| table.has(key)) {
        table.error(
            key,
            format!("`{key}` has no meaning for the embedded backend"),
            "remove it, or set `kind = \"http\"`",
        );
    }
}

impl HttpUpstream {
    /// A backend without TLS at these addresses, with the default of everything else.
    pub fn new(dialect: &str, addresses: &[&str], host: &str) -> Self {
        Self {
            dialect: dialect.to_owned(),
            addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
            tls: false,
            host: host.to_owned(),
            certificates: Certificates::default(),
            http_version: HttpVersion::One,
            balancing: Balancing::default(),
            concurrency: Concurrency::default(),
            base_path: String::new(),
            connect_timeout: Duration::from_secs(2),
            first_byte_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(20),
            answer_bytes: 1024 * 1024,
            secret: None,
            app: None,
            settings: BTreeMap::new(),
        }
    }

    fn read(table: &mut Table<'_>) -> Option<Self> {
        let dialect = table.need("dialect", known_dialect);
        let addresses = table.need("addresses", |node| node.list(address));
        let host = table.read("host", |node| node.text());
        let host = host.or_else(|| addresses.as_ref()?.first().map(|first| host_of(first)));
        let defaults = Self::new("", &[], host.unwrap_or_default());
        let mut wait = |key, default| {
            let bounds = Duration::from_millis(1)..=Duration::from_secs(600);
            table.read(key, |node| duration(node, bounds)).unwrap_or(default)
        };
        let upstream = Self {
            connect_timeout: wait("connect_timeout", defaults.connect_timeout),
            first_byte_timeout: wait("first_byte_timeout", defaults.first_byte_timeout),
            total_timeout: wait("total_timeout", defaults.total_timeout),
            tls: table.read("tls", |node| node.boolean()).unwrap_or(defaults.tls),
            certificates: Certificates::read(table),
            http_version: table.read("http_version", http_version).unwrap_or(defaults.http_version),
            balancing: Balancing::read(table),
            concurrency: Concurrency::read(table),
            base_path: table.read("base_path", base_path).unwrap_or_default(),
            answer_bytes: table
                .read("answer_size", |node| size(node, 1024..=64 * 1024 * 1024))
                .unwrap_or(defaults.answer_bytes),
            secret: table.read("secret", |node| node.table("secret", header_secret)).flatten(),
            app: table.read("app", |node| node.table("app", upstream_app)).flatten(),
            settings: table
                .read("settings", |node| {
                    node.table("`settings`", |table| pack_settings(table, dialect.as_deref()))
                })
                .unwrap_or_default(),
            host: defaults.host,
            dialect: dialect?,
            addresses: addresses?,
        };
        upstream.check(table);
        Some(upstream)
    }

    /// Whether every address is on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.addresses.iter().all(|address| is_loopback(address))
    }

    fn check(&self, table: &Table<'_>) {
        if self.addresses.is_empty() {
            table.error("addresses", "the backend has no address", "add one: \"127.0.0.1:9000\"");
        }
        let mut addresses: Vec<&String> = self.addresses.iter().collect();
        addresses.sort_unstable();
        if let Some([twice, _]) = addresses.windows(2).find(|pair| pair.first() == pair.last()) {
            table.error("addresses", format!("{twice:?} is there twice"), "name each address once");
        }
        self.check_tls(table);
        if self.total_timeout < self.connect_timeout || self.total_timeout < self.first_byte_timeout {
            table.error(
                "total_timeout",
                "`total_timeout` is shorter than `connect_timeout` or `first_byte_timeout`, which it includes",
                "raise `total_timeout` or lower the others",
            );
        }
        match (&self.app, table.reader.signs(&self.dialect)) {
            (None, true) if !table.has("app") => table.error(
                "dialect",
                format!("{:?} signs its calls, so the gateway needs an app to sign as", self.dialect),
                "add `app = { id = \"…\", secret = \"env:NAME\" }`",
            ),
            (Some(_), false) => table.error(
                "app",
                format!("{:?} has no signature, so `app` has no meaning", self.dialect),
                "remove `app`",
            ),
            _ => {}
        }
    }

    fn check_tls(&self, table: &Table<'_>) {
        if !self.tls && !self.is_loopback() {
            table.warning("addresses", "passwords travel to the backend in the clear", "set `tls = true`");
        }
        if !self.tls && self.certificates.authorities.is_some() {
            table.error("certificates", "`certificates` has no meaning without TLS", "set `tls = true`");
        }
        if !self.tls && self.certificates.client.is_some() {
            let message = "`client_certificate` has no meaning without TLS";
            table.error("client_certificate", message, "set `tls = true`");
        }
        if !self.tls && self.http_version == HttpVersion::Auto {
            table.error(
                "http_version",
                "without TLS nothing tells which version of HTTP the backend speaks",
                "set `http_version` to \"1\" or \"2\", or `tls = true`",
            );
        }
        let is_address = self.host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        if self.host.is_empty() || (self.tls && is_address) {
            table.error(
                "host",
                "`host` must be the name that the backend goes by, and with TLS the one in its certificate",
                "set `host = \"accounts.example.com\"`",
            );
        }
    }
}

fn http_version(node: Node<'_>) -> Option<HttpVersion> {
    node.choice(&[("1", HttpVersion::One), ("2", HttpVersion::Two), ("auto", HttpVersion::Auto)])
}

impl Concurrency {
    fn read(table: &mut Table<'_>) -> Self {
        let defaults = Self::default();
        let wait = Duration::ZERO..=Duration::from_secs(60);
        Self {
            in_flight: table
                .read("in_flight", |node| number(node, 1..=100_000))
                .unwrap_or(defaults.in_flight),
            queue: table.read("queue", |node| number(node, 0..=100_000)).unwrap_or(defaults.queue),
            queue_timeout: table
                .read("queue_timeout", |node| duration(node, wait))
                .unwrap_or(defaults.queue_timeout),
        }
    }
}
