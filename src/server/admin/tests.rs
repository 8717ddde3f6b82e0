use super::*;

fn site(listen: &str, token: Option<&str>, outbox: bool) -> Result<AdminSite, AdminError> {
    let address: SocketAddr = listen.parse().unwrap();
    let settings =
        config::Admin { address, token: token.map(Secret::from), hosts: vec!["ops.example".to_owned()] };
    let pages = AdminPages {
        metrics: Box::new(|| "dragoman_up 1\n".to_owned()),
        unready: Box::new(|| None),
        outbox: outbox.then(|| -> Box<dyn Fn() -> Vec<OutboxEntry> + Send + Sync> { Box::new(Vec::new) }),
        openapi: "{\"openapi\":\"3.1.0\"}",
        console: Box::new(console::Blank),
    };
    AdminSite::new(&settings, address, pages, watch::Sender::new(Phase::Running).subscribe())
}

fn get(site: &AdminSite, host: &str, path: &str, token: Option<&str>) -> Response<Bytes> {
    let mut request = Request::builder().uri(path).header("host", host);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    secured(site.page(&request.body(Bytes::new()).unwrap()))
}

#[test]
fn each_page_is_there_with_its_type() {
    let site = site("127.0.0.1:9090", None, true).unwrap();
    for (path, kind) in [
        ("/livez", "text/plain; charset=utf-8"),
        ("/readyz", "text/plain; charset=utf-8"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/openapi.json", "application/json"),
        ("/config", "text/plain; charset=utf-8"),
        ("/figures.json", "application/json"),
        ("/translate.json", "application/json"),
        ("/", "text/html; charset=utf-8"),
        ("/console.css", "text/css; charset=utf-8"),
        ("/console.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/outbox", "text/html; charset=utf-8"),
        ("/outbox.json", "application/json"),
    ] {
        let response = get(&site, "127.0.0.1:9090", path, None);
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &kind.parse().unwrap())
        );
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(response.headers().get("access-control-allow-origin"), None);
    }
    assert_eq!(get(&site, "localhost", "/nothing", None).status(), 404);
}

#[test]
fn names_that_are_not_its_own_are_refused() {
    let site = site("127.0.0.1:9090", None, false).unwrap();
    for own in ["127.0.0.1:9090", "localhost:9090", "LOCALHOST", "[::1]:9090", "ops.example"] {
        assert_eq!(get(&site, own, "/metrics", None).status(), 200, "{own}");
    }
    for strange in ["evil.example", "127.0.0.1.evil.example", "192.0.2.7", "", "localhost.evil.example:9090"]
    {
        assert_eq!(get(&site, strange, "/metrics", None).status(), 403, "{strange}");
    }
}

#[test]
fn only_reading_is_allowed() {
    let site = site("127.0.0.1:9090", None, false).unwrap();
    let request = Request::post("/metrics").header("host", "localhost").body(Bytes::new()).unwrap();
    let response = site.page(&request);
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (405, &"GET, HEAD".parse().unwrap())
    );
}

#[test]
fn off_loopback_a_token_is_needed_and_the_outbox_is_not_shown() {
    assert!(matches!(site("0.0.0.0:9090", None, false), Err(AdminError::TokenNeeded(_))));
    assert!(matches!(site("0.0.0.0:9090", Some(""), false), Err(AdminError::TokenNeeded(_))));
    assert!(matches!(site("0.0.0.0:9090", Some("s3"), true), Err(AdminError::OutboxOffLoopback(_))));
    let site = site("0.0.0.0:9090", Some("s3"), false).unwrap();
    for (token, status) in [(None, 401), (Some("s"), 401), (Some("s3x"), 401), (Some("s3"), 200)] {
        assert_eq!(get(&site, "192.0.2.1:9090", "/metrics", token).status(), status);
    }
    assert_eq!(get(&site, "192.0.2.1:9090", "/livez", None).status(), 200);
    assert_eq!(get(&site, "192.0.2.1:9090", "/outbox", Some("s3")).status(), 404);
}

fn ask(site: &AdminSite, request: http::request::Builder) -> u16 {
    site.page(&request.header("host", "127.0.0.1:9090").body(Bytes::from("{}")).unwrap()).status().as_u16()
}

#[test]
fn pages_of_other_origins_are_refused_whatever_they_ask_for() {
    let site = site("127.0.0.1:9090", None, true).unwrap();
    for path in ["/", "/metrics", "/figures.json", "/outbox.json", "/config", "/livez"] {
        let with = |name: &str, value: &str| ask(&site, Request::get(path).header(name, value));
        for strange in ["http://evil.example", "null", "http://127.0.0.1:9091", "http://localhost:9090", ""] {
            assert_eq!(with("origin", strange), 403, "{path} for {strange}");
        }
        assert_eq!(with("sec-fetch-site", "cross-site"), 403, "{path}");
        assert_eq!(with("sec-fetch-site", "same-site"), 403, "{path}");
        for own in [("origin", "http://127.0.0.1:9090"), ("origin", "https://127.0.0.1:9090")] {
            assert_eq!(with(own.0, own.1), 200, "{path}");
        }
        let link =
            Request::get(path).header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "navigate");
        assert_eq!(ask(&site, link), 200, "{path}");
    }
}

#[test]
fn only_json_of_the_page_itself_is_translated() {
    let post = |site: &AdminSite, token: Option<&str>| {
        let mut request = Request::post(TRANSLATE).header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        ask(site, request)
    };
    let open = site("127.0.0.1:9090", None, false).unwrap();
    assert_eq!(post(&open, None), 200);
    assert_eq!(ask(&open, Request::post(TRANSLATE).header("content-type", "text/plain")), 415);
    assert_eq!(ask(&open, Request::delete(TRANSLATE)), 405);
    let navigated =
        Request::post(TRANSLATE).header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "navigate");
    assert_eq!(ask(&open, navigated), 403);
    let closed = site("0.0.0.0:9090", Some("s3"), false).unwrap();
    assert_eq!((post(&closed, None), post(&closed, Some("s3"))), (401, 200));
}

#[test]
fn without_its_token_a_listener_tells_nothing_but_that_it_is_there() {
    let site = site("0.0.0.0:9090", Some("s3"), false).unwrap();
    for path in ["/metrics", "/figures.json", "/translate.json", "/config", "/openapi.json", "/nothing"] {
        assert_eq!(get(&site, "192.0.2.1:9090", path, None).status(), 401, "{path}");
    }
    for path in ["/", "/console.js", "/console.css", "/icon.svg", "/readyz"] {
        assert_eq!(get(&site, "192.0.2.1:9090", path, None).status(), 200, "{path}");
    }
}
