//! What may pass at all, and in whose name.

use super::*;

/// Something arrives at the first listener.
pub(super) fn arrival() -> Arrival {
    Arrival {
        listener: 0,
        client: None,
        request_id: String::new(),
        deadline: Instant::now() + Duration::from_secs(1),
    }
}

#[tokio::test]
async fn unsigned_dialects_are_closed_where_signatures_are_enforced_unless_named() {
    let close = |settings: &mut Settings| settings.listeners[0].unsigned.clear();
    let bench = bench_with(vec![], close);
    let login = json!({"username": "alice", "password": "12345678"}).to_string();
    let (response, record) = bench.call(request("POST", "/v1/sessions", &[], &login)).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(record.outcome, Outcome::Problem(ProblemCode::NotFound));
    assert_eq!(bench.gateway.open_dialects(0), ["coolkit"]);
}

#[tokio::test]
async fn a_request_in_disguise_is_refused() {
    let bench = bench(vec![]);
    let outcome = |request| async { bench.call(request).await.1.outcome };
    for name in ["X-HTTP-Method-Override", "X-Original-URL", "X-Rewrite-URL"] {
        let mut disguised = login("n");
        disguised
            .headers_mut()
            .insert(http::HeaderName::try_from(name).unwrap(), HeaderValue::from_static("GET"));
        assert_eq!(outcome(disguised).await, Outcome::Problem(ProblemCode::InvalidRequest), "{name}");
    }
    let mut double = login("n");
    double.headers_mut().append("authorization", HeaderValue::from_static("Bearer other"));
    assert_eq!(outcome(double).await, Outcome::Problem(ProblemCode::InvalidRequest));
    let mut packed = login("n");
    packed.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"));
    assert_eq!(outcome(packed).await, Outcome::Problem(ProblemCode::UnsupportedMediaType));
    let wrong_method = request("PUT", "/api/user/login", &[], "");
    assert_eq!(outcome(wrong_method).await, Outcome::Problem(ProblemCode::MethodNotAllowed));
    for (path, methods) in [("/api/user/login", "POST"), ("/api/user/region", "GET")] {
        assert_eq!(bench.call(request("PUT", path, &[], "")).await.0.headers()["allow"], methods);
    }
    assert!(!bench.call(request("PUT", "/nowhere", &[], "")).await.0.headers().contains_key("allow"));
    let hidden = request("POST", "/api%2fuser/login", &[], "");
    assert_eq!(outcome(hidden).await, Outcome::Problem(ProblemCode::InvalidRequest));
}

#[tokio::test]
async fn the_demo_answers_nobody_who_comes_through_a_proxy() {
    for (demo, outcome) in [(true, Outcome::Problem(ProblemCode::NotPermitted)), (false, Outcome::Success)] {
        for field in ["x-forwarded-for", "forwarded", "x-real-ip", "via"] {
            let bench = bench_with(vec![Ok((201, canonical_session()))], |settings| settings.demo = demo);
            let mut forwarded = login("n");
            forwarded.headers_mut().insert(field, HeaderValue::from_static("192.0.2.1"));
            assert_eq!(bench.call(forwarded).await.1.outcome, outcome, "{field}");
        }
    }
}

#[tokio::test]
async fn only_what_is_listed_passes_and_never_an_account_route_of_the_backend() {
    let bench = bench_with(vec![], |settings| {
        coolkit_upstream(settings);
        settings.listeners[0].dialects = vec!["canonical".to_owned()];
        settings.pass_through =
            vec![config::PassThrough { methods: Vec::new(), prefix: "/api".to_owned(), move_token: false }];
    });
    let route = |method: &str, target: &str| {
        let (head, ()) = Request::builder().method(method).uri(target).body(()).unwrap().into_parts();
        bench.gateway.route(&arrival(), &head)
    };
    assert_eq!(route("GET", "/api/Device"), Route::PassThrough);
    for (method, target) in [
        ("POST", "/api/user/login"),
        ("GET", "/api/user/login"),
        ("POST", "//api/user/%6Cogin/"),
        ("POST", "/api/x/../user/login;a=b"),
        ("POST", "/api/User/LOGIN"),
        ("POST", "/api/user/login%20"),
        ("POST", "/api/user/login."),
        ("POST", "/api/user/login%3Fa"),
        ("POST", "/api%252Fuser%252Flogin"),
        ("TRACE", "/api/device"),
        ("GET", "/apis/device"),
        ("GET", "/other"),
    ] {
        assert!(matches!(route(method, target), Route::Refused { .. }), "{method} {target}");
    }
}

#[test]
fn routes_of_a_backend_that_log_in_besides_its_operations_never_pass() {
    for (dialect, prefix, guarded, passed) in [
        (
            "discuzq",
            "/api",
            &[
                "GET /api/oauth/wechat/user?code=1",
                "GET /api/oauth/wechat/pc/user?code=1",
                "GET /api/oauth/wechat/web/user/serach",
                "POST /api/oauth/wechat/miniprogram",
                "PUT /api/oauth/wechat/miniprogram",
                "GET /api/oauth/welink",
                "POST /api/users/pay-password/reset",
                "POST /api/Users/Pay-Password/Reset",
                "DELETE /api/users/7",
            ][..],
            &["GET /api/users", "POST /api/users/7/avatar", "GET /api/threads/7", "GET /api/oauth/wechat"][..],
        ),
        (
            "qingzhenyun",
            "/v1",
            &["POST /v1/user/check", "GET /v1/user/check", "POST /v1/user/changeNameAndGet"],
            &["POST /v1/user/checkUpdate", "POST /v1/files/remove"],
        ),
    ] {
        let bench = bench_with(Vec::new(), |settings| {
            settings.upstream = config::Upstream::Http(HttpUpstream::new(dialect, &[], "backend.example"));
            settings.pass_through = vec![config::PassThrough {
                methods: Vec::new(),
                prefix: prefix.to_owned(),
                move_token: false,
            }];
        });
        let route = |request_line: &&str| {
            let (method, target) = request_line.split_once(' ').unwrap();
            let (head, _) = request(method, target, &[], "").into_parts();
            bench.gateway.route(&arrival(), &head)
        };
        for line in guarded {
            assert!(matches!(route(line), Route::Refused { .. }), "{line}");
        }
        for line in passed {
            assert_eq!(route(line), Route::PassThrough, "{line}");
        }
    }
}

#[test]
fn a_host_name_may_pin_one_dialect_which_then_has_the_paths_that_it_shares() {
    let bench = bench_with(Vec::new(), |settings| {
        let listener = &mut settings.listeners[0];
        listener.dialects = vec!["coolkit".to_owned(), "shopxo".to_owned(), "canonical".to_owned()];
        listener.unsigned = vec!["shopxo".to_owned()];
        listener.hosts = [("shop.example", "shopxo"), ("closed.example", "canonical")]
            .map(|(host, dialect)| (host.to_owned(), dialect.to_owned()))
            .into();
    });
    let dialect = |host: &str, path: &str| {
        let (head, _) = request("POST", path, &[("host", host)], "").into_parts();
        let route = bench.gateway.route(&arrival(), &head);
        let index = route.dialect().unwrap();
        (bench.gateway.pack(index).name(), matches!(route, Route::Account { .. }))
    };
    assert_eq!(dialect("api.example", "/api/user/login"), ("coolkit", true));
    for host in ["shop.example", "SHOP.example:8080"] {
        assert_eq!(dialect(host, "/api/user/login"), ("shopxo", true), "{host}");
        assert_eq!(dialect(host, "/v1/sessions"), ("shopxo", false), "{host}");
    }
    // A host opens nothing that the listener has closed.
    assert_eq!(dialect("closed.example", "/v1/sessions"), ("canonical", false));
}
