use std::sync::Mutex;

use async_trait::async_trait;
use http::Response;
use prometheus::Opts;
use tokio::sync::Notify;

use super::*;
use crate::account::Operation;
use crate::clock::Moment;
use crate::config::Settings;
use crate::observe::labels::Labels;
use crate::observe::{CallRecord, StepKind, Tracer};
use crate::upstream::{Failure, FailureKind};

/// A collector that keeps what it is sent.
struct Collector {
    taken: Mutex<Vec<serde_json::Value>>,
    answer: fn() -> Result<Response<Bytes>, Failure>,
    /// Whether it takes forever.
    hangs: bool,
    asked: Notify,
}

impl Collector {
    fn answering(answer: fn() -> Result<Response<Bytes>, Failure>) -> Self {
        Self { taken: Mutex::default(), answer, hangs: false, asked: Notify::new() }
    }
}

#[async_trait]
impl Upstream for Collector {
    async fn send(&self, request: Request<Bytes>, _deadline: Instant) -> Result<Response<Bytes>, Failure> {
        assert_eq!(
            (request.uri().path(), &request.headers()[CONTENT_TYPE]),
            ("/v1/traces", &"application/json".parse().unwrap())
        );
        self.taken.lock().unwrap().push(serde_json::from_slice(request.body()).unwrap());
        self.asked.notify_one();
        if self.hangs {
            std::future::pending::<()>().await;
        }
        (self.answer)()
    }
}

fn start(collector: &Arc<Collector>) -> (Exporter, IntCounterVec) {
    let text = "[[listener]]\naddress = \"127.0.0.1:0\"\n[upstream]\nkind = \"embedded\"\n[traces]\nendpoint = \"http://127.0.0.1\"\n";
    let (settings, _) = Settings::parse("test.toml", text, &|_| None).unwrap();
    let spans = IntCounterVec::new(Opts::new("spans", "Spans."), &["result"]).unwrap();
    let collector = Arc::clone(collector) as Arc<dyn Upstream>;
    (Exporter::start(&settings.traces.unwrap(), collector, spans.clone()), spans)
}

/// A call with a span of its own and one of a step.
fn call() -> Finished {
    let mut record = CallRecord::new(Moment::from_seconds(1_558_004_249), "id".to_owned(), None);
    record.dialect = Some("shopxo");
    record.operation = Some(Operation::Login);
    record.app = Some("an app that the config does not name".to_owned());
    record.duration = Duration::from_millis(20);
    let mut trace = Tracer::new(1.0).begin(None).unwrap();
    let begun = trace.step().unwrap();
    trace.end(begun, StepKind::Limits(None));
    Finished::of(&record, &trace, &Labels::default(), std::time::Instant::now())
}

fn counted(spans: &IntCounterVec) -> [u64; 3] {
    [EXPORTED, DROPPED, FAILED].map(|result| spans.with_label_values(&[result]).get())
}

#[tokio::test]
async fn a_flush_sends_what_is_there() {
    let collector = Arc::new(Collector::answering(|| Ok(Response::new(Bytes::from_static(b"{}")))));
    let (exporter, spans) = start(&collector);
    exporter.take(call());
    exporter.take(call());
    exporter.flush().await;
    assert_eq!(counted(&spans), [4, 0, 0]);
    let taken = collector.taken.lock().unwrap();
    let [sent] = &taken[..] else { panic!("one batch: {taken:?}") };
    let sent = &sent["resourceSpans"][0]["scopeSpans"][0]["spans"];
    assert_eq!(sent[0]["name"], "shopxo login");
    assert_eq!(sent[0]["endTimeUnixNano"], "1558004249020000000");
    assert_eq!(sent[1]["parentSpanId"], sent[0]["spanId"]);
    assert!(!sent.to_string().contains("an app that"), "attributes come from closed sets");
}

#[tokio::test]
async fn what_a_collector_does_not_take_is_counted() {
    type Answer = fn() -> Result<Response<Bytes>, Failure>;
    let answers: [(Answer, [u64; 3]); 3] = [
        (|| Err(Failure { kind: FailureKind::ConnectFailed, delivered: false }), [0, 0, 2]),
        (|| Ok(Response::builder().status(503).body(Bytes::new()).unwrap()), [0, 0, 2]),
        (
            || Ok(Response::new(Bytes::from_static(b"{\"partialSuccess\":{\"rejectedSpans\":\"1\"}}"))),
            [1, 0, 1],
        ),
    ];
    for (answer, expected) in answers {
        let (exporter, spans) = start(&Arc::new(Collector::answering(answer)));
        exporter.take(call());
        exporter.flush().await;
        assert_eq!(counted(&spans), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_hangs_holds_up_nobody_and_what_does_not_fit_is_dropped() {
    let mut collector = Collector::answering(|| unreachable!());
    collector.hangs = true;
    let collector = Arc::new(collector);
    let (exporter, spans) = start(&collector);
    exporter.take(call());
    collector.asked.notified().await;
    for _ in 0..QUEUE + 3 {
        exporter.take(call());
    }
    assert_eq!(counted(&spans), [0, 6, 0]);
    // Ends although the queue is full and stays so.
    exporter.flush().await;
}
