//! The replay memory of one process: a moka cache of time buckets, one per second of the requests'
//! own time, each a compact set of 128-bit digests. A bucket expires as a whole. An entry costs
//! about 30 bytes this way; a cache entry each would cost more than ten times that.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use moka::Expiry;
use moka::sync::Cache;
use serde::{Deserialize, Serialize};

use super::digest_hasher::ByDigest;
use super::{AppShare, Entry, Receipt, Remembered, ReplayStore, StoreError};
use crate::clock::Moment;

#[derive(Default)]
struct Contents {
    digests: HashSet<u128, ByDigest>,
    apps: Vec<(Arc<AppShare>, usize)>,
    /// How often an entry was given back; rare, so its own small table. Such an entry keeps its place until the bucket
    /// leaves, or who has requests given back could fill the memory beyond its bound.
    given_back: HashMap<u128, u8>,
}

impl Contents {
    fn count(&mut self, app: &Arc<AppShare>, change: isize) {
        match self.apps.iter_mut().find(|(share, _)| Arc::ptr_eq(share, app)) {
            Some((_, count)) => *count = count.saturating_add_signed(change),
            None => self.apps.push((app.clone(), usize::from(change > 0))),
        }
    }
}

/// All entries of one second.
struct Bucket {
    contents: Mutex<Contents>,
    until: Moment,
    lifetime: Duration,
    total: Arc<AtomicUsize>,
}

impl Bucket {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let contents = self.contents.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.total.fetch_sub(contents.digests.len(), Ordering::Relaxed);
        for (app, count) in &contents.apps {
            app.entries.fetch_sub(*count, Ordering::Relaxed);
        }
        let free = contents.given_back.keys().filter(|digest| !contents.digests.contains(*digest)).count();
        self.total.fetch_sub(free, Ordering::Relaxed);
    }
}

struct BucketExpiry;

impl Expiry<i64, Arc<Bucket>> for BucketExpiry {
    fn expire_after_create(&self, _: &i64, bucket: &Arc<Bucket>, _: Instant) -> Option<Duration> {
        Some(bucket.lifetime)
    }
}

/// The memory of one process.
pub struct MemoryStore {
    buckets: Cache<i64, Arc<Bucket>>,
    total: Arc<AtomicUsize>,
    bound: usize,
}

/// The entries of one second, for saving and loading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedBucket {
    /// The second.
    pub second: i64,
    /// Until when it must be remembered.
    pub until: Moment,
    /// How many entries each app has.
    pub apps: Vec<(String, usize)>,
    /// The entries.
    pub digests: Vec<u128>,
}

impl MemoryStore {
    /// An empty memory for at most `bound` entries.
    pub fn new(bound: usize) -> Self {
        // No capacity: a bucket leaves by its time only, never to make room.
        let buckets = Cache::builder().expire_after(BucketExpiry).build();
        Self { buckets, total: Arc::new(AtomicUsize::new(0)), bound }
    }

    fn bucket(&self, second: i64, until: Moment, now: Moment) -> Arc<Bucket> {
        self.buckets.get_with(second, || {
            let lifetime = until.millis().saturating_sub(now.millis()).max(1);
            Arc::new(Bucket {
                contents: Mutex::default(),
                until,
                lifetime: Duration::from_millis(lifetime.unsigned_abs()),
                total: self.total.clone(),
            })
        })
    }

    fn check_bounds(&self, app: &AppShare) -> Result<(), StoreError> {
        if self.total.load(Ordering::Relaxed) >= self.bound {
            // What has expired may not have been swept yet.
            self.buckets.run_pending_tasks();
            if self.total.load(Ordering::Relaxed) >= self.bound {
                return Err(StoreError::Full);
            }
        }
        if app.entries.load(Ordering::Relaxed) >= app.bound {
            self.buckets.run_pending_tasks();
            if app.entries.load(Ordering::Relaxed) >= app.bound {
                return Err(StoreError::AppFull);
            }
        }
        Ok(())
    }

    /// Forgets an entry as if it had never come.
    pub(super) fn forget(&self, entry: &Entry) {
        if let Some(bucket) = self.buckets.get(&entry.second) {
            self.remove(&mut bucket.contents(), entry);
        }
    }

    fn remove(&self, contents: &mut Contents, entry: &Entry) {
        let removed = contents.digests.remove(&entry.digest);
        if removed && !contents.given_back.contains_key(&entry.digest) {
            contents.count(&entry.app, -1);
            self.total.fetch_sub(1, Ordering::Relaxed);
            entry.app.entries.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[async_trait]
impl ReplayStore for MemoryStore {
    async fn remember(&self, entry: Entry, now: Moment) -> Result<Remembered, StoreError> {
        let bucket = self.bucket(entry.second, entry.until, now);
        let full = self.check_bounds(&entry.app);
        let mut contents = bucket.contents();
        if contents.digests.contains(&entry.digest) {
            return Ok(Remembered::Seen);
        }
        if !contents.given_back.contains_key(&entry.digest) {
            full?;
            contents.count(&entry.app, 1);
            self.total.fetch_add(1, Ordering::Relaxed);
            entry.app.entries.fetch_add(1, Ordering::Relaxed);
        }
        contents.digests.insert(entry.digest);
        Ok(Remembered::New(Receipt { entry, owner: None }))
    }

    async fn give_back(&self, Receipt { entry, .. }: Receipt, times: u8) {
        let Some(bucket) = self.buckets.get(&entry.second) else {
            return;
        };
        let mut contents = bucket.contents();
        let given = contents.given_back.entry(entry.digest).or_default();
        if *given >= times {
            return;
        }
        *given += 1;
        self.remove(&mut contents, &entry);
    }

    fn entries(&self) -> usize {
        self.buckets.run_pending_tasks();
        self.total.load(Ordering::Relaxed)
    }

    fn save(&self) -> Vec<SavedBucket> {
        let saved = |(second, bucket): (Arc<i64>, Arc<Bucket>)| {
            let contents = bucket.contents();
            SavedBucket {
                second: *second,
                until: bucket.until,
                apps: contents.apps.iter().map(|(app, count)| (app.id.clone(), *count)).collect(),
                digests: contents.digests.iter().copied().collect(),
            }
        };
        self.buckets.iter().map(saved).collect()
    }

    fn load(&self, saved: Vec<SavedBucket>, now: Moment, share: &dyn Fn(&str) -> Option<Arc<AppShare>>) {
        for bucket in saved.into_iter().filter(|bucket| bucket.until > now) {
            let loaded = self.bucket(bucket.second, bucket.until, now);
            let mut contents = loaded.contents();
            self.total.fetch_add(bucket.digests.len(), Ordering::Relaxed);
            contents.digests.extend(bucket.digests);
            for (id, count) in bucket.apps {
                if let Some(app) = share(&id) {
                    app.entries.fetch_add(count, Ordering::Relaxed);
                    contents.apps.push((app, count));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_seconds(1_700_000_000);

    fn share(bound: usize) -> Arc<AppShare> {
        Arc::new(AppShare { id: "app".to_owned(), entries: AtomicUsize::new(0), bound })
    }

    fn entry(app: &Arc<AppShare>, digest: u128) -> Entry {
        Entry { app: app.clone(), second: NOW.seconds(), digest, until: NOW.plus_seconds(390) }
    }

    async fn is_new(store: &MemoryStore, entry: Entry) -> Result<bool, StoreError> {
        store.remember(entry, NOW).await.map(|told| matches!(told, Remembered::New(_)))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_many_equal_entries_at_once_one_is_new() {
        let store = Arc::new(MemoryStore::new(1000));
        let app = share(1000);
        let tries: Vec<_> = (0..300)
            .map(|_| {
                let (store, entry) = (store.clone(), entry(&app, 7));
                tokio::spawn(async move { is_new(&store, entry).await.unwrap() })
            })
            .collect();
        let mut new = 0;
        for one in tries {
            new += usize::from(one.await.unwrap());
        }
        assert_eq!((new, store.entries()), (1, 1));
    }

    #[tokio::test]
    async fn at_its_bound_old_entries_are_known_and_new_ones_refused() {
        let store = MemoryStore::new(2);
        let app = share(10);
        assert_eq!(is_new(&store, entry(&app, 1)).await, Ok(true));
        assert_eq!(is_new(&store, entry(&app, 2)).await, Ok(true));
        assert_eq!(is_new(&store, entry(&app, 3)).await, Err(StoreError::Full));
        assert_eq!(is_new(&store, entry(&app, 1)).await, Ok(false));
    }

    #[tokio::test]
    async fn one_app_can_not_fill_the_store_for_another() {
        let store = MemoryStore::new(10);
        let (greedy, other) = (share(1), share(1));
        assert_eq!(is_new(&store, entry(&greedy, 1)).await, Ok(true));
        assert_eq!(is_new(&store, entry(&greedy, 2)).await, Err(StoreError::AppFull));
        assert_eq!(is_new(&store, entry(&other, 3)).await, Ok(true));
    }

    #[tokio::test]
    async fn an_entry_is_given_back_at_most_so_many_times() {
        let store = MemoryStore::new(10);
        let app = share(10);
        for expected in [true, true, false] {
            match store.remember(entry(&app, 1), NOW).await.unwrap() {
                Remembered::New(receipt) => {
                    assert!(expected);
                    store.give_back(receipt, 1).await;
                }
                Remembered::Seen => assert!(!expected),
            }
        }
    }

    #[tokio::test]
    async fn what_was_given_back_keeps_its_place_and_takes_no_second_one() {
        let store = MemoryStore::new(2);
        let app = share(10);
        for digest in [1, 2] {
            let Remembered::New(receipt) = store.remember(entry(&app, digest), NOW).await.unwrap() else {
                panic!("it is new")
            };
            store.give_back(receipt, 1).await;
        }
        assert_eq!((store.entries(), app.entries.load(Ordering::Relaxed)), (2, 2));
        assert_eq!(is_new(&store, entry(&app, 3)).await, Err(StoreError::Full));
        assert_eq!(is_new(&store, entry(&app, 1)).await, Ok(true));
        assert_eq!(is_new(&store, entry(&app, 1)).await, Ok(false));
        assert_eq!((store.entries(), app.entries.load(Ordering::Relaxed)), (2, 2));
    }

    #[tokio::test]
    async fn a_bucket_leaves_as_a_whole_when_its_time_is_up() {
        let store = MemoryStore::new(10);
        let app = share(10);
        let short = |digest| Entry { until: Moment::from_millis(NOW.millis() + 1), ..entry(&app, digest) };
        let Remembered::New(returned) = store.remember(short(1), NOW).await.unwrap() else {
            panic!("it is new")
        };
        store.give_back(returned, 1).await;
        assert_eq!(is_new(&store, short(2)).await, Ok(true));
        let deadline = Instant::now() + Duration::from_secs(20);
        while store.entries() > 0 {
            assert!(Instant::now() < deadline, "the bucket never expired");
            tokio::task::yield_now().await;
        }
        assert_eq!(app.entries.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn what_was_saved_is_known_after_loading() {
        let (old, new) = (MemoryStore::new(10), MemoryStore::new(10));
        let app = share(10);
        assert_eq!(is_new(&old, entry(&app, 1)).await, Ok(true));
        let fresh = share(10);
        new.load(old.save(), NOW, &|id| (id == "app").then(|| fresh.clone()));
        assert_eq!(is_new(&new, entry(&fresh, 1)).await, Ok(false));
        assert_eq!((new.entries(), fresh.entries.load(Ordering::Relaxed)), (1, 1));
    }
}
