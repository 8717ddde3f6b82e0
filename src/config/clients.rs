//! Whose word about a client's address is believed.

use std::net::IpAddr;

use super::reader::{Node, Table};

/// How a client's address is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clients {
    /// The proxies in front of the gateway; nobody else is believed.
    pub trusted_proxies: Vec<Network>,
    /// The one header field in which they say for whom they ask, in lower case.
    pub header: String,
}

impl Default for Clients {
    fn default() -> Self {
        Self { trusted_proxies: Vec::new(), header: "x-forwarded-for".to_owned() }
    }
}

/// A range of addresses, such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads an address, or an address and the length of a prefix, whose other bits must be zero.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
            None => width,
        };
        let network = Self { address, prefix };
        (prefix <= width && network.masked(address) == bits(address)).then_some(network)
    }

    /// Whether an address lies in it. An IPv4 address lies in no IPv6 network.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && self.masked(address) == bits(self.address)
    }

    fn masked(&self, address: IpAddr) -> u128 {
        let width: u32 = if address.is_ipv4() { 32 } else { 128 };
        let rest = width.saturating_sub(u32::from(self.prefix));
        bits(address).checked_shr(rest).and_then(|prefix| prefix.checked_shl(rest)).unwrap_or(0)
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Clients {
    /// Reads `trusted_proxies` and `client_address_header`.
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let default = Self::default();
        let trusted_proxies = table.read("trusted_proxies", |node| node.list(network)).unwrap_or_default();
        for (key, everybody) in [("trusted_proxies", "0.0.0.0/0"), ("trusted_proxies", "::/0")] {
            if trusted_proxies.iter().any(|trusted| Some(*trusted) == Network::parse(everybody)) {
                table.error(
                    key,
                    format!("{everybody} trusts everybody: each caller could choose its own address"),
                    "list the addresses of your proxies only",
                );
            }
        }
        let header = table.read("client_address_header", header).unwrap_or(default.header);
        Self { trusted_proxies, header }
    }
}

fn network(node: Node<'_>) -> Option<Network> {
    let text = node.text()?;
    let network = Network::parse(text);
    if network.is_none() {
        return node.fail(
            format!("{text:?} is no range of addresses"),
            "write \"10.0.0.0/8\", \"192.0.2.7\" or \"2001:db8::/32\"; bits behind the prefix are zero",
        );
    }
    network
}

/// A name with `_` is not the same field to everybody, and `Forwarded` has a grammar of its own.
fn header(node: Node<'_>) -> Option<String> {
    let text = node.text()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if text.is_empty() || !text.bytes().all(plain) || text.eq_ignore_ascii_case("forwarded") {
        return node.fail(
            format!("{text:?} is no header field that lists addresses"),
            "choose one such as \"X-Forwarded-For\" or \"X-Real-IP\"",
        );
    }
    Some(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_the_addresses_of_its_prefix() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::1", "::1", "::2"),
            ("0.0.0.0/1", "127.0.0.1", "128.0.0.1"),
        ] {
            let read = Network::parse(network).unwrap();
            assert!(read.contains(inside.parse().unwrap()), "{network}");
            assert!(!read.contains(outside.parse().unwrap()), "{network}");
        }
        let all = Network::parse("0.0.0.0/0").unwrap();
        assert!(all.contains("192.0.2.1".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_told() {
        for text in
            ["", "10.0.0.0/33", "10.0.0.1/8", "::/129", "10.0.0.0/-1", "10.0.0.0/+8", "host", "10.0.0.0/"]
        {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
