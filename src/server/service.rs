//! What one listener's connections share: the load, the record sink, and what a reload replaces as
//! one – the application, the limits and, where there are backends to pass on to, Pingora's proxies.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderMap;
use pingora::proxy::HttpProxy;
use tokio::time::Instant;

use super::application::{Application, RecordSink};
use super::callers::Callers;
use super::entrance::{Entrance, Entrances};
use super::load::{ConnectionShare, Load, TooMany};
use super::pass::PassThrough;
use super::pass_target::PassTarget;
use super::rate::AddressRate;
use super::tracing_fields;
use crate::config::Limits;
use crate::guard::ClientAddresses;

pub(super) type Proxy<A> = Arc<HttpProxy<PassThrough<A>>>;

/// An application with everything that serving it takes.
pub struct Service<A: Application> {
    serving: ArcSwap<Serving<A>>,
    load: Arc<Load>,
    /// Set at the start: another set of proxies takes a restart.
    addresses: ClientAddresses,
    /// Who calls, where somebody may stand in front.
    callers: Option<Callers>,
    sink: Arc<dyn RecordSink>,
}

/// What a reload replaces. A request keeps the one that it began with.
pub(super) struct Serving<A: Application> {
    pub(super) application: Arc<A>,
    pub(super) limits: Limits,
    rate: Option<Arc<AddressRate>>,
    /// For each region that something may pass through to.
    pub(super) proxies: Arc<BTreeMap<String, Proxy<A>>>,
    entrances: Entrances,
}

/// The backends that requests pass through to, after a reload.
pub enum Passing {
    /// The same as before, their connections too.
    Unchanged,
    /// Others, or none.
    To(PassTargets),
}

/// For each region that something may pass through to its backend.
pub type PassTargets = BTreeMap<String, PassTarget>;

impl<A: Application> Service<A> {
    /// Serves an application within limits; nothing passes through.
    pub fn new(application: Arc<A>, limits: Limits, load: Arc<Load>, sink: Arc<dyn RecordSink>) -> Self {
        let rate = AddressRate::new(&limits).map(Arc::new);
        let proxies = Arc::default();
        let serving = Serving { application, limits, rate, proxies, entrances: Entrances::default() };
        let addresses = ClientAddresses::default();
        Self { serving: ArcSwap::from_pointee(serving), load, addresses, callers: None, sink }
    }

    /// The same, with backends that requests may pass through to.
    pub fn passing_to(self, targets: PassTargets) -> Self {
        let (application, limits) = {
            let serving = self.serving.load();
            (Arc::clone(&serving.application), serving.limits.clone())
        };
        let entrances = self.serving.load().entrances.clone();
        self.replace(application, limits, Passing::To(targets), entrances);
        self
    }

    /// The same, whose listeners have these entrances; without, connections begin with a request.
    pub fn entered_by(self, entrances: Entrances) -> Self {
        self.replace_entrances(entrances);
        self
    }

    /// The same, behind proxies whose word about a client's address is believed; it is noticed if one of them
    /// was forgotten.
    pub fn behind(mut self, addresses: ClientAddresses) -> Self {
        self.addresses = addresses;
        self.callers = Some(Callers::default());
        self
    }

    /// A share of the load for a connection from `peer`.
    pub(super) fn connect(&self, peer: IpAddr) -> Result<ConnectionShare, TooMany> {
        if self.is_proxy(peer) { self.load.connect_proxy() } else { self.load.connect(peer) }
    }

    /// Whether an address is that of a trusted proxy.
    pub(super) fn is_proxy(&self, address: IpAddr) -> bool {
        self.addresses.is_proxy(address)
    }

    /// The address of the client that a request from `peer` comes from.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let client = self.addresses.client(peer, headers);
        if let Some(callers) = self.callers.as_ref().filter(|_| !self.addresses.is_proxy(client)) {
            callers.note(client);
        }
        client
    }

    /// The id that a request already has, if `peer` may give one.
    pub(super) fn request_id<'a>(&self, peer: IpAddr, headers: &'a HeaderMap) -> Option<&'a str> {
        tracing_fields::request_id(headers).filter(|_| self.addresses.is_proxy(peer))
    }

    /// Whether most calls came from one address that is no trusted proxy.
    pub fn is_crowded(&self) -> bool {
        self.callers.as_ref().is_some_and(Callers::are_crowded)
    }

    /// Puts something else in place at once; requests under way end with what they began with.
    pub fn replace(&self, application: Arc<A>, limits: Limits, passing: Passing, entrances: Entrances) {
        let before = self.serving.load_full();
        let rate = match AddressRate::is_same(&before.limits, &limits) {
            true => before.rate.clone(),
            false => AddressRate::new(&limits).map(Arc::new),
        };
        let proxies = match passing {
            Passing::Unchanged => before.proxies.clone(),
            Passing::To(targets) => {
                let proxy = |(region, target)| (region, Arc::new(PassThrough::proxy(target)));
                Arc::new(targets.into_iter().map(proxy).collect())
            }
        };
        self.load.bound(&limits);
        self.serving.store(Arc::new(Serving { application, limits, rate, proxies, entrances }));
    }

    /// Has later connections begin in another way.
    pub fn replace_entrances(&self, entrances: Entrances) {
        let before = self.serving.load_full();
        self.serving.store(Arc::new(Serving {
            application: Arc::clone(&before.application),
            limits: before.limits.clone(),
            rate: before.rate.clone(),
            proxies: before.proxies.clone(),
            entrances,
        }));
    }

    pub(super) fn serving(&self) -> Arc<Serving<A>> {
        self.serving.load_full()
    }

    pub(super) const fn load(&self) -> &Arc<Load> {
        &self.load
    }

    pub(super) fn sink(&self) -> &Arc<dyn RecordSink> {
        &self.sink
    }
}

impl<A: Application> Serving<A> {
    /// How connections of a listener begin.
    pub(super) fn entrance(&self, listener: usize) -> Option<&Entrance> {
        self.entrances.get(listener)
    }

    /// Whether a client may call once more now.
    pub(super) fn is_within_rate(&self, client: Option<IpAddr>, now: Instant) -> bool {
        match (&self.rate, client) {
            (Some(rate), Some(client)) => rate.take(client, now).is_ok(),
            _ => true,
        }
    }
}
