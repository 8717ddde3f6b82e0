//! The shipped example of several gateways starts, as a Redis user with no more rights than the docs name.

use std::fs;

use serde_json::json;

use crate::support::coolkit::App;
use crate::support::gateway::House;
use crate::support::http::{self, Connection};
use crate::support::redis::{RedisServer, wait_until};
use crate::support::tools::source;
use crate::support::upstream::{Fault, FaultyUpstream};

const PASSWORD: &str = "the-password-of-the-redis-user";

/// The rights that docs/shared-state.md names.
fn rights() -> String {
    let docs = fs::read_to_string(source("docs/shared-state.md")).unwrap();
    let (_, rights) = docs.split_once("`+evalsha").unwrap();
    let (rights, _) = rights.split_once('`').unwrap();
    let rights: Vec<&str> = rights.split_whitespace().collect();
    format!("+evalsha {}", rights.join(" "))
}

#[test]
fn the_example_of_gateways_that_share_a_redis_starts_and_counts() {
    let redis = RedisServer::start();
    let _: () = redis.ask(&format!("ACL SETUSER dragoman on >{PASSWORD} ~dragoman:* {}", rights()));
    let body = json!({"challenge": "c", "expires_in": 300, "resend_in": 120}).to_string();
    let head = "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length";
    let answer = format!("{head}: {}\r\n\r\n{body}", body.len());
    let upstream = FaultyUpstream::start(Fault::Ends(answer.into_bytes()));
    let mut text = fs::read_to_string(source("config/examples/shared-redis.toml")).unwrap();
    for (from, to) in [
        ("127.0.0.1:8080", "127.0.0.1:0"),
        ("127.0.0.1:9090", "127.0.0.1:0"),
        ("127.0.0.1:9000", &upstream.address.to_string()),
        ("redis://127.0.0.1:6379", redis.url()),
    ] {
        assert!(text.contains(from), "{from} is not in the example");
        text = text.replacen(from, to, 1);
    }
    // How long a Redis that was empty is not believed.
    text = text.replacen(
        "replay = \"enforce\"",
        "replay = \"enforce\"\nclock_window = { past = \"300s\", future = \"1s\" }",
        1,
    );
    let app = App::new("my-app", "the-secret-of-the-app-in-the-example");
    let environment = [
        ("MY_APP_SECRET", app.secret.as_str()),
        ("BACKEND_SECRET", "the-secret-of-the-backend"),
        ("REDIS_PASSWORD", PASSWORD),
        ("DRAGOMAN_STATE_KEY", "0123456789abcdef0123456789abcdef"),
        ("DRAGOMAN_SEAL_KEY", "5ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea1"),
    ];
    let gateway = House::of(text).start_with(&environment);
    assert_eq!(http::get(gateway.admin(), "/readyz").status, 200);
    let send = || {
        let body = app.body(json!({"sendType": "0", "to": "+8613800138990"}));
        let request = app.post("/api/sms", body.as_bytes());
        Connection::open(gateway.http).exchange(&request).json()["error"].as_i64().unwrap()
    };
    wait_until("a signed call passes", || send() == 0);
    assert_eq!(send(), 160_038);
    assert!(gateway.metrics().contains("\ndragoman_throttle_alone 0\n"));
    assert!(redis.ask::<usize>("DBSIZE") > 5);
}
