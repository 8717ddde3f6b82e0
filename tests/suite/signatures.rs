//! Who may pass: signatures, time windows, replays in parallel.

use std::sync::{Arc, Barrier};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::coolkit::{self, App, assert_error, is_session, login, post, register};
use crate::support::gateway::House;
use crate::support::http::{Answer, Connection};
use crate::support::now;

const LOGIN: &str = "/api/user/login";

#[test]
fn of_300_identical_signed_requests_in_parallel_exactly_one_passes() {
    let app = App::sample();
    let gateway = House::embedded(&[&app]).start();
    register(&gateway, &app, "+8613800138101", "a-fine-password");
    let body = app.body(login("+8613800138101", "a-fine-password"));
    let request = Arc::new(app.post(LOGIN, body.as_bytes()));
    let barrier = Arc::new(Barrier::new(300));
    let threads: Vec<_> = (0..300)
        .map(|_| {
            let (request, barrier, address) = (Arc::clone(&request), Arc::clone(&barrier), gateway.http);
            thread::spawn(move || {
                let mut connection = Connection::open(address);
                barrier.wait();
                connection.exchange(&request)
            })
        })
        .collect();
    let answers: Vec<Answer> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let (passed, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| is_session(&answer.json()));
    assert_eq!(passed.len(), 1);
    assert_eq!(refused.len(), 299);
    for answer in refused {
        assert_error(answer, 406, "a replay");
    }
}

#[test]
fn what_is_not_rightly_signed_and_timely_is_refused_with_406_and_http_200() {
    let app = App::sample();
    let stranger = App::new("SomebodyElse00000000000000000Id0", "whatever-they-like-to-sign-with");
    let impostor = App::new(&app.id, "not-the-secret-of-this-app");
    let gateway = House::embedded(&[&app]).start();
    register(&gateway, &app, "+8613800138102", "a-fine-password");
    let members = || login("+8613800138102", "a-fine-password");
    let fresh = || app.body(members());
    let at = |seconds: i64| app.body_at(members(), now() + seconds, &coolkit::fresh_nonce());

    let signed = |body: &str| app.post(LOGIN, body.as_bytes());
    let changed =
        |body: String| post(LOGIN, &app.sign(body.as_bytes()), body.replace("138102", "138103").as_bytes());
    let with = |authorization: &str| post(LOGIN, authorization, fresh().as_bytes());
    let short = STANDARD.encode([7; 31]);
    let cases = [
        ("a changed byte of the body", changed(fresh())),
        ("a time 301 s ago", signed(&at(-301))),
        ("a time 60 s ahead", signed(&at(60))),
        ("an app nobody knows", stranger.post(LOGIN, stranger.body(members()).as_bytes())),
        ("another secret", impostor.post(LOGIN, fresh().as_bytes())),
        ("no base64", with("Sign ***not*base64***")),
        ("base64 without its padding", with(app.sign(fresh().as_bytes()).trim_end_matches('='))),
        ("31 bytes", with(&format!("Sign {short}"))),
        ("an empty Sign", with("Sign ")),
        ("a Bearer", with("Bearer 0123456789")),
    ];
    let mut connection = Connection::open(gateway.http);
    for (case, request) in &cases {
        assert_error(&connection.exchange(request), 406, case);
    }
    assert!(is_session(&connection.exchange(&signed(&fresh())).json()), "the same connection still serves");
}

#[test]
fn an_unknown_app_and_a_wrong_signature_look_the_same() {
    let app = App::sample();
    let stranger = App::new("SomebodyElse00000000000000000Id0", "whatever-they-like-to-sign-with");
    let impostor = App::new(&app.id, "not-the-secret-of-this-app");
    let gateway = House::embedded(&[&app]).start();
    let bodies = [stranger, impostor].map(|app| {
        let body = app.body(login("+8613800138104", "a-fine-password"));
        Connection::open(gateway.http).exchange(&app.post(LOGIN, body.as_bytes())).json()
    });
    assert_eq!(bodies[0], bodies[1]);
}
