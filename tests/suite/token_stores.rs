//! What every memory of tokens promises, proved on the one of a process and on the one in Redis, and
//! what only the shared one must hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dragoman::account::{Email, Phone, Purpose, Secret};
use dragoman::clock::Moment;
use dragoman::config::{Redis, Topology};
use dragoman::store::StoreError;
use dragoman::store::redis::RedisTokens;
use dragoman::store::tokens::memory::MemoryTokens;
use dragoman::store::tokens::{Destination, SingleUse, Slot, Spent, TokenStore};

use crate::replay_stores::{now, on_port, open, settings, single};
use crate::support::redis::{RedisCluster, RedisServer};

const NUMBER: &str = "+8613800138001";

fn memory(bound: usize) -> Arc<dyn TokenStore> {
    Arc::new(MemoryTokens::open(bound, now()).unwrap())
}

async fn shared(redis: &Redis) -> Arc<dyn TokenStore> {
    let store = Arc::new(open(redis).await.unwrap());
    Arc::new(RedisTokens::over(store).unwrap())
}

/// A token that is unlike all others.
fn token() -> SingleUse {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let issued = now();
    let digest = COUNT.fetch_add(1, Ordering::Relaxed).into();
    SingleUse { digest, issued, expires: issued.plus_seconds(3600) }
}

fn slot<'a>(upstream: &'a str, purpose: Purpose, phone: &'a Phone) -> Slot<'a> {
    Slot::Challenge { upstream, purpose, destination: Destination::Phone(phone) }
}

fn after(seconds: i64) -> Moment {
    now().plus_seconds(seconds)
}

async fn keep(store: &dyn TokenStore, slot: Slot<'_>, challenge: &str, until: Moment) {
    store.keep(slot, &Secret::from(challenge), until, now()).await.unwrap();
}

async fn recalled(store: &dyn TokenStore, slot: Slot<'_>) -> Option<String> {
    let found = store.recall(slot, now()).await.unwrap();
    found.map(|challenge| challenge.expose().to_owned())
}

async fn is_spent_now(store: &dyn TokenStore, token: SingleUse) -> Result<bool, StoreError> {
    Ok(matches!(store.spend(token, now()).await?, Spent::Now(_)))
}

/// How many of so many spends at once, spread over the stores, won.
async fn winners(tries: usize, stores: &[Arc<dyn TokenStore>], token: SingleUse) -> usize {
    let one = |index: usize| {
        let store = stores[index % stores.len()].clone();
        tokio::spawn(async move { is_spent_now(&*store, token).await.unwrap() })
    };
    let tasks: Vec<_> = (0..tries).map(one).collect();
    let mut won = 0;
    for task in tasks {
        won += usize::from(task.await.unwrap());
    }
    won
}

/// What every store promises.
async fn conforms(store: Arc<dyn TokenStore>) {
    keeps_challenges_apart(&*store).await;
    forgets_challenges_in_time(&*store).await;
    keeps_regions_of_sessions(&*store).await;
    spends_once(&store).await;
    gives_back(&*store).await;
    refuses_what_it_may_have_forgotten(&*store).await;
}

async fn keeps_challenges_apart(store: &dyn TokenStore) {
    let phone = Phone::from_e164(NUMBER).unwrap();
    let other = Phone::from_e164("+8613800138002").unwrap();
    let email = Email::parse("Anna@example.com").unwrap();
    let spelling = Email::parse("anna@EXAMPLE.com").unwrap();
    let by_email = |email| Slot::Challenge {
        upstream: "a",
        purpose: Purpose::Login,
        destination: Destination::Email(email),
    };
    let slots = [
        slot("a", Purpose::Login, &phone),
        slot("a", Purpose::Register, &phone),
        slot("b", Purpose::Login, &phone),
        slot("a", Purpose::Login, &other),
        by_email(&email),
    ];
    for (index, slot) in slots.iter().enumerate() {
        assert_eq!(recalled(store, *slot).await, None);
        keep(store, *slot, &format!("challenge {index}"), after(300)).await;
    }
    for (index, slot) in slots.iter().enumerate() {
        assert_eq!(recalled(store, *slot).await, Some(format!("challenge {index}")));
        assert!(recalled(store, *slot).await.is_some(), "a wrong code is tried again");
    }
    assert_eq!(recalled(store, by_email(&spelling)).await.as_deref(), Some("challenge 4"));
    keep(store, slots[0], "the newer one", after(300)).await;
    assert_eq!(recalled(store, slots[0]).await.as_deref(), Some("the newer one"));
    assert_eq!(recalled(store, slots[1]).await.as_deref(), Some("challenge 1"));
}

async fn forgets_challenges_in_time(store: &dyn TokenStore) {
    let phone = Phone::from_e164("+8613800138003").unwrap();
    let slot = slot("a", Purpose::Login, &phone);
    keep(store, slot, "for five minutes", after(300)).await;
    let at = async |moment| store.recall(slot, moment).await.unwrap().is_some();
    assert!(at(after(299)).await);
    assert!(!at(after(301)).await);
    keep(store, slot, "over at once", after(0)).await;
    assert_eq!(recalled(store, slot).await, None);
}

async fn keeps_regions_of_sessions(store: &dyn TokenStore) {
    let tokens = ["one", "other", "one "].map(Secret::from);
    for (index, token) in tokens.iter().enumerate() {
        assert_eq!(recalled(store, Slot::Session(token)).await, None);
        keep(store, Slot::Session(token), &format!("region-{index}"), after(300)).await;
    }
    for (index, token) in tokens.iter().enumerate() {
        assert_eq!(recalled(store, Slot::Session(token)).await, Some(format!("region-{index}")));
    }
    keep(store, Slot::Session(&tokens[0]), "elsewhere", after(300)).await;
    assert_eq!(recalled(store, Slot::Session(&tokens[0])).await.as_deref(), Some("elsewhere"));
    let later = store.recall(Slot::Session(&tokens[0]), after(301)).await.unwrap();
    assert!(later.is_none(), "it ends with its token");
}

async fn spends_once(store: &Arc<dyn TokenStore>) {
    let one = token();
    assert_eq!(is_spent_now(&**store, one).await, Ok(true), "the first spends it");
    assert_eq!(is_spent_now(&**store, one).await, Ok(false), "the second does not");
    assert_eq!(is_spent_now(&**store, token()).await, Ok(true), "another is another");
    for _ in 0..20 {
        assert_eq!(
            winners(100, std::slice::from_ref(store), token()).await,
            1,
            "of 100 at once one spends it"
        );
    }
}

async fn gives_back(store: &dyn TokenStore) {
    let returned = token();
    for round in 0..=10 {
        match store.spend(returned, now()).await.unwrap() {
            Spent::Now(receipt) if round <= 9 => {
                assert_eq!(is_spent_now(store, returned).await, Ok(false), "it is spent meanwhile");
                store.give_back(receipt).await;
            }
            Spent::Before if round == 10 => {}
            told => panic!("round {round}: {told:?}"),
        }
    }
}

async fn refuses_what_it_may_have_forgotten(store: &dyn TokenStore) {
    let long_ago = SingleUse { issued: after(-60), ..token() };
    assert_eq!(is_spent_now(store, long_ago).await, Err(StoreError::BelowFloor));
    let over = SingleUse { expires: after(-1), ..token() };
    assert_eq!(is_spent_now(store, over).await, Err(StoreError::BelowFloor));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tokens_of_one_process_conform() {
    conforms(memory(10_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tokens_in_redis_conform() {
    let server = RedisServer::start();
    conforms(shared(&single(&server)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tokens_in_a_cluster_conform() {
    let cluster = RedisCluster::start();
    let redis = settings(Topology::Cluster, cluster.nodes.iter().map(on_port).collect());
    conforms(shared(&redis).await).await;
}

#[tokio::test]
async fn a_full_memory_refuses_and_forgets_nothing_early() {
    let store = memory(2);
    let phone = Phone::from_e164(NUMBER).unwrap();
    let slot = slot("a", Purpose::Login, &phone);
    let spent = token();
    assert_eq!(is_spent_now(&*store, spent).await, Ok(true));
    keep(&*store, slot, "brief", Moment::from_millis(now().millis() + 2_000)).await;
    assert_eq!(is_spent_now(&*store, token()).await, Err(StoreError::Full));
    assert_eq!(is_spent_now(&*store, spent).await, Ok(false));
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_spent_now(&*store, token()).await == Err(StoreError::Full) {
        assert!(Instant::now() < deadline, "what is over makes room");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(is_spent_now(&*store, token()).await, Err(StoreError::Full));
    assert_eq!(is_spent_now(&*store, spent).await, Ok(false));
}

#[tokio::test]
async fn giving_back_and_replacing_use_up_no_room() {
    let store = memory(4);
    let phone = Phone::from_e164(NUMBER).unwrap();
    let returned = token();
    for round in 0..9 {
        let Spent::Now(receipt) = store.spend(returned, now()).await.unwrap() else { panic!("{round}") };
        store.give_back(receipt).await;
        keep(&*store, slot("a", Purpose::Login, &phone), &round.to_string(), after(300)).await;
    }
    assert_eq!(is_spent_now(&*store, token()).await, Ok(true));
    assert_eq!(is_spent_now(&*store, token()).await, Ok(true));
    assert_eq!(is_spent_now(&*store, token()).await, Err(StoreError::Full));
}

#[tokio::test(flavor = "multi_thread")]
async fn sharers_know_each_others_challenges_and_spend_once_together() {
    let server = RedisServer::start();
    let redis = single(&server);
    let stores = [shared(&redis).await, shared(&redis).await, shared(&redis).await];
    let phone = Phone::from_e164(NUMBER).unwrap();
    let slot = slot("a", Purpose::Login, &phone);
    keep(&*stores[0], slot, "from one", after(300)).await;
    assert_eq!(recalled(&*stores[1], slot).await.as_deref(), Some("from one"));
    for _ in 0..20 {
        assert_eq!(winners(100, &stores, token()).await, 1);
    }
}

#[tokio::test]
async fn redis_holds_neither_phones_nor_challenges_in_the_clear() {
    let server = RedisServer::start();
    let store = shared(&single(&server)).await;
    let phone = Phone::from_e164(NUMBER).unwrap();
    keep(&*store, slot("upstream-a", Purpose::Login, &phone), "the challenge", after(300)).await;
    assert_eq!(is_spent_now(&*store, token()).await, Ok(true));
    let held = String::from_utf8_lossy(&server.everything()).into_owned();
    for secret in ["13800138001", "challenge", "upstream-a", "login"] {
        assert!(!held.contains(secret), "{secret}");
    }
}

/// Every key whose value is a challenge, by its first byte: the version of sealed bytes.
fn challenges(server: &RedisServer) -> Vec<(Vec<u8>, Vec<u8>)> {
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut server.connection()).unwrap();
    let values = keys.into_iter().map(|key| {
        let value: Vec<u8> = redis::cmd("GET").arg(&key).query(&mut server.connection()).unwrap();
        (key, value)
    });
    values.filter(|(_, value)| value.first() == Some(&1)).collect()
}

#[tokio::test]
async fn a_challenge_that_somebody_moved_or_changed_in_redis_is_none() {
    let server = RedisServer::start();
    let store = shared(&single(&server)).await;
    let (mine, theirs) = (Phone::from_e164(NUMBER).unwrap(), Phone::from_e164("+8613800138002").unwrap());
    let (mine, theirs) = (slot("a", Purpose::Login, &mine), slot("a", Purpose::Login, &theirs));
    keep(&*store, mine, "mine", after(300)).await;
    keep(&*store, theirs, "theirs", after(300)).await;
    let held = challenges(&server);
    let [(one, first), (other, second)] = &held[..] else { panic!("{} challenges", held.len()) };
    let set = |key: &[u8], value: &[u8]| {
        let _: () = redis::cmd("SET").arg(key).arg(value).query(&mut server.connection()).unwrap();
    };
    set(one, second);
    let mut changed = second.clone();
    *changed.last_mut().unwrap() ^= 1;
    set(other, &changed);
    assert_eq!((recalled(&*store, mine).await, recalled(&*store, theirs).await), (None, None));
    set(one, first);
    set(other, second);
    assert!(recalled(&*store, mine).await.is_some() && recalled(&*store, theirs).await.is_some());
}

/// A question that is refused at once while the store looks at its servers anew.
async fn answer(store: &dyn TokenStore, token: SingleUse) -> Result<bool, StoreError> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match is_spent_now(store, token).await {
            Err(StoreError::Away) => assert!(Instant::now() < deadline, "Redis is back"),
            told => return told,
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_spent_stays_so_when_redis_forgets() {
    let mut server = RedisServer::start();
    let store = shared(&single(&server)).await;
    let spent = token();
    assert_eq!(is_spent_now(&*store, spent).await, Ok(true));
    // The floor counts whole seconds.
    while now().seconds() < spent.issued.seconds() + 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let _: () = server.ask("FLUSHALL");
    assert_eq!(answer(&*store, spent).await, Err(StoreError::BelowFloor));
    assert_eq!(answer(&*store, token()).await, Ok(true), "new tokens pass");
    let later = token();
    assert_eq!(is_spent_now(&*store, later).await, Ok(true));
    while now().seconds() < later.issued.seconds() + 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.crash();
    assert_eq!(is_spent_now(&*store, token()).await, Err(StoreError::Away));
    let phone = Phone::from_e164(NUMBER).unwrap();
    let slot = slot("a", Purpose::Login, &phone);
    assert_eq!(store.recall(slot, now()).await, Err(StoreError::Away));
    server.restart();
    assert_eq!(answer(&*store, later).await, Err(StoreError::BelowFloor));
}
