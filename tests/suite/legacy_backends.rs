//! Clients of all five dialects in front of a backend of each legacy dialect: strict servers, written in Python
//! without this crate's code. What a client can say and the backend can do is done, with one request for one call
//! and nothing sent twice; what the backend has no form for is `not_supported` in the client's own form.

use crate::support::clients::{Client, DIALECTS, For};
use crate::support::coolkit::App;
use crate::support::gateway::{Gateway, House};
use crate::support::http::{Answer, field};
use crate::support::legacy::{LegacyServer, Received};

const PASSWORD: &str = "a-fine-password";
const PHONE: &str = "13800138001";
const NAME: &str = "zoe_2026";
/// By which the gateway signs at coolkit's backend.
const GATEWAY_APP: &str = "GatewayApp00000000000000000000Id";

/// What the requests of one call must be, as `METHOD path`; ShopXO's path is that of its route.
type Requests = &'static [&'static str];

/// How a backend is asked, and what it can't.
struct Backend {
    dialect: &'static str,
    options: &'static [&'static str],
    send_code: Requests,
    /// By phone and code.
    register: Requests,
    login: Requests,
    /// The send of a code to log in, and the login with it.
    by_code: Option<[Requests; 2]>,
    me: Option<Requests>,
    refresh: Option<Requests>,
    log_out: Option<Requests>,
}

const BACKENDS: [Backend; 4] = [
    Backend {
        dialect: "coolkit",
        options: &["--appid", GATEWAY_APP, "--secret", "5u1t3-s3cr3t-that-n0body-may-print"],
        send_code: &["POST /api/sms"],
        register: &["POST /api/user/register"],
        login: &["POST /api/user/login"],
        by_code: None,
        me: None,
        refresh: Some(&["GET /api/user/refresh"]),
        log_out: None,
    },
    Backend {
        dialect: "qingzhenyun",
        options: &["--resend-interval", "0"],
        send_code: &["POST /v1/user/sendRegisterMessage"],
        register: &["POST /v1/user/register"],
        login: &["POST /v1/user/login"],
        by_code: Some([&["POST /v1/user/sendLoginMessage"], &["POST /v1/user/loginByMessage"]]),
        me: Some(&["POST /v1/user/info"]),
        refresh: None,
        log_out: Some(&["POST /v1/user/logout"]),
    },
    Backend {
        dialect: "discuzq",
        options: &["--resend-interval", "0"],
        send_code: &["POST /api/sms/send"],
        // A code login proves the phone, and the account is made with the token that its refusal brings.
        register: &["POST /api/sms/verify", "POST /api/register"],
        login: &["POST /api/login"],
        by_code: Some([&["POST /api/sms/send"], &["POST /api/sms/verify"]]),
        me: Some(&["GET /api/users/1"]),
        refresh: Some(&["POST /api/refresh-token"]),
        log_out: None,
    },
    Backend {
        dialect: "shopxo",
        options: &["--resend-interval", "0"],
        send_code: &["POST user/regverifysend"],
        register: &["POST user/reg"],
        login: &["POST user/login"],
        by_code: Some([&["POST user/loginverifysend"], &["POST user/login"]]),
        me: Some(&["POST user/tokenuserinfo"]),
        refresh: None,
        log_out: None,
    },
];

/// A backend with a gateway in front of it, and a client of a dialect.
struct Scene {
    backend: &'static Backend,
    server: LegacyServer,
    gateway: Gateway,
    client: Client,
    seen: usize,
}

impl Scene {
    fn set(backend: &'static Backend, client: &'static str) -> Self {
        let server = LegacyServer::start(backend.dialect, backend.options);
        let app = App::new(GATEWAY_APP, &App::sample().secret);
        let house = House::translating(backend.dialect, server.address, &app);
        let gateway = house.for_clients_of(&DIALECTS).start();
        let mut client = Client::new(client, gateway.http, &app);
        client.lies = true;
        Self { backend, server, gateway, client, seen: 0 }
    }

    fn pair(&self) -> String {
        format!("{} at {}", self.client.dialect, self.backend.dialect)
    }

    /// The answer is good, and the backend was asked these requests for it and no others.
    fn good(&mut self, what: &str, answer: &Answer, expected: Requests) -> Vec<Received> {
        assert!(self.client.is_good(answer), "{what}, {}: {answer:?}", self.pair());
        self.asked(what, expected)
    }

    fn asked(&mut self, what: &str, expected: Requests) -> Vec<Received> {
        let requests = self.server.requests().split_off(self.seen);
        self.seen += requests.len();
        let found: Vec<String> =
            requests.iter().map(|request| format!("{} {}", request.method, route(&request.target))).collect();
        assert_eq!(found, expected, "{what}, {}", self.pair());
        for request in &requests {
            let told = request.header("X-Forwarded-For");
            match self.backend.dialect {
                // It believes what stands there.
                "discuzq" => assert_eq!(told, ["127.0.0.1"], "{what}, {}", self.pair()),
                _ => assert!(!told.iter().any(|told| told.contains("203.0.113")), "{told:?}"),
            }
        }
        requests
    }

    /// The answer is the client's own form of what the backend's dialect can't, and the backend was not asked.
    fn not_supported(&mut self, what: &str, answer: &Answer) {
        let body = answer.json();
        let (found, expected) = match self.client.dialect {
            "coolkit" => (format!("{} {}", answer.status, body["error"]), "200 407"),
            "qingzhenyun" => (format!("{} {}", answer.status, body["code"]), "404 \"RESOURCE_NOT_FOUND\""),
            "discuzq" => {
                (format!("{} {}", answer.status, body["errors"][0]["code"]), "404 \"route_not_found\"")
            }
            "shopxo" => (format!("{} {}", answer.status, body["code"]), "200 -1000"),
            _ => (format!("{} {}", answer.status, body["code"]), "501 \"not_supported\""),
        };
        assert_eq!(found, expected, "{what}, {}: {answer:?}", self.pair());
        self.asked(what, &[]);
    }
}

/// The path, or ShopXO's route.
fn route(target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let route = query.split('&').find_map(|parameter| parameter.strip_prefix("s="));
    route.unwrap_or(path).replace("%2F", "/")
}

/// The token of the session stands where the backend looks for it, and nowhere else.
fn assert_token(dialect: &str, request: &Received) {
    let authorization = request.header("Authorization");
    let parameter = request.target.split(['?', '&']).find_map(|part| part.strip_prefix("token="));
    if dialect == "shopxo" {
        assert!(authorization.is_empty(), "{request:?}");
        assert_eq!(parameter.map(str::len), Some(32), "{request:?}");
    } else {
        assert!(matches!(authorization[..], [one] if one.starts_with("Bearer ")), "{request:?}");
        assert_eq!(parameter, None, "{request:?}");
    }
}

/// Registers: by phone and code, and Discuz! Q's client where its code login finds nobody, else by a bare name.
/// Returns as whom to log in.
fn register(scene: &mut Scene) -> &'static str {
    let backend = scene.backend;
    if scene.client.dialect == "discuzq" && backend.dialect != "discuzq" {
        let answer = scene.client.register_name(NAME, PASSWORD);
        if backend.dialect == "shopxo" {
            scene.good("register", &answer, backend.register);
            return NAME;
        }
        scene.not_supported("register", &answer);
        // He has an account already: somebody made it with the backend's own app.
        let own = if backend.dialect == "coolkit" { "coolkit" } else { "qingzhenyun" };
        let visitor = scene.client.dialect;
        scene.client.dialect = own;
        let who = register(scene);
        scene.client.dialect = visitor;
        return who;
    }
    let sent = scene.client.ask_code(For::Register, PHONE);
    scene.good("send_code", &sent, backend.send_code);
    let code = scene.server.code(&format!("+86{PHONE}"));
    let registered = scene.client.register(PHONE, &code, PASSWORD);
    let requests = scene.good("register", &registered, backend.register);
    assert!(requests.iter().any(|request| request.body.contains(&code)), "{requests:?}");
    PHONE
}

fn lives(scene: &mut Scene) {
    let backend = scene.backend;
    let who = register(scene);
    let wrong = scene.client.login(who, "wrong-password");
    assert!(!scene.client.is_good(&wrong), "{}: {wrong:?}", scene.pair());
    assert!(wrong.status != 500 && field(&wrong.head, "content-length") != Some("0"), "{wrong:?}");
    scene.asked("a wrong login", backend.login);
    scene.client.token = None;
    let logged_in = scene.client.login(who, PASSWORD);
    scene.good("login", &logged_in, backend.login);
    assert!(scene.client.token.is_some(), "{}: {logged_in:?}", scene.pair());

    if who == PHONE && scene.client.dialect != "coolkit" {
        logs_in_by_code(scene);
    }
    if let Some(me) = scene.client.me() {
        match backend.me {
            Some(expected) => {
                let requests = scene.good("me", &me, expected);
                assert_token(backend.dialect, &requests[0]);
                if who == PHONE {
                    assert_eq!(scene.client.phone_of(&me), PHONE, "{}: {me:?}", scene.pair());
                }
            }
            None => scene.not_supported("me", &me),
        }
    }
    if let Some(renewed) = scene.client.refresh() {
        match backend.refresh {
            Some(expected) => {
                scene.good("refresh", &renewed, expected);
            }
            None => scene.not_supported("refresh", &renewed),
        }
    }
    let Some(out) = scene.client.log_out() else { return };
    match backend.log_out {
        Some(expected) => {
            let requests = scene.good("logout", &out, expected);
            assert_token(backend.dialect, &requests[0]);
            let me = scene.client.me().unwrap();
            assert!(!scene.client.is_good(&me), "{}: {me:?}", scene.pair());
        }
        None => scene.not_supported("logout", &out),
    }
}

/// Where the backend wants back what came with its code, and the client has no place for it, the gateway kept it.
fn logs_in_by_code(scene: &mut Scene) {
    let sent = scene.client.ask_code(For::Login, PHONE);
    let Some([send, login]) = scene.backend.by_code else {
        return scene.not_supported("send_code to log in", &sent);
    };
    scene.good("send_code to log in", &sent, send);
    let code = scene.server.code(&format!("+86{PHONE}"));
    scene.client.token = None;
    let logged_in = scene.client.login_code(PHONE, &code);
    scene.good("login_code", &logged_in, login);
    assert!(scene.client.token.is_some(), "{}: {logged_in:?}", scene.pair());
}

fn all_clients_live_at(dialect: &str) {
    let backend = BACKENDS.iter().find(|backend| backend.dialect == dialect).unwrap();
    for client in DIALECTS {
        let mut scene = Scene::set(backend, client);
        lives(&mut scene);
        let metrics = scene.gateway.metrics();
        let unintelligible = metrics
            .lines()
            .find(|line| line.starts_with("dragoman_translation_failures_total{") && !line.ends_with(" 0"));
        assert_eq!(unintelligible, None, "{}", scene.pair());
    }
}

#[test]
fn clients_of_all_dialects_live_at_a_coolkit_backend() {
    all_clients_live_at("coolkit");
}

#[test]
fn clients_of_all_dialects_live_at_a_qingzhenyun_backend() {
    all_clients_live_at("qingzhenyun");
}

#[test]
fn clients_of_all_dialects_live_at_a_discuzq_backend() {
    all_clients_live_at("discuzq");
}

#[test]
fn clients_of_all_dialects_live_at_a_shopxo_backend() {
    all_clients_live_at("shopxo");
}
