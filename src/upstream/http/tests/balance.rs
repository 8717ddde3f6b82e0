//! Several addresses, some of which die.

use super::raw::{Act, Raw};
use super::*;
use crate::config::{Balancing, Ejection, Policy};

fn quick() -> Option<Ejection> {
    Some(Ejection { failures: 3, first: Duration::from_millis(300), longest: Duration::from_secs(60) })
}

fn several(raws: &[&Raw], balancing: Balancing) -> (Arc<HttpBackend>, Read) {
    let addresses: Vec<String> = raws.iter().map(|raw| raw.text()).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let figures = Read::new();
    let region = figures.0.region("cn", addresses.len());
    let settings = HttpUpstream { balancing, ..settings(&addresses) };
    (Arc::new(HttpBackend::counted(settings, region).unwrap()), figures)
}

/// Calls at a steady rate until it is dropped.
struct Load {
    failures: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
    task: tokio::task::AbortHandle,
}

impl Load {
    fn start(backend: &Arc<HttpBackend>, per_second: u32) -> Self {
        let (failures, calls) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (backend, failed, done) = (Arc::clone(backend), Arc::clone(&failures), Arc::clone(&calls));
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
            loop {
                ticks.tick().await;
                let (backend, failed, done) = (Arc::clone(&backend), Arc::clone(&failed), Arc::clone(&done));
                tokio::spawn(async move {
                    let good = backend.send(login(), far()).await.is_ok();
                    failed.fetch_add(usize::from(!good), Ordering::SeqCst);
                    done.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { failures, calls, task: task.abort_handle() }
    }

    fn failures(&self) -> usize {
        self.failures.load(Ordering::SeqCst)
    }

    async fn more(&self, calls: usize) {
        let until = self.calls.load(Ordering::SeqCst) + calls;
        wait_until("more calls", || self.calls.load(Ordering::SeqCst) >= until).await;
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_dies_under_load_and_comes_back_by_itself() {
    for policy in [Policy::RoundRobin, Policy::LeastConnections] {
        let [one, two, three] = [(); 3].map(|()| async { Raw::start(HttpVersion::One, Act::Answer).await });
        let (one, two, three) = (one.await, two.await, three.await);
        let (address, before) = (two.address, Arc::clone(&two.seen));
        let balancing = Balancing { policy, ejection: quick(), health_check: None };
        let (backend, figures) = several(&[&one, &two, &three], balancing);
        let load = Load::start(&backend, 200);
        load.more(60).await;
        assert_eq!(load.failures(), 0);
        assert!([&one, &two, &three].iter().all(|raw| raw.seen.deliveries() >= 10));
        drop(two);
        wait_until("it is ejected", || figures.ejections() >= 1.0).await;
        assert_eq!(figures.sum("dragoman_upstream_address_up", "1"), 0.0);
        let failures = load.failures();
        load.more(200).await;
        assert_eq!(load.failures(), failures, "after the ejection no call fails");
        let two = Raw::start_at(address, HttpVersion::One, Act::Answer).await;
        wait_until("it is back", || figures.sum("dragoman_upstream_recoveries_total", "1") >= 1.0).await;
        let deliveries = two.seen.deliveries();
        load.more(90).await;
        assert!(two.seen.deliveries() >= deliveries + 15, "it has its share again");
        assert_eq!(figures.sum("dragoman_upstream_address_up", ""), 3.0);
        assert_eq!(load.failures(), failures);
        assert_eq!(figures.sum("dragoman_upstream_ejections_total", "1"), figures.ejections());
        assert!(before.deliveries() >= 10);
    }
}

#[tokio::test]
async fn a_flood_of_calls_that_are_answered_500_ejects_nobody() {
    for version in [HttpVersion::One, HttpVersion::Two] {
        let (one, two) = (Raw::start(version, Act::Break).await, Raw::start(version, Act::Break).await);
        let addresses = [one.text(), two.text()];
        let figures = Read::new();
        let settings = HttpUpstream { http_version: version, ..settings(&[&addresses[0], &addresses[1]]) };
        let backend = HttpBackend::counted(settings, figures.0.region("cn", 2)).unwrap();
        for _ in 0..100 {
            assert_eq!(backend.send(login(), far()).await.unwrap().status(), 500);
        }
        assert_eq!((one.seen.deliveries(), two.seen.deliveries()), (50, 50));
        assert_eq!((figures.ejections(), figures.sum("dragoman_upstream_address_up", "")), (0.0, 2.0));
    }
}

#[tokio::test]
async fn answers_that_nobody_understands_eject_nobody_but_resets_do() {
    for (act, ejections) in [(Act::Bomb, 0.0), (Act::Announced, 0.0), (Act::ResetBefore, 1.0)] {
        let (one, two) = (Raw::start(HttpVersion::One, act).await, Raw::start(HttpVersion::One, act).await);
        let (backend, figures) = several(&[&one, &two], Balancing::default());
        for _ in 0..12 {
            assert!(backend.send(login(), far()).await.is_err());
        }
        assert_eq!(figures.ejections(), ejections, "{act:?}: at most half of them");
    }
}

#[tokio::test]
async fn a_caller_without_time_has_nobody_ejected() {
    let (one, two) =
        (Raw::start(HttpVersion::One, Act::Hang).await, Raw::start(HttpVersion::One, Act::Hang).await);
    let (backend, figures) = several(&[&one, &two], Balancing::default());
    for _ in 0..12 {
        let deadline = Instant::now() + Duration::from_millis(20);
        let failure = backend.send(login(), deadline).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::AnswerTimeout);
    }
    assert_eq!(figures.ejections(), 0.0);
    let hasty = HttpUpstream { first_byte_timeout: Duration::from_millis(20), ..backend.settings.clone() };
    let figures = Read::new();
    let backend = HttpBackend::counted(hasty, figures.0.region("cn", 2)).unwrap();
    for _ in 0..6 {
        assert!(backend.send(login(), far()).await.is_err());
    }
    assert_eq!(figures.sum("dragoman_upstream_ejections_total", "timeout"), 1.0);
}
