//! Sentinels that name another master, a replica that takes over in a cluster, and TLS.

use std::process::Command;
use std::time::{Duration, Instant};

use dragoman::config::{Redis, RedisAddress, Topology};
use dragoman::store::{ReplayStore, StoreError};

use crate::replay_stores::{entry_at, is_new, now, on_port, open, settings, until_back};
use crate::support::redis::{RedisCluster, RedisServer, wait_until};
use crate::window_stores::{Bench, cluster_settings, owner, shared, window};
use crate::windows_away::until_shared;

/// A master with a replica, and a Sentinel that watches them.
struct Watched {
    master: RedisServer,
    replica: RedisServer,
    _sentinel: RedisServer,
    redis: Redis,
}

impl Watched {
    fn start() -> Self {
        let master = RedisServer::on_port(&[]);
        let port = master.port.to_string();
        let replica = RedisServer::on_port(&["--replicaof", "127.0.0.1", &port]);
        wait_until("the replica follows", || {
            replica.ask::<String>("INFO replication").contains("master_link_status:up")
        });
        let sentinel = RedisServer::sentinel(master.port);
        wait_until("the Sentinel knows the replica", || {
            !sentinel.ask::<Vec<redis::Value>>("SENTINEL replicas accounts").is_empty()
        });
        let redis = settings(Topology::Sentinel("accounts".to_owned()), vec![on_port(&sentinel)]);
        let redis =
            Redis { timeout: Duration::from_millis(200), connect_timeout: Duration::from_secs(1), ..redis };
        Self { master, replica, _sentinel: sentinel, redis }
    }

    /// Lets the master die; what it was told since the replica froze is gone.
    fn fail_over(&mut self) {
        self.master.crash();
        self.replica.thaw();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fail_over_lets_no_replay_in_although_the_new_master_may_lack_entries() {
    let mut watched = Watched::start();
    let (one, other) = (open(&watched.redis).await.unwrap(), open(&watched.redis).await.unwrap());

    // Whether the replica heard of this one before the master died must not matter.
    let known = entry_at(now().seconds() + 2);
    watched.replica.freeze();
    assert_eq!(is_new(&one, &known).await, Ok(true));
    let floor = other.floor();
    watched.fail_over();
    while now().seconds() < known.second {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until_back(&other, &known, 100).await;
    assert!(other.floor() > floor && other.floor() >= known.second);
    assert_eq!(is_new(&other, &known).await, Err(StoreError::BelowFloor));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_fail_over_each_instance_tells_the_new_master_what_it_counted() {
    let mut watched = Watched::start();
    let one = Bench::new(shared(&watched.redis).await, &[]);
    let other = Bench::new(shared(&watched.redis).await, &[]);
    let (replicated, lost) = ([window(1, 120)], [window(1, 120)]);
    assert!(one.passes(owner(), &replicated).await);
    let followed: i64 = watched.master.ask("WAIT 1 10000");
    assert_eq!(followed, 1);
    watched.replica.freeze();
    assert!(one.passes(owner(), &lost).await);
    assert!(other.refusal(owner(), &lost).await.is_some());
    watched.fail_over();
    assert!(!one.passes(owner(), &lost).await, "who counted it knows it all the time");
    let witness = settings(Topology::Single, vec![on_port(&watched.replica)]);
    wait_until("the replica is master", || {
        watched.replica.ask::<String>("INFO replication").contains("role:master")
    });
    let witness = Bench::new(shared(&witness).await, &[]);
    until_shared(&one, &witness).await;
    until_shared(&other, &witness).await;
    for known in [replicated, lost] {
        assert!(other.refusal(owner(), &known).await.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_replica_takes_over_in_a_cluster_the_floor_rises_above_what_it_may_lack() {
    let mut cluster = RedisCluster::start();
    let replica = cluster.add_replica();
    let redis = Redis {
        timeout: Duration::from_millis(500),
        connect_timeout: Duration::from_secs(1),
        ..cluster_settings(&cluster)
    };
    let (one, other) = (open(&redis).await.unwrap(), open(&redis).await.unwrap());
    let (floor, second) = (other.floor(), now().seconds() + 2);
    // A third of them is on the node that dies, in all likelihood none on none.
    let known: Vec<_> = (0..40).map(|_| entry_at(second)).collect();
    replica.freeze();
    for entry in &known {
        assert_eq!(is_new(&one, entry).await, Ok(true));
    }
    cluster.nodes[0].crash();
    replica.thaw();
    wait_until("the replica took over", || replica.ask::<String>("INFO replication").contains("role:master"));
    let start = Instant::now();
    while other.floor() <= floor.max(second) {
        assert!(start.elapsed() < Duration::from_secs(60), "the floor does not rise");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for entry in &known {
        assert_eq!(is_new(&other, entry).await, Err(StoreError::BelowFloor));
    }
}

/// A certificate for 127.0.0.1 that vouches for itself, and its key.
fn certificate(directory: &std::path::Path) -> (String, String) {
    let path = |name: &str| directory.join(name).display().to_string();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &path("key.pem"), "-out", &path("certificate.pem")])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (path("certificate.pem"), path("key.pem"))
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_with_the_certificates_of_the_config_and_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(directory.path());
    let plain = RedisServer::on_port(&[]);
    let tls_port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let configure = |name: &str, value: &str| -> () { plain.ask(&format!("CONFIG SET {name} {value}")) };
    configure("tls-auth-clients", "no");
    let _: () = plain.ask(&format!(
        "CONFIG SET tls-cert-file {certificate} tls-key-file {key} tls-ca-cert-file {certificate} tls-port {tls_port}"
    ));
    let address = RedisAddress::Tcp { host: "127.0.0.1".to_owned(), port: tls_port, tls: true };
    let trusting =
        Redis { certificates: Some(certificate.into()), ..settings(Topology::Single, vec![address.clone()]) };
    let store = open(&trusting).await.unwrap();
    assert_eq!(is_new(&store, &entry_at(now().seconds() + 100)).await, Ok(true));

    let strange = open(&settings(Topology::Single, vec![address])).await;
    let unused = match strange {
        Err(_) => true,
        Ok(store) => is_new(&store, &entry_at(now().seconds() + 100)).await == Err(StoreError::Away),
    };
    assert!(unused, "a certificate that nobody vouches for was taken");
}
