//! What every replay memory promises, proved on the one of a process and on the one in Redis, and
//! what only the shared one must hold: crashes, flushes, silence, and who may give back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dragoman::account::Secret;
use dragoman::clock::{Clock, ManualClock, Moment, SystemClock};
use dragoman::config::{OnStoreError, Redis, RedisAddress, Replay, Topology};
use dragoman::store::memory::MemoryStore;
use dragoman::store::redis::{OpenError, RedisStore};
use dragoman::store::{AppShare, Entry, Receipt, Remembered, ReplayStore, StoreError, Terms};

use crate::support::redis::{RedisCluster, RedisServer};

/// Seconds ahead of now: above every floor of these tests.
const AHEAD: i64 = 100;

pub fn settings(topology: Topology, addresses: Vec<RedisAddress>) -> Redis {
    Redis {
        topology,
        addresses,
        database: 0,
        username: None,
        password: None,
        sentinel_password: None,
        certificates: None,
        state_key: Secret::from("0123456789abcdef0123456789abcdef"),
        // A busy machine is no proof of an absent Redis.
        timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
        never_evicts: false,
    }
}

pub fn on_port(server: &RedisServer) -> RedisAddress {
    RedisAddress::Tcp { host: "127.0.0.1".to_owned(), port: server.port, tls: false }
}

pub fn single(server: &RedisServer) -> Redis {
    let path = server.url().strip_prefix("unix:").unwrap();
    settings(Topology::Single, vec![RedisAddress::Unix(path.into())])
}

pub fn impatient(server: &RedisServer) -> Redis {
    Redis { timeout: Duration::from_millis(50), connect_timeout: Duration::from_secs(1), ..single(server) }
}

fn replay(bound: usize) -> Replay {
    Replay { entries: bound, ..Replay::default() }
}

fn terms() -> Terms {
    Terms { policy: "app 300 1 Nonce\n".to_owned(), future: 1, window: 301 }
}

pub async fn open(redis: &Redis) -> Result<RedisStore, OpenError> {
    RedisStore::open(redis, &replay(10_000), terms(), Arc::new(SystemClock)).await
}

async fn shared(redis: &Redis, bound: usize) -> Arc<dyn ReplayStore> {
    Arc::new(RedisStore::open(redis, &replay(bound), terms(), Arc::new(SystemClock)).await.unwrap())
}

pub fn now() -> Moment {
    SystemClock.now()
}

fn share(bound: usize) -> Arc<AppShare> {
    Arc::new(AppShare { id: "app".to_owned(), entries: AtomicUsize::new(0), bound })
}

pub fn entry_at(second: i64) -> Entry {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let digest = COUNT.fetch_add(1, Ordering::Relaxed).into();
    Entry { app: share(10_000), second, digest, until: now().plus_seconds(AHEAD + 390) }
}

fn entry() -> Entry {
    entry_at(now().seconds() + AHEAD)
}

async fn take(store: &dyn ReplayStore, entry: &Entry) -> Result<Option<Receipt>, StoreError> {
    match store.remember(entry.clone(), now()).await? {
        Remembered::New(receipt) => Ok(Some(receipt)),
        Remembered::Seen => Ok(None),
    }
}

pub async fn is_new(store: &dyn ReplayStore, entry: &Entry) -> Result<bool, StoreError> {
    take(store, entry).await.map(|receipt| receipt.is_some())
}

/// How many of so many equal takes at once, spread over the stores, were new.
async fn new_of(tries: usize, stores: &[Arc<dyn ReplayStore>], entry: &Entry) -> usize {
    let one = |index: usize| {
        let (store, entry) = (stores[index % stores.len()].clone(), entry.clone());
        tokio::spawn(async move { is_new(&*store, &entry).await.unwrap() })
    };
    let tasks: Vec<_> = (0..tries).map(one).collect();
    let mut new = 0;
    for task in tasks {
        new += usize::from(task.await.unwrap());
    }
    new
}

/// What every store promises; `make` opens one for so many entries.
async fn conforms(make: impl AsyncFn(usize) -> Arc<dyn ReplayStore>) {
    let store = make(10_000).await;
    let one = entry();
    assert_eq!(is_new(&*store, &one).await, Ok(true), "the first is new");
    assert_eq!(is_new(&*store, &one).await, Ok(false), "the second is not");
    assert_eq!(is_new(&*store, &entry()).await, Ok(true), "another is");
    assert_eq!(new_of(300, std::slice::from_ref(&store), &entry()).await, 1, "of 300 at once one is new");

    let returned = entry();
    for expected in [true, true, false] {
        let receipt = take(&*store, &returned).await.unwrap();
        assert_eq!(receipt.is_some(), expected, "an entry is given back once in its life");
        if let Some(receipt) = receipt {
            store.give_back(receipt, 1).await;
        }
    }

    let (greedy, other) = (share(1), share(1));
    let of = |app: &Arc<AppShare>| Entry { app: app.clone(), ..entry() };
    assert_eq!(is_new(&*store, &of(&greedy)).await, Ok(true));
    assert_eq!(is_new(&*store, &of(&greedy)).await, Err(StoreError::AppFull), "an app has its bound");
    assert_eq!(is_new(&*store, &of(&other)).await, Ok(true), "which is not another's");

    let small = make(2).await;
    let (first, second) = (entry(), entry());
    assert_eq!(is_new(&*small, &first).await, Ok(true));
    assert_eq!(is_new(&*small, &second).await, Ok(true));
    assert_eq!(is_new(&*small, &entry()).await, Err(StoreError::Full), "new ones are refused at the bound");
    assert_eq!(is_new(&*small, &first).await, Ok(false), "old ones are known at the bound");
    assert_eq!(small.entries(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_of_one_process_conforms() {
    conforms(async |bound| Arc::new(MemoryStore::new(bound)) as Arc<dyn ReplayStore>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_in_redis_conforms() {
    let server = RedisServer::start();
    conforms(async |bound| shared(&single(&server), bound).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_in_a_cluster_conforms_and_no_node_says_crossslot() {
    let cluster = RedisCluster::start();
    let redis = settings(Topology::Cluster, cluster.nodes.iter().map(on_port).collect());
    conforms(async |bound| shared(&redis, bound).await).await;
    let stores = [shared(&redis, 10_000).await, shared(&redis, 10_000).await];
    for _ in 0..50 {
        assert_eq!(new_of(6, &stores, &entry()).await, 1);
    }
    for node in &cluster.nodes {
        assert!(node.ask::<usize>("DBSIZE") > 5, "the entries are spread over the nodes");
        assert!(!node.ask::<String>("INFO errorstats").contains("CROSSSLOT"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_500_equal_entries_at_once_over_three_sharers_one_is_new() {
    let server = RedisServer::start();
    let redis = single(&server);
    let stores = [shared(&redis, 1000).await, shared(&redis, 1000).await, shared(&redis, 1000).await];
    assert_eq!(new_of(500, &stores, &entry()).await, 1);
}

#[tokio::test]
async fn a_signed_call_costs_one_round_trip() {
    let server = RedisServer::start();
    let store = open(&single(&server)).await.unwrap();
    is_new(&store, &entry()).await.unwrap();
    let calls = || -> u64 {
        let stats: String = server.ask("INFO commandstats");
        let of = |name: &str| {
            let line = stats.lines().find(|line| line.starts_with(&format!("cmdstat_{name}:calls=")));
            line.map_or(0, |line| line.split(['=', ',']).nth(1).unwrap().parse::<u64>().unwrap())
        };
        assert_eq!(of("eval"), 0, "the script is not sent each time");
        of("evalsha")
    };
    let before = calls();
    for _ in 0..10 {
        assert_eq!(is_new(&store, &entry()).await, Ok(true));
    }
    assert_eq!(calls() - before, 10);
}

#[tokio::test]
async fn what_one_gave_back_another_may_take_and_a_late_release_frees_nobody_elses() {
    let server = RedisServer::start();
    let redis = single(&server);
    let (one, other, third) =
        (open(&redis).await.unwrap(), open(&redis).await.unwrap(), open(&redis).await.unwrap());
    let given = entry();
    let receipt = take(&one, &given).await.unwrap().unwrap();
    assert_eq!(is_new(&other, &given).await, Ok(false));
    one.give_back(receipt, 1).await;
    assert_eq!(is_new(&other, &given).await, Ok(true));

    let late = entry();
    let receipt = take(&one, &late).await.unwrap().unwrap();
    let generation = ":generation";
    for key in server.ask::<Vec<String>>("KEYS *") {
        if !key.ends_with(generation) && !key.ends_with(":policy") {
            let _: () = server.ask(&format!("DEL {key}"));
        }
    }
    assert_eq!(is_new(&other, &late).await, Ok(true), "it is free now");
    one.give_back(receipt, 1).await;
    assert_eq!(is_new(&third, &late).await, Ok(false), "and stays its next holder's");
}

#[tokio::test]
async fn entries_end_by_the_clock_of_redis_and_are_then_refused() {
    let server = RedisServer::start();
    let store = open(&single(&server)).await.unwrap();
    let over = Entry { until: now().plus_seconds(-1), ..entry() };
    assert_eq!(is_new(&store, &over).await, Err(StoreError::BelowFloor));
    let short = Entry { until: Moment::from_millis(now().millis() + 50), ..entry() };
    assert_eq!(is_new(&store, &short).await, Ok(true));
    let other = open(&single(&server)).await.unwrap();
    while now() <= short.until {
        tokio::task::yield_now().await;
    }
    assert_eq!(is_new(&other, &short).await, Err(StoreError::BelowFloor));
}

#[tokio::test]
async fn a_redis_that_evicts_is_refused_unless_the_config_vouches() {
    let server = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    assert!(
        matches!(open(&single(&server)).await, Err(OpenError::Evicts(policy)) if policy == "allkeys-lru")
    );
    assert!(open(&Redis { never_evicts: true, ..single(&server) }).await.is_ok());
}

#[tokio::test]
async fn a_full_redis_takes_nothing_new() {
    let server = RedisServer::start();
    let store = open(&single(&server)).await.unwrap();
    let old = entry();
    assert_eq!(is_new(&store, &old).await, Ok(true));
    let _: () = server.ask("CONFIG SET maxmemory 1");
    assert_eq!(is_new(&store, &entry()).await, Err(StoreError::Full));
    assert_eq!(is_new(&store, &old).await, Ok(false));
    let _: () = server.ask("CONFIG SET maxmemory 0");
    assert_eq!(is_new(&store, &entry()).await, Ok(true));
}

#[tokio::test]
async fn a_user_needs_his_password_and_few_rights() {
    let server = RedisServer::start();
    let rights = "+evalsha +eval +script|load +get +set +time +info +ping +select";
    let _: () = server.ask(&format!("ACL SETUSER gateway on >right ~dragoman:* {rights}"));
    let _: () = server.ask("ACL SETUSER default off");
    let with = |password: &str| Redis {
        username: Some("gateway".to_owned()),
        password: Some(Secret::from(password)),
        ..single(&server)
    };
    let store = open(&with("right")).await.unwrap();
    assert_eq!(is_new(&store, &entry()).await, Ok(true));
    let error = open(&with("wrong")).await.err().unwrap();
    assert!(error.is_for_good(), "{error}");
    assert!(!error.to_string().contains("wrong"), "{error}");
    assert!(open(&single(&server)).await.is_err());
}

/// Waits until the store answers again, and proves that it never takes `known` meanwhile.
pub async fn until_back(store: &dyn ReplayStore, known: &Entry, ahead: i64) -> Duration {
    let start = Instant::now();
    loop {
        assert_ne!(is_new(store, known).await, Ok(true), "a replay passed");
        if is_new(store, &entry_at(now().seconds() + ahead)).await == Ok(true) {
            return start.elapsed();
        }
        assert!(start.elapsed() < Duration::from_secs(60), "it never came back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_forgot_everything_lets_no_replay_in() {
    let server = RedisServer::start();
    let (one, other) = (open(&single(&server)).await.unwrap(), open(&single(&server)).await.unwrap());
    // What has a time of now lies below the floor after Redis forgot; what lies ahead does not.
    let known = entry_at(now().seconds() + 2);
    assert_eq!(is_new(&one, &known).await, Ok(true));
    while now().seconds() < known.second {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let _: () = server.ask("FLUSHALL");
    until_back(&other, &known, AHEAD).await;
    assert_eq!(is_new(&other, &known).await, Err(StoreError::BelowFloor));
    assert!(other.floor() >= known.second);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_of_redis_no_replay_passes_and_it_is_back_within_a_second() {
    let mut server = RedisServer::start();
    let (one, other) = (open(&impatient(&server)).await.unwrap(), open(&impatient(&server)).await.unwrap());
    let known = entry_at(now().seconds() + 2);
    assert_eq!(is_new(&one, &known).await, Ok(true));
    server.crash();
    assert_eq!(is_new(&other, &known).await, Err(StoreError::Away));
    assert_eq!(is_new(&other, &entry()).await, Err(StoreError::Away));
    while now().seconds() < known.second {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.restart();
    let back = until_back(&other, &known, AHEAD).await;
    assert!(back < Duration::from_secs(1), "{back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_redis_is_waited_for_briefly_and_is_back_within_a_second() {
    let server = RedisServer::start();
    let (one, other) = (open(&impatient(&server)).await.unwrap(), open(&impatient(&server)).await.unwrap());
    let known = entry();
    assert_eq!(is_new(&one, &known).await, Ok(true));
    server.freeze();
    let start = Instant::now();
    for _ in 0..50 {
        assert_eq!(is_new(&other, &entry()).await, Err(StoreError::Away));
    }
    // Five wait twice 50 ms each, the rest find the breaker open.
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    server.thaw();
    let back = until_back(&other, &known, AHEAD).await;
    assert!(back < Duration::from_secs(1), "{back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_config_says_local_each_instance_goes_by_itself_meanwhile() {
    let mut server = RedisServer::start();
    let local = Replay { on_store_error: OnStoreError::Local, ..Replay::default() };
    let store = RedisStore::open(&impatient(&server), &local, terms(), Arc::new(SystemClock)).await.unwrap();
    let known = entry();
    assert_eq!(is_new(&store, &known).await, Ok(true));
    server.crash();
    let meanwhile = entry();
    assert_eq!(is_new(&store, &known).await, Ok(false));
    assert_eq!(is_new(&store, &meanwhile).await, Ok(true));
    assert_eq!(is_new(&store, &meanwhile).await, Ok(false));
}

#[tokio::test]
async fn other_terms_are_not_believed_to_have_remembered() {
    let server = RedisServer::start();
    let first = open(&single(&server)).await.unwrap();
    let later = Terms { policy: "app 600 1 Nonce\n".to_owned(), future: 50, window: 650 };
    let same = open(&single(&server)).await.unwrap();
    assert_eq!(same.floor(), first.floor());
    let wider = RedisStore::open(&single(&server), &replay(10), later, Arc::new(SystemClock)).await.unwrap();
    assert!(wider.floor() >= now().seconds() + 49 && first.floor() < wider.floor());
}

#[tokio::test]
async fn an_instance_whose_clock_is_more_than_5_seconds_off_is_not_ready() {
    let server = RedisServer::start();
    for (ahead, ready) in [(0, true), (-4, true), (10, false), (-10, false)] {
        let clock = Arc::new(ManualClock::at(now().plus_seconds(ahead)));
        let store = RedisStore::open(&single(&server), &replay(10), terms(), clock).await.unwrap();
        assert_eq!(store.unready().is_none(), ready, "{ahead} s ahead");
    }
}
