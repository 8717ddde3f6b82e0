//! Sentinels that name another master, and TLS.

use std::process::Command;
use std::time::Duration;

use dragoman::config::{Redis, RedisAddress, Topology};
use dragoman::store::{ReplayStore, StoreError};

use crate::replay_stores::{entry_at, is_new, now, on_port, open, settings, until_back};
use crate::support::redis::{RedisServer, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn a_fail_over_lets_no_replay_in_although_the_new_master_may_lack_entries() {
    let mut master = RedisServer::on_port(&[]);
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
    let (one, other) = (open(&redis).await.unwrap(), open(&redis).await.unwrap());

    // Whether the replica heard of this one before the master died must not matter.
    let known = entry_at(now().seconds() + 2);
    replica.freeze();
    assert_eq!(is_new(&one, &known).await, Ok(true));
    let floor = other.floor();
    master.crash();
    replica.thaw();
    while now().seconds() < known.second {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until_back(&other, &known, 100).await;
    assert!(other.floor() > floor && other.floor() >= known.second);
    assert_eq!(is_new(&other, &known).await, Err(StoreError::BelowFloor));
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
