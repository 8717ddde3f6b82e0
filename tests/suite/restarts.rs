//! What survives a crash, and how a stop looks.

use std::time::Duration;

use crate::support::coolkit::{App, assert_error, call, fresh_nonce, is_session, login, register};
use crate::support::gateway::{House, demo};
use crate::support::http::Connection;
use crate::support::now;

const LOGIN: &str = "/api/user/login";

#[test]
fn after_kill_9_no_accepted_request_passes_again() {
    let app = App::sample();
    let house = House::embedded(&[&app]);
    let mut gateway = house.start();
    let (phone, password) = ("+8613800138201", "a-fine-password");
    register(&gateway, &app, phone, password);
    let request = |ts: i64| {
        let body = app.body_at(login(phone, password), ts, &fresh_nonce());
        app.post(LOGIN, body.as_bytes())
    };
    let time = now();
    let accepted = [("of now", request(time)), ("from 25 s ahead", request(time + 25))];
    for (case, request) in &accepted {
        let answer = Connection::open(gateway.http).exchange(request).json();
        assert!(is_session(&answer), "{case}: {answer}");
    }
    gateway.crash();

    let gateway = house.start();
    for (case, request) in &accepted {
        assert_error(&Connection::open(gateway.http).exchange(request), 406, case);
    }
    let answer = Connection::open(gateway.http).exchange(&request(time + 28)).json();
    assert!(is_session(&answer), "later than everything accepted before: {answer}");
}

#[test]
fn after_a_clean_stop_data_stays_and_replays_are_still_known() {
    let app = App::sample();
    let house = House::embedded(&[&app]);
    let mut gateway = house.start();
    let (phone, password) = ("+8613800138202", "a-fine-password");
    register(&gateway, &app, phone, password);
    let body = app.body(login(phone, password));
    let accepted = app.post(LOGIN, body.as_bytes());
    let mut idle = Connection::open(gateway.http);
    assert!(is_session(&idle.exchange(&accepted).json()));

    let (status, duration) = gateway.interrupt();
    assert!(status.success(), "{status}: {}", gateway.printed());
    assert!(duration < Duration::from_secs(2), "stopping took {duration:?}");

    let gateway = house.start();
    assert_error(&Connection::open(gateway.http).exchange(&accepted), 406, "a replay");
    let answer = call(gateway.http, &app, LOGIN, login(phone, password));
    assert!(is_session(&answer), "{answer}");
    assert!(house.data().is_dir());
}

#[test]
fn ctrl_c_ends_the_demo_within_two_seconds_though_a_client_is_connected() {
    let directory = tempfile::tempdir().unwrap();
    let mut gateway = demo(directory.path());
    let mut idle = Connection::open(gateway.http);
    idle.get("/v1/region?country_calling_code=86");
    let (status, duration) = gateway.interrupt();
    assert!(status.success(), "{status}: {}", gateway.printed());
    assert!(duration < Duration::from_secs(2), "stopping took {duration:?}");
}
