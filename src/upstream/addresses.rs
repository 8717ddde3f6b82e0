//! Where a backend's instances are: `host:port` pairs, names resolved without blocking.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::Instant;

/// How long a resolved name is believed.
const LIFETIME: Duration = Duration::from_secs(15);

/// The instances of one backend, tried in turn.
#[derive(Debug)]
pub struct Addresses {
    instances: Vec<Instance>,
    turn: AtomicUsize,
}

#[derive(Debug)]
enum Instance {
    Literal(SocketAddr),
    Name { name: String, resolved: Mutex<Option<Resolved>> },
}

#[derive(Debug, Clone)]
struct Resolved {
    addresses: Vec<SocketAddr>,
    at: Instant,
}

impl Addresses {
    /// Of `host:port` pairs; the host may be a name.
    pub fn new(pairs: &[String]) -> Self {
        let instance = |pair: &String| match pair.parse() {
            Ok(address) => Instance::Literal(address),
            Err(_) => Instance::Name { name: pair.clone(), resolved: Mutex::new(None) },
        };
        Self { instances: pairs.iter().map(instance).collect(), turn: AtomicUsize::new(0) }
    }

    /// All addresses that are known now, beginning with the one whose turn it is.
    pub async fn in_turn(&self) -> Vec<SocketAddr> {
        let mut addresses = Vec::with_capacity(self.instances.len());
        for instance in &self.instances {
            match instance {
                Instance::Literal(address) => addresses.push(*address),
                Instance::Name { name, resolved } => addresses.extend(resolve(name, resolved).await),
            }
        }
        if !addresses.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % addresses.len();
            addresses.rotate_left(turn);
        }
        addresses
    }
}

/// What a name stands for. When the resolver fails, what it said last still holds.
async fn resolve(name: &str, resolved: &Mutex<Option<Resolved>>) -> Vec<SocketAddr> {
    let known = resolved.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(known) = known.as_ref().filter(|known| known.at.elapsed() < LIFETIME) {
        return known.addresses.clone();
    }
    match lookup_host(name).await {
        Ok(found) => {
            let addresses: Vec<_> = found.collect();
            let fresh = Resolved { addresses: addresses.clone(), at: Instant::now() };
            *resolved.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
            addresses
        }
        Err(error) => {
            log::warn!("can't resolve the upstream's name {name:?}: {error}");
            known.map(|known| known.addresses).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn instances_take_turns() {
        let addresses = Addresses::new(&["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()]);
        let mut ports = Vec::new();
        for _ in 0..3 {
            ports.push(addresses.in_turn().await.iter().map(SocketAddr::port).collect::<Vec<_>>());
        }
        assert_eq!(ports, [[1, 2], [2, 1], [1, 2]]);
    }

    #[tokio::test]
    async fn names_are_resolved_and_unknown_ones_give_nothing() {
        let addresses = Addresses::new(&["localhost:7".to_owned()]).in_turn().await;
        assert!(addresses.iter().any(|address| address.ip().is_loopback() && address.port() == 7));
        let nowhere = Addresses::new(&["no port".to_owned()]);
        assert!(nowhere.in_turn().await.is_empty());
    }
}
