//! Whose address a request has: the socket's peer, or for whom a trusted proxy asks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::HeaderMap;

use crate::config::Clients;

/// Finds clients' addresses.
#[derive(Debug, Clone, Default)]
pub struct ClientAddresses {
    clients: Clients,
}

impl ClientAddresses {
    /// Believes whom the settings name.
    pub const fn new(clients: Clients) -> Self {
        Self { clients }
    }

    /// Whether an address is a trusted proxy's.
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        self.clients.trusted_proxies.iter().any(|network| network.contains(address))
    }

    /// The client's address. The header field is read from its end: each trusted hop vouches for
    /// the one before it, and the first that is not trusted is the client. What can't be read was
    /// vouched for by nobody who can write addresses: the last trusted hop stands for it.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        if !self.is_proxy(client) {
            return client;
        }
        for line in headers.get_all(self.clients.header.as_str()).iter().rev() {
            for hop in line.as_bytes().rsplit(|byte| *byte == b',') {
                let Some(hop) = std::str::from_utf8(hop).ok().and_then(address) else {
                    return client;
                };
                client = normalised(hop);
                if !self.is_proxy(client) {
                    return client;
                }
            }
        }
        client
    }
}

/// An address as proxies write it: bare, or with a port, an IPv6 one then in brackets.
fn address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    if let Ok(address) = hop.parse() {
        return Some(address);
    }
    if let Some(bracketed) = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return bracketed.parse().ok().map(IpAddr::V6);
    }
    hop.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip())
}

/// An address in the form in which it is compared: IPv4 within IPv6 (mapped, or NAT64's
/// well-known prefix) is IPv4.
pub fn normalised(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let bits = v6.to_bits();
    if bits >> 32 == 0x0064_ff9b_u128 << 64 {
        let [.., a, b, c, d] = v6.octets();
        return IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    }
    address.to_canonical()
}

/// Who is counted together: one IPv4 address, in whatever form it comes, or one IPv6 /64.
pub fn subscriber(client: IpAddr) -> IpAddr {
    match normalised(client) {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::config::Network;

    fn addresses() -> ClientAddresses {
        let trusted = ["10.0.0.0/8", "2001:db8:1::/48"];
        let trusted_proxies = trusted.iter().map(|text| Network::parse(text).unwrap()).collect();
        ClientAddresses::new(Clients { trusted_proxies, ..Clients::default() })
    }

    fn client(peer: &str, fields: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        addresses().client(peer.parse().unwrap(), &headers).to_string()
    }

    fn forwarded(value: &str) -> String {
        client("10.0.0.1", &[("x-forwarded-for", value)])
    }

    #[test]
    fn a_strangers_word_is_not_believed() {
        let forged = [("x-forwarded-for", "198.51.100.9"), ("x-real-ip", "198.51.100.9")];
        assert_eq!(client("192.0.2.1", &forged), "192.0.2.1");
    }

    #[test]
    fn the_last_hop_that_is_no_proxy_is_the_client() {
        assert_eq!(forwarded("192.0.2.1"), "192.0.2.1");
        assert_eq!(forwarded("198.51.100.9, 192.0.2.1, 10.1.2.3"), "192.0.2.1");
        assert_eq!(forwarded("192.0.2.1:4711"), "192.0.2.1");
        assert_eq!(forwarded("[2001:db8::7]:4711, 2001:db8:1::5"), "2001:db8::7");
        assert_eq!(forwarded("[2001:db8::7]"), "2001:db8::7");
        assert_eq!(forwarded("10.0.0.9"), "10.0.0.9");
        let two_lines = [("x-forwarded-for", "198.51.100.9"), ("x-forwarded-for", "192.0.2.1, 10.0.0.2")];
        assert_eq!(client("10.0.0.1", &two_lines), "192.0.2.1");
    }

    #[test]
    fn an_unreadable_hop_ends_the_walk_at_the_last_trusted_one() {
        assert_eq!(forwarded("192.0.2.1, unknown, 10.0.0.2"), "10.0.0.2");
        assert_eq!(forwarded("192.0.2.1,,"), "10.0.0.1");
        assert_eq!(forwarded("_hidden"), "10.0.0.1");
        assert_eq!(forwarded("192.0.2.256"), "10.0.0.1");
    }

    #[test]
    fn a_name_that_only_looks_alike_is_another_field() {
        assert_eq!(client("10.0.0.1", &[("x_forwarded_for", "192.0.2.1")]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[("forwarded", "for=192.0.2.1")]), "10.0.0.1");
    }

    #[test]
    fn ipv4_in_ipv6_is_ipv4() {
        for address in ["::ffff:192.0.2.1", "64:ff9b::192.0.2.1", "192.0.2.1"] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(normalised(address).to_string(), "192.0.2.1");
        }
        let other: IpAddr = "2001:db8::1".parse().unwrap();
        assert_eq!(normalised(other), other);
        assert_eq!(forwarded("::ffff:192.0.2.1, ::ffff:10.0.0.3"), "192.0.2.1");
    }

    #[test]
    fn neighbours_in_one_ipv6_network_are_one_subscriber() {
        let of = |text: &str| subscriber(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn on_a_dual_stack_listener_two_ipv4_clients_are_two_subscribers() {
        let of = |text: &str| subscriber(text.parse().unwrap());
        assert_ne!(of("::ffff:192.0.2.1"), of("::ffff:192.0.2.2"));
        assert_ne!(of("64:ff9b::192.0.2.1"), of("64:ff9b::192.0.2.2"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
