//! The throttle's windows in Redis: what a call costs, how budgets are taken in blocks, and what holds
//! while Redis is away, forgot, or comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dragoman::account::Secret;
use dragoman::config::{OnStoreError, Redis, Throttle};
use dragoman::store::windows::{Denied, Settlement, Window, WindowStore};

use crate::replay_stores::{impatient, now, single};
use crate::support::redis::{RedisCluster, RedisServer};
use crate::window_stores::{Bench, LEASE, cluster_settings, of, owner, shared, shared_with, subject, window};

fn budget(limit: u32) -> Window {
    Window { common: true, ..window(limit, 3600) }
}

fn refusing() -> Throttle {
    Throttle { on_store_error: OnStoreError::Refuse, ..Throttle::default() }
}

/// What a send concerns: a destination, an address, a block of numbers, and all sends.
fn send(all: u64) -> Vec<Window> {
    let (destination, address) = (subject(), subject());
    let common = |counted, limit| Window { common: true, ..of(all, counted, limit, 3600) };
    vec![
        of(destination, 1, 1, 120),
        of(destination, 2, 5, 3600),
        of(destination, 3, 10, 86_400),
        of(address, 1, 20, 3600),
        window(100, 3600),
        common(1, 1000),
        common(2, 800),
        of(address, 2, 30, 3600),
    ]
}

/// A whole send that ends well: it returns its address one event and begins the tries at codes anew.
async fn send_once(store: &dyn WindowStore, all: u64) {
    let (owner, windows) = (owner(), send(all));
    let reservation =
        dragoman::store::windows::Reservation { owner, windows: &windows, lease_seconds: LEASE };
    store.reserve(&reservation, now()).await.unwrap();
    let cleared = [windows[0].key + 7];
    let released = &windows[7..];
    let settlement = Settlement { owner, lease_seconds: LEASE, released, kept: &[], cleared: &cleared };
    store.settle(&settlement).await;
}

/// How many scripts the servers have run.
fn scripts(servers: &[RedisServer]) -> u64 {
    let of = |server: &RedisServer| {
        let stats: String = server.ask("INFO commandstats");
        let line = stats.lines().find(|line| line.starts_with("cmdstat_evalsha:calls="));
        line.map_or(0, |line| line.split(['=', ',']).nth(1).unwrap().parse::<u64>().unwrap())
    };
    servers.iter().map(of).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_costs_two_round_trips_and_in_a_cluster_five_at_most_one_after_the_other() {
    let server = [RedisServer::start()];
    let store = shared(&single(&server[0])).await;
    let all = subject();
    send_once(&*store, all).await;
    let before = scripts(&server);
    for _ in 0..50 {
        send_once(&*store, all).await;
    }
    assert_eq!(scripts(&server) - before, 100);

    let cluster = RedisCluster::start();
    let store = shared(&cluster_settings(&cluster)).await;
    // Each node learns the scripts first.
    for _ in 0..20 {
        send_once(&*store, all).await;
    }
    let before = scripts(&cluster.nodes);
    for _ in 0..50 {
        send_once(&*store, all).await;
    }
    // Destination, address, block of numbers, for each tenth a block of the budget; then two at once.
    assert_eq!(scripts(&cluster.nodes) - before, 50 * 5 + 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_costs_one_round_trip_before_and_one_after_it() {
    let server = [RedisServer::start()];
    let bench = Bench::new(shared(&single(&server[0])).await, &[&server[0]]);
    let windows = || [window(10, 3600), window(20, 3600), window(100, 3600), window(30, 3600)];
    let first = owner();
    assert!(bench.passes(first, &windows()).await);
    bench.release(first, &windows()).await;
    let before = scripts(&server);
    let (owner, windows) = (owner(), windows());
    assert!(bench.passes(owner, &windows).await);
    assert_eq!(scripts(&server) - before, 1);
    bench.release(owner, &windows).await;
    assert_eq!(scripts(&server) - before, 2);
}

#[tokio::test]
async fn a_question_that_reaches_redis_twice_is_one_reservation() {
    let server = RedisServer::start();
    let bench = Bench::new(shared(&single(&server)).await, &[]);
    for windows in [[window(2, 120), window(9, 120)], [budget(500), budget(500)]] {
        let again = owner();
        assert!(bench.passes(again, &windows).await);
        assert!(bench.passes(again, &windows).await);
    }
    let two = [window(2, 120)];
    let again = owner();
    assert!(bench.passes(again, &two).await && bench.passes(again, &two).await);
    assert!(bench.passes(owner(), &two).await, "it took one place");
    assert!(bench.refusal(owner(), &two).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_taken_in_blocks_and_three_instances_never_exceed_it() {
    let server = RedisServer::start();
    let redis = single(&server);
    let mut benches = Vec::new();
    for _ in 0..3 {
        benches.push(Arc::new(Bench::new(shared(&redis).await, &[])));
    }
    // A store that has just been opened looks at Redis by itself, so the fewest of some rounds count.
    let mut fewest = u64::MAX;
    for _ in 0..5 {
        let other = budget(500);
        let before = scripts(std::slice::from_ref(&server));
        for _ in 0..10 {
            assert!(benches[0].passes(owner(), &[other]).await);
        }
        fewest = fewest.min(scripts(std::slice::from_ref(&server)) - before);
    }
    assert_eq!(fewest, 1, "one asks, nine pay with its block");
    let budget = budget(500);
    for _ in 0..10 {
        assert!(benches[0].passes(owner(), &[budget]).await);
    }
    let mut asks = tokio::task::JoinSet::new();
    for number in 0..1500 {
        let bench = Arc::clone(&benches[number % 3]);
        asks.spawn(async move { bench.passes(owner(), &[budget]).await });
    }
    let mut sent = 10;
    for passed in asks.join_all().await {
        sent += usize::from(passed);
    }
    // What blocks still hold passes as well, and nothing beyond.
    for bench in &benches {
        while bench.passes(owner(), &[budget]).await {
            sent += 1;
        }
    }
    assert_eq!(sent, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn units_of_a_block_that_nobody_used_go_back() {
    let server = RedisServer::start();
    let (one, other) = (shared(&single(&server)).await, shared(&single(&server)).await);
    let (one, other) = (Bench::new(one, &[&server]), Bench::new(other, &[]));
    let budget = budget(500);
    for _ in 0..5 {
        assert!(one.passes(owner(), &[budget]).await);
        one.wait(61);
    }
    assert!(one.passes(owner(), &[budget]).await);
    // Six sends, and nine units that the last block still holds.
    let mut left = 0;
    while other.passes(owner(), &[budget]).await {
        left += 1;
    }
    assert_eq!(left, 500 - 6 - 9);
}

/// Reserves until an answer of the shared store comes; how long that took.
pub async fn until_shared(bench: &Bench, witness: &Bench) -> Duration {
    let start = Instant::now();
    loop {
        let one = [window(1, 120)];
        if bench.passes(owner(), &one).await && witness.refusal(owner(), &one).await.is_some() {
            return start.elapsed();
        }
        assert!(start.elapsed() < Duration::from_secs(60), "it never came back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_counts_alone_and_tells_it_when_it_is_back() {
    for crashes in [false, true] {
        let mut server = RedisServer::start();
        let redis = impatient(&server);
        let a = Bench::new(shared(&redis).await, &[]);
        let b = Bench::new(shared(&redis).await, &[]);
        let (before, meanwhile, freed) = ([window(1, 120)], [window(1, 120)], [window(1, 120)]);
        let (early, budget) = (owner(), budget(9));
        assert!(a.passes(owner(), &before).await && a.passes(early, &freed).await);

        if crashes {
            server.crash()
        } else {
            server.freeze()
        }
        assert!(!a.passes(owner(), &before).await, "it knows its own");
        assert!(a.passes(owner(), &meanwhile).await, "and goes on");
        assert!(!a.passes(owner(), &meanwhile).await, "and counts");
        a.release(early, &freed).await;
        assert!(a.passes(owner(), &freed).await, "and frees");
        a.release(early, &meanwhile).await;
        assert!(!a.passes(owner(), &meanwhile).await, "only an owner's own");
        let mut alone = 0;
        while a.passes(owner(), &[budget]).await {
            alone += 1;
        }
        assert_eq!(alone, 3, "a third of the budget for each of three");

        if crashes {
            server.restart()
        } else {
            server.thaw()
        }
        let witness = Bench::new(shared(&single(&server)).await, &[]);
        let back = until_shared(&a, &witness).await;
        assert!(back < Duration::from_secs(1), "{back:?}");
        until_shared(&b, &witness).await;
        for known in [before, meanwhile, freed] {
            assert!(b.refusal(owner(), &known).await.is_some(), "the others were told (crash: {crashes})");
        }
        let mut left = 0;
        while b.passes(owner(), &[budget]).await {
            left += 1;
        }
        assert_eq!(left, 6, "what was sent alone counts (crash: {crashes})");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_ten_minutes_alone_it_refuses_until_redis_is_back() {
    let mut server = RedisServer::start();
    let bench = Bench::new(shared(&impatient(&server)).await, &[]);
    server.crash();
    assert!(bench.passes(owner(), &[window(1, 120)]).await);
    bench.wait(599);
    assert!(bench.passes(owner(), &[window(1, 120)]).await);
    bench.wait(1);
    assert_eq!(bench.reserve(owner(), &[window(1, 120)]).await, Err(Denied::Away));
    server.restart();
    let witness = Bench::new(shared(&single(&server)).await, &[]);
    until_shared(&bench, &witness).await;
    server.crash();
    assert!(bench.passes(owner(), &[window(1, 120)]).await, "ten minutes anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_config_says_refuse_nothing_passes_meanwhile_and_nothing_stays_behind() {
    let server = RedisServer::start();
    let redis = impatient(&server);
    let a = Bench::new(shared_with(&redis, &refusing()).await, &[]);
    let b = Bench::new(shared_with(&redis, &refusing()).await, &[]);
    let lost = [window(1, 120)];
    server.freeze();
    assert_eq!(a.reserve(owner(), &lost).await, Err(Denied::Away));
    assert_eq!(a.reserve(owner(), &[window(1, 120)]).await, Err(Denied::Away));
    server.thaw();
    let back = until_shared(&a, &b).await;
    assert!(back < Duration::from_secs(1), "{back:?}");
    // The question that nobody heard the answer of is undone, whenever Redis came to read it.
    let start = Instant::now();
    while !b.passes(owner(), &lost).await {
        assert!(start.elapsed() < Duration::from_secs(10), "it stayed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_user_with_few_rights_can_count() {
    let server = RedisServer::start();
    let rights = "+evalsha +eval +script|load +get +set +time +info +ping +select +del +pexpireat \
                  +zadd +zrem +zcount +zscore +zrange +zrangebyscore +zremrangebyscore";
    let _: () = server.ask(&format!("ACL SETUSER gateway on >right ~dragoman:* {rights}"));
    let _: () = server.ask("ACL SETUSER default off");
    let redis = Redis {
        username: Some("gateway".to_owned()),
        password: Some(Secret::from("right")),
        ..single(&server)
    };
    let store = shared_with(&redis, &refusing()).await;
    send_once(&*store, subject()).await;
    let bench = Bench::new(store, &[]);
    let (owner_, short) = (owner(), window(1, 10));
    assert!(bench.passes(owner_, &[short]).await);
    let kept = &[short];
    let settlement = Settlement { owner: owner_, lease_seconds: LEASE, released: &[], kept, cleared: &[] };
    bench.store.settle(&settlement).await;
    assert!(bench.refusal(owner(), &[short]).await.unwrap().1 <= 10, "its lease was ended");
}
