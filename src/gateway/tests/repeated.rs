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
