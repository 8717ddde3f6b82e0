//! Where a backend is: `host:port`, and what stands in front of its paths.

use std::net::IpAddr;

use crate::config::reader::Node;

/// A `host:port` pair; the host may be a name.
pub(super) fn address(node: Node<'_>) -> Option<String> {
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

/// The host of a `host:port` pair.
pub(super) fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

/// Whether a `host:port` pair is on this machine.
pub(super) fn is_loopback(address: &str) -> bool {
    let host = host_of(address);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// A path without a slash at its end.
pub(in crate::config) fn base_path(node: Node<'_>) -> Option<String> {
    let text = node.text()?;
    let trimmed = text.trim_end_matches('/');
    if trimmed.is_empty() || is_plain_path(trimmed) {
        return Some(trimmed.to_owned());
    }
    node.fail(
        format!("{text:?} is no path to put in front"),
        "write it as \"/prefix\", without query and escapes",
    )
}

/// A path that begins with a slash and has no query.
pub(super) fn path(node: Node<'_>) -> Option<String> {
    let text = node.text()?;
    if is_plain_path(text) {
        return Some(text.to_owned());
    }
    node.fail(format!("{text:?} is no path"), "write it as \"/livez\", without query and escapes")
}

fn is_plain_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '%' | ';' | '\\');
    text.starts_with('/') && text.chars().all(plain)
}
