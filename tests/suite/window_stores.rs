//! What every store of the throttle's windows promises, proved on the one of a process and on the
//! one in Redis, and what only the shared one must hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dragoman::clock::Moment;
use dragoman::config::{Redis, Throttle, Topology};
use dragoman::store::redis::RedisWindows;
use dragoman::store::windows::memory::MemoryWindows;
use dragoman::store::windows::{Denied, Reservation, Reserved, Rigour, Settlement, Window, WindowStore};

use crate::replay_stores::{now, on_port, open, settings, single};
use crate::support::redis::{RedisCluster, RedisServer};

/// Seconds that reservations hold at least.
pub const LEASE: i64 = 40;

/// A store whose time a test can move on.
pub struct Bench {
    pub store: Arc<dyn WindowStore>,
    servers: Vec<RedisAt>,
    start: Moment,
    ahead: AtomicU64,
}

/// The way to one server, for moving its time on.
struct RedisAt(redis::Client);

impl Bench {
    pub fn new(store: Arc<dyn WindowStore>, servers: &[&RedisServer]) -> Self {
        let servers = servers.iter().map(|server| RedisAt(server.client())).collect();
        Self { store, servers, start: now(), ahead: AtomicU64::new(0) }
    }

    /// The time: the clock's, and what a test has waited.
    pub fn now(&self) -> Moment {
        let ahead = i64::try_from(self.ahead.load(Ordering::SeqCst)).unwrap();
        // A process's own memory knows no other time than what it is told.
        if self.servers.is_empty() { self.start.plus_seconds(ahead) } else { now().plus_seconds(ahead) }
    }

    /// Waits: Redis has no clock that could be turned, so all that it holds ends so much earlier.
    pub fn wait(&self, seconds: u64) {
        self.ahead.fetch_add(seconds, Ordering::SeqCst);
        for RedisAt(client) in &self.servers {
            let script = "
                for _, key in ipairs(redis.call('KEYS', '*')) do
                  if redis.call('TYPE', key).ok == 'zset' then
                    local held = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
                    for i = 1, #held, 2 do redis.call('ZINCRBY', key, -ARGV[1], held[i]) end
                    redis.call('PEXPIRE', key, math.max(1, redis.call('PTTL', key) - ARGV[1]))
                  end
                end";
            let mut connection = client.get_connection().unwrap();
            let _: () = redis::Script::new(script).arg(seconds * 1000).invoke(&mut connection).unwrap();
        }
    }

    pub async fn reserve(&self, owner: u128, windows: &[Window]) -> Result<Reserved, Denied> {
        let reservation = Reservation { owner, windows, lease_seconds: LEASE };
        self.store.reserve(&reservation, self.now()).await
    }

    pub async fn passes(&self, owner: u128, windows: &[Window]) -> bool {
        self.reserve(owner, windows).await.is_ok()
    }

    /// Which window refused and how long it has no room, in seconds.
    pub async fn refusal(&self, owner: u128, windows: &[Window]) -> Option<(usize, i64)> {
        match self.reserve(owner, windows).await {
            Err(Denied::Window { index, until }) => {
                Some((index, (until.millis() - self.now().millis() + 500).div_euclid(1000)))
            }
            _ => None,
        }
    }

    pub async fn release(&self, owner: u128, released: &[Window]) {
        let settlement = Settlement { owner, lease_seconds: LEASE, released, kept: &[], cleared: &[] };
        self.store.settle(&settlement).await;
    }
}

fn memory(bound: usize) -> Arc<dyn WindowStore> {
    Arc::new(MemoryWindows::new(bound))
}

pub async fn shared_with(redis: &Redis, throttle: &Throttle) -> Arc<dyn WindowStore> {
    Arc::new(RedisWindows::over(&Arc::new(open(redis).await.unwrap()), throttle, 3))
}

pub async fn shared(redis: &Redis) -> Arc<dyn WindowStore> {
    shared_with(redis, &Throttle::default()).await
}

pub fn cluster_settings(cluster: &RedisCluster) -> Redis {
    settings(Topology::Cluster, cluster.nodes.iter().map(on_port).collect())
}

/// A subject that nothing else has.
pub fn subject() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

pub fn owner() -> u128 {
    (1 << 100) + u128::from(subject())
}

pub fn of(subject: u64, counted: u64, limit: u32, seconds: i64) -> Window {
    let key = Window::key(subject, counted);
    Window { key, limit, seconds, rigour: Rigour::Refuses, common: false }
}

/// Of a subject of its own.
pub fn window(limit: u32, seconds: i64) -> Window {
    of(subject(), 1, limit, seconds)
}

/// How many of so many reservations at once, spread over the stores, were made.
async fn made_of(tries: usize, stores: &[Arc<dyn WindowStore>], windows: &[Window], at: Moment) -> usize {
    let one = |index: usize| {
        let (store, windows, owner) = (stores[index % stores.len()].clone(), windows.to_vec(), owner());
        tokio::spawn(async move {
            let reservation = Reservation { owner, windows: &windows, lease_seconds: LEASE };
            store.reserve(&reservation, at).await.is_ok()
        })
    };
    let tasks: Vec<_> = (0..tries).map(one).collect();
    let mut made = 0;
    for task in tasks {
        made += usize::from(task.await.unwrap());
    }
    made
}

/// What every store promises.
async fn conforms(bench: Bench) {
    is_exact(&bench).await;
    leaves_nothing_of_what_it_refused(&bench).await;
    tells_the_longest_wait(&bench).await;
    holds_a_lease_until_it_is_settled(&bench).await;
    releases_nobody_elses(&bench).await;
    tells_without_refusing(&bench).await;
    clears_one_window_and_no_other(&bench).await;
    ends_each_event_in_its_time(&bench).await;
}

async fn is_exact(bench: &Bench) {
    let subject = subject();
    let windows = [of(subject, 1, 5, 60), of(subject, 2, 3, 60), window(100, 60)];
    assert_eq!(made_of(1000, std::slice::from_ref(&bench.store), &windows, bench.now()).await, 3);
}

async fn leaves_nothing_of_what_it_refused(bench: &Bench) {
    let (wide, narrow) = (window(2, 60), window(1, 90));
    assert!(bench.passes(owner(), &[wide, narrow]).await);
    bench.wait(10);
    for _ in 0..5 {
        assert_eq!(bench.refusal(owner(), &[wide, narrow]).await, Some((1, 80)));
    }
    assert!(bench.passes(owner(), &[wide]).await, "nothing was left in the other one");
    assert_eq!(bench.refusal(owner(), &[wide]).await, Some((0, 50)));
    bench.wait(80);
    assert!(bench.passes(owner(), &[wide, narrow]).await);
}

async fn tells_the_longest_wait(bench: &Bench) {
    let subject = subject();
    let windows = [of(subject, 1, 1, 60), of(subject, 2, 1, 90), of(subject, 3, 1, 70)];
    assert!(bench.passes(owner(), &windows).await);
    assert_eq!(bench.refusal(owner(), &windows).await, Some((1, 90)));
}

async fn holds_a_lease_until_it_is_settled(bench: &Bench) {
    let short = window(1, 10);
    let (one, lost) = (owner(), owner());
    assert!(bench.passes(one, &[short]).await);
    bench.wait(20);
    assert!(!bench.passes(owner(), &[short]).await);
    let kept = &[short];
    let settlement = Settlement { owner: one, lease_seconds: LEASE, released: &[], kept, cleared: &[] };
    bench.store.settle(&settlement).await;
    assert!(bench.passes(lost, &[short]).await, "it stays no longer than its window says");
    bench.wait(39);
    assert!(!bench.passes(owner(), &[short]).await);
    bench.wait(2);
    assert!(bench.passes(owner(), &[short]).await, "a lost owner's lease ends");
}

async fn releases_nobody_elses(bench: &Bench) {
    let one = window(1, 60);
    let (a, b) = (owner(), owner());
    assert!(bench.passes(a, &[one]).await);
    bench.wait(61);
    assert!(bench.passes(b, &[one]).await);
    bench.release(a, &[one]).await;
    assert!(!bench.passes(owner(), &[one]).await, "a late release of A does not free B's");
    bench.release(b, &[one]).await;
    assert!(bench.passes(owner(), &[one]).await);
}

async fn tells_without_refusing(bench: &Bench) {
    let soft = Window { rigour: Rigour::Tells, ..window(2, 60) };
    for slowed in [false, false, true, true] {
        assert_eq!(bench.reserve(owner(), &[soft]).await, Ok(Reserved { slowed }));
    }
    bench.wait(61);
    assert_eq!(bench.reserve(owner(), &[soft]).await, Ok(Reserved { slowed: false }));
}

async fn clears_one_window_and_no_other(bench: &Bench) {
    let subject = subject();
    let (one, other) = (of(subject, 1, 1, 60), of(subject, 2, 1, 60));
    assert!(bench.passes(owner(), &[one, other]).await);
    let (owner_, cleared) = (owner(), &[one.key]);
    let settlement = Settlement { owner: owner_, lease_seconds: LEASE, released: &[], kept: &[], cleared };
    bench.store.settle(&settlement).await;
    assert!(bench.passes(owner(), &[one]).await);
    assert!(!bench.passes(owner(), &[other]).await);
}

async fn ends_each_event_in_its_time(bench: &Bench) {
    let two = window(2, 100);
    assert!(bench.passes(owner(), &[two]).await);
    bench.wait(50);
    assert!(bench.passes(owner(), &[two]).await);
    assert_eq!(bench.refusal(owner(), &[two]).await, Some((0, 50)));
    bench.wait(51);
    assert!(bench.passes(owner(), &[two]).await);
    assert_eq!(bench.refusal(owner(), &[two]).await, Some((0, 49)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_windows_of_one_process_conform() {
    conforms(Bench::new(memory(100_000), &[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_windows_in_redis_conform() {
    let server = RedisServer::start();
    conforms(Bench::new(shared(&single(&server)).await, &[&server])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_windows_in_a_cluster_conform_and_no_node_says_crossslot() {
    let cluster = RedisCluster::start();
    let nodes: Vec<&RedisServer> = cluster.nodes.iter().collect();
    let redis = cluster_settings(&cluster);
    conforms(Bench::new(shared(&redis).await, &nodes)).await;
    let stores = [shared(&redis).await, shared(&redis).await, shared(&redis).await];
    for _ in 0..40 {
        let subject = subject();
        let destination = [of(subject, 1, 1, 120), of(subject, 2, 5, 3600), of(subject, 3, 10, 86_400)];
        assert_eq!(made_of(30, &stores, &destination, now()).await, 1);
    }
    for node in &cluster.nodes {
        assert!(node.ask::<usize>("DBSIZE") > 3, "the windows are spread over the nodes");
        assert!(!node.ask::<String>("INFO errorstats").contains("CROSSSLOT"));
    }
}

#[tokio::test]
async fn at_its_bound_a_process_refuses_until_events_end_by_themselves() {
    let bench = Bench::new(memory(2), &[]);
    let (short, long) = (window(1, 60), window(1, 90));
    assert!(bench.passes(owner(), &[short]).await && bench.passes(owner(), &[long]).await);
    bench.wait(59);
    assert_eq!(bench.reserve(owner(), &[window(1, 60)]).await, Err(Denied::StoreFull));
    assert!(bench.refusal(owner(), &[short]).await.is_some());
    assert_eq!((bench.store.entries(bench.now()), bench.store.bound()), (2, 2));
    bench.wait(1);
    assert!(bench.passes(owner(), &[window(1, 60)]).await);
}

#[tokio::test]
async fn a_full_redis_refuses_whole_reservations_and_knows_the_old_ones() {
    let server = RedisServer::start();
    let bench = Bench::new(shared(&single(&server)).await, &[&server]);
    let (old, new) = (window(1, 60), window(1, 60));
    assert!(bench.passes(owner(), &[old]).await);
    let _: () = server.ask("CONFIG SET maxmemory 1");
    assert_eq!(bench.reserve(owner(), &[window(1, 60), new]).await, Err(Denied::StoreFull));
    assert!(bench.refusal(owner(), &[old]).await.is_some());
    let _: () = server.ask("CONFIG SET maxmemory 0");
    assert!(bench.passes(owner(), &[new]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_what_a_later_subject_refuses_is_undone_for_the_earlier_ones() {
    let cluster = RedisCluster::start();
    let bench = Bench::new(shared(&cluster_settings(&cluster)).await, &[]);
    for _ in 0..20 {
        let (first, second, full) = (window(1, 120), window(1, 120), window(1, 120));
        assert!(bench.passes(owner(), &[full]).await);
        assert_eq!(bench.refusal(owner(), &[first, second, full]).await.map(|(index, _)| index), Some(2));
        assert!(bench.passes(owner(), &[first, second]).await);
    }
}
