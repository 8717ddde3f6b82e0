//! Where a backend's instances are: `host:port` pairs, names resolved without blocking.
//!
//! What a name stands for is believed for some seconds. After that the next call has it asked again
//! and goes on with what is known; only a name that is not known at all is waited for. When the
//! resolver fails, what it said last still holds.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::net::lookup_host;
use tokio::time::Instant;

/// How long a resolved name is believed.
const LIFETIME: Duration = Duration::from_secs(15);
/// How long it takes until a name that could not be resolved is asked for again.
const RETRY: Duration = Duration::from_secs(1);
/// How many addresses of one name are used.
const ADDRESSES_PER_NAME: usize = 64;

/// The instances of one backend, each with what its user notes of it.
pub(super) struct Addresses<T> {
    names: Vec<Name>,
    instances: ArcSwap<Vec<Arc<Instance<T>>>>,
    /// Only one asks the resolver at a time.
    asking: tokio::sync::Mutex<()>,
}

/// One socket address of a backend.
pub(super) struct Instance<T> {
    /// The place in the config of what it was resolved from.
    pub index: usize,
    /// Where it is.
    pub address: SocketAddr,
    /// What is noted of it.
    pub note: T,
}

struct Name {
    index: usize,
    pair: String,
    /// When it is to be resolved again; `None` before it was for the first time.
    due: Mutex<Option<Instant>>,
}

impl<T: Default + Send + Sync + 'static> Addresses<T> {
    /// Of `host:port` pairs; the host may be a name.
    pub fn new(pairs: &[String]) -> Self {
        let mut names = Vec::new();
        let mut instances = Vec::new();
        for (index, pair) in pairs.iter().enumerate() {
            match pair.parse() {
                Ok(address) => instances.push(Arc::new(Instance { index, address, note: T::default() })),
                Err(_) => names.push(Name { index, pair: pair.clone(), due: Mutex::new(None) }),
            }
        }
        Self { names, instances: ArcSwap::from_pointee(instances), asking: tokio::sync::Mutex::new(()) }
    }

    /// All that are known now.
    pub fn known(&self) -> Guard<Arc<Vec<Arc<Instance<T>>>>> {
        self.instances.load()
    }

    /// Whether [`Self::refresh`] has something to do.
    pub fn are_due(&self) -> bool {
        !self.names.is_empty() && self.names.iter().any(Name::is_due)
    }

    /// Has names resolved whose time is up; waits for those that are not known yet.
    pub async fn refresh(self: &Arc<Self>) {
        let unknown = self.names.iter().any(|name| name.due().is_none());
        if unknown {
            let _one = self.asking.lock().await;
            return self.resolve().await;
        }
        let addresses = Arc::clone(self);
        tokio::spawn(async move {
            if let Ok(_one) = addresses.asking.try_lock() {
                addresses.resolve().await;
            }
        });
    }

    async fn resolve(&self) {
        for name in self.names.iter().filter(|name| name.is_due()) {
            match lookup_host(&name.pair).await {
                Ok(found) => {
                    self.replace(name.index, found.collect());
                    name.set_due(LIFETIME);
                }
                Err(error) => {
                    log::warn!("can't resolve the upstream's name {:?}: {error}", name.pair);
                    name.set_due(RETRY);
                }
            }
        }
    }

    /// What a name stands for now. Those that it stood for before keep what was noted of them.
    fn replace(&self, index: usize, mut found: Vec<SocketAddr>) {
        found.sort_unstable();
        found.dedup();
        found.truncate(ADDRESSES_PER_NAME);
        let before = self.instances.load_full();
        let known = |address: SocketAddr| {
            let same = |instance: &&Arc<Instance<T>>| (instance.index, instance.address) == (index, address);
            before.iter().find(same).cloned()
        };
        let fresh = |address| Arc::new(Instance { index, address, note: T::default() });
        let mut after: Vec<_> = before.iter().filter(|instance| instance.index != index).cloned().collect();
        after.extend(found.into_iter().map(|address| known(address).unwrap_or_else(|| fresh(address))));
        after.sort_by_key(|instance| instance.index);
        self.instances.store(Arc::new(after));
    }
}

impl Name {
    fn due(&self) -> Option<Instant> {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_due(&self) -> bool {
        self.due().is_none_or(|due| due <= Instant::now())
    }

    fn set_due(&self, wait: Duration) {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + wait);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn addresses(pairs: &[&str]) -> Arc<Addresses<AtomicUsize>> {
        let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        Arc::new(Addresses::new(&pairs))
    }

    fn known(addresses: &Addresses<AtomicUsize>) -> Vec<(usize, String)> {
        addresses.known().iter().map(|one| (one.index, one.address.to_string())).collect()
    }

    #[tokio::test]
    async fn names_are_resolved_when_they_are_needed_and_literals_never() {
        let literal = addresses(&["127.0.0.1:1", "[::1]:2"]);
        assert!(!literal.are_due());
        assert_eq!(known(&literal), [(0, "127.0.0.1:1".to_owned()), (1, "[::1]:2".to_owned())]);
        let named = addresses(&["localhost:7"]);
        assert!(named.are_due() && named.known().is_empty());
        named.refresh().await;
        assert!(!named.are_due());
        assert!(named.known().iter().any(|one| one.address.ip().is_loopback() && one.address.port() == 7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_known_name_is_asked_for_again_while_calls_go_on() {
        let addresses = addresses(&["localhost:7"]);
        addresses.refresh().await;
        let before = known(&addresses);
        tokio::time::advance(LIFETIME).await;
        assert!(addresses.are_due());
        addresses.refresh().await;
        assert!(addresses.are_due(), "nobody waits for it");
        assert_eq!(known(&addresses), before);
        while addresses.are_due() {
            tokio::task::yield_now().await;
        }
        assert_eq!(known(&addresses), before);
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_nobody_knows_gives_nothing_and_is_not_asked_for_at_once() {
        let nowhere = addresses(&["no port"]);
        nowhere.refresh().await;
        assert!(nowhere.known().is_empty() && !nowhere.are_due());
        tokio::time::advance(RETRY).await;
        assert!(nowhere.are_due());
    }

    #[tokio::test]
    async fn what_a_name_stands_for_may_change_and_notes_of_what_stays_are_kept() {
        let addresses = addresses(&["127.0.0.1:1", "backend.invalid:2", "127.0.0.1:3"]);
        let stand =
            |ports: &[u16]| ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 9], *port))).collect();
        addresses.replace(1, stand(&[21, 22, 22]));
        let ports = |all: &Addresses<AtomicUsize>| {
            all.known().iter().map(|one| one.address.port()).collect::<Vec<_>>()
        };
        assert_eq!(ports(&addresses), [1, 21, 22, 3]);
        addresses.known()[2].note.store(5, Ordering::SeqCst);
        addresses.replace(1, stand(&[23, 22]));
        assert_eq!(ports(&addresses), [1, 22, 23, 3]);
        let notes: Vec<_> = addresses.known().iter().map(|one| one.note.load(Ordering::SeqCst)).collect();
        assert_eq!(notes, [0, 5, 0, 0]);
    }
}
