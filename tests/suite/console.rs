//! The console in headless Chromium, as an operator sees it; the browser's side is tests/clients/console.js.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::clients::{Client, DIALECTS, For};
use crate::support::coolkit::{App, call, login, register};
use crate::support::gateway::{Gateway, House};
use crate::support::http::{self, Connection};
use crate::support::tools::{source, tool};

/// A browser that plays a scenario.
struct Browser {
    child: Child,
    printed: BufReader<ChildStdout>,
}

impl Browser {
    fn start(scenario: &str, input: &Value) -> Self {
        let mut child = Command::new("node")
            .env("NODE_PATH", tool("node/node_modules"))
            .arg(source("tests/clients/console.js"))
            .arg(scenario)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
        let printed = BufReader::new(child.stdout.take().unwrap());
        Self { child, printed }
    }

    /// Waits until the page is open and calls should come.
    fn until_ready(&mut self) {
        let mut line = String::new();
        self.printed.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
    }

    /// Whether the scenario has not ended yet.
    fn is_playing(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it saw in the end.
    fn saw(mut self) -> Value {
        let mut said = String::new();
        self.printed.read_to_string(&mut said).unwrap();
        assert!(self.child.wait().unwrap().success(), "{said}");
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error} in {said:?}"))
    }
}

fn play(scenario: &str, gateway: &Gateway) -> Value {
    Browser::start(scenario, &json!({"admin": gateway.admin().to_string()})).saw()
}

/// No request to anybody else, nothing that the security policy had to stop, no error.
fn assert_undisturbed(view: &Value, gateway: &Gateway) {
    let origins: Vec<&String> = view["origins"].as_object().unwrap().keys().collect();
    assert_eq!(origins, [&format!("http://{}", gateway.admin())], "{view}");
    for nothing in ["violations", "errors"] {
        assert_eq!(view[nothing], json!([]), "{view}");
    }
}

fn card<'a>(cards: &'a Value, title: &str) -> &'a Value {
    cards.as_array().unwrap().iter().find(|card| card["title"] == title).unwrap()
}

#[test]
fn it_is_readable_at_desktop_and_phone_width_in_light_and_dark() {
    let gateway = House::embedded(&[&App::sample()]).start();
    let views = play("looks", &gateway);
    assert_eq!(views.as_array().unwrap().len(), 4);
    for view in views.as_array().unwrap() {
        assert_undisturbed(view, &gateway);
        assert!(view["texts"].as_u64().unwrap() > 40, "{view}");
        assert_eq!((&view["pale"], &view["unnamed"]), (&json!([]), &json!([])), "{view}");
        assert_eq!(view["tooWide"], 0, "{view}");
        let is_dark = view["paper"].as_f64().unwrap() < 0.1;
        assert_eq!(is_dark, view["colorScheme"] == "dark", "{view}");
    }
}

#[test]
fn its_figures_move_when_calls_are_made() {
    let app = App::sample();
    let gateway = House::embedded(&[&app]).start();
    let mut browser = Browser::start("live", &json!({"admin": gateway.admin().to_string()}));
    browser.until_ready();
    register(&gateway, &app, "+8613800138721", "a-fine-password");
    let impostor = App::new(&app.id, "not-the-secret-of-this-app");
    while browser.is_playing() {
        for app in [&app, &impostor] {
            call(gateway.http, app, "/api/user/login", login("+8613800138721", "a-fine-password"));
        }
    }
    let seen = browser.saw();
    assert_undisturbed(&seen, &gateway);
    assert_eq!(seen["empty"], true);
    let text = |member: &str| seen[member].as_str().unwrap();
    assert!(text("row").starts_with("coolkit"), "{seen}");
    assert!(text("refusal").starts_with("signature · wrong"), "{seen}");
    assert!(text("attempts").contains("canonical · answered"), "{seen}");
    assert!(text("meters").contains("Replay memory"), "{seen}");
    for duration in ["whole", "own"] {
        assert!([" µs", " ms", " s"].iter().any(|unit| text(duration).ends_with(unit)), "{seen}");
    }
    assert!(seen["lines"].as_u64().unwrap() >= 4, "{seen}");
}

#[test]
fn its_translator_shows_a_shopxo_registration_in_the_other_four_and_what_can_not_be_said() {
    let gateway = House::embedded(&[&App::sample()]).start();
    let seen = play("translator", &gateway);
    assert_undisturbed(&seen, &gateway);
    let registration = &seen["results"]["ShopXO registers a phone"];
    assert_eq!(registration["summary"], "Said in 4 of 4 dialects.");
    for (dialect, start) in [
        ("coolkit", "POST /api/user/register"),
        ("qingzhenyun", "POST /v1/user/register"),
        ("discuzq", "POST /api/register"),
        ("canonical", "POST /v1/accounts"),
    ] {
        let card = card(&registration["cards"], dialect);
        assert!(card["unsaid"] == false && card["text"].as_str().unwrap().contains(start), "{card}");
    }
    let named = &seen["results"]["ShopXO registers a bare name"];
    assert_eq!(named["summary"], "Said in 2 of 4 dialects; 2 can’t say it.");
    for dialect in ["coolkit", "qingzhenyun"] {
        let card = card(&named["cards"], dialect);
        assert!(card["unsaid"] == true && card["text"].as_str().unwrap().contains("not_supported"), "{card}");
    }
    let answer = card(&seen["results"]["ShopXO answers: wrong password"]["cards"], "canonical");
    assert!(answer["text"].as_str().unwrap().contains("HTTP/1.1 401"), "{answer}");
}

#[test]
fn it_is_used_with_nothing_but_keys() {
    let gateway = House::embedded(&[&App::sample()]).start();
    let seen = play("keyboard", &gateway);
    assert_undisturbed(&seen, &gateway);
    let reached = seen["reached"].as_array().unwrap();
    assert!(reached.iter().all(|control| control["visible"] == true), "{reached:?}");
    let names: Vec<&str> = reached.iter().map(|control| control["name"].as_str().unwrap()).collect();
    let order = [
        "#main",
        "/metrics",
        "/config",
        "/openapi.json",
        "outbox",
        "example",
        "from",
        "message",
        "Translate",
    ];
    assert_eq!(names, order);
    assert_eq!(card(&seen["cards"], "coolkit")["unsaid"], true);
}

#[test]
fn with_a_token_it_asks_for_it_and_shows_nothing_before() {
    const TOKEN: &str = "the-token-of-the-operators";
    let mut house = House::embedded(&[&App::sample()]);
    house.change("[admin]\n", &format!("[admin]\ntoken = {TOKEN:?}\n"));
    let gateway = house.start();
    let input = json!({"admin": gateway.admin().to_string(), "token": TOKEN});
    let seen = Browser::start("token", &input).saw();
    assert_eq!((&seen["before"], &seen["kept"]), (&json!(false), &json!(false)));
    let config = seen["config"].as_str().unwrap();
    assert!(config.contains("token: Some(\n") && !config.contains(TOKEN), "{config}");
    assert_eq!(seen["cards"].as_array().unwrap().len(), 5);
    assert_eq!(seen["violations"], json!([]));
    for path in ["/figures.json", "/translate.json", "/config", "/metrics", "/openapi.json", "/outbox"] {
        let answer = http::get(gateway.admin(), path);
        assert_eq!(answer.status, 401, "{path}");
        assert!(!answer.body.contains("dragoman_"), "{path}");
    }
    assert!(!gateway.printed().contains(TOKEN));
}

#[test]
fn strangers_pages_and_rebound_names_get_nothing() {
    let gateway = House::embedded(&[&App::sample()]).start();
    let seen = play("strangers", &gateway);
    for asked in ["figures", "opaque", "form", "json", "image"] {
        assert_eq!(seen[asked], "nothing", "{asked}: {seen}");
    }
    assert_eq!(seen["frame"], false);
    assert_eq!(seen["rebound"], 403);
    assert!(!seen["reboundText"].as_str().unwrap().contains("dragoman_"));
}

#[test]
fn what_is_pasted_is_bounded_and_must_come_from_the_page_itself() {
    let gateway = House::embedded(&[&App::sample()]).start();
    let post = |fields: &str, body: &str| {
        let host = gateway.admin();
        let length = body.len();
        let head = format!(
            "POST /translate.json HTTP/1.1\r\nHost: {host}\r\n{fields}Content-Length: {length}\r\n\r\n"
        );
        Connection::open(host).exchange((head + body).as_bytes()).status
    };
    let pasted = json!({"from": "canonical", "message":
        "POST /v1/sessions\n\n{\"phone\":\"+8613800138722\",\"password\":\"a-fine-password\"}"})
    .to_string();
    let own = format!("Origin: http://{}\r\n", gateway.admin());
    let json = "Content-Type: application/json\r\n";
    assert_eq!(post(&format!("{own}{json}"), &pasted), 200);
    assert_eq!(post(json, &pasted), 200, "what is no browser names no origin");
    for strange in ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1.evil.example"] {
        assert_eq!(post(&format!("Origin: {strange}\r\n{json}"), &pasted), 403, "{strange}");
    }
    assert_eq!(post(&format!("Sec-Fetch-Site: cross-site\r\n{json}"), &pasted), 403);
    assert_eq!(post("Content-Type: text/plain\r\n", &pasted), 415);
    assert_eq!(post(json, "{\"from\":7}"), 400);
    assert_eq!(post(json, &" ".repeat(70_000)), 413);
    let config = http::get(gateway.admin(), "/config").body;
    assert!(config.contains("secrets: [") && !config.contains(&App::sample().secret), "{config}");
    // The house's own search at the end finds no password or phone in what it printed.
    assert!(!gateway.metrics().contains("13800138722"));
}

/// Makes docs/console.png anew, in six minutes:
/// `DRAGOMAN_PICTURE=docs/console.png cargo test --test suite picture -- --ignored`
#[test]
#[ignore = "takes six minutes, and makes a picture that is compared by nobody"]
fn the_picture_of_the_readme() {
    let picture = std::env::var_os("DRAGOMAN_PICTURE").expect("DRAGOMAN_PICTURE names the file");
    let app = App::sample();
    let gateway = House::embedded(&[&app]).for_clients_of(&DIALECTS).start();
    let input = json!({"admin": gateway.admin().to_string(), "picture": source(&picture.to_string_lossy())});
    let mut browser = Browser::start("picture", &input);
    let mut clients: Vec<_> =
        DIALECTS.iter().map(|dialect| Client::new(dialect, gateway.http, &app)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let phone = format!("1380013873{number}");
        client.ask_code(if client.dialect == "discuzq" { For::Login } else { For::Register }, &phone);
        let registered = client.register(&phone, &gateway.code(&format!("+86{phone}")), "a-fine-password");
        assert!(client.is_good(&registered), "{}: {registered:?}", client.dialect);
    }
    browser.until_ready();
    let impostor = App::new(&app.id, "not-the-secret-of-this-app");
    let mut round = 0_u32;
    while browser.is_playing() {
        round += 1;
        // A tide, with some of the mistakes that clients make.
        let wave = f64::from(round) / 40.0;
        thread::sleep(Duration::from_secs_f64(0.02 + 0.015 * wave.sin()));
        let index = [0, 3, 0, 4, 0, 3, 1, 0, 2, 3][round as usize % 10];
        match round % 29 {
            5 => drop(call(gateway.http, &impostor, "/api/user/login", login("+8613800138730", "x"))),
            11 => drop(Client::new("shopxo", gateway.http, &app).logs_in("13800138733", "not-it")),
            17 => drop(clients[4].json("POST", "/v1/sessions", None, &json!({"phone": 7}))),
            _ => drop(clients[index].me().or_else(|| clients[index].refresh())),
        }
    }
    assert_undisturbed(&browser.saw(), &gateway);
}
