//! Where clients are served.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::dialects::DIALECTS;
use super::pem::CertificateFiles;
use super::reader::{Located, Node, Place, Table, suggestion};
use super::region::region_name;
use super::value::bind_address;

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
    /// Options of dialects, as their packs name them: for each dialect its settings' values.
    pub settings: DialectSettings,
    /// Host names, in lower case and without a port, at which one dialect alone is spoken.
    pub hosts: BTreeMap<String, String>,
    /// The region that is served here; the gateway's own when `None`.
    pub region: Option<String>,
    /// The certificates that are shown, the first one where no other has the name that a client asks
    /// for; none without TLS.
    pub tls: Vec<CertificateFiles>,
    /// Whether HTTP/2 is spoken besides HTTP/1.1: chosen by ALPN with TLS, by prior knowledge without.
    pub http2: bool,
    /// The origins whose web pages may call from a browser, as `https://host[:port]`.
    pub cors_origins: Vec<String>,
    /// Whether each connection begins with a header of the PROXY protocol, from a trusted proxy.
    pub proxy_protocol: bool,
}

/// For each dialect the values of its settings.
pub type DialectSettings = BTreeMap<String, BTreeMap<String, String>>;

impl Listener {
    /// A listener that offers every built-in dialect.
    pub fn with_all_dialects(address: SocketAddr) -> Self {
        let dialects = DIALECTS.iter().map(|dialect| dialect.name.to_owned()).collect();
        Self {
            address,
            dialects,
            default_dialect: None,
            unsigned: Vec::new(),
            settings: DialectSettings::new(),
            hosts: BTreeMap::new(),
            region: None,
            tls: Vec::new(),
            http2: false,
            cors_origins: Vec::new(),
            proxy_protocol: false,
        }
    }

    /// Reads one `[[listener]]`.
    pub(super) fn read(table: &mut Table<'_>) -> Option<Located<Self>> {
        let address = table.need("address", bind_address);
        let dialects = table.read("dialects", some_dialects).unwrap_or_else(|| all_dialects(table));
        let offered = |node: Node<'_>| offered_dialect(node, &dialects);
        let default_dialect = table.read("default_dialect", offered);
        let unsigned = table
            .read("unsigned", |node| node.list(|item| unsigned_dialect(item, &dialects)))
            .unwrap_or_default();
        let settings = table
            .read("settings", |node| node.table("`settings`", |table| dialect_settings(table, &dialects)))
            .unwrap_or_default();
        let hosts = table
            .read("hosts", |node| node.table("`hosts`", |table| pinned_hosts(table, &dialects)))
            .unwrap_or_default();
        let region = table.read("region", region_name);
        let tls = table.read("tls", certificates).unwrap_or_default();
        let http2 = table.read("http2", Node::boolean).unwrap_or(!tls.is_empty());
        let cors_origins = table.read("cors_origins", |node| node.list(origin)).unwrap_or_default();
        let modes = [("off", false), ("required", true)];
        let proxy_protocol = table.read("proxy_protocol", |node| node.choice(&modes)).unwrap_or(false);
        let place = table.place("address");
        let value = Self {
            address: address?,
            dialects,
            default_dialect,
            unsigned,
            settings,
            hosts,
            tls,
            http2,
            cors_origins,
            proxy_protocol,
            region,
        };
        Some(Located { value, place })
    }
}

/// An origin as browsers write it: scheme, host, and the port where it is not the scheme's own.
fn origin(node: Node<'_>) -> Option<String> {
    let text = node.text()?;
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    if !host.is_empty() && host.bytes().all(plain) {
        return Some(text.to_owned());
    }
    node.fail(
        format!("{text:?} is no origin of web pages"),
        "write each as browsers do, in lower case and without a path: \"https://shop.example\", \"http://localhost:3000\"",
    )
}

/// One certificate with its key, or several.
fn certificates(node: Node<'_>) -> Option<Vec<CertificateFiles>> {
    let files = |node: Node<'_>| node.table("`tls`", CertificateFiles::read).flatten();
    if node.value().as_array().is_none() {
        return files(node).map(|files| vec![files]);
    }
    let several = node.list(files)?;
    if several.is_empty() {
        return node.fail("TLS needs a certificate", "leave `tls` out to serve in the clear");
    }
    Some(several)
}

/// `hosts = { "shop.example" = "shopxo" }`
fn pinned_hosts(table: &mut Table<'_>, offered: &[String]) -> BTreeMap<String, String> {
    let mut hosts = BTreeMap::new();
    for (host, place, node) in table.entries() {
        let name = host.to_ascii_lowercase();
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '[' | ']');
        if name.is_empty() || !name.chars().all(is_name) {
            let hint = "write the name alone, without a scheme, a port or a path: \"shop.example\"";
            table.reader.error(&place, format!("{host:?} is no host name"), hint);
        }
        if let Some(dialect) = offered_dialect(node, offered) {
            hosts.insert(name, dialect);
        }
    }
    hosts
}

fn some_dialects(node: Node<'_>) -> Option<Vec<String>> {
    if node.value().as_array().is_some_and(|names| names.is_empty()) {
        return node.fail("a listener must offer a dialect", "leave `dialects` out to offer all of them");
    }
    node.list(known_dialect)
}

fn all_dialects(table: &Table<'_>) -> Vec<String> {
    table.reader.dialects().iter().map(|dialect| dialect.name.clone()).collect()
}

/// `settings.shopxo = { numbers = "integer" }`
fn dialect_settings(table: &mut Table<'_>, offered: &[String]) -> DialectSettings {
    let mut settings = DialectSettings::new();
    for (dialect, place, node) in table.entries() {
        if !offered.iter().any(|name| name == dialect) {
            let hint = "add it to this listener's `dialects`, or remove its settings";
            table.reader.error(&place, format!("{dialect:?} is not offered here"), hint);
        }
        let chosen = node.table("the settings", |table| pack_settings(table, Some(dialect)));
        settings.insert(dialect.to_owned(), chosen.unwrap_or_default());
    }
    settings
}

/// Names and values of one dialect's settings; where the dialect is known they must be its own.
pub(super) fn pack_settings(table: &mut Table<'_>, dialect: Option<&str>) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    for (name, place, node) in table.entries() {
        let Some(value) = node.text() else { continue };
        check_setting(dialect, name, &place, value, node);
        settings.insert(name.to_owned(), value.to_owned());
    }
    settings
}

fn check_setting(dialect: Option<&str>, name: &str, place: &Place, value: &str, node: Node<'_>) {
    let known = node.reader.dialects();
    let Some(dialect) = known.iter().find(|known| Some(known.name.as_str()) == dialect) else { return };
    let names: Vec<&str> = dialect.settings.iter().map(|(name, _)| name.as_str()).collect();
    match dialect.settings.iter().find(|(known, _)| known == name) {
        None => {
            let hint =
                if names.is_empty() { "it has no settings".to_owned() } else { suggestion(name, &names) };
            let message = format!("the dialect {:?} has no setting `{name}`", dialect.name);
            node.reader.error(place, message, hint);
        }
        Some((_, values)) if !values.iter().any(|known| known == value) => {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let message = format!("the setting `{name}` of {:?} has no value {value:?}", dialect.name);
            node.reader.error(&node.place(), message, suggestion(value, &values));
        }
        Some(_) => {}
    }
}

/// The name of a dialect that there is.
pub(super) fn known_dialect(node: Node<'_>) -> Option<String> {
    let text = node.text()?;
    let known = node.reader.dialects();
    let names: Vec<&str> = known.iter().map(|dialect| dialect.name.as_str()).collect();
    if names.contains(&text) {
        return Some(text.to_owned());
    }
    node.fail(format!("unknown dialect {text:?}"), suggestion(text, &names))
}

fn offered_dialect(node: Node<'_>, offered: &[String]) -> Option<String> {
    let dialect = known_dialect(node)?;
    if offered.contains(&dialect) {
        return Some(dialect);
    }
    node.fail(format!("{dialect:?} is not offered here"), "add it to this listener's `dialects`")
}

fn unsigned_dialect(node: Node<'_>, offered: &[String]) -> Option<String> {
    let dialect = offered_dialect(node, offered)?;
    if node.reader.signs(&dialect) {
        return node.fail(
            format!("{dialect:?} signs its calls, so `unsigned` can't open it"),
            "`unsigned` is for dialects without a signature; to relax a signature see `signature` in [[app]]",
        );
    }
    Some(dialect)
}
