//! The backend behind the gateway.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::listener::{known_dialect, pack_settings};
use super::reader::{Node, Table};
use super::value::{duration, name, secret, size};
use crate::account::Secret;

/// The one backend that calls are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a process has one")]
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
    /// Options of the dialect, as its pack names them.
    pub settings: BTreeMap<String, String>,
}

/// The app as which the gateway signs calls to a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamApp {
    /// The app's public id.
    pub id: String,
    /// What it signs with.
    pub secret: Secret,
}

const HTTP_KEYS: [&str; 12] = [
    "dialect",
    "addresses",
    "tls",
    "host",
    "base_path",
    "connect_timeout",
    "first_byte_timeout",
    "total_timeout",
    "answer_size",
    "secret",
    "app",
    "settings",
];

/// Fields that the gateway writes itself.
const OWN_FIELDS: [&str; 7] =
    ["host", "connection", "content-length", "content-type", "transfer-encoding", "authorization", "upgrade"];

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
    fn read(table: &mut Table<'_>) -> Option<Self> {
        let dialect = table.need("dialect", known_dialect);
        let addresses = table.need("addresses", |node| node.list(address));
        let tls = table.read("tls", |node| node.boolean()).unwrap_or(false);
        let host = table.read("host", |node| node.text());
        let host = host.or_else(|| addresses.as_ref()?.first().map(|first| host_of(first)));
        let mut wait = |key, default| {
            let bounds = Duration::from_millis(1)..=Duration::from_secs(600);
            table.read(key, |node| duration(node, bounds)).unwrap_or(default)
        };
        let upstream = Self {
            connect_timeout: wait("connect_timeout", Duration::from_secs(2)),
            first_byte_timeout: wait("first_byte_timeout", Duration::from_secs(10)),
            total_timeout: wait("total_timeout", Duration::from_secs(20)),
            base_path: table.read("base_path", base_path).unwrap_or_default(),
            answer_bytes: table
                .read("answer_size", |node| size(node, 1024..=64 * 1024 * 1024))
                .unwrap_or(1024 * 1024),
            secret: table.read("secret", |node| node.table("secret", header_secret)).flatten(),
            app: table.read("app", |node| node.table("app", upstream_app)).flatten(),
            settings: table
                .read("settings", |node| node.table("`settings`", pack_settings))
                .unwrap_or_default(),
            tls,
            host: host.unwrap_or_default().to_owned(),
            dialect: dialect?,
            addresses: addresses?,
        };
        upstream.check(table);
        Some(upstream)
    }

    /// Whether every address is on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.addresses.iter().all(|address| {
            let host = host_of(address);
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        })
    }

    fn check(&self, table: &Table<'_>) {
        if self.addresses.is_empty() {
            table.error("addresses", "the backend has no address", "add one: \"127.0.0.1:9000\"");
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
            (None, true) => table.error(
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

fn address(node: Node<'_>) -> Option<String> {
    let text = node.text()?;
    let usable = text.rsplit_once(':').is_some_and(|(host, port)| {
        let name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
        let literal = host.starts_with('[') && format!("{host}:1").parse::<std::net::SocketAddr>().is_ok();
        let named = !host.is_empty() && host.chars().all(name);
        port.parse::<u16>().is_ok_and(|port| port > 0) && (named || literal)
    });
    if usable {
        return Some(text.to_owned());
    }
    node.fail(
        format!("{text:?} is no address of a backend"),
        "write a host and a port, no scheme and no path: \"10.0.0.5:8000\", \"accounts.internal:443\", \"[::1]:8000\"",
    )
}

fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

/// A path without a slash at its end.
pub(super) fn base_path(node: Node<'_>) -> Option<String> {
    let text = node.text()?;
    let trimmed = text.trim_end_matches('/');
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '%' | ';' | '\\');
    if trimmed.is_empty() || (trimmed.starts_with('/') && trimmed.chars().all(plain)) {
        return Some(trimmed.to_owned());
    }
    node.fail(
        format!("{text:?} is no path to put in front"),
        "write it as \"/prefix\", without query and escapes",
    )
}

fn header_secret(table: &mut Table<'_>) -> Option<(String, Secret)> {
    let header = table.need("header", header_name);
    let value = table.need("value", header_value);
    Some((header?, value?))
}

fn header_name(node: Node<'_>) -> Option<String> {
    let text = node.text()?;
    let field = HeaderName::from_bytes(text.as_bytes()).ok();
    let reserved = OWN_FIELDS.iter().any(|own| own.eq_ignore_ascii_case(text));
    match field {
        Some(field) if !reserved => Some(field.as_str().to_owned()),
        _ => node.fail(
            format!("{text:?} can't be the header field of a secret"),
            "choose a field of your own, such as \"X-Gateway-Secret\"",
        ),
    }
}

fn header_value(node: Node<'_>) -> Option<Secret> {
    let value = secret(node)?;
    if HeaderValue::from_str(value.expose()).is_ok() {
        return Some(value);
    }
    node.fail(
        "the secret holds characters that no header field can carry",
        "use letters, digits and punctuation on one line",
    )
}

fn upstream_app(table: &mut Table<'_>) -> Option<UpstreamApp> {
    let id = table.need("id", name);
    let secret = table.need("secret", secret);
    Some(UpstreamApp { id: id?, secret: secret? })
}
