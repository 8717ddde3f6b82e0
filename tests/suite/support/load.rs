//! A steady load of logins in all dialects, signed ones among them, and replays of what has passed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::clients::{Client, DIALECTS};
use super::coolkit::{App, is_session};
use super::http::{Answer, Connection};

/// Clients at once. Each waits for its answer before it asks again.
const CLIENTS: usize = 25;

/// How many requests a second all of them send together, unless the machine is too slow.
const RATE: u32 = 200;

/// Connections over which replays are sent.
const REPLAY_CONNECTIONS: usize = 8;

/// What came of a load.
#[derive(Debug, Default)]
pub struct Figures {
    /// Requests with a good answer, by dialect.
    good: [AtomicUsize; DIALECTS.len()],
    /// Why others had none.
    failed: Mutex<Vec<String>>,
    /// Replays by what became of them.
    replays: Mutex<BTreeMap<String, usize>>,
    /// The longest that a request took.
    longest: Mutex<Duration>,
}

impl Figures {
    /// Requests that had an answer, good or bad.
    pub fn answered(&self) -> usize {
        self.good() + self.failed().len()
    }

    /// Requests with a good answer.
    pub fn good(&self) -> usize {
        self.good.iter().map(|count| count.load(Ordering::SeqCst)).sum()
    }

    /// Requests with a good answer in the dialect that has the fewest.
    pub fn fewest_of_a_dialect(&self) -> usize {
        self.good.iter().map(|count| count.load(Ordering::SeqCst)).min().unwrap()
    }

    /// Why requests failed.
    pub fn failed(&self) -> Vec<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What became of replays: `passed`, `refused`, `refused otherwise` or `no answer`; and how many were
    /// answered `by a process that drains`.
    pub fn replays(&self, fate: &str) -> usize {
        self.replays.lock().unwrap().get(fate).copied().unwrap_or_default()
    }
}

/// A load of so many requests.
pub struct Load {
    address: SocketAddr,
    app: App,
    requests: usize,
    /// Signed requests that have passed.
    passed: Mutex<Vec<Vec<u8>>>,
    ended: AtomicBool,
    pub figures: Figures,
}

impl Load {
    /// A load for `seconds` at the usual rate.
    pub fn new(address: SocketAddr, app: &App, seconds: usize) -> Self {
        Self {
            address,
            app: App::new(&app.id, &app.secret),
            requests: seconds * usize::try_from(RATE).unwrap(),
            passed: Mutex::default(),
            ended: AtomicBool::new(false),
            figures: Figures::default(),
        }
    }

    /// How many requests it sends.
    pub fn requests(&self) -> usize {
        self.requests
    }

    /// Sends everything, while `meanwhile` does what the load is to survive.
    pub fn run(&self, meanwhile: impl FnOnce()) -> Duration {
        let start = Instant::now();
        thread::scope(|scope| {
            let clients: Vec<_> =
                (0..CLIENTS).map(|index| scope.spawn(move || self.ask(index, start))).collect();
            scope.spawn(|| self.replay());
            meanwhile();
            for client in clients {
                client.join().unwrap();
            }
            self.ended.store(true, Ordering::SeqCst);
        });
        start.elapsed()
    }

    /// Waits until a share of the requests is answered, in thousandths.
    pub fn until(&self, share: usize) {
        let goal = self.requests * share / 1000;
        let deadline = Instant::now() + Duration::from_secs(300);
        while self.figures.answered() < goal {
            assert!(Instant::now() < deadline, "{:?}", self.figures);
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// One client, which sends every [`CLIENTS`]th request.
    fn ask(&self, index: usize, start: Instant) {
        let dialect = index % DIALECTS.len();
        let mut client = Client::new(DIALECTS[dialect], self.address, &self.app);
        // Of each dialect some clients keep their connection and some do not.
        client.keeps_connection = index / DIALECTS.len() % 3 != 2;
        let who = format!("1380013{:04}", 8_000 + index);
        for turn in (index..self.requests).step_by(CLIENTS) {
            let due = start + Duration::from_secs(1) / RATE * u32::try_from(turn).unwrap();
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let sent = Instant::now();
            let answer = catch_unwind(AssertUnwindSafe(|| client.login(&who, "a-fine-password")));
            match answer {
                Ok(answer) if client.is_good(&answer) => {
                    self.figures.good[dialect].fetch_add(1, Ordering::SeqCst);
                    if client.dialect == "coolkit" {
                        self.passed.lock().unwrap().push(client.sent.borrow().clone());
                    }
                }
                Ok(answer) => self.fail(format!("{}: {answer:?}", client.dialect)),
                Err(panic) => {
                    let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                    self.fail(format!(
                        "{}, keeps its connection: {}: {text}",
                        client.dialect, client.keeps_connection
                    ));
                }
            }
            let mut longest = self.figures.longest.lock().unwrap();
            *longest = sent.elapsed().max(*longest);
        }
    }

    fn fail(&self, why: String) {
        self.figures.failed.lock().unwrap_or_else(PoisonError::into_inner).push(why);
    }

    /// Sends again what has passed, old and new, over connections that are kept and over new ones.
    fn replay(&self) {
        let mut connections: Vec<Option<Connection>> = (0..REPLAY_CONNECTIONS).map(|_| None).collect();
        for turn in 0_usize.. {
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            let request = {
                let passed = self.passed.lock().unwrap();
                // By turns the newest, and one from any time before.
                let back = if turn % 2 == 0 { 1 } else { 1 + turn * 7919 % passed.len().max(1) };
                passed.len().checked_sub(back).map(|place| passed[place].clone())
            };
            let Some(request) = request else {
                thread::yield_now();
                continue;
            };
            let place = &mut connections[turn % REPLAY_CONNECTIONS];
            let mut connection = place.take().unwrap_or_else(|| Connection::open(self.address));
            let answer = connection.try_exchange(&request);
            let fate = fate(answer.as_ref().ok());
            let drains = answer.as_ref().is_ok_and(Answer::closes);
            let mut replays = self.figures.replays.lock().unwrap();
            *replays.entry(fate.to_owned()).or_default() += 1;
            *replays.entry("by a process that drains".to_owned()).or_default() += usize::from(drains);
            drop(replays);
            if answer.is_ok_and(|answer| !answer.closes()) && turn % 3 != 0 {
                *place = Some(connection);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn fate(answer: Option<&Answer>) -> &'static str {
    match answer {
        None => "no answer",
        Some(answer) if is_session(&answer.json()) => "passed",
        Some(answer) if answer.json()["error"] == 406 => "refused",
        Some(_) => "refused otherwise",
    }
}
