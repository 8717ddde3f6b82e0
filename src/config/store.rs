//! Where the guards remember: in this process alone, or in a Redis that several instances share.

use std::path::PathBuf;
use std::time::Duration;

use super::reader::{Node, Table};
use super::replay::ReplayScope;
use super::value::{duration, name, number, secret};
use crate::account::Secret;

/// The shortest key that can't be guessed.
const STATE_KEY_BYTES: usize = 32;

/// Where the guards remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// How many gateways reach the same backend.
    pub instances: usize,
    /// The shared memory; `None` where each process has its own.
    pub redis: Option<Redis>,
}

impl Default for Store {
    fn default() -> Self {
        Self { instances: 1, redis: None }
    }
}

/// A Redis or Valkey that several gateways share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    /// How its servers belong together.
    pub topology: Topology,
    /// Where it is, or where its Sentinels or some of its cluster's nodes are.
    pub addresses: Vec<RedisAddress>,
    /// The number of the database.
    pub database: u32,
    /// As whom to log in.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// What the Sentinels demand.
    pub sentinel_password: Option<Secret>,
    /// A file of the certificates to trust instead of the system's, in PEM.
    pub certificates: Option<PathBuf>,
    /// What the keys in Redis are made with; the same for all instances.
    pub state_key: Secret,
    /// The longest wait for an answer.
    pub timeout: Duration,
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
    /// Whether the operator vouches that Redis evicts nothing, where it does not tell.
    pub never_evicts: bool,
}

/// How the servers of a Redis belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    Single,
    /// Sentinels know which server is the master of this name.
    Sentinel(String),
    /// A cluster.
    Cluster,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisAddress {
    /// Over TCP.
    Tcp {
        /// Its name or address.
        host: String,
        /// Its port.
        port: u16,
        /// Whether to speak TLS.
        tls: bool,
    },
    /// A socket of this machine.
    Unix(PathBuf),
}

impl RedisAddress {
    /// Whether passwords and entries could be read on the way there.
    fn is_open_to_listeners(&self) -> bool {
        match self {
            Self::Tcp { host, tls, .. } => {
                let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
                !tls && host != "localhost" && !ip.is_ok_and(|ip| ip.is_loopback())
            }
            Self::Unix(_) => false,
        }
    }

    fn is_tls(&self) -> bool {
        matches!(self, Self::Tcp { tls: true, .. })
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Memory,
    Redis,
}

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Single,
    Sentinel,
    Cluster,
}

const REDIS_KEYS: [&str; 12] = [
    "topology",
    "urls",
    "master",
    "database",
    "username",
    "password",
    "sentinel_password",
    "certificates",
    "state_key",
    "timeout",
    "connect_timeout",
    "never_evicts",
];

impl Store {
    /// Reads `[store]`; `scope` says whether gateways may knowingly remember alone.
    pub(super) fn read(table: &mut Table<'_>, scope: ReplayScope) -> Self {
        let instances = table.read("instances", |node| number(node, 1..=1_000)).unwrap_or(1);
        let kinds = [("memory", Kind::Memory), ("redis", Kind::Redis)];
        let redis = match table.read("kind", |node| node.choice(&kinds)) {
            Some(Kind::Redis) => Redis::read(table),
            Some(Kind::Memory) | None => {
                refuse_redis_keys(table);
                if instances > 1 && scope == ReplayScope::Store {
                    table.warning(
                        "instances",
                        "each instance remembers alone: a signed call passes once on every one of them, and each sends its own codes",
                        "share a memory with `kind = \"redis\"`, or say with `scope = \"region\"` in [replay] that it is meant so",
                    );
                }
                None
            }
        };
        Self { instances, redis }
    }
}

fn refuse_redis_keys(table: &mut Table<'_>) {
    table.ignore(&REDIS_KEYS);
    for key in REDIS_KEYS.iter().filter(|key| table.has(key)) {
        table.error(
            key,
            format!("`{key}` has no meaning for the memory"),
            "remove it, or set `kind = \"redis\"`",
        );
    }
}

impl Redis {
    fn read(table: &mut Table<'_>) -> Option<Self> {
        let shapes = [("single", Shape::Single), ("sentinel", Shape::Sentinel), ("cluster", Shape::Cluster)];
        let shape = table.read("topology", |node| node.choice(&shapes)).unwrap_or(Shape::Single);
        let topology = match shape {
            Shape::Sentinel => table.need("master", name).map(Topology::Sentinel),
            Shape::Single => Some(Topology::Single),
            Shape::Cluster => Some(Topology::Cluster),
        };
        refuse_of_others(table, shape);
        let addresses = table.need("urls", |node| node.list(address));
        let state_key = table.need("state_key", state_key);
        let wait = |most| Duration::from_millis(1)..=Duration::from_secs(most);
        let redis = Self {
            database: table.read("database", database).unwrap_or(0),
            username: table.read("username", name),
            password: table.read("password", secret),
            sentinel_password: table.read("sentinel_password", secret),
            certificates: table.read("certificates", name).map(PathBuf::from),
            timeout: table
                .read("timeout", |node| duration(node, wait(5)))
                .unwrap_or(Duration::from_millis(50)),
            connect_timeout: table
                .read("connect_timeout", |node| duration(node, wait(30)))
                .unwrap_or(Duration::from_secs(1)),
            never_evicts: table.read("never_evicts", |node| node.boolean()).unwrap_or(false),
            topology: topology?,
            addresses: addresses?,
            state_key: state_key?,
        };
        redis.check(table);
        Some(redis)
    }

    fn check(&self, table: &Table<'_>) {
        if self.addresses.is_empty() {
            table.error("urls", "the store has no address", "add one: \"rediss://redis.internal:6379\"");
        }
        if self.topology == Topology::Single && self.addresses.len() > 1 {
            table.error(
                "urls",
                "a single Redis has one address",
                "name the first only, or set `topology` to \"sentinel\" or \"cluster\"",
            );
        }
        let unix = |address: &RedisAddress| matches!(address, RedisAddress::Unix(_));
        if self.topology != Topology::Single && self.addresses.iter().any(unix) {
            table.error("urls", "only a single Redis is reached by a socket file", "write host and port");
        }
        let secured = self.addresses.iter().filter(|address| address.is_tls()).count();
        if secured > 0 && secured < self.addresses.len() {
            table.error(
                "urls",
                "some addresses speak TLS and some do not",
                "write rediss:// for all of them",
            );
        }
        if self.certificates.is_some() && secured == 0 {
            table.error(
                "certificates",
                "`certificates` has no meaning without TLS",
                "write rediss:// in `urls`",
            );
        }
        if self.addresses.iter().any(RedisAddress::is_open_to_listeners) {
            table.warning("urls", "the password travels to Redis in the clear", "write rediss:// in `urls`");
        }
        if self.username.is_some() && self.password.is_none() {
            table.error("username", "a user needs a password", "add `password = \"env:NAME\"`");
        }
    }

    /// Whether its servers speak TLS.
    pub fn is_tls(&self) -> bool {
        self.addresses.iter().any(RedisAddress::is_tls)
    }
}

fn refuse_of_others(table: &mut Table<'_>, shape: Shape) {
    table.ignore(&["master", "sentinel_password", "database"]);
    let only_sentinel = ["master", "sentinel_password"].into_iter().filter(|_| shape != Shape::Sentinel);
    for key in only_sentinel.filter(|key| table.has(key)).collect::<Vec<_>>() {
        table.error(key, format!("`{key}` is for Sentinels"), "remove it, or set `topology = \"sentinel\"`");
    }
    if shape == Shape::Cluster && table.has("database") {
        table.error("database", "a cluster has one database", "remove `database`");
    }
}

fn database(node: Node<'_>) -> Option<u32> {
    number(node, 0..=1_000_000).and_then(|number| u32::try_from(number).ok())
}

fn state_key(node: Node<'_>) -> Option<Secret> {
    let key = secret(node)?;
    if key.expose().len() >= STATE_KEY_BYTES {
        return Some(key);
    }
    node.fail(
        format!("`state_key` is shorter than {STATE_KEY_BYTES} bytes"),
        "make one with `openssl rand -base64 32`, the same for all instances",
    )
}

const URL_HINT: &str =
    "write \"redis://HOST:PORT\", \"rediss://HOST:PORT\" for TLS, or \"unix:/path/to/redis.sock\"";

fn address(node: Node<'_>) -> Option<RedisAddress> {
    let text = node.text()?;
    if let Some(path) = text.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
        return Some(RedisAddress::Unix(path.into()));
    }
    let (tls, rest) = match (text.strip_prefix("rediss://"), text.strip_prefix("redis://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        // The text is not shown: it may hold a password.
        (None, None) => return node.fail("this is no address of a Redis", URL_HINT),
    };
    if rest.contains('@') {
        return node.fail(
            "user and password do not belong in an address",
            "set `username`, and `password = \"env:NAME\"`",
        );
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains('/') {
        return node.fail("an address ends with its port", "the number of the database is `database`");
    }
    host_and_port(rest).map_or_else(
        || node.fail("this is no address of a Redis", URL_HINT),
        |(host, port)| Some(RedisAddress::Tcp { host, port, tls }),
    )
}

fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (text, 6379),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let literal = bare.is_some_and(|bare| bare.parse::<std::net::Ipv6Addr>().is_ok());
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let usable = port > 0 && (literal || (!host.is_empty() && host.chars().all(named)));
    usable.then(|| (bare.unwrap_or(host).to_owned(), port))
}

/// What a guard does while the shared store is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnStoreError {
    /// It refuses.
    #[default]
    Refuse,
    /// It goes by its own memory: a signed call then passes once on every instance, and each counts
    /// sends and attempts by itself.
    Local,
}

impl OnStoreError {
    /// Reads `on_store_error`, whose default is each guard's own.
    pub(super) fn read(table: &mut Table<'_>) -> Option<Self> {
        let choices = [("refuse", Self::Refuse), ("local", Self::Local)];
        table.read("on_store_error", |node| node.choice(&choices))
    }
}
