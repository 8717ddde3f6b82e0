//! Backends of raw sockets that do what backends do on bad days.

mod balance;
mod checks;
mod exchange;
mod faults;
mod raw;
mod tls;

use super::*;
use crate::account::Secret;
use crate::upstream::figures::Figures;

/// Impatient enough for a test, patient enough for a busy machine.
fn settings(addresses: &[&str]) -> HttpUpstream {
    HttpUpstream {
        base_path: "/base".to_owned(),
        connect_timeout: Duration::from_secs(5),
        first_byte_timeout: Duration::from_secs(5),
        total_timeout: Duration::from_secs(5),
        answer_bytes: 100,
        secret: Some(("X-Gateway".to_owned(), Secret::from("s3cret"))),
        ..HttpUpstream::new("canonical", addresses, "backend.example")
    }
}

fn login() -> Request<Bytes> {
    Request::post("/v1/sessions?a=b")
        .header("content-type", "application/json")
        .header("host", "forged")
        .header("content-length", "1")
        .header("x-gateway", "forged")
        .header("accept-encoding", "gzip")
        .body(Bytes::from_static(b"{\"a\":1}"))
        .unwrap()
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// Figures, and how to read one of them: its name, and what its labels contain.
struct Read(Figures);

impl Read {
    fn new() -> Self {
        Self(Figures::new().unwrap())
    }

    fn sum(&self, name: &str, label: &str) -> f64 {
        let families = self.0.collectors().into_iter().flat_map(|collector| collector.collect());
        let metrics =
            families.filter(|family| family.name() == name).flat_map(|mut family| family.take_metric());
        let has_label = |metric: &prometheus::proto::Metric| {
            label.is_empty() || metric.get_label().iter().any(|pair| pair.value() == label)
        };
        metrics
            .filter(has_label)
            .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
            .sum()
    }

    fn calls(&self) -> f64 {
        self.sum("dragoman_upstream_calls", "")
    }

    fn ejections(&self) -> f64 {
        self.sum("dragoman_upstream_ejections_total", "")
    }
}

/// Waits for a state that nothing announces.
async fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), waiting).await.is_ok(), "in vain: {what}");
}
