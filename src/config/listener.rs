//! Where clients are served.

use std::net::SocketAddr;

use super::dialects::{DIALECTS, signs};
use super::reader::{Located, Node, Table, suggestion};
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
}

impl Listener {
    /// A listener that offers every dialect.
    pub fn with_all_dialects(address: SocketAddr) -> Self {
        Self { address, dialects: all_dialects(), default_dialect: None, unsigned: Vec::new() }
    }

    /// Reads one `[[listener]]`.
    pub(super) fn read(table: &mut Table<'_>) -> Option<Located<Self>> {
        let address = table.need("address", bind_address);
        let dialects = table.read("dialects", some_dialects).unwrap_or_else(all_dialects);
        let offered = |node: Node<'_>| offered_dialect(node, &dialects);
        let default_dialect = table.read("default_dialect", offered);
        let unsigned = table
            .read("unsigned", |node| node.list(|item| unsigned_dialect(item, &dialects)))
            .unwrap_or_default();
        let place = table.place("address");
        let value = Self { address: address?, dialects, default_dialect, unsigned };
        Some(Located { value, place })
    }
}

fn some_dialects(node: Node<'_>) -> Option<Vec<String>> {
    if node.value().as_array().is_some_and(|names| names.is_empty()) {
        return node.fail("a listener must offer a dialect", "leave `dialects` out to offer all of them");
    }
    node.list(known_dialect)
}

fn all_dialects() -> Vec<String> {
    DIALECTS.iter().map(|dialect| dialect.name.to_owned()).collect()
}

/// The name of a dialect that is built in.
pub(super) fn known_dialect(node: Node<'_>) -> Option<String> {
    let text = node.text()?;
    let names: Vec<&str> = DIALECTS.iter().map(|dialect| dialect.name).collect();
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
    if signs(&dialect) {
        return node.fail(
            format!("{dialect:?} signs its calls, so `unsigned` can't open it"),
            "`unsigned` is for dialects without a signature; to relax a signature see `signature` in [[app]]",
        );
    }
    Some(dialect)
}
