//! What a million entries cost, and what holds at the bound: old ones are still known, and new ones are refused. Prints
//! the memory of each entry, of the memories of one process and of those in Redis. It asserts what it says.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use dragoman::account::{ProblemCode, Secret};
use dragoman::clock::{Clock, Moment, SystemClock};
use dragoman::config::{Redis, RedisAddress, Replay, Throttle, Topology};
use dragoman::guard::ReplayRefusal;
use dragoman::store::memory::MemoryStore;
use dragoman::store::redis::{RedisStore, RedisWindows};
use dragoman::store::windows::memory::MemoryWindows;
use dragoman::store::windows::{Denied, Reservation, Rigour, Window, WindowStore};
use dragoman::store::{AppShare, Entry, Remembered, ReplayStore, StoreError, Terms};
use redis_server::RedisServer;

#[allow(dead_code, reason = "the suite uses all of it")]
#[path = "../tests/suite/support/redis.rs"]
mod redis_server;
#[allow(dead_code, reason = "the suite uses all of it")]
#[path = "../tests/suite/support/tools.rs"]
mod tools;

const MILLION: usize = 1_000_000;

/// Entries stand in so many seconds, as those of one window do.
const SECONDS: i64 = 300;

/// So many questions are under way at once.
const AT_ONCE: usize = 256;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        replay_in_memory().await;
        windows_in_memory().await;
        in_redis().await;
    });
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

fn print(what: &str, bytes: usize, entries: usize, start: Instant) {
    let each = start.elapsed().as_nanos() / entries as u128;
    println!("{what:<45} {:>4} bytes an entry, {each:>6} ns each", bytes / entries);
}

/// What a caller is told at the bound.
fn told(error: StoreError) -> ProblemCode {
    ReplayRefusal::Store(error).code()
}

fn share() -> Arc<AppShare> {
    Arc::new(AppShare { id: "app".to_owned(), entries: AtomicUsize::new(0), bound: usize::MAX })
}

/// Looks random, as digests do, and is the same each time, so that each can be asked for again.
fn digest(number: usize) -> u128 {
    (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

fn entry(app: &Arc<AppShare>, from: Moment, number: usize) -> Entry {
    let digest = digest(number);
    let second = from.seconds() + (number as i64) % SECONDS;
    Entry { app: Arc::clone(app), second, digest, until: from.plus_seconds(2 * SECONDS) }
}

async fn ask(store: &dyn ReplayStore, entry: Entry, now: Moment) -> Result<bool, StoreError> {
    store.remember(entry, now).await.map(|told| matches!(told, Remembered::New(_)))
}

async fn replay_in_memory() {
    let (app, now) = (share(), SystemClock.now());
    let store = MemoryStore::new(MILLION);
    let (before, start) = (resident(), Instant::now());
    for number in 0..MILLION {
        assert_eq!(ask(&store, entry(&app, now, number), now).await, Ok(true));
    }
    print("replay memory of a process", resident() - before, MILLION, start);
    for old in (0..MILLION).step_by(997) {
        assert_eq!(ask(&store, entry(&app, now, old), now).await, Ok(false), "an old one is still refused");
    }
    let refused = ask(&store, entry(&app, now, MILLION), now).await.unwrap_err();
    assert_eq!((refused, told(refused)), (StoreError::Full, ProblemCode::Overloaded));
}

fn window(number: usize) -> Window {
    Window { key: digest(number), limit: 1, seconds: 86_400, rigour: Rigour::Refuses, common: false }
}

fn owner(number: usize) -> u128 {
    number as u128 + 1
}

async fn reserve(store: &dyn WindowStore, number: usize, owner: u128, now: Moment) -> Result<(), Denied> {
    let windows = [window(number)];
    store.reserve(&Reservation { owner, windows: &windows, lease_seconds: 40 }, now).await.map(drop)
}

async fn windows_in_memory() {
    let now = SystemClock.now();
    let store = MemoryWindows::new(MILLION);
    let (before, start) = (resident(), Instant::now());
    for number in 0..MILLION {
        assert_eq!(reserve(&store, number, owner(number), now).await, Ok(()));
    }
    print("throttle of a process, a window an entry", resident() - before, MILLION, start);
    for old in (0..MILLION).step_by(997) {
        let again = reserve(&store, old, owner(MILLION), now).await;
        assert!(matches!(again, Err(Denied::Window { .. })), "{again:?}");
    }
    assert_eq!(reserve(&store, MILLION, owner(MILLION), now).await, Err(Denied::StoreFull));
}

async fn open(server: &RedisServer) -> Arc<RedisStore> {
    let path = server.url().strip_prefix("unix:").unwrap();
    let redis = Redis {
        topology: Topology::Single,
        addresses: vec![RedisAddress::Unix(path.into())],
        database: 0,
        username: None,
        password: None,
        sentinel_password: None,
        certificates: None,
        state_key: Secret::from("0123456789abcdef0123456789abcdef"),
        timeout: std::time::Duration::from_secs(5),
        connect_timeout: std::time::Duration::from_secs(5),
        never_evicts: false,
    };
    let terms = Terms { policy: "app 300 1 Nonce\n".to_owned(), future: 1, window: 301 };
    let replay = Replay { entries: 2 * MILLION, ..Replay::default() };
    Arc::new(RedisStore::open(&redis, &replay, terms, Arc::new(SystemClock)).await.unwrap())
}

fn used(server: &RedisServer) -> usize {
    let info: String = server.ask("INFO memory");
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    line.trim().parse().unwrap()
}

/// Does something a million times, some of them at once.
async fn a_million_times<F>(each: impl Fn(usize) -> F + Send + Sync + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let each = Arc::new(each);
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..AT_ONCE {
        let each = Arc::clone(&each);
        workers.spawn(async move {
            for number in (worker..MILLION).step_by(AT_ONCE) {
                each(number).await;
            }
        });
    }
    workers.join_all().await;
}

async fn in_redis() {
    let server = RedisServer::start();
    let (store, other) = (open(&server).await, open(&server).await);
    let (app, now) = (share(), SystemClock.now().plus_seconds(100));
    let (before, start) = (used(&server), Instant::now());
    let filling = (Arc::clone(&store), Arc::clone(&app));
    a_million_times(move |number| {
        let (store, entry) = (Arc::clone(&filling.0), entry(&filling.1, now, number));
        async move { assert_eq!(ask(&*store, entry, now).await, Ok(true)) }
    })
    .await;
    print("replay memory in Redis", used(&server) - before, MILLION, start);
    let throttle = Throttle { entries: 4 * MILLION, ..Throttle::default() };
    let windows = Arc::new(RedisWindows::over(&store, &throttle, 2));
    let others = RedisWindows::over(&other, &throttle, 2);
    let (before, start) = (used(&server), Instant::now());
    let filling = Arc::clone(&windows);
    a_million_times(move |number| {
        let store = Arc::clone(&filling);
        async move { assert_eq!(reserve(&*store, number, owner(number), now).await, Ok(())) }
    })
    .await;
    print("throttle in Redis, a window an entry", used(&server) - before, MILLION, start);

    let _: () = server.ask(&format!("CONFIG SET maxmemory {}", used(&server)));
    for old in (0..MILLION).step_by(997) {
        let again = ask(&*other, entry(&app, now, old), now).await;
        assert!(matches!(again, Ok(false) | Err(StoreError::Full)), "{again:?}: an old one is still refused");
        let again = reserve(&others, old, owner(MILLION), now).await;
        assert!(again.is_err(), "an old one is still refused");
    }
    let refused = ask(&*other, entry(&app, now, MILLION), now).await.unwrap_err();
    assert_eq!((refused, told(refused)), (StoreError::Full, ProblemCode::Overloaded));
    assert_eq!(reserve(&others, MILLION, owner(MILLION), now).await, Err(Denied::StoreFull));
    println!("at their bounds all of them know the old entries, and answer `overloaded` to new ones");
}
