//! The way to Redis, whether it is one server, a master that Sentinels name, or a cluster.

use std::fs;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, FromRedisValue, IntoConnectionInfo,
    RedisConnectionInfo, RedisResult, ScriptInvocation, TlsCertificates, TlsMode, cmd, from_redis_value,
};

use super::OpenError;
use crate::config::{Redis, RedisAddress, Topology};

/// Answers that a cluster's node gives while it moves a slot are followed so often.
const REDIRECTS: u32 = 3;

/// A connection. One to a server is never renewed behind our back: whoever answers it is whoever
/// was looked at when it was made.
#[derive(Clone)]
pub(super) enum Link {
    Node(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    /// Runs a script. Its keys decide which node of a cluster does.
    pub async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> RedisResult<T> {
        match self.clone() {
            Self::Node(mut connection) => script.invoke_async(&mut connection).await,
            Self::Cluster(mut connection) => script.invoke_async(&mut connection).await,
        }
    }

    /// Asks one thing.
    pub async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        match self.clone() {
            Self::Node(mut connection) => command.query_async(&mut connection).await,
            Self::Cluster(mut connection) => command.query_async(&mut connection).await,
        }
    }

    /// Asks every master.
    pub async fn ask_masters<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<Vec<T>> {
        match self.clone() {
            Self::Node(mut connection) => Ok(vec![command.query_async(&mut connection).await?]),
            Self::Cluster(mut connection) => {
                let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                let answers = connection.route_command(command.clone(), all).await?;
                let named: Vec<(String, T)> = from_redis_value(answers)?;
                Ok(named.into_iter().map(|(_, answer)| answer).collect())
            }
        }
    }

    pub const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

/// Makes links.
pub(super) enum Connector {
    Single(Box<Client>),
    Sentinel(Box<tokio::sync::Mutex<SentinelClient>>, String),
    Cluster(Box<redis::cluster::ClusterClient>),
}

impl Connector {
    pub fn new(settings: &Redis) -> Result<Self, OpenError> {
        let certificates = certificates(settings)?;
        let addresses = settings.addresses.iter().map(address);
        Ok(match &settings.topology {
            Topology::Single => {
                let first = addresses.into_iter().next().ok_or(OpenError::NoAddress)?;
                let info = first.into_connection_info().map_err(OpenError::Redis)?;
                let info = info.set_redis_settings(login(settings));
                let client = match certificates {
                    Some(certificates) => Client::build_with_tls(info, certificates),
                    None => Client::open(info),
                };
                Self::Single(Box::new(client.map_err(OpenError::Redis)?))
            }
            Topology::Sentinel(master) => {
                let client = sentinel(settings, master, addresses.collect(), certificates);
                let client = client.map_err(OpenError::Redis)?;
                Self::Sentinel(Box::new(tokio::sync::Mutex::new(client)), master.clone())
            }
            Topology::Cluster => {
                let client = cluster(settings, addresses.collect(), certificates);
                Self::Cluster(Box::new(client.map_err(OpenError::Redis)?))
            }
        })
    }

    /// Connects; to the master that Sentinels name now, where they do.
    pub async fn connect(&self, settings: &Redis) -> RedisResult<Link> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(settings.connect_timeout))
            .set_response_timeout(Some(patience(settings)));
        Ok(match self {
            Self::Single(client) => {
                Link::Node(client.get_multiplexed_async_connection_with_config(&config).await?)
            }
            Self::Sentinel(client, _) => {
                Link::Node(client.lock().await.get_async_connection_with_config(&config).await?)
            }
            Self::Cluster(client) => Link::Cluster(client.get_async_connection().await?),
        })
    }

    /// The master's address as the Sentinels have it; `None` where there are none.
    pub async fn master(&self) -> RedisResult<Option<Vec<String>>> {
        let Self::Sentinel(client, name) = self else {
            return Ok(None);
        };
        let sentinel = client.lock().await.async_get_sentinel_client().await?;
        let mut connection = sentinel.get_multiplexed_async_connection().await?;
        let mut question = cmd("SENTINEL");
        question.arg("get-master-addr-by-name").arg(name);
        Ok(Some(question.query_async(&mut connection).await?))
    }
}

/// Calls wait for `timeout`; what looks at a new connection may take longer.
fn patience(settings: &Redis) -> Duration {
    settings.timeout.max(settings.connect_timeout)
}

fn address(address: &RedisAddress) -> ConnectionAddr {
    match address {
        RedisAddress::Unix(path) => ConnectionAddr::Unix(path.clone()),
        RedisAddress::Tcp { host, port, tls: false } => ConnectionAddr::Tcp(host.clone(), *port),
        RedisAddress::Tcp { host, port, tls: true } => {
            ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
        }
    }
}

fn login(settings: &Redis) -> RedisConnectionInfo {
    let mut login = RedisConnectionInfo::default().set_db(settings.database.into());
    if let Some(username) = &settings.username {
        login = login.set_username(username);
    }
    if let Some(password) = &settings.password {
        login = login.set_password(password.expose());
    }
    login
}

fn sentinel(
    settings: &Redis,
    master: &str,
    addresses: Vec<ConnectionAddr>,
    certificates: Option<TlsCertificates>,
) -> RedisResult<SentinelClient> {
    let mut builder = SentinelClientBuilder::new(addresses, master, SentinelServerType::Master)?
        .set_client_to_redis_db(settings.database.into());
    if settings.is_tls() {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_tls_mode(TlsMode::Secure);
    }
    if let Some(certificates) = certificates {
        builder = builder
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_certificates(certificates);
    }
    if let Some(username) = &settings.username {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = &settings.password {
        builder = builder.set_client_to_redis_password(password.expose());
    }
    if let Some(password) = &settings.sentinel_password {
        builder = builder.set_client_to_sentinel_password(password.expose());
    }
    builder.build()
}

fn cluster(
    settings: &Redis,
    addresses: Vec<ConnectionAddr>,
    certificates: Option<TlsCertificates>,
) -> RedisResult<redis::cluster::ClusterClient> {
    let mut builder = ClusterClientBuilder::new(addresses)
        .connection_timeout(settings.connect_timeout)
        .response_timeout(patience(settings))
        .retries(REDIRECTS)
        .min_retry_wait(5)
        .max_retry_wait(20);
    if settings.is_tls() {
        builder = builder.tls(TlsMode::Secure);
    }
    if let Some(certificates) = certificates {
        builder = builder.certs(certificates);
    }
    if let Some(username) = &settings.username {
        builder = builder.username(username);
    }
    if let Some(password) = &settings.password {
        builder = builder.password(password.expose());
    }
    builder.build()
}

fn certificates(settings: &Redis) -> Result<Option<TlsCertificates>, OpenError> {
    let Some(path) = &settings.certificates else {
        return Ok(None);
    };
    let read = fs::read(path).map_err(|source| OpenError::Certificates { path: path.clone(), source })?;
    Ok(Some(TlsCertificates { client_tls: None, root_cert: Some(read) }))
}
