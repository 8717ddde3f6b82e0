//! The whole exchange without a socket: bytes in, bytes out, a fake upstream, a clock that stands.

mod throttle;

use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use serde_json::{Value, json};

use super::*;
use crate::account::{ProblemCode, Secret};
use crate::clock::{ManualClock, Moment};
use crate::config::{self, App, HttpUpstream, Limits, Listener, Regions, Replay, Shutdown};
use crate::observe::Attempt;
use crate::sign::SigningKey;
use crate::upstream::{Failure, FailureKind, Upstream};

mod hostile;
mod issued;
mod moved_token;
mod pairs;
mod regions;
mod repeated;
mod routes;

const NOW: i64 = 1_700_000_000;
const SECRET: &str = "present";

type Answer = Result<(u16, String), Failure>;

/// Answers what a test laid out, in order, and keeps what it was asked.
#[derive(Default)]
struct FakeUpstream {
    answers: Mutex<Vec<Answer>>,
    asked: Mutex<Vec<Request<Bytes>>>,
}

#[async_trait]
impl Upstream for FakeUpstream {
    async fn send(&self, request: Request<Bytes>, _: Instant) -> Result<Response<Bytes>, Failure> {
        self.asked.lock().unwrap().push(request);
        let (status, body) = self.answers.lock().unwrap().remove(0)?;
        let response = Response::builder().status(status);
        if (300..400).contains(&status) {
            return Ok(response.header("location", body).body(Bytes::new()).unwrap());
        }
        let response = response.header("content-type", "application/json");
        Ok(response.body(Bytes::from(body)).unwrap())
    }
}

struct Bench {
    gateway: Gateway,
    clock: Arc<ManualClock>,
    upstream: Arc<FakeUpstream>,
    _directory: tempfile::TempDir,
}

fn settings(directory: &std::path::Path) -> Settings {
    let region = |name: &str, codes: &[u16]| config::Region {
        name: name.to_owned(),
        base_url: Some(format!("https://{name}.example")),
        calling_codes: codes.to_vec(),
        upstream: None,
    };
    Settings {
        traces: None,
        listeners: vec![Listener {
            address: "127.0.0.1:0".parse().unwrap(),
            dialects: vec!["canonical".to_owned(), "coolkit".to_owned()],
            default_dialect: None,
            unsigned: vec!["canonical".to_owned()],
            settings: Default::default(),
            hosts: Default::default(),
            region: None,
            tls: Vec::new(),
            http2: false,
            cors_origins: Vec::new(),
            proxy_protocol: false,
        }],
        admin: None,
        data_dir: Some(directory.to_owned()),
        upgrade_socket: None,
        upstream: config::Upstream::Embedded,
        pass_through: Vec::new(),
        apps: vec![App::new("app", SECRET)],
        limits: Limits::default(),
        clients: config::Clients::default(),
        replay: Replay::default(),
        throttle: config::Throttle::default(),
        store: crate::config::Store::default(),
        seal: crate::config::Seal::default(),
        dialects_dir: None,
        dialects: Vec::new(),
        regions: Regions { table: vec![region("cn", &[86]), region("eu", &[44, 49])], ..Regions::default() },
        shutdown: Shutdown::default(),
        log: crate::config::Log::default(),
        backends: Vec::new(),
        default_country: Country::CHINA,
        demo: false,
    }
}

fn bench_with(answers: Vec<Answer>, change: impl FnOnce(&mut Settings)) -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(directory.path());
    change(&mut settings);
    let upstream = Arc::new(FakeUpstream { answers: Mutex::new(answers), ..FakeUpstream::default() });
    let clock = Arc::new(ManualClock::at(Moment::from_seconds(NOW)));
    let gateway = Gateway::new(&settings, upstream.clone(), clock.clone()).unwrap();
    Bench { gateway, clock, upstream, _directory: directory }
}

fn bench(answers: Vec<Answer>) -> Bench {
    bench_with(answers, |_| {})
}

fn coolkit_upstream(settings: &mut Settings) {
    settings.upstream = config::Upstream::Http(HttpUpstream {
        app: Some(config::UpstreamApp { id: "gate".to_owned(), secret: "gate-secret".into() }),
        ..HttpUpstream::new("coolkit", &[], "backend.example")
    });
}

fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Request<Bytes> {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Bytes::from(body.to_owned())).unwrap()
}

fn signed(path: &str, body: &Value) -> Request<Bytes> {
    let body = body.to_string();
    let sign = SigningKey::new(&Secret::from(SECRET)).sign(body.as_bytes()).to_authorization();
    request("POST", path, &[("authorization", &sign)], &body)
}

fn login_body(nonce: &str) -> Value {
    json!({"appid": "app", "nonce": nonce, "ts": NOW, "version": 8,
           "phoneNumber": "+8613800138001", "password": "12345678", "imei": "1.10"})
}

fn login(nonce: &str) -> Request<Bytes> {
    signed("/api/user/login", &login_body(nonce))
}

fn canonical_session() -> String {
    json!({"account": {"id": "7", "username": null, "phone": "+8613800138001", "email": null,
                       "nickname": "eWelink", "status": "active", "created_at": "2019-03-25T03:36:51.335Z"},
           "session": {"access_token": "at-1", "token_type": "Bearer", "expires_in": 2592000,
                       "refresh_token": "rt-1", "refresh_expires_in": 5184000},
           "region": "cn"})
    .to_string()
}

impl Bench {
    async fn call(&self, request: Request<Bytes>) -> (Response<Bytes>, CallRecord) {
        self.call_from("192.0.2.7".parse().unwrap(), request).await
    }

    async fn call_from(&self, client: IpAddr, request: Request<Bytes>) -> (Response<Bytes>, CallRecord) {
        let mut record = CallRecord::new(Moment::from_seconds(NOW), "id".to_owned(), None);
        let arrival = Arrival {
            listener: 0,
            client: Some(client),
            request_id: "000000000000000000000000000000aa".to_owned(),
            deadline: Instant::now() + Duration::from_secs(5),
        };
        let (head, body) = request.into_parts();
        let route = self.gateway.route(&arrival, &head);
        let response = match route {
            Route::Refused { code, .. } => {
                let refusal = Refusal { guard: crate::guard::Guard::Route, reason: "test" };
                self.gateway.refuse(&arrival, route, &code.into(), refusal, &mut record)
            }
            _ => {
                let request = Request::from_parts(head, body);
                self.gateway.exchange(&arrival, route, request, &mut record).await
            }
        };
        (response, record)
    }

    async fn json(&self, request: Request<Bytes>) -> Value {
        serde_json::from_slice(self.call(request).await.0.body()).unwrap()
    }

    fn asked(&self) -> Vec<Request<Bytes>> {
        std::mem::take(&mut *self.upstream.asked.lock().unwrap())
    }
}

fn body(request: &Request<Bytes>) -> Value {
    serde_json::from_slice(request.body()).unwrap()
}

#[tokio::test]
async fn a_signed_coolkit_login_reaches_a_canonical_backend_and_comes_back() {
    let bench = bench(vec![Ok((201, canonical_session()))]);
    let (response, record) = bench.call(login("n1")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let answer: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(answer["at"], "at-1");
    assert_eq!(answer["rt"], "rt-1");
    assert_eq!(answer["region"], "cn");
    assert_eq!(answer["user"]["phoneNumber"], "+8613800138001");
    assert_eq!(answer["user"]["appId"], "app");
    assert_eq!(answer["user"]["createdAt"], "2019-03-25T03:36:51.335Z");
    assert!(answer.get("error").is_none());
    let asked = bench.asked().remove(0);
    assert_eq!((asked.method().as_str(), asked.uri().path()), ("POST", "/v1/sessions"));
    assert_eq!(asked.headers()["dragoman-app"], "app");
    assert_eq!(asked.headers()["dragoman-dialect"], "coolkit");
    assert_eq!(asked.headers()["x-forwarded-for"], "192.0.2.7");
    assert!(asked.headers().get("idempotency-key").is_none());
    assert_eq!(
        body(&asked),
        json!({"phone": "+8613800138001", "password": "12345678", "password_form": "plain",
               "client": {"dialect": "coolkit", "app_id": "app"},
               "extensions": {"coolkit": {"imei": "1.10"}}})
    );
    assert_eq!((record.outcome, record.app.as_deref()), (Outcome::Success, Some("app")));
    assert_eq!(record.attempts, [Attempt::Answered]);
}

#[tokio::test]
async fn each_refused_request_is_a_406_under_http_200_and_asks_nobody() {
    let bench = bench(vec![Ok((201, canonical_session()))]);
    let ok = bench.call(login("once")).await;
    assert_eq!(ok.1.outcome, Outcome::Success);
    let mut changed = login("changed");
    *changed.body_mut() = Bytes::from(login_body("changed").to_string().replace("12345678", "12345679"));
    let mut no_signature = login("none");
    no_signature.headers_mut().clear();
    let mut stale = login_body("stale");
    stale["ts"] = json!(NOW - 301);
    let mut future = login_body("future");
    future["ts"] = json!(NOW + 31);
    let mut unknown = login_body("unknown");
    unknown["appid"] = json!("nobody");
    let cases = [
        (login("once"), "seen"),
        (changed, "wrong"),
        (no_signature, "unreadable"),
        (signed("/api/user/login", &stale), "too_old"),
        (signed("/api/user/login", &future), "too_new"),
        (signed("/api/user/login", &unknown), "unknown_app"),
    ];
    for (request, reason) in cases {
        let (response, record) = bench.call(request).await;
        let answer: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!((response.status().as_u16(), &answer["error"]), (200, &json!(406)), "{reason}");
        assert_eq!(answer["msg"], answer["info"]);
        assert_eq!(record.refusal.map(|refusal| refusal.reason), Some(reason));
    }
    assert_eq!(bench.asked().len(), 1);
}

#[tokio::test]
async fn missing_members_are_named_in_the_clients_own_words() {
    let bench = bench(vec![]);
    for (name, path) in [
        ("appid", "/api/user/login"),
        ("nonce", "/api/user/login"),
        ("ts", "/api/user/login"),
        ("password", "/api/user/login"),
        ("phoneNumber", "/api/user/login"),
        ("verificationCode", "/api/user/register"),
    ] {
        let mut body = login_body("n");
        body.as_object_mut().unwrap().remove(name);
        let answer = bench.json(signed(path, &body)).await;
        assert_eq!(answer["error"], 400, "{name}");
        assert_eq!(answer["msg"], format!("{name} is missing"));
    }
    let answer = bench.json(request("POST", "/api/user/login", &[], r#"{"a":1,"a":2}"#)).await;
    assert_eq!(
        (&answer["error"], &answer["msg"]),
        (&json!(400), &json!("the body has a member twice (byte 7)"))
    );
}

#[tokio::test]
async fn every_failure_of_the_backend_has_an_answer_and_a_name() {
    for kind in FailureKind::ALL {
        let bench = bench(vec![Err(Failure { kind: *kind, delivered: true })]);
        let (response, record) = bench.call(login("n")).await;
        let answer: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!((response.status().as_u16(), &answer["error"]), (200, &json!(500)), "{kind:?}");
        assert_eq!(record.attempts, [Attempt::Failed(*kind)]);
        assert_eq!(bench.asked().len(), 1);
    }
    for garbage in ["<html>oops</html>", "", "[]", "{}", r#"{"account":{"id":"1"}}"#, "{\"session\":"] {
        let bench = bench(vec![Ok((200, garbage.to_owned()))]);
        let (response, record) = bench.call(login("n")).await;
        let answer: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(answer["error"], 500, "{garbage}");
        assert!(!answer.to_string().contains("oops"));
        assert_eq!(record.attempts, [Attempt::Unintelligible], "{garbage}");
    }
}

#[tokio::test]
async fn a_request_that_never_left_may_be_sent_again_and_one_that_may_have_left_not() {
    for (delivered, second) in
        [(false, Outcome::Success), (true, Outcome::Problem(ProblemCode::RequestReplayed))]
    {
        let failure = Failure { kind: FailureKind::ConnectFailed, delivered };
        let bench = bench(vec![Err(failure), Ok((201, canonical_session()))]);
        assert_eq!(
            bench.call(login("n")).await.1.outcome,
            Outcome::Problem(ProblemCode::UpstreamUnavailable)
        );
        assert_eq!(bench.call(login("n")).await.1.outcome, second);
    }
}

#[tokio::test]
async fn another_region_is_told_and_the_request_stays_usable_there() {
    let problem = |region: &str| {
        json!({"type": "urn:dragoman:problem:wrong_region", "code": "wrong_region", "region": region})
            .to_string()
    };
    let bench = bench(vec![
        Ok((421, problem("eu"))),
        Ok((201, canonical_session())),
        Ok((421, problem("cn"))),
        Ok((421, problem("http://169.254.169.254/"))),
    ]);
    let answer = bench.json(login("n")).await;
    assert_eq!((&answer["error"], &answer["region"]), (&json!(301), &json!("eu")));
    assert_eq!(bench.call(login("n")).await.1.outcome, Outcome::Success);
    assert_eq!(bench.call(login("own")).await.1.outcome, Outcome::Problem(ProblemCode::Internal));
    let unknown = bench.call(login("unknown")).await.1.outcome;
    assert_eq!(unknown, Outcome::Problem(ProblemCode::UpstreamUnintelligible));
}

#[tokio::test]
async fn a_client_that_needs_a_session_gets_one_by_a_login() {
    let account = json!({"account": {"id": "7"}, "session": null, "region": null}).to_string();
    let bench = bench(vec![Ok((200, account)), Ok((201, canonical_session()))]);
    let mut body_of_reset = login_body("n");
    body_of_reset["verificationCode"] = json!("123456");
    let answer = bench.json(signed("/api/user/password/reset", &body_of_reset)).await;
    assert_eq!(answer["at"], "at-1");
    let asked = bench.asked();
    let paths: Vec<_> = asked.iter().map(|request| request.uri().path()).collect();
    assert_eq!(paths, ["/v1/password-resets", "/v1/sessions"]);
    assert_eq!(body(&asked[1])["password"], "12345678");
    assert!(asked[0].headers().contains_key("idempotency-key"));
}

#[tokio::test]
async fn a_canonical_client_logs_in_at_a_coolkit_backend_which_sees_the_gateways_own_signature() {
    let answer = json!({"at": "a", "rt": "r", "user": {"_id": "5", "phoneNumber": "8613800138001", "vip": 1e2},
                        "region": "cn"});
    let bench = bench_with(vec![Ok((200, answer.to_string()))], coolkit_upstream);
    let body_of_login = json!({"phone": "+8613800138001", "password": "12345678", "password_form": "plain"});
    let login = request("POST", "/v1/sessions", &[], &body_of_login.to_string());
    let (response, _) = bench.call(login).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let reply: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(reply["session"]["access_token"], "a");
    assert_eq!(reply["account"]["phone"], "+8613800138001");
    assert_eq!(reply["account"]["extensions"]["coolkit"]["user.vip"], json!(100.0));
    let asked = bench.asked().remove(0);
    let expected = SigningKey::new(&"gate-secret".into()).sign(asked.body()).to_authorization();
    assert_eq!(asked.headers()["authorization"], expected);
    let sent = body(&asked);
    assert_eq!((&sent["appid"], &sent["ts"]), (&json!("gate"), &json!(NOW)));
    assert_eq!(sent["nonce"].as_str().map(str::len), Some(8));
}

#[tokio::test]
async fn a_hashed_password_never_reaches_a_backend_that_wants_plain_ones() {
    let bench = bench_with(vec![], coolkit_upstream);
    let login = json!({"phone": "+8613800138001", "password": "25d55ad283aa400af464c76d713c07ad",
                       "password_form": "md5_hex"});
    let answer = bench.json(request("POST", "/v1/sessions", &[], &login.to_string())).await;
    assert_eq!((&answer["status"], &answer["code"]), (&json!(501), &json!("not_supported")));
    assert!(bench.asked().is_empty());
}

#[tokio::test]
async fn the_region_query_is_answered_from_the_table() {
    let bench = bench(vec![]);
    for (query, region) in [("country_code=86&", "cn"), ("country_code=44&", "eu"), ("", "cn")] {
        let query = format!("{query}appid=app&nonce=n{region}{}&ts={NOW}&version=8", query.len());
        let sign = SigningKey::new(&SECRET.into()).sign(query.as_bytes()).to_authorization();
        let target = format!("/api/user/region?{query}");
        let answer = bench.json(request("GET", &target, &[("authorization", &sign)], "")).await;
        assert_eq!((&answer["error"], &answer["region"]), (&json!(0), &json!(region)), "{query}");
    }
    let answer = bench.json(request("GET", "/v1/region?country_calling_code=49", &[], "")).await;
    assert_eq!(answer, json!({"region": "eu", "base_url": "https://eu.example"}));
}

#[tokio::test]
async fn chinese_clients_read_chinese() {
    let bench = bench(vec![]);
    let chinese = [("accept-language", "zh-CN,zh;q=0.9")];
    let answer = bench.json(request("POST", "/api/user/login", &chinese, "{}")).await;
    assert_eq!(answer["msg"], "参数不完整或错误：appid不能为空");
    let answer = bench.json(request("POST", "/v1/sessions", &chinese, "{}")).await;
    assert_eq!(answer["title"], "请求格式错误");
}
