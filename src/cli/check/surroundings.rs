//! What speaks against a config around it: addresses that are taken, and backends and stores that do not
//! answer from here. None of it makes the file wrong: the gateway that holds the addresses may be the one
//! that takes the file next, and the backend may come up later.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::config::{Finding, Locator, RedisAddress, Settings, Severity, Site};

/// How long a name may take to be resolved and an address to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Tries every address of the settings at once, for three seconds at most.
pub(super) fn findings(settings: &Settings, locator: &Locator<'_>) -> Vec<Finding> {
    let mut findings = taken(settings, locator);
    let (tell, told) = mpsc::channel();
    let asked = peers(settings);
    for (index, peer) in asked.iter().enumerate() {
        let (peer, tell) = (peer.address.clone(), tell.clone());
        // One that the resolver holds up is left behind.
        thread::spawn(move || tell.send((index, peer.reach())));
    }
    drop(tell);
    let until = Instant::now() + PATIENCE;
    let mut answers: Vec<Option<io::Result<()>>> = asked.iter().map(|_| None).collect();
    while let Ok((index, reached)) = told.recv_timeout(until.saturating_duration_since(Instant::now())) {
        if let Some(answer) = answers.get_mut(index) {
            *answer = Some(reached);
        }
    }
    for (peer, answer) in asked.iter().zip(answers) {
        let cause = match answer {
            Some(Ok(())) => continue,
            Some(Err(error)) => error.to_string(),
            None => format!("no answer within {PATIENCE:?}"),
        };
        let message = format!("nothing answers at {}: {cause}", peer.address);
        let hint = "start it, or correct the address; `--offline` tries none";
        findings.push(locator.finding(peer.site, Severity::Warning, message, hint));
    }
    findings
}

/// The addresses to listen on that this machine does not give now.
fn taken(settings: &Settings, locator: &Locator<'_>) -> Vec<Finding> {
    let listeners = settings.listeners.iter().enumerate();
    let listeners = listeners.map(|(index, listener)| (Site::Listener(index), listener.address));
    let admin = settings.admin.iter().map(|admin| (Site::Admin, admin.address));
    let refused = |(site, address): (Site, SocketAddr)| {
        let error = TcpListener::bind(address).err()?;
        let message = format!("can't listen on {address}: {error}");
        let hint =
            "fine if the gateway that runs now holds it; else stop what does, or choose another address";
        Some(locator.finding(site, Severity::Warning, message, hint))
    };
    listeners.chain(admin).filter_map(refused).collect()
}

/// Somebody whom the gateway must reach.
struct Peer {
    site: Site,
    address: Address,
}

/// Where somebody is.
#[derive(Clone)]
enum Address {
    Tcp(String),
    Unix(std::path::PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Address {
    fn reach(&self) -> io::Result<()> {
        let address = match self {
            Self::Unix(path) => return UnixStream::connect(path).map(drop),
            Self::Tcp(address) => address,
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(_) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn peers(settings: &Settings) -> Vec<Peer> {
    let backend = settings.upstream.http().into_iter().flat_map(|http| http.addresses.iter().enumerate());
    let backend = backend
        .map(|(index, address)| Peer { site: Site::Upstream(index), address: Address::Tcp(address.clone()) });
    let regions = settings.regions.table.iter().enumerate();
    let regions = regions.filter_map(|(place, region)| Some((place, region.upstream.as_ref()?.http()?)));
    let regions = regions.flat_map(|(place, http)| {
        http.addresses.iter().enumerate().map(move |(index, address)| Peer {
            site: Site::RegionUpstream(place, index),
            address: Address::Tcp(address.clone()),
        })
    });
    let store = settings.store.redis.iter().flat_map(|redis| redis.addresses.iter().enumerate());
    let store = store.map(|(index, address)| Peer {
        site: Site::Store(index),
        address: match address {
            RedisAddress::Tcp { host, port, .. } if host.contains(':') => {
                Address::Tcp(format!("[{host}]:{port}"))
            }
            RedisAddress::Tcp { host, port, .. } => Address::Tcp(format!("{host}:{port}")),
            RedisAddress::Unix(path) => Address::Unix(path.clone()),
        },
    });
    backend.chain(regions).chain(store).collect()
}
