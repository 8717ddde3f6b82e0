//! The guards as a whole, with a clock that tests turn.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::account::Secret;
use crate::clock::ManualClock;
use crate::config::{Replay, ReplayKey};
use crate::sign::{Carrier, SigningKey};
use crate::store::StoreError;
use crate::store::own::{Answer, ReplayQuestion, Used};

const START: i64 = 1_700_000_000;

struct Bench {
    guards: Guards,
    clock: Arc<ManualClock>,
}

fn app() -> App {
    App::new("app", "present")
}

fn bench_of(apps: Vec<App>, directory: Option<&Path>, now: i64) -> Bench {
    let clock = Arc::new(ManualClock::at(Moment::from_seconds(now)));
    let floor = Floor::open(directory).unwrap();
    let replay = ReplayGuard::open(&apps, &Replay::default(), floor, clock.as_ref()).unwrap();
    Bench { guards: Guards::new(Apps::new(apps), Arc::new(replay), clock.clone()), clock }
}

/// A bench whose floor lies below every time of the tests.
fn bench(app: App) -> (Bench, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (bench_of(vec![app], Some(directory.path()), START), directory)
}

struct Made {
    signed: Signed,
    body: Vec<u8>,
    authorization: String,
}

fn made_with(secret: &str, app_id: &str, nonce: &str, time: i64) -> Made {
    let body = format!(r#"{{"appid":"{app_id}","nonce":"{nonce}","ts":{time}}}"#).into_bytes();
    let authorization = SigningKey::new(&Secret::from(secret)).sign(&body).to_authorization();
    let signed = Signed {
        app_id: app_id.to_owned(),
        nonce: nonce.to_owned(),
        time: Moment::from_seconds(time),
        carrier: Carrier::Body,
    };
    Made { signed, body, authorization }
}

fn made(nonce: &str, time: i64) -> Made {
    made_with("present", "app", nonce, time)
}

impl Bench {
    async fn admit(&self, made: &Made) -> Result<Admitted, Box<Refused>> {
        let request = SignedRequest {
            operation: Operation::Login,
            signed: &made.signed,
            authorization: Some(&made.authorization),
            query: "",
            body: &made.body,
        };
        self.guards.admit(&request).await
    }

    async fn code(&self, made: &Made) -> Option<ProblemCode> {
        self.admit(made).await.err().map(|refused| refused.problem.code)
    }

    async fn reason(&self, made: &Made) -> Option<&'static str> {
        self.admit(made).await.err().map(|refused| refused.refusal.reason)
    }
}

#[tokio::test]
async fn a_signed_request_passes_once() {
    let (bench, _directory) = bench(app());
    let request = made("one", START);
    assert_eq!(bench.code(&request).await, None);
    assert_eq!(bench.code(&request).await, Some(ProblemCode::RequestReplayed));
    assert_eq!(bench.code(&made("two", START)).await, None);
}

#[tokio::test]
async fn wrong_signatures_and_unknown_apps_look_the_same() {
    let (bench, _directory) = bench(app());
    for request in [made_with("other", "app", "n", START), made_with("present", "nobody", "n", START)] {
        assert_eq!(bench.code(&request).await, Some(ProblemCode::SignatureInvalid));
    }
    let mut changed = made("n", START);
    changed.body.push(b' ');
    assert_eq!(bench.reason(&changed).await, Some("wrong"));
    let mut unreadable = made("n", START);
    unreadable.authorization = "Sign !!!".to_owned();
    assert_eq!(bench.reason(&unreadable).await, Some("unreadable"));
}

#[tokio::test]
async fn a_refused_signature_uses_no_nonce_up() {
    let (bench, _directory) = bench(app());
    assert!(bench.code(&made_with("other", "app", "n", START)).await.is_some());
    assert_eq!(bench.code(&made("n", START)).await, None);
}

#[tokio::test]
async fn the_window_is_300_seconds_back_and_30_ahead_inclusive() {
    let (bench, _directory) = bench(app());
    assert_eq!(bench.code(&made("a", START - 300)).await, None);
    assert_eq!(bench.reason(&made("b", START - 301)).await, Some("too_old"));
    assert_eq!(bench.code(&made("c", START + 30)).await, None);
    assert_eq!(bench.reason(&made("d", START + 31)).await, Some("too_new"));
}

#[tokio::test]
async fn the_old_secret_still_signs_and_is_told() {
    let mut two = app();
    two.secrets.push("old".into());
    let (bench, _directory) = bench(two);
    assert!(!bench.admit(&made("a", START)).await.unwrap().old_secret);
    assert!(bench.admit(&made_with("old", "app", "b", START)).await.unwrap().old_secret);
}

#[tokio::test]
async fn report_lets_pass_and_tells_what_would_have_been_refused() {
    let mut lenient = app();
    lenient.signature = Mode::Report;
    lenient.replay = Mode::Report;
    let (bench, _directory) = bench(lenient);
    let wrong = bench.admit(&made_with("other", "app", "n", START - 999)).await.unwrap();
    let reasons: Vec<_> = wrong.would_refuse.iter().map(|refusal| refusal.reason).collect();
    assert_eq!((reasons, wrong.app_id), (vec!["wrong", "too_old"], None));
    assert!(bench.admit(&made("n", START)).await.unwrap().would_refuse.is_empty());
    let again = bench.admit(&made("n", START)).await.unwrap();
    assert_eq!(again.would_refuse, [Refusal { guard: Guard::Replay, reason: "seen" }]);
}

#[tokio::test]
async fn apps_call_only_what_they_may_and_with_the_nonce_they_must() {
    let mut strict = app();
    strict.operations = Some(vec![Operation::Refresh]);
    let (bench_of_one, _first) = bench(strict);
    assert_eq!(bench_of_one.code(&made("n", START)).await, Some(ProblemCode::NotPermitted));
    let mut strict = app();
    strict.nonce_format = NonceFormat::Alnum8;
    let (bench_of_two, _second) = bench(strict);
    assert_eq!(bench_of_two.code(&made("short", START)).await, Some(ProblemCode::InvalidRequest));
    assert_eq!(bench_of_two.code(&made("q3wz95p6", START)).await, None);
}

#[tokio::test]
async fn apps_that_reuse_nonces_are_told_apart_by_signature() {
    let mut careless = app();
    careless.replay_key = ReplayKey::Signature;
    let (bench, _directory) = bench(careless);
    let (first, mut second) = (made("1", START), made("1", START));
    second.body.push(b'\n');
    second.authorization = SigningKey::new(&Secret::from("present")).sign(&second.body).to_authorization();
    assert_eq!(bench.code(&first).await, None);
    assert_eq!(bench.code(&second).await, None);
    assert_eq!(bench.code(&second).await, Some(ProblemCode::RequestReplayed));
}

#[tokio::test]
async fn a_request_that_was_given_back_passes_once_more_and_no_more() {
    let (bench, _directory) = bench(app());
    let request = made("n", START);
    let receipt = bench.admit(&request).await.unwrap().receipt.unwrap();
    bench.guards.replay().give_back(receipt, 1).await;
    let receipt = bench.admit(&request).await.unwrap().receipt.unwrap();
    bench.guards.replay().give_back(receipt, 1).await;
    assert_eq!(bench.code(&request).await, Some(ProblemCode::RequestReplayed));
}

#[tokio::test]
async fn after_a_crash_nothing_passes_that_may_have_passed_before() {
    let directory = tempfile::tempdir().unwrap();
    let (now, ahead) = (made("now", START), made("ahead", START + 25));
    let before = bench_of(vec![app()], Some(directory.path()), START);
    assert_eq!(before.code(&now).await, None);
    assert_eq!(before.code(&ahead).await, None);
    drop(before);
    let after = bench_of(vec![app()], Some(directory.path()), START + 1);
    for replayed in [&now, &ahead] {
        assert_eq!(after.reason(replayed).await, Some("below_floor"));
    }
    assert_eq!(after.code(&made("new", START + 26)).await, None);
}

#[tokio::test]
async fn after_a_clean_stop_each_request_is_known_and_new_ones_pass() {
    let directory = tempfile::tempdir().unwrap();
    let before = bench_of(vec![app()], Some(directory.path()), START);
    assert_eq!(before.code(&made("n", START + 25)).await, None);
    before.guards.replay().save(before.clock.now()).unwrap();
    drop(before);
    let after = bench_of(vec![app()], Some(directory.path()), START + 1);
    assert_eq!(after.reason(&made("n", START + 25)).await, Some("seen"));
    assert_eq!(after.code(&made("new", START + 1)).await, None);
    drop(after);
    let crashed = bench_of(vec![app()], Some(directory.path()), START + 2);
    assert_eq!(crashed.reason(&made("n", START + 25)).await, Some("below_floor"));
}

#[tokio::test]
async fn a_wall_clock_that_stepped_back_lets_no_old_request_in_again() {
    let (bench, _directory) = bench(app());
    let request = made("n", START);
    assert_eq!(bench.code(&request).await, None);
    bench.clock.advance_seconds(100);
    assert_eq!(bench.code(&made("later", START + 100)).await, None);
    bench.clock.advance_seconds(-100);
    for time in [START, START + 20] {
        assert_eq!(bench.reason(&made("other", time)).await, Some("below_floor"));
    }
    assert!(bench.code(&request).await.is_some());
}

#[tokio::test]
async fn an_app_with_a_short_window_makes_nobody_forget_the_requests_of_another() {
    let directory = tempfile::tempdir().unwrap();
    let mut hasty = App::new("hasty", "x");
    (hasty.past, hasty.future) = (std::time::Duration::from_secs(5), std::time::Duration::ZERO);
    let apps = vec![app(), hasty];
    let before = bench_of(apps.clone(), Some(directory.path()), START);
    // Both stand in the bucket of one second, which the hasty app's request opens.
    assert_eq!(before.code(&made_with("x", "hasty", "first", START)).await, None);
    let request = made("n", START);
    assert_eq!(before.code(&request).await, None);
    before.guards.replay().save(before.clock.now()).unwrap();
    drop(before);
    // Loading forgets what is over by the clock of the guard.
    let after = bench_of(apps, Some(directory.path()), START + 200);
    assert_eq!(after.reason(&request).await, Some("seen"));
}

#[tokio::test]
async fn a_floor_that_a_new_policy_raised_outlives_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let mut lax = app();
    lax.replay = Mode::Off;
    let before = bench_of(vec![lax], Some(directory.path()), START);
    assert_eq!(before.code(&made("n", START)).await, None);
    drop(before);
    drop(bench_of(vec![app()], Some(directory.path()), START + 1));
    let again = bench_of(vec![app()], Some(directory.path()), START + 2);
    assert_eq!(again.reason(&made("n", START)).await, Some("below_floor"));
}

#[tokio::test]
async fn a_clock_that_stepped_back_between_runs_raises_the_floor() {
    let directory = tempfile::tempdir().unwrap();
    let before = bench_of(vec![app()], Some(directory.path()), START);
    assert_eq!(before.code(&made("n", START)).await, None);
    before.guards.replay().save(before.clock.now()).unwrap();
    drop(before);
    let after = bench_of(vec![app()], Some(directory.path()), START - 3600);
    assert_eq!(after.guards.replay().floor(), START);
}

#[tokio::test]
async fn a_policy_that_grew_stricter_raises_the_floor() {
    let directory = tempfile::tempdir().unwrap();
    let mut lax = app();
    lax.replay = Mode::Off;
    let mut other = App::new("other", "x");
    other.past = std::time::Duration::from_secs(10);
    let before = bench_of(vec![lax, other.clone()], Some(directory.path()), START);
    assert_eq!(before.code(&made("n", START)).await, None);
    assert_eq!(before.code(&made_with("x", "other", "m", START)).await, None);
    before.guards.replay().save(before.clock.now()).unwrap();
    drop(before);
    let after = bench_of(vec![app(), other], Some(directory.path()), START + 1);
    assert_eq!(after.reason(&made("n", START)).await, Some("below_floor"));
    assert_eq!(after.code(&made("n", START + 31)).await, Some(ProblemCode::RequestExpired));
}

#[tokio::test]
async fn switching_the_check_on_for_the_first_time_trusts_no_earlier_request() {
    let directory = tempfile::tempdir().unwrap();
    let mut lax = app();
    lax.replay = Mode::Off;
    let before = bench_of(vec![lax], Some(directory.path()), START);
    assert_eq!(before.code(&made("n", START)).await, None);
    drop(before);
    let after = bench_of(vec![app()], Some(directory.path()), START + 1);
    assert_eq!(after.reason(&made("n", START)).await, Some("below_floor"));
}

#[tokio::test]
async fn with_nowhere_to_write_the_floor_is_the_start_and_the_future_window() {
    let bench = bench_of(vec![app()], None, START);
    assert_eq!(bench.reason(&made("n", START + 30)).await, Some("below_floor"));
    bench.clock.advance_seconds(1);
    assert_eq!(bench.code(&made("n", START + 31)).await, None);
}

#[tokio::test]
async fn a_directory_serves_one_process_at_a_time() {
    let (_bench, directory) = bench(app());
    assert!(matches!(Floor::open(Some(directory.path())), Err(FloorError::InUse { .. })));
}

#[tokio::test]
async fn a_damaged_memory_file_counts_as_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let before = bench_of(vec![app()], Some(directory.path()), START);
    assert_eq!(before.code(&made("n", START)).await, None);
    before.guards.replay().save(before.clock.now()).unwrap();
    drop(before);
    let file = directory.path().join("replay.memory");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &text[..text.len() - 8]).unwrap();
    let after = bench_of(vec![app()], Some(directory.path()), START + 1);
    assert_eq!(after.reason(&made("n", START)).await, Some("below_floor"));
}

/// The same memory under the apps of a reloaded config.
async fn reloaded(bench: &Bench, apps: Vec<App>) -> Bench {
    let replay = Arc::clone(bench.guards.replay());
    replay.adapt(&apps, bench.clock.now()).await.unwrap();
    Bench { guards: Guards::new(Apps::new(apps), replay, bench.clock.clone()), clock: bench.clock.clone() }
}

#[tokio::test]
async fn a_reload_forgets_nothing_and_lets_a_new_app_in_at_once() {
    let (before, _directory) = bench(app());
    let accepted = made("n", START);
    assert_eq!(before.code(&accepted).await, None);
    let after = reloaded(&before, vec![app(), App::new("new", "secret")]).await;
    assert_eq!(after.code(&accepted).await, Some(ProblemCode::RequestReplayed));
    assert_eq!(after.code(&made("m", START)).await, None);
    assert_eq!(after.code(&made_with("secret", "new", "n", START)).await, None);
}

#[tokio::test]
async fn what_passed_unchecked_before_a_reload_does_not_pass_after_it_nor_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let lax = || {
        let mut lax = App::new("lax", "lax secret");
        lax.replay = Mode::Off;
        lax
    };
    let before = bench_of(vec![app(), lax()], Some(directory.path()), START);
    let ahead = made_with("lax secret", "lax", "n", START + 30);
    assert_eq!(before.code(&ahead).await, None);
    let strict = || vec![app(), App::new("lax", "lax secret")];
    let after = reloaded(&before, strict()).await;
    assert_eq!(after.reason(&ahead).await, Some("below_floor"));
    assert_eq!(after.code(&made("another app", START)).await, None);
    drop((before, after));

    let restarted = bench_of(strict(), Some(directory.path()), START + 1);
    assert_eq!(restarted.reason(&ahead).await, Some("below_floor"));
    let later = made_with("lax secret", "lax", "m", START + 31);
    assert_eq!(restarted.code(&later).await, None);
}

#[tokio::test]
async fn a_clean_stop_keeps_the_floor_of_a_reload() {
    let directory = tempfile::tempdir().unwrap();
    let mut wider = app();
    wider.future = std::time::Duration::from_secs(60);
    let before = bench_of(vec![app()], Some(directory.path()), START);
    assert_eq!(before.code(&made("n", START + 30)).await, None);
    let after = reloaded(&before, vec![wider.clone()]).await;
    after.guards.replay().save(after.clock.now()).unwrap();
    drop((before, after));
    let restarted = bench_of(vec![wider], Some(directory.path()), START + 1);
    assert_eq!(restarted.reason(&made("m", START + 30)).await, Some("below_floor"));
    assert_eq!(restarted.code(&made("m", START + 31)).await, None);
}

#[tokio::test]
async fn what_another_process_took_is_remembered_for_as_long_as_this_ones_windows_reach() {
    let (bench, _directory) = bench(app());
    let guard = bench.guards.replay();
    let (second, now) = (START + 1, Moment::from_seconds(START));
    let used = Used { app: "app".to_owned(), second, digest: 7, until: Moment::from_seconds(second) };
    for expected in [true, false] {
        let answer = guard.answer(ReplayQuestion::Remember(used.clone()), now).await;
        assert!(matches!(answer, Answer::New(Ok(new)) if new == expected));
    }
    let until = guard.store.save().iter().map(|bucket| bucket.until).collect::<Vec<_>>();
    assert_eq!(until, [replay::end_of(second, 330)]);
    let unknown = Used { app: "stranger".to_owned(), ..used };
    let answer = guard.answer(ReplayQuestion::Remember(unknown), now).await;
    assert!(matches!(answer, Answer::New(Err(StoreError::AppFull))));
}
