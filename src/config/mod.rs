//! Configuration: a TOML file, read whole into findings, and then settings of domain types. One
//! file a topic; `checks` holds what concerns several.

mod admin;
mod app;
mod backend;
mod changes;
mod checks;
mod clients;
mod demo;
mod dialects;
mod finding;
mod limits;
mod listener;
mod load;
mod locate;
mod log;
mod overrides;
mod pass_through;
mod pem;
pub(crate) mod reader;
mod region;
mod replay;
mod seal;
mod shutdown;
mod store;
#[cfg(test)]
mod tests;
mod throttle;
mod traces;
mod upstream;
mod value;

use std::path::PathBuf;

pub use admin::Admin;
pub use app::{App, Mode, NonceFormat, ReplayKey};
pub use backend::Backend;
pub use changes::Change;
pub use clients::{Clients, Network};
pub use demo::{SAMPLE_ID, SAMPLE_SECRET};
pub use dialects::{DIALECTS, Dialect, KnownDialect};
pub(crate) use dialects::{Document, documents};
pub use finding::{Finding, Severity};
pub use limits::Limits;
pub use listener::{DialectSettings, Listener};
pub use locate::{Locator, Site};
pub use log::{Log, LogFormat, LogLevel};
pub use pass_through::PassThrough;
pub use pem::{CertificateFiles, PemFile};
pub use reader::Env;
pub(crate) use reader::suggestion;
pub use region::{Region, RegionMode, Regions};
pub use replay::{Replay, ReplayScope};
pub use seal::Seal;
pub use shutdown::Shutdown;
pub use store::{OnStoreError, Redis, RedisAddress, Store, Topology};
pub use throttle::Throttle;
pub use traces::Traces;
pub use upstream::{
    Balancing, Certificates, Concurrency, Ejection, HealthCheck, HttpUpstream, HttpVersion, Policy, Upstream,
    UpstreamApp,
};
pub use value::resolve_secret;

use crate::account::Country;

/// Everything that a running gateway was told.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where clients are served.
    pub listeners: Vec<Listener>,
    /// The listener for operators.
    pub admin: Option<Admin>,
    /// A directory of packs: the operator's own dialects.
    pub dialects_dir: Option<PathBuf>,
    /// Every dialect that may be named: the built-in ones, and those of `dialects_dir`.
    pub dialects: Vec<KnownDialect>,
    /// Where the gateway keeps what must survive a restart; `None` when there is no such place.
    pub data_dir: Option<PathBuf>,
    /// The socket at which a process hands over to the next, where it is named.
    pub upgrade_socket: Option<PathBuf>,
    /// The backend.
    pub upstream: Upstream,
    /// What passes through to the backend although it is no account operation.
    pub pass_through: Vec<PassThrough>,
    /// Apps that sign their calls.
    pub apps: Vec<App>,
    /// Bounds.
    pub limits: Limits,
    /// Whose word about a client's address is believed.
    pub clients: Clients,
    /// Bounds of the replay memory.
    pub replay: Replay,
    /// Bounds on sends and attempts.
    pub throttle: Throttle,
    /// Where the guards remember.
    pub store: Store,
    /// What the gateway seals its own tokens with.
    pub seal: Seal,
    /// Regions.
    pub regions: Regions,
    /// How the process stops.
    pub shutdown: Shutdown,
    /// The diagnostic log.
    pub log: Log,
    /// Where traces of calls are sent, if they are.
    pub traces: Option<Traces>,
    /// The embedded backends, where [`Upstream::Embedded`] is used.
    pub backends: Vec<Backend>,
    /// The country of phones without a country code.
    pub default_country: Country,
    /// Whether this is the demo that runs without a config file.
    pub demo: bool,
}

/// What the socket of upgrades is called, in the data directory.
const UPGRADE_SOCKET: &str = "upgrade.sock";

impl Settings {
    /// The socket at which a process hands over to the next: the named one, or one in the data
    /// directory; `None` where there is no such place.
    pub fn upgrade_socket(&self) -> Option<PathBuf> {
        let in_data_dir = || Some(self.data_dir.as_ref()?.join(UPGRADE_SOCKET));
        self.upgrade_socket.clone().or_else(in_data_dir)
    }

    /// Whether nothing is served beyond this machine.
    pub fn is_loopback(&self) -> bool {
        let listeners = self.listeners.iter().map(|listener| listener.address);
        let admin = self.admin.iter().map(|admin| admin.address);
        listeners.chain(admin).all(|address| address.ip().is_loopback())
    }

    /// The backend of a region, where calls can be sent there.
    pub fn upstream_of(&self, region: &str) -> Option<&Upstream> {
        if region == self.regions.own {
            return Some(&self.upstream);
        }
        self.regions.find(region)?.upstream.as_ref()
    }

    /// The regions that calls can be sent to, in the order of the table, with their backends.
    pub fn upstreams(&self) -> impl Iterator<Item = (&str, &Upstream)> {
        let regions = self.regions.table.iter().map(|region| region.name.as_str());
        regions.filter_map(|region| Some((region, self.upstream_of(region)?)))
    }

    /// The region that a listener serves.
    pub fn region_of<'a>(&'a self, listener: &'a Listener) -> &'a str {
        listener.region.as_deref().unwrap_or(&self.regions.own)
    }

    /// The regions whose backend is the embedded one.
    pub(crate) fn embedded_regions(&self) -> impl Iterator<Item = &str> {
        let embedded = self.upstreams().filter(|(_, upstream)| **upstream == Upstream::Embedded);
        embedded.map(|(region, _)| region)
    }
}
