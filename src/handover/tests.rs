//! Both sides of a hand-over in one process, and what becomes of it when one of them fails.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::message::{FromHeir, FromIncumbent, Offer};
use super::wire::Wire;
use super::*;
use crate::account::Secret;
use crate::clock::{Clock, Moment, SystemClock};
use crate::config::{App, Redis, Replay, Settings, Store};
use crate::guard::{Floor, ReplayGuard, ReplayRefusal};
use crate::server::doors::Doors;
use crate::server::notify::Notifier;
use crate::server::{Phase, StopSignal};
use crate::sign::{Carrier, Signed, SigningKey};
use crate::store::own::{Bounds, OwnStores};

const PATIENCE: Duration = Duration::from_secs(20);
const BOUNDS: Bounds = Bounds { replay: 100, throttle: 100 };

fn app() -> App {
    App::new("app", "secret")
}

/// A process that serves, without its sockets.
struct Old {
    guard: Arc<ReplayGuard>,
    doors: Doors,
    stop: mpsc::Receiver<StopSignal>,
    standing_by: JoinHandle<()>,
    directory: tempfile::TempDir,
}

impl Old {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let stores = Arc::new(OwnStores::open(BOUNDS, SystemClock.now()).unwrap());
        let floor = Floor::open(Some(directory.path())).unwrap();
        let replay = Replay::default();
        let guard = ReplayGuard::over(stores.clone(), &[app()], &replay, floor, &SystemClock).unwrap();
        let guard = Arc::new(guard);
        let doors = Doors::new(Phase::Running);
        let (stop, stopped) = mpsc::channel(1);
        let incumbent = Incumbent {
            doors: doors.clone(),
            stop,
            notifier: Arc::new(Notifier::new(None).unwrap()),
            turn: Arc::default(),
            guard: Arc::clone(&guard),
            stores: Some(stores),
            memory: Memory::Own,
            data_dir: None,
        };
        let socket = Socket::bind(&directory.path().join("upgrade.sock")).await.unwrap();
        let standing_by = tokio::spawn(incumbent.stand_by(socket));
        Self { guard, doors, stop: stopped, standing_by, directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("upgrade.sock")
    }

    /// Another process, up to the offer.
    async fn meet(&self) -> Wire {
        let mut wire = Wire::greet(UnixStream::connect(self.path()).await.unwrap()).await.unwrap();
        let offer: Offer = wire.receive().await.unwrap();
        assert!(offer.locked && offer.keys.is_some() && offer.sockets.is_empty());
        assert_eq!(wire.receive_descriptors(1).await.unwrap().len(), 1);
        wire
    }

    /// Waits until it has seen that a hand-over failed.
    async fn serves_on(&self) {
        timeout(PATIENCE, self.doors.phase().wait_for(|phase| *phase == Phase::Running))
            .await
            .unwrap()
            .unwrap();
        // Its gate is open again before its doors are.
    }
}

async fn take(guard: &ReplayGuard, second: i64, nonce: &str) -> Result<(), ReplayRefusal> {
    let signed = Signed {
        app_id: "app".to_owned(),
        nonce: nonce.to_owned(),
        time: Moment::from_seconds(second),
        carrier: Carrier::Body,
    };
    let signature = SigningKey::new(&Secret::from("secret")).sign(nonce.as_bytes());
    let taken = timeout(PATIENCE, guard.take(&app(), &signed, &signature, SystemClock.now())).await;
    taken.expect("the memory is frozen").map(drop)
}

#[tokio::test]
async fn one_that_goes_away_before_the_switch_is_over_changes_nothing() {
    let old = Old::start().await;
    let now = SystemClock.now().seconds();
    take(&old.guard, now, "before").await.unwrap();
    for stage in 0..3 {
        let mut wire = old.meet().await;
        if stage > 0 {
            wire.send(&FromHeir::Ready).await.unwrap();
        }
        if stage > 1 {
            assert!(matches!(wire.receive().await.unwrap(), FromIncumbent::Estate(Some(_))));
        }
        drop(wire);
        // It answers the next one, so it is done with this one.
        drop(old.meet().await);
        old.serves_on().await;
        assert_eq!(take(&old.guard, now, "before").await, Err(ReplayRefusal::Seen), "stage {stage}");
        take(&old.guard, now, &format!("after {stage}")).await.unwrap();
    }
}

#[tokio::test]
async fn of_one_that_dies_in_its_first_moment_whatever_it_took_is_below_the_floor() {
    let old = Old::start().await;
    let now = SystemClock.now().seconds();
    take(&old.guard, now - 1, "before").await.unwrap();
    let mut wire = old.meet().await;
    wire.send(&FromHeir::Ready).await.unwrap();
    assert!(matches!(wire.receive().await.unwrap(), FromIncumbent::Estate(Some(_))));
    wire.send(&FromHeir::Taken).await.unwrap();
    assert!(matches!(wire.receive().await.unwrap(), FromIncumbent::Go));
    // What it accepted it has written down before.
    std::fs::write(old.directory.path().join("replay.highest"), format!("{:020}\n", now + 2)).unwrap();
    drop(wire);
    drop(old.meet().await);
    old.serves_on().await;
    assert_eq!(take(&old.guard, now + 2, "taken by the other").await, Err(ReplayRefusal::BelowFloor));
    take(&old.guard, now + 3, "later").await.unwrap();
}

#[tokio::test]
async fn one_of_another_version_is_turned_away() {
    let old = Old::start().await;
    let mut stream = UnixStream::connect(old.path()).await.unwrap();
    stream.write_all(b"dragoman hand-over 0000").await.unwrap();
    let mut said = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap().unwrap();
    assert_eq!(said, b"dragoman hand-over 0001");
    drop(old.meet().await);
}

#[tokio::test]
async fn the_old_process_asks_the_new_one_and_refuses_when_that_is_gone() {
    let mut old = Old::start().await;
    let now = SystemClock.now().seconds();
    take(&old.guard, now, "before").await.unwrap();
    let settings = Settings { data_dir: None, ..crate::server::tests::whole::settings() };
    let (mut predecessor, _) = Predecessor::meet(&old.path(), &settings).await.unwrap();
    let stores = Arc::new(OwnStores::after(BOUNDS, predecessor.keys.as_ref().unwrap(), SystemClock.now()));
    let floor = Floor::locked(Some(old.directory.path()), predecessor.lock.take());
    let guard = ReplayGuard::over(stores.clone(), &[app()], &Replay::default(), floor, &SystemClock).unwrap();
    let heir = Heir { guard: Arc::new(guard), stores: Some(stores), apps: vec![app()] };
    let guard = Arc::clone(&heir.guard);
    let accession = predecessor.take_over(&heir).await.unwrap();
    let (held, mut ended) = mpsc::channel::<()>(1);
    accession.confirm(heir, held).await;
    assert_eq!(old.stop.recv().await, Some(StopSignal::HandOver));
    drop(Socket::bind(&old.path()).await.unwrap());

    assert_eq!(take(&guard, now, "before").await, Err(ReplayRefusal::Seen));
    take(&old.guard, now, "by the old").await.unwrap();
    assert_eq!(take(&guard, now, "by the old").await, Err(ReplayRefusal::Seen));
    take(&guard, now, "by the new").await.unwrap();
    assert_eq!(take(&old.guard, now, "by the new").await, Err(ReplayRefusal::Seen));
    assert_eq!(guard.entries(), 3);
    // The old one saves nothing that the new one would believe at its next start.
    old.guard.save(SystemClock.now()).unwrap();
    assert!(!old.directory.path().join("replay.memory").exists());

    old.standing_by.abort();
    drop(old.guard);
    timeout(PATIENCE, ended.recv()).await.expect("the new one sees that the old one has ended");
}

#[tokio::test]
async fn one_that_remembers_elsewhere_is_told_so_and_the_old_process_serves_on() {
    let old = Old::start().await;
    let mut settings = crate::server::tests::whole::settings();
    settings.store.redis = Some(redis("redis://127.0.0.1:1"));
    let Err(HandOverError::Unfit(reason)) = Predecessor::meet(&old.path(), &settings).await else {
        panic!("it fits")
    };
    assert!(reason.contains("[store]") && reason.contains("restart"), "{reason}");
    drop(old.meet().await);
    let other = Some(redis("redis://127.0.0.1:2"));
    let elsewhere = Settings { store: Store { redis: other, ..Store::default() }, ..settings.clone() };
    assert!(Memory::of(&settings) == Memory::of(&settings.clone()));
    assert!(Memory::of(&settings) != Memory::of(&elsewhere));
}

fn redis(url: &str) -> Redis {
    let key = "0123456789abcdef".repeat(4);
    let text = format!(
        "[[listener]]\naddress = \"127.0.0.1:1\"\ndialects = [\"canonical\"]\n[upstream]\nkind = \"embedded\"\n\
         [store]\nkind = \"redis\"\nurls = [{url:?}]\nstate_key = {key:?}\n\
         [seal]\nkeys = [{{ id = \"one\", secret = {key:?} }}]\n"
    );
    let (settings, _) = Settings::parse("test.toml", &text, &|_| None).unwrap_or_else(|findings| {
        panic!("{}", findings.iter().map(ToString::to_string).collect::<String>())
    });
    settings.store.redis.unwrap()
}

#[tokio::test]
async fn the_socket_is_for_its_owner_and_of_one_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("upgrade.sock");
    let socket = Socket::bind(&path).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(Socket::bind(&path).await, Err(HandOverError::InUse(_))));
    drop(socket);
    assert!(!path.exists());
    // What a crash leaves behind is replaced.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let socket = Socket::bind(&path).await.unwrap();
    socket.leave();
    assert!(path.exists());
}
