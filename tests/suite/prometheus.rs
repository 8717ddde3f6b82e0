//! A newcomer's hour: a legacy shop behind the gateway, and a real Prometheus that scrapes it, as docs/legacy-shop.md says.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::document::Document;
use crate::support::gateway::{Gateway, House};
use crate::support::http;
use crate::support::legacy::LegacyServer;
use crate::support::tools::{source, tool};

const GUIDE: &str = include_str!("../../docs/legacy-shop.md");

/// Far above what a scrape takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A real Prometheus, killed when it is dropped.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Prometheus {
    /// With the shipped config and rules, in a hurry.
    fn scraping(gateway: &Gateway, directory: &Path) -> Self {
        let config = fs::read_to_string(source("config/prometheus.yml")).unwrap();
        let config = replaced(
            config,
            &[("127.0.0.1:9090", &gateway.admin().to_string()), ("interval: 15s", "interval: 1s")],
        );
        fs::write(directory.join("prometheus.yml"), config).unwrap();
        fs::copy(source("config/alerts.yml"), directory.join("alerts.yml")).unwrap();
        let mut child = Command::new(tool("bin/prometheus"))
            .args([
                "--config.file=prometheus.yml",
                "--web.listen-address=127.0.0.1:0",
                "--storage.tsdb.path=tsdb",
            ])
            .current_dir(directory)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| {
            let (_, address) = line.split_once("msg=\"Listening on\" address=")?;
            address.split_whitespace().next()?.parse().ok()
        });
        // It would stop at a full pipe.
        thread::spawn(move || lines.for_each(drop));
        Self { child, address: address.expect("it listens") }
    }

    /// What its HTTP API answers, as soon as it is what is waited for.
    fn until(&self, target: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + LIMIT;
        loop {
            let answer = http::get(self.address, target);
            // Before it is ready it answers with text.
            let data =
                serde_json::from_str::<Value>(&answer.body).map_or(Value::Null, |all| all["data"].clone());
            if wanted(&data) {
                return data;
            }
            assert!(Instant::now() < deadline, "{target}: {answer:?}");
            thread::yield_now();
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Each text in the place of another one, which must be there.
fn replaced(mut text: String, places: &[(&str, &str)]) -> String {
    for (from, to) in places {
        assert!(text.contains(from), "{from} is not in {text}");
        text = text.replace(from, to);
    }
    text
}

#[test]
fn the_guide_leads_from_a_legacy_shop_to_a_real_prometheus() {
    let secret = ("MY_APP_SECRET", "a-secret-of-your-own-that-is-long");
    let shop = LegacyServer::start("shopxo", &[]);
    let example = fs::read_to_string(source("config/examples/shopxo-front.toml")).unwrap();
    let shop_address = shop.address.to_string();
    let places = [
        ("127.0.0.1:8080", "127.0.0.1:0"),
        ("127.0.0.1:9090", "127.0.0.1:0"),
        ("127.0.0.1:9000", shop_address.as_str()),
    ];
    let gateway = House::of(replaced(example, &places)).start_with(&[secret]);
    let directory = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::scraping(&gateway, directory.path());

    let places = [
        ("127.0.0.1:8080", gateway.http),
        ("127.0.0.1:9000", shop.address),
        ("127.0.0.1:9091", prometheus.address),
    ];
    Document::part(GUIDE, "clients").prints_what_it_says(directory.path(), &[secret], &places);
    let value = |data: &Value| data["result"][0]["value"][1].clone();
    prometheus
        .until("/api/v1/query?query=sum(dragoman_requests_total%7Boperation%3D%22login%22%7D)", |data| {
            value(data) == "2"
        });
    prometheus.until("/api/v1/query?query=up%7Bjob%3D%22dragoman%22%7D", |data| value(data) == "1");
    Document::part(GUIDE, "prometheus").prints_what_it_says(directory.path(), &[], &places);

    // Prometheus evaluates all of the shipped rules without an error.
    let rules = |data: &Value| data["groups"][0]["rules"].as_array().cloned().unwrap_or_default();
    let evaluated = prometheus.until("/api/v1/rules", |data| {
        !rules(data).is_empty() && rules(data).iter().all(|rule| rule["health"] != "unknown")
    });
    assert!(rules(&evaluated).len() > 30, "{evaluated}");
    for rule in rules(&evaluated) {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
}
