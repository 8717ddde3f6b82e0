//! What the gateway itself costs a call: a signed coolkit login of 160 bytes is decoded, checked,
//! remembered and encoded as canonical, and a static canonical answer of 350 bytes the way back.
//! No socket, no backend; every request has a nonce of its own, and making it is not measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use dragoman::account::Secret;
use dragoman::clock::{Clock, SystemClock};
use dragoman::config::Settings;
use dragoman::gateway::{Arrival, Gateway};
use dragoman::observe::CallRecord;
use dragoman::sign::SigningKey;
use dragoman::upstream::{Failure, Upstream};
use http::{Request, Response};
use tokio::time::Instant;

const APP: &str = "BenchApp000000000000000000000001";
const SECRET: &str = "bench-secret-of-no-other-use";
const CONFIG: &str = r#"
data_dir = ""

[[listener]]
address = "127.0.0.1:0"
dialects = ["coolkit"]

[admin]
enabled = false

[upstream]
kind = "http"
dialect = "canonical"
addresses = ["127.0.0.1:9"]

[[app]]
id = "BenchApp000000000000000000000001"
secrets = ["bench-secret-of-no-other-use"]
# A gateway without a data directory takes nothing older than its start plus this.
clock_window = { past = "300s", future = "0s" }

[replay]
entries = 50_000_000
entries_per_app = 50_000_000
"#;
const ANSWER: &str = concat!(
    r#"{"account":{"id":"1024","phone":"+8613800138001","email":null,"nickname":"Li","#,
    r#""gender":null,"status":"active","created_at":"2026-01-02T03:04:05Z"},"#,
    r#""session":{"access_token":"0123456789abcdef0123456789abcdef0123","token_type":"Bearer","#,
    r#""expires_in":2592000,"refresh_token":"89abcdef0123456789abcdef01234567","refresh_expires_in":5184000},"#,
    r#""region":"cn"}"#
);

struct StaticUpstream;

#[async_trait]
impl Upstream for StaticUpstream {
    async fn send(&self, _request: Request<Bytes>, _deadline: Instant) -> Result<Response<Bytes>, Failure> {
        let mut response = Response::new(Bytes::from_static(ANSWER.as_bytes()));
        *response.status_mut() = http::StatusCode::CREATED;
        let json = http::HeaderValue::from_static("application/json");
        response.headers_mut().insert(http::header::CONTENT_TYPE, json);
        Ok(response)
    }
}

fn signed_login(key: &SigningKey) -> Request<Bytes> {
    static NONCE: AtomicU64 = AtomicU64::new(0);
    let (nonce, ts) = (NONCE.fetch_add(1, Ordering::Relaxed), SystemClock.now().seconds());
    let body = format!(
        r#"{{"appid":"{APP}","nonce":"{nonce:024}","password":"12345678","phoneNumber":"+8613800138001","ts":{ts},"version":8}}"#
    );
    Request::post("/api/user/login")
        .header("host", "api.example")
        .header("authorization", key.sign(body.as_bytes()).to_authorization())
        .header("content-type", "application/json")
        .header("content-length", body.len())
        .body(Bytes::from(body))
        .expect("all parts are valid")
}

fn exchange(criterion: &mut Criterion) {
    let (settings, _) = Settings::parse("bench", CONFIG, &|_| None).expect("the config is valid");
    let gateway =
        Gateway::new(&settings, Arc::new(StaticUpstream), Arc::new(SystemClock)).expect("it builds");
    let key = SigningKey::new(&Secret::from(SECRET));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("it builds");
    // Without a data directory nothing up to the second of the start is taken.
    std::thread::sleep(Duration::from_secs(2));
    let _inside = runtime.enter();
    let call = |request: Request<Bytes>| {
        let arrival = Arrival {
            listener: 0,
            client: None,
            request_id: "01234567-89ab-cdef-0123-456789abcdef".to_owned(),
            deadline: Instant::now() + Duration::from_secs(30),
        };
        let (head, body) = request.into_parts();
        let route = gateway.route(&arrival, &head);
        let mut record = CallRecord::new(SystemClock.now(), arrival.request_id.clone(), None);
        let request = Request::from_parts(head, body);
        let response = runtime.block_on(gateway.exchange(&arrival, route, request, &mut record));
        assert!(response.body().starts_with(b"{\"at\":"), "{record:?}");
        response
    };
    criterion.bench_function("exchange/coolkit login to canonical and back", |bencher| {
        bencher.iter_batched(|| signed_login(&key), call, BatchSize::SmallInput);
    });
}

criterion_group!(benches, exchange);
criterion_main!(benches);
