//! Traces as a collector gets them: OTLP over HTTP, read by its published form and nothing looser.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::support::coolkit::{App, login};
use crate::support::gateway::{Gateway, House};
use crate::support::http::Connection;
use crate::support::upstream::{Fault, FaultyUpstream, signed_in};

const PHONE: &str = "+8613800138741";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Export {
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ResourceSpans {
    resource: Resource,
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resource {
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeSpans {
    #[serde(rename = "scope")]
    _scope: Scope,
    spans: Vec<Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scope {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "version")]
    _version: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Span {
    trace_id: String,
    span_id: String,
    #[serde(default)]
    parent_span_id: String,
    name: String,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Attribute>,
    status: Status,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Status {
    code: u8,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attribute {
    key: String,
    value: AnyValue,
}

#[derive(Debug, Clone, Deserialize)]
enum AnyValue {
    #[serde(rename = "stringValue")]
    Text(String),
    #[serde(rename = "intValue")]
    Number(String),
}

impl AnyValue {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
        }
    }
}

impl Span {
    fn attributes(&self) -> HashMap<&str, &str> {
        self.attributes.iter().map(|Attribute { key, value }| (key.as_str(), value.text())).collect()
    }

    fn nanoseconds(&self) -> [u64; 2] {
        [&self.start_time_unix_nano, &self.end_time_unix_nano].map(|text| text.parse().unwrap())
    }
}

fn collector() -> FaultyUpstream {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    FaultyUpstream::start(Fault::Stalls(answer.into()))
}

fn tracing(backend: &FaultyUpstream, app: &App, collector: &FaultyUpstream) -> Gateway {
    let endpoint =
        format!("[traces]\nendpoint = \"http://{}\"\nservice_name = \"the-suite\"\n", collector.address);
    let mut house = House::in_front_of(backend.address, &[app]).with(&endpoint);
    // No test here waits for a deadline, and a busy machine may take a second.
    house.change("first_byte_timeout = \"1s\"\ntotal_timeout = \"2s\"", "total_timeout = \"20s\"");
    house.start()
}

/// A login as the app does it, within a trace or none.
fn log_in(gateway: &Gateway, app: &App, traceparent: Option<&str>) -> u16 {
    let body = app.body(login(PHONE, "a-fine-password"));
    let traceparent = traceparent.map(|parent| format!("traceparent: {parent}\r\n")).unwrap_or_default();
    let request = format!(
        "POST /api/user/login HTTP/1.1\r\nHost: gateway\r\nAuthorization: {}\r\n{traceparent}Content-Length: {}\r\n\r\n{body}",
        app.sign(body.as_bytes()),
        body.len()
    );
    Connection::open(gateway.http).exchange(request.as_bytes()).status
}

/// The spans that the collector has, by name, and the requests as they came.
fn exported(collector: &FaultyUpstream) -> (HashMap<String, Span>, String) {
    let received = collector.received();
    let mut spans = HashMap::new();
    for request in &received {
        assert!(request.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{request}");
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        let export: Export = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
        for ResourceSpans { resource, scope_spans } in export.resource_spans {
            assert!(resource.attributes.iter().any(|attribute| attribute.value.text() == "the-suite"));
            for span in scope_spans.into_iter().flat_map(|scope| scope.spans) {
                assert_eq!((span.trace_id.len(), span.span_id.len()), (32, 16));
                spans.insert(span.name.clone(), span);
            }
        }
    }
    (spans, received.concat())
}

#[test]
fn a_call_is_traced_from_its_caller_to_the_backend() {
    let (app, backend, collector) =
        (App::sample(), FaultyUpstream::start(Fault::Stalls(signed_in(PHONE))), collector());
    let gateway = tracing(&backend, &app, &collector);
    assert_eq!(log_in(&gateway, &app, Some(PARENT)), 200);
    gateway.metrics_with("dragoman_trace_spans_total{result=\"exported\"}");
    let (spans, text) = exported(&collector);
    let [whole, guards, limits, upstream] = ["coolkit login", "guards", "limits", "upstream"]
        .map(|name| spans.get(name).unwrap_or_else(|| panic!("no {name}: {text}")));
    assert_eq!((whole.kind, upstream.kind, guards.kind), (2, 3, 1));
    assert_eq!(whole.parent_span_id, "b7ad6b7169203331");
    let [begin, end] = whole.nanoseconds();
    for step in [guards, limits, upstream] {
        assert_eq!((&step.trace_id, &step.parent_span_id), (&whole.trace_id, &whole.span_id));
        let [from, to] = step.nanoseconds();
        assert!(begin <= from && from <= to && to <= end, "{step:?} in {whole:?}");
    }
    assert_eq!(whole.trace_id, "0af7651916cd43dd8448eb211c80319c");
    let attributes = whole.attributes();
    assert_eq!((attributes["dragoman.outcome"], attributes["http.response.status_code"]), ("success", "200"));
    assert_eq!(upstream.attributes()["dragoman.result"], "answered");
    assert_eq!(guards.attributes()["dragoman.decision"], "passed");
    let [asked] = &backend.received()[..] else { panic!("one request") };
    let told = format!("traceparent: 00-{}-{}-01\r\n", whole.trace_id, upstream.span_id);
    assert!(asked.contains(&told), "no {told} in {asked}");
    for secret in [PHONE, "13800138741", "a-fine-password", &app.secret] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn a_refusal_and_a_failure_are_told_in_their_spans_and_a_broken_parent_is_replaced() {
    let (app, collector) = (App::sample(), collector());
    let backend = FaultyUpstream::start(Fault::Down);
    let gateway = tracing(&backend, &app, &collector);
    log_in(&gateway, &App::new(&app.id, "not-the-secret-of-this-app"), Some("00-broken-b7ad6b7169203331-01"));
    gateway.metrics_with("dragoman_trace_spans_total{result=\"exported\"}");
    let (spans, text) = exported(&collector);
    let refused = spans["guards"].attributes();
    assert_eq!((refused["dragoman.decision"], refused["dragoman.reason"]), ("refused", "wrong"));
    assert_eq!((spans["coolkit login"].status.code, spans["coolkit login"].parent_span_id.as_str()), (0, ""));
    assert!(!spans.contains_key("upstream") && !text.contains("b7ad6b7169203331"), "{text}");

    log_in(&gateway, &app, None);
    let deadline = Instant::now() + Duration::from_secs(20);
    let upstream = loop {
        if let Some(upstream) = exported(&collector).0.remove("upstream") {
            break upstream;
        }
        assert!(Instant::now() < deadline, "no second batch");
        std::thread::yield_now();
    };
    assert_eq!((upstream.attributes()["dragoman.result"], upstream.status.code), ("connect_failed", 2));
}

#[test]
fn a_stop_sends_the_last_traces() {
    let (app, backend, collector) =
        (App::sample(), FaultyUpstream::start(Fault::Stalls(signed_in(PHONE))), collector());
    let mut gateway = tracing(&backend, &app, &collector);
    assert_eq!(log_in(&gateway, &app, None), 200);
    let (status, _) = gateway.interrupt();
    assert!(status.success());
    assert!(exported(&collector).0.contains_key("coolkit login"));
}

#[test]
fn calls_do_not_care_whether_the_collector_is_there() {
    let (app, backend) = (App::sample(), FaultyUpstream::start(Fault::Stalls(signed_in(PHONE))));
    for fault in [Fault::Down, Fault::Closed] {
        let gateway = tracing(&backend, &app, &FaultyUpstream::start(fault));
        for _ in 0..20 {
            assert_eq!(log_in(&gateway, &app, None), 200);
        }
        let metrics = gateway.metrics_with("dragoman_trace_spans_total{result=\"failed\"}");
        assert!(metrics.contains("dragoman_trace_spans_total{result=\"exported\"} 0"), "{metrics}");
        // The line is written after the count, and read from another process.
        let told = || gateway.printed().matches("traces can't be sent").count();
        let deadline = Instant::now() + Duration::from_secs(20);
        while told() == 0 && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(told(), 1, "{}", gateway.printed());
    }
}
