//! What one listener's connections share: the application, the limits, the load, the record sink
//! and, where there is a backend to pass on to, Pingora's proxy.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderMap;
use pingora::proxy::HttpProxy;
use tokio::time::Instant;

use super::application::{Application, RecordSink};
use super::load::{ConnectionShare, Load, TooMany};
use super::pass::{PassTarget, PassThrough};
use super::rate::AddressRate;
use crate::config::Limits;
use crate::guard::ClientAddresses;

/// An application with everything that serving it takes.
pub struct Service<A: Application> {
    application: ArcSwap<A>,
    limits: Limits,
    load: Arc<Load>,
    addresses: ClientAddresses,
    rate: Option<AddressRate>,
    sink: Arc<dyn RecordSink>,
    proxy: Option<Arc<HttpProxy<PassThrough<A>>>>,
}

impl<A: Application> Service<A> {
    /// Serves an application within limits; nothing passes through.
    pub fn new(application: Arc<A>, limits: Limits, load: Arc<Load>, sink: Arc<dyn RecordSink>) -> Self {
        Self {
            application: ArcSwap::new(application),
            rate: AddressRate::new(&limits),
            limits,
            load,
            addresses: ClientAddresses::default(),
            sink,
            proxy: None,
        }
    }

    /// The same, with a backend that requests may pass through to.
    pub fn passing_to(mut self, target: PassTarget) -> Self {
        self.proxy = Some(Arc::new(PassThrough::proxy(target)));
        self
    }

    /// The same, behind proxies whose word about a client's address is believed.
    pub fn behind(mut self, addresses: ClientAddresses) -> Self {
        self.addresses = addresses;
        self
    }

    /// Puts another application in place; calls under way end with the one they began with.
    pub fn replace(&self, application: Arc<A>) {
        self.application.store(application);
    }

    pub(super) fn application(&self) -> Arc<A> {
        self.application.load_full()
    }

    pub(super) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A share of the load for a connection from `peer`.
    pub(super) fn connect(&self, peer: IpAddr) -> Result<ConnectionShare, TooMany> {
        if self.addresses.is_proxy(peer) { self.load.connect_proxy() } else { self.load.connect(peer) }
    }

    /// The address of the client that a request from `peer` comes from.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.addresses.client(peer, headers)
    }

    /// Whether a client may call once more now.
    pub(super) fn is_within_rate(&self, client: Option<IpAddr>, now: Instant) -> bool {
        match (&self.rate, client) {
            (Some(rate), Some(client)) => rate.take(client, now).is_ok(),
            _ => true,
        }
    }

    pub(super) const fn load(&self) -> &Arc<Load> {
        &self.load
    }

    pub(super) fn sink(&self) -> &Arc<dyn RecordSink> {
        &self.sink
    }

    pub(super) const fn proxy(&self) -> Option<&Arc<HttpProxy<PassThrough<A>>>> {
        self.proxy.as_ref()
    }
}
