//! The shipped examples of a legacy backend behind the gateway start as they are, and clients register and log in
//! there.

use std::fs;

use serde_json::json;

use crate::support::clients::{Client, DIALECTS, For};
use crate::support::coolkit::App;
use crate::support::gateway::{Gateway, House};
use crate::support::legacy::LegacyServer;
use crate::support::tools::source;

const BACKEND_SECRET: &str = "the-secret-of-the-gateway-itself";

/// Starts the example before its backend; clients of all dialects register there, save Discuz! Q's, which logs in.
fn serves_all(example: &str, backend: &LegacyServer) -> Gateway {
    let mut text = fs::read_to_string(source(&format!("config/examples/{example}"))).unwrap();
    for (from, to) in [
        ("127.0.0.1:8080", "127.0.0.1:0"),
        ("127.0.0.1:9090", "127.0.0.1:0"),
        ("127.0.0.1:9000", &backend.address.to_string()),
    ] {
        assert!(text.contains(from), "{from} is not in {example}");
        text = text.replace(from, to);
    }
    let app = App::new("my-app", "the-secret-of-the-app-in-the-example");
    let environment = [("MY_APP_SECRET", app.secret.as_str()), ("BACKEND_APP_SECRET", BACKEND_SECRET)];
    let gateway = House::of(text).start_with(&environment);
    for (number, dialect) in DIALECTS.into_iter().enumerate().filter(|(_, dialect)| *dialect != "discuzq") {
        let phone = format!("1390013900{number}");
        let mut client = Client::new(dialect, gateway.http, &app);
        let sent = client.ask_code(For::Register, &phone);
        assert!(client.is_good(&sent), "{dialect}: {sent:?}");
        let registered = client.register(&phone, &backend.code(&format!("+86{phone}")), "a-fine-password");
        assert!(client.is_good(&registered), "{dialect}: {registered:?}");
        for dialect in [dialect, "discuzq"] {
            assert!(Client::new(dialect, gateway.http, &app).logs_in(&phone, "a-fine-password"), "{dialect}");
        }
    }
    gateway
}

#[test]
fn the_example_of_a_shopxo_backend_starts_and_serves_all_dialects() {
    let backend = LegacyServer::start("shopxo", &[]);
    let gateway = serves_all("shopxo-front.toml", &backend);
    let shop = Client::new("shopxo", gateway.http, &App::sample());
    let before = backend.requests().len();
    shop.shop("goods/index", &json!({}));
    let passed = backend.requests().split_off(before);
    assert!(matches!(&passed[..], [one] if one.target.contains("s=goods/index")), "{passed:?}");
    // It would delete an account.
    shop.shop("safety/logout", &json!({}));
    assert_eq!(backend.requests().len(), before + 1);
}

#[test]
fn the_example_of_a_coolkit_backend_starts_and_serves_all_dialects() {
    let options = ["--appid", "the-gateway", "--secret", BACKEND_SECRET];
    serves_all("coolkit-front.toml", &LegacyServer::start("coolkit", &options));
}
