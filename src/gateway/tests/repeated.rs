//! By what a backend knows a request that it had before.

use super::*;

/// A request for a code by an app that signs each of them alike.
fn send() -> Request<Bytes> {
    let body = json!({"appid": "app", "nonce": "constant", "ts": NOW, "version": 8,
                      "sendType": "0", "to": "+8613800138001"});
    signed("/api/sms", &body)
}

fn sent() -> Answer {
    Ok((202, json!({"challenge": "c", "expires_in": 300, "resend_in": 120}).to_string()))
}

/// The keys under which the backend is asked twice for a code, by equal requests.
async fn keys(replay: config::Mode) -> Vec<String> {
    let bench = bench_with(vec![sent(), sent()], |settings| {
        settings.apps[0].replay = replay;
        settings.throttle.destination_interval = None;
    });
    for _ in 0..2 {
        bench.call(send()).await;
    }
    let key = |asked: &Request<Bytes>| asked.headers()["idempotency-key"].to_str().unwrap().to_owned();
    bench.asked().iter().map(key).collect()
}

#[tokio::test]
async fn only_what_the_replay_guard_remembers_has_one_key_however_often_it_comes() {
    for replay in [config::Mode::Off, config::Mode::Report] {
        let keys = keys(replay).await;
        assert_eq!(keys.len(), 2, "{replay:?}: both are let pass");
        assert_ne!(keys[0], keys[1], "{replay:?}: the backend must send a second code");
        assert!(keys.iter().all(|key| key.len() == 32));
    }
    let remembered = keys(config::Mode::Enforce).await;
    assert_eq!(remembered.len(), 1);
    assert_eq!(remembered, keys(config::Mode::Enforce).await, "it follows from app and signature");
}

#[tokio::test]
async fn a_callers_own_request_id_does_not_choose_the_key() {
    let bench = bench_with(vec![sent(), sent()], |settings| settings.throttle.destination_interval = None);
    let body = json!({"channel": "sms", "phone": "+8613800138001", "purpose": "login"}).to_string();
    for _ in 0..2 {
        bench.call(request("POST", "/v1/verification-codes", &[], &body)).await;
    }
    let asked = bench.asked();
    assert_eq!(asked[0].headers()["x-request-id"], asked[1].headers()["x-request-id"]);
    assert_ne!(asked[0].headers()["idempotency-key"], asked[1].headers()["idempotency-key"]);
}

#[tokio::test]
async fn a_full_memory_still_refuses_what_was_used_and_answers_new_calls_that_it_is_busy() {
    let answers = (0..2).map(|_| Ok((201, canonical_session()))).collect();
    let bench = bench_with(answers, |settings| settings.replay.entries = 2);
    for nonce in ["one", "two"] {
        assert_eq!(bench.call(login(nonce)).await.1.outcome, Outcome::Success);
    }
    let (_, record) = bench.call(login("one")).await;
    assert_eq!(record.outcome, Outcome::Problem(ProblemCode::RequestReplayed));
    let (response, record) = bench.call(login("three")).await;
    let refusal = Refusal { guard: crate::guard::Guard::Replay, reason: "full" };
    assert_eq!((record.outcome, record.refusal), (Outcome::Problem(ProblemCode::Overloaded), Some(refusal)));
    let answer: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(
        (response.status(), &answer["error"]),
        (StatusCode::OK, &json!(500)),
        "coolkit's way to say it"
    );
    assert_eq!(bench.asked().len(), 2);
}

#[tokio::test]
async fn what_report_lets_pass_is_told_and_so_is_the_old_secret() {
    let answers = (0..5).map(|_| Ok((201, canonical_session()))).collect();
    let bench = bench_with(answers, |settings| {
        let app = &mut settings.apps[0];
        app.signature = config::Mode::Report;
        app.replay = config::Mode::Report;
        app.secrets.push("former".into());
    });
    let told = |record: &CallRecord| {
        let reasons = record.would_refuse.iter().map(|refusal| (refusal.guard.name(), refusal.reason));
        (record.outcome, reasons.collect::<Vec<_>>(), record.old_secret)
    };
    let pass = |reasons: &[(&'static str, &'static str)], old| (Outcome::Success, reasons.to_vec(), old);
    assert_eq!(told(&bench.call(login("n")).await.1), pass(&[], false));
    assert_eq!(told(&bench.call(login("n")).await.1), pass(&[("replay", "seen")], false));
    let body = login_body("m").to_string();
    let by = |secret: &str| SigningKey::new(&Secret::from(secret)).sign(body.as_bytes()).to_authorization();
    for (secret, expected) in
        [("former", pass(&[], true)), ("nobody's", pass(&[("signature", "wrong")], false))]
    {
        let sign = by(secret);
        let call = request("POST", "/api/user/login", &[("authorization", &sign)], &body);
        assert_eq!(told(&bench.call(call).await.1), expected, "{secret}");
    }
    bench.clock.advance_seconds(301);
    let late = told(&bench.call(login("late")).await.1);
    assert_eq!(late.1, [("clock", "too_old")]);
}
