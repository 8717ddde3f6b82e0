//! What runs without a config file: everything on loopback, the embedded backend, and one app
//! that anybody may sign as.

use std::net::SocketAddr;

use super::dialects::DIALECTS;
use super::reader::{Place, Reader};
use super::{Admin, App, Backend, Env, Finding, Limits, Listener, Settings, Upstream, overrides};
use crate::account::Country;

/// The id of the vendor's published documentation sample.
pub const SAMPLE_ID: &str = "McFJj4Noke1mGDZCR1QarGW7P9Ycp0Vr";

/// Its secret, as published. It protects nothing.
pub const SAMPLE_SECRET: &str = "OdPuCZ4PkPPi0rVKRVcGmll2NM6vVk0c";

/// Whether an id or a secret is that of the published sample.
pub(super) fn is_sample(text: &str) -> bool {
    text == SAMPLE_ID || text == SAMPLE_SECRET
}

impl Settings {
    /// The settings without a config file.
    ///
    /// # Errors
    /// When an environment variable is wrong, or would open the demo beyond this machine.
    pub fn demo(env: Env<'_>) -> Result<Self, Vec<Finding>> {
        let reader = Reader::new("the demo", "", env);
        let mut settings = Self::loopback_demo();
        overrides::apply(&reader, &mut settings);
        refuse_off_loopback(&reader, &settings);
        let findings = reader.into_findings();
        if findings.is_empty() { Ok(settings) } else { Err(findings) }
    }

    fn loopback_demo() -> Self {
        let mut listener = Listener::with_all_dialects(SocketAddr::from(([127, 0, 0, 1], 8080)));
        let unsigned = DIALECTS.iter().filter(|dialect| !dialect.signs);
        listener.unsigned = unsigned.map(|dialect| dialect.name.to_owned()).collect();
        let mut settings = Self {
            listeners: vec![listener],
            admin: Some(Admin::loopback()),
            data_dir: Some("data".into()),
            upgrade_socket: None,
            dialects_dir: None,
            dialects: super::dialects::known(None),
            upstream: Upstream::Embedded,
            pass_through: Vec::new(),
            apps: vec![App::new(SAMPLE_ID, SAMPLE_SECRET)],
            limits: Limits {
                connections_per_address: None,
                calls_per_second_per_address: None,
                ..Limits::default()
            },
            clients: super::Clients::default(),
            replay: super::Replay::default(),
            throttle: super::Throttle::default().without_addresses(),
            store: super::Store::default(),
            seal: super::Seal::default(),
            regions: super::Regions::default(),
            shutdown: super::Shutdown::default(),
            log: super::Log::default(),
            traces: None,
            backends: Vec::new(),
            default_country: Country::CHINA,
            demo: true,
        };
        settings.backends = Backend::of(&settings);
        settings
    }
}

fn refuse_off_loopback(reader: &Reader<'_>, settings: &Settings) {
    let hint = "the demo has a published secret and stays on this machine: use 127.0.0.1 or [::1], \
                or write a config file and start with `dragoman run -c FILE`";
    let listeners = settings.listeners.iter().map(|listener| listener.address);
    let admin = settings.admin.iter().map(|admin| admin.address);
    let bound = listeners
        .map(|address| (overrides::LISTEN, address))
        .chain(admin.map(|address| (overrides::ADMIN_LISTEN, address)));
    for (variable, address) in bound.filter(|(_, address)| !address.ip().is_loopback()) {
        let message = format!("the demo does not listen on {address}");
        reader.error(&Place::Variable(variable), message, hint);
    }
}
