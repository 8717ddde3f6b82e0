//! One of three addresses dies under a steady load, and comes back.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::coolkit::{App, is_session, login};
use crate::support::gateway::{Gateway, House};
use crate::support::http::Connection;
use crate::support::upstream::{Fault, FaultyUpstream, signed_in};

const PHONE: &str = "+8613800138981";
const UP: &str = "dragoman_upstream_address_up{address=\"1\",region=\"cn\"}";
const CLIENTS: u32 = 20;
/// Requests a second of all clients together.
const RATE: u32 = 200;
const PATIENCE: Duration = Duration::from_secs(120);

/// What came of the load.
#[derive(Default)]
struct Figures {
    good: AtomicUsize,
    bad: AtomicUsize,
    ended: AtomicBool,
}

impl Figures {
    fn bad(&self) -> usize {
        self.bad.load(Ordering::SeqCst)
    }

    /// Waits for so many more answers.
    fn more(&self, answers: usize) {
        let answered = || self.good.load(Ordering::SeqCst) + self.bad();
        let (goal, deadline) = (answered() + answers, Instant::now() + PATIENCE);
        while answered() < goal {
            assert!(Instant::now() < deadline, "no more answers");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Asks at its share of the rate until it is told to end.
fn ask(gateway: &Gateway, app: &App, figures: &Figures) {
    let mut connection = Connection::open(gateway.http);
    let mut next = Instant::now();
    while !figures.ended.load(Ordering::SeqCst) {
        let request = app.post("/api/user/login", app.body(login(PHONE, "secret")).as_bytes());
        let good = is_session(&connection.exchange(&request).json());
        let counter = if good { &figures.good } else { &figures.bad };
        counter.fetch_add(1, Ordering::SeqCst);
        next += Duration::from_secs(1) * CLIENTS / RATE;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn outage(gateway: &Gateway, upstreams: &[FaultyUpstream], figures: &Figures) {
    figures.more(100);
    assert_eq!(figures.bad(), 0);
    assert!(upstreams.iter().all(|upstream| upstream.requests() >= 20));
    upstreams[1].die();
    gateway.wait_for_metric(UP, 0);
    // Of what was on its way.
    figures.more(50);
    let bad = figures.bad();
    figures.more(400);
    assert_eq!(figures.bad(), bad, "after the ejection no call fails");
    let reborn = FaultyUpstream::start_at(upstreams[1].address, Fault::Stalls(signed_in(PHONE)));
    gateway.wait_for_metric(UP, 1);
    figures.more(300);
    assert!(reborn.requests() >= 30, "it has its share again: {}", reborn.requests());
    assert_eq!(figures.bad(), bad, "nor does one on its return");
}

#[test]
fn one_of_three_addresses_dies_under_load_and_returns_by_itself() {
    let app = App::sample();
    let upstreams: Vec<_> = (0..3).map(|_| FaultyUpstream::start(Fault::Stalls(signed_in(PHONE)))).collect();
    let unthrottled = "[throttle]\nwrong_logins = \"off\"\nattempts_per_address = \"off\"\n\
                       slow_after = \"off\"\naccount_answers_per_hour = \"off\"\n";
    let mut house = House::in_front_of(upstreams[0].address, &[&app]).with(unthrottled);
    let addresses: Vec<String> = upstreams.iter().map(|upstream| upstream.address.to_string()).collect();
    house.change(
        &format!("[\"{}\"]", addresses[0]),
        &format!("{addresses:?}\nejection = {{ failures = 3, first = \"300ms\", longest = \"1s\" }}"),
    );
    // Only what the dead one does may fail a call, however busy the machine is.
    house.change(
        "first_byte_timeout = \"1s\"\ntotal_timeout = \"2s\"",
        "first_byte_timeout = \"20s\"\ntotal_timeout = \"25s\"",
    );
    let (gateway, figures) = (house.start(), Figures::default());
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| ask(&gateway, &app, &figures))).collect();
        let shown = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            outage(&gateway, &upstreams, &figures);
        }));
        figures.ended.store(true, Ordering::SeqCst);
        assert!(clients.into_iter().all(|client| client.join().is_ok()));
        if let Err(panic) = shown {
            std::panic::resume_unwind(panic);
        }
    });
    println!("{} good, {} failed before the ejection", figures.good.into_inner(), figures.bad.into_inner());
    gateway.wait_for_metric("dragoman_upstream_calls{region=\"cn\",state=\"in_flight\"}", 0);
}
