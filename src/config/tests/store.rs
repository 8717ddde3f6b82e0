//! Where the guards remember.

use super::*;

fn redis(rest: &str) -> String {
    with(&format!("{SEAL}[store]\nkind = \"redis\"\nstate_key = \"env:STATE_KEY\"\n{rest}"))
}

fn local(rest: &str) -> String {
    redis(&format!("urls = [\"redis://127.0.0.1\"]\n{rest}"))
}

#[test]
fn several_instances_that_remember_alone_are_warned_about() {
    warning(&with("[store]\ninstances = «2\n"), "passes once on every one of them");
    let meant = with("[replay]\nscope = \"region\"\n[store]\ninstances = 2\n");
    for fine in [with("[store]\ninstances = 1\n"), local("instances = 2\n"), meant] {
        assert!(!lines(&findings(&fine)).contains("remembers alone"));
    }
    error(&with("[store]\ninstances = «0\n"), "out of bounds");
}

#[test]
fn keys_of_redis_have_no_meaning_for_the_memory() {
    error(&with("[store]\nurls = «[\"redis://127.0.0.1\"]\n"), "`urls` has no meaning for the memory");
    error(&with("[store]\nkind = «\"redes\"\n"), "`kind` has no value");
    error(&with("[store]\n«kid = 1\n"), "unknown key `kid` in [store]");
}

#[test]
fn redis_needs_an_address_and_a_key_that_nobody_guesses() {
    error(&with("«[store]\nkind = \"redis\"\n"), "`urls` is missing");
    error(&with("«[store]\nkind = \"redis\"\n"), "`state_key` is missing");
    error(&redis("urls = «[]\n"), "has no address");
    error(
        &with("[store]\nkind = \"redis\"\nurls = [\"redis://127.0.0.1\"]\nstate_key = «\"env:APP_SECRET\"\n"),
        "shorter than 32 bytes",
    );
}

#[test]
fn addresses_are_told_apart_and_never_hold_a_password() {
    let addresses = |text: &str| match settings(&redis(text)).store.redis {
        Some(redis) => redis.addresses,
        None => panic!("no redis"),
    };
    let tcp = |host: &str, port, tls| RedisAddress::Tcp { host: host.to_owned(), port, tls };
    assert_eq!(addresses("urls = [\"redis://127.0.0.1\"]\n"), [tcp("127.0.0.1", 6379, false)]);
    assert_eq!(addresses("urls = [\"rediss://a.b:1/\"]\n"), [tcp("a.b", 1, true)]);
    assert_eq!(addresses("urls = [\"redis://[::1]:7\"]\n"), [tcp("::1", 7, false)]);
    assert_eq!(addresses("urls = [\"redis://[::1]\"]\n"), [tcp("::1", 6379, false)]);
    assert_eq!(addresses("urls = [\"unix:/run/r.sock\"]\n"), [RedisAddress::Unix("/run/r.sock".into())]);
    for wrong in
        ["http://a", "redis://", "redis://a:b", "redis://a:0", "redis://a b", "unix:r.sock", "a:6379"]
    {
        error(&redis(&format!("urls = [«\"{wrong}\"]\n")), "this is no address of a Redis");
    }
    error(&redis("urls = [«\"redis://:hunter2@a\"]\n"), "do not belong in an address");
    assert!(!lines(&findings(&redis("urls = [\"redis://:hunter2@a\"]\n"))).contains("hunter2"));
    error(&redis("urls = [«\"redis://a:1/3\"]\n"), "ends with its port");
}

#[test]
fn what_does_not_go_together_is_told() {
    error(
        &redis("urls = «[\"redis://127.0.0.1\", \"redis://127.0.0.2\"]\n"),
        "a single Redis has one address",
    );
    error(&redis("topology = \"cluster\"\nurls = «[\"unix:/r.sock\"]\n"), "by a socket file");
    error(
        &redis("topology = \"cluster\"\nurls = «[\"redis://127.0.0.1\", \"rediss://127.0.0.1:1\"]\n"),
        "some addresses speak TLS",
    );
    error(&local("certificates = «\"ca.pem\"\n"), "no meaning without TLS");
    warning(&redis("urls = «[\"redis://redis.internal\"]\n"), "in the clear");
    error(&local("username = «\"me\"\n"), "a user needs a password");
    error(&local("master = «\"accounts\"\n"), "`master` is for Sentinels");
    error(&local("topology = \"cluster\"\ndatabase = «1\n"), "a cluster has one database");
    error(&local("timeout = «\"1m\"\n"), "out of bounds");
    let sentinel = settings(&local("topology = \"sentinel\"\nmaster = \"accounts\"\n")).store.redis;
    assert_eq!(sentinel.map(|redis| redis.topology), Some(Topology::Sentinel("accounts".to_owned())));
}

#[test]
fn a_shared_store_that_is_away_is_refused_or_replaced_as_the_config_says() {
    let chosen = |text: &str| settings(&with(text)).replay.on_store_error;
    assert_eq!(chosen(""), OnStoreError::Refuse);
    assert_eq!(chosen("[replay]\non_store_error = \"local\"\n"), OnStoreError::Local);
    error(&with("[replay]\non_store_error = «\"ignore\"\n"), "`on_store_error` has no value");
}

#[test]
fn every_example_loads_without_a_finding() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    let env = |name: &str| {
        let overrides = name.starts_with("DRAGOMAN_") && !name.ends_with("_KEY");
        (!overrides).then(|| "0123456789abcdef".repeat(4))
    };
    let mut loaded = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match Settings::load(&path, &env) {
            Ok((_, warnings)) => assert!(warnings.is_empty(), "{}", lines(&warnings)),
            Err(findings) => panic!("{}", lines(&findings)),
        }
        loaded += 1;
    }
    assert!(loaded > 0);
}

#[test]
fn the_shared_store_in_the_shipped_file_loads_when_it_is_uncommented() {
    let shipped = include_str!("../../../config/dragoman.toml");
    let start = shipped.find("# [store]\n").expect("the example");
    let end = shipped.find("# What the gateway seals").expect("the next section");
    let example: Vec<&str> = shipped[start..end]
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line))
        .filter(|line| line.starts_with('[') || line.split(' ').nth(1) == Some("="))
        .filter(|line| !line.starts_with("master") && !line.starts_with("sentinel_password"))
        .collect();
    let example = example.join("\n").replace("env:DRAGOMAN_STATE_KEY", "env:STATE_KEY");
    let redis = settings(&with(&format!("{SEAL}{}", example.replace("REDIS_PASSWORD", "APP_SECRET"))));
    let redis = redis.store.redis.expect("a redis");
    let shortest = settings(&local("")).store.redis.expect("a redis");
    assert_eq!(
        (redis.timeout, redis.connect_timeout, redis.database, redis.topology, redis.never_evicts),
        (
            shortest.timeout,
            shortest.connect_timeout,
            shortest.database,
            shortest.topology,
            shortest.never_evicts
        )
    );
}
