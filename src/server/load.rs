//! What the process carries right now, bounded: connections, calls under way, body bytes. Every
//! share is a guard that gives itself back when dropped, also when a task is cancelled or panics.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Limits;
use crate::guard::subscriber;

/// No bound on the connections of one address.
const UNBOUNDED: u32 = u32::MAX;

/// The present load of one edge and its bounds.
#[derive(Debug)]
pub struct Load {
    connections: Bounded,
    in_flight: Bounded,
    /// What passes through may take as long as it likes, and keeps no account call out.
    passing: Bounded,
    body_bytes: Bounded,
    /// The most connections of one address; [`UNBOUNDED`] where they are not counted.
    per_address: AtomicU32,
    addresses: Mutex<HashMap<IpAddr, u32>>,
    refused: AtomicU64,
    refused_per_address: AtomicU64,
    failed_handshakes: [AtomicU64; HandshakeFault::ALL.len()],
}

/// A count that never passes its bound.
#[derive(Debug)]
struct Bounded {
    count: AtomicUsize,
    bound: AtomicUsize,
}

impl Bounded {
    const fn new(bound: usize) -> Self {
        Self { count: AtomicUsize::new(0), bound: AtomicUsize::new(bound) }
    }

    fn take(&self, amount: usize) -> bool {
        let before = self.count.fetch_add(amount, Ordering::Relaxed);
        let fits = before.saturating_add(amount) <= self.bound.load(Ordering::Relaxed);
        if !fits {
            self.give_back(amount);
        }
        fits
    }

    fn give_back(&self, amount: usize) {
        self.count.fetch_sub(amount, Ordering::Relaxed);
    }

    fn now(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

/// Why a connection is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooMany {
    /// The bound on all connections is reached.
    InAll,
    /// The bound on connections of one client address is reached.
    OfOneAddress,
}

/// Why a connection ended before its first request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeFault {
    /// The PROXY protocol is required, and the peer is no trusted proxy.
    NotAProxy,
    /// What it began with is no header of the PROXY protocol.
    ProxyHeader,
    /// No TLS came about.
    Tls,
    /// It took too long.
    TooSlow,
}

impl HandshakeFault {
    const ALL: [Self; 4] = [Self::NotAProxy, Self::ProxyHeader, Self::Tls, Self::TooSlow];

    const fn name(self) -> &'static str {
        match self {
            Self::NotAProxy => "not_a_proxy",
            Self::ProxyHeader => "proxy_header",
            Self::Tls => "tls",
            Self::TooSlow => "timeout",
        }
    }
}

impl Load {
    /// No load yet, with these bounds.
    pub fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            connections: Bounded::new(limits.connections),
            in_flight: Bounded::new(limits.in_flight),
            passing: Bounded::new(limits.in_flight),
            body_bytes: Bounded::new(limits.body_bytes_in_all),
            per_address: AtomicU32::new(per_address(limits)),
            addresses: Mutex::new(HashMap::new()),
            refused: AtomicU64::new(0),
            refused_per_address: AtomicU64::new(0),
            failed_handshakes: Default::default(),
        })
    }

    /// Takes other bounds from now on; what is over them already may end in peace.
    pub fn bound(&self, limits: &Limits) {
        self.connections.bound.store(limits.connections, Ordering::Relaxed);
        self.in_flight.bound.store(limits.in_flight, Ordering::Relaxed);
        self.passing.bound.store(limits.in_flight, Ordering::Relaxed);
        self.body_bytes.bound.store(limits.body_bytes_in_all, Ordering::Relaxed);
        self.per_address.store(per_address(limits), Ordering::Relaxed);
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.connections.now()
    }

    /// Calls under way, and what passes through.
    pub fn in_flight(&self) -> usize {
        self.in_flight.now() + self.passing.now()
    }

    /// Body bytes held in memory.
    pub fn body_bytes(&self) -> usize {
        self.body_bytes.now()
    }

    /// Connections that were closed at once since the start: over the bound on all, over the
    /// bound on one address.
    pub fn refused_connections(&self) -> (u64, u64) {
        let refused = self.refused.load(Ordering::Relaxed);
        (refused, self.refused_per_address.load(Ordering::Relaxed))
    }

    /// A share for one connection of a trusted proxy, which stands for many clients.
    pub fn connect_proxy(self: &Arc<Self>) -> Result<ConnectionShare, TooMany> {
        if !self.connections.take(1) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(TooMany::InAll);
        }
        Ok(ConnectionShare { load: Arc::clone(self), address: None })
    }

    /// A share for one connection of a client.
    pub fn connect(self: &Arc<Self>, client: IpAddr) -> Result<ConnectionShare, TooMany> {
        self.connect_proxy()?.of(client)
    }

    /// Counts a connection that ended before its first request.
    pub fn handshake_failed(&self, fault: HandshakeFault) {
        if let Some(count) = self.failed_handshakes.get(fault as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Connections that ended before their first request since the start, by the reason.
    pub fn failed_handshakes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        HandshakeFault::ALL.iter().map(|fault| fault.name()).zip(self.failed_handshakes.iter().map(count))
    }

    /// A share for one call, unless too many are under way.
    pub fn call(self: &Arc<Self>) -> Option<CallShare> {
        self.in_flight.take(1).then(|| CallShare { load: Arc::clone(self), passes: false })
    }

    /// A share for something that passes through, unless as many of its kind do.
    pub fn passage(self: &Arc<Self>) -> Option<CallShare> {
        self.passing.take(1).then(|| CallShare { load: Arc::clone(self), passes: true })
    }

    /// A share of the memory for bodies, still empty.
    pub fn body(self: &Arc<Self>) -> BodyShare {
        BodyShare { load: Arc::clone(self), bytes: 0 }
    }
}

fn per_address(limits: &Limits) -> u32 {
    limits.connections_per_address.map_or(UNBOUNDED, |bound| u32::try_from(bound).unwrap_or(UNBOUNDED))
}

/// One connection's share.
#[derive(Debug)]
pub struct ConnectionShare {
    load: Arc<Load>,
    address: Option<IpAddr>,
}

impl ConnectionShare {
    /// The same share, counted among those of a client's address as well.
    ///
    /// # Errors
    /// When that address has as many as it may.
    pub fn of(mut self, client: IpAddr) -> Result<Self, TooMany> {
        let bound = self.load.per_address.load(Ordering::Relaxed);
        if bound == UNBOUNDED {
            return Ok(self);
        }
        let address = subscriber(client);
        let mut addresses = self.load.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let count = addresses.entry(address).or_default();
        if *count >= bound {
            self.load.refused_per_address.fetch_add(1, Ordering::Relaxed);
            drop(addresses);
            return Err(TooMany::OfOneAddress);
        }
        *count += 1;
        drop(addresses);
        self.address = Some(address);
        Ok(self)
    }
}

impl Drop for ConnectionShare {
    fn drop(&mut self) {
        self.load.connections.give_back(1);
        let Some(address) = self.address else { return };
        let mut addresses = self.load.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = addresses.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&address);
            }
        }
    }
}

/// One call's share.
#[derive(Debug)]
pub struct CallShare {
    load: Arc<Load>,
    passes: bool,
}

impl Drop for CallShare {
    fn drop(&mut self) {
        let count = if self.passes { &self.load.passing } else { &self.load.in_flight };
        count.give_back(1);
    }
}

/// One body's share of the memory.
#[derive(Debug)]
pub struct BodyShare {
    load: Arc<Load>,
    bytes: usize,
}

impl BodyShare {
    /// Makes the share at least `bytes` large; false when that does not fit.
    pub fn cover(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        if more > 0 && !self.load.body_bytes.take(more) {
            return false;
        }
        self.bytes += more;
        true
    }
}

impl Drop for BodyShare {
    fn drop(&mut self) {
        self.load.body_bytes.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load() -> Arc<Load> {
        Load::new(&Limits {
            connections: 3,
            connections_per_address: Some(2),
            in_flight: 1,
            body_bytes_in_all: 10,
            ..Limits::default()
        })
    }

    #[test]
    fn what_passes_through_keeps_no_call_out() {
        let load = load();
        let passing = load.passage().unwrap();
        assert!(load.passage().is_none());
        let call = load.call().unwrap();
        assert!(load.call().is_none());
        assert_eq!(load.in_flight(), 2);
        drop(passing);
        assert!(load.call().is_none() && load.passage().is_some());
        drop(call);
        assert_eq!(load.in_flight(), 0);
    }

    #[test]
    fn connections_are_bounded_in_all_and_by_address() {
        let load = load();
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let two: IpAddr = "192.0.2.2".parse().unwrap();
        let first = load.connect(one).unwrap();
        let second = load.connect(one).unwrap();
        assert_eq!(load.connect(one).unwrap_err(), TooMany::OfOneAddress);
        assert_eq!(load.connections(), 2);
        let third = load.connect(two).unwrap();
        assert_eq!(load.connect(two).unwrap_err(), TooMany::InAll);
        assert_eq!(load.refused_connections(), (1, 1));
        drop((first, second, third));
        assert_eq!(load.connections(), 0);
        assert!(load.addresses.lock().unwrap().is_empty());
    }

    #[test]
    fn connections_of_a_proxy_are_bounded_in_all_only() {
        let load = load();
        let proxied: Vec<_> = (0..3).map(|_| load.connect_proxy().unwrap()).collect();
        assert_eq!(load.connect_proxy().unwrap_err(), TooMany::InAll);
        drop(proxied);
        assert_eq!(load.connections(), 0);
    }

    #[test]
    fn neighbours_in_one_ipv6_network_count_together() {
        let load = load();
        let _first = load.connect("2001:db8::1".parse().unwrap()).unwrap();
        let _second = load.connect("2001:db8::2".parse().unwrap()).unwrap();
        assert!(load.connect("2001:db8::3".parse().unwrap()).is_err());
        assert!(load.connect("2001:db8:0:1::3".parse().unwrap()).is_ok());
    }

    #[test]
    fn other_bounds_hold_from_then_on() {
        let load = load();
        let client: IpAddr = "192.0.2.1".parse().unwrap();
        let _open = [load.connect(client).unwrap(), load.connect(client).unwrap()];
        assert_eq!(load.connect(client).unwrap_err(), TooMany::OfOneAddress);
        load.bound(&Limits { connections: 3, connections_per_address: None, ..Limits::default() });
        let third = load.connect(client).unwrap();
        assert_eq!(load.connect(client).unwrap_err(), TooMany::InAll);
        load.bound(&Limits { connections: 1, ..Limits::default() });
        drop(third);
        assert_eq!((load.connect(client).unwrap_err(), load.connections()), (TooMany::InAll, 2));
    }

    #[test]
    fn calls_and_bodies_give_their_share_back() {
        let load = load();
        let call = load.call().unwrap();
        assert!(load.call().is_none());
        drop(call);
        assert!(load.call().is_some());
        let mut body = load.body();
        assert!(body.cover(4) && body.cover(10) && body.cover(3));
        assert!(!body.cover(11));
        assert_eq!(load.body_bytes(), 10);
        drop(body);
        assert_eq!(load.body_bytes(), 0);
    }
}
