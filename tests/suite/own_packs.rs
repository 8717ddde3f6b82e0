//! Dialects that are files alone, in the directory that `dialects_dir` names: clients of them in front of backends of
//! all built-in dialects, clients of all those in front of backends of theirs, and a reload while all goes on.
//!
//! A backend of any dialect is a second gateway, which speaks it to its clients and has the embedded backend.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::clients::{Client, DIALECTS, For};
use crate::support::coolkit::App;
use crate::support::gateway::{Gateway, House};
use crate::support::http::Answer;
use crate::support::tools::source;

const V3: &str = "discuzq-v3";
const LEDGER: &str = "ledger";
const ALL: [&str; 7] = ["coolkit", "qingzhenyun", "discuzq", V3, LEDGER, "shopxo", "canonical"];
const PASSWORD: &str = "a-fine-password";
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

fn packs(names: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    names.iter().for_each(|name| put(directory.path(), name, |text| text));
    directory
}

/// Puts a pack of `tests/packs` into a directory, changed.
fn put(directory: &Path, name: &str, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(source(&format!("tests/packs/{name}.toml"))).unwrap();
    fs::write(directory.join(format!("{name}.toml")), change(text)).unwrap();
}

/// The embedded backend, which understands all dialects.
fn backend(app: &App, packs: &Path) -> Gateway {
    House::embedded(&[app]).for_clients_of(&ALL).with_packs(packs).start()
}

/// A gateway before a backend of one dialect, for clients of all.
fn in_front_of(backend: &Gateway, dialect: &str, app: &App, packs: &Path) -> Gateway {
    let house = House::translating(dialect, backend.http, app);
    house.for_clients_of(&ALL).with_packs(packs).start()
}

fn e164(phone: &str) -> String {
    format!("+86{phone}")
}

/// A call of Discuz! Q v3: the answer is HTTP 200 whatever it says, with these members and no others.
fn v3(client: &Client, call: &str, members: &Value) -> Value {
    let method = if call == "user" { "GET" } else { "POST" };
    let answer = client.json(method, &format!("/api/v3/{call}"), client.token.as_deref(), members);
    assert_eq!(answer.status, 200, "{call}: {answer:?}");
    let body = answer.json();
    let names: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert!(names == ["Code", "Message", "Data"] || names == ["Code", "Message"], "{call}: {body}");
    body
}

/// A call of the ledger: its page, if it is a good one.
fn ledger(client: &Client, method: &str, path: &str, fields: &[(&str, &str)], form: &str) -> Answer {
    let ticket = client.token.as_deref().map(|token| ("X-Ledger-Ticket", token));
    let fields: Vec<_> = [FORM].into_iter().chain(ticket).chain(fields.iter().copied()).collect();
    client.send(method, &format!("/ledger/{path}"), &fields, form)
}

fn enter(client: &Client, phone: &str, password: &str) -> Answer {
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:{password}", e164(phone))));
    ledger(client, "POST", "tickets", &[("Authorization", &basic)], "")
}

fn done(answer: &Answer) -> Value {
    let body = answer.json();
    assert_eq!(body["ledger"]["outcome"], "done", "{answer:?}");
    body["ledger"]["entry"].clone()
}

#[test]
fn clients_of_built_in_dialects_live_at_backends_of_packs() {
    let (app, packs) = (App::sample(), packs(&[V3, LEDGER]));
    let backend = backend(&app, packs.path());
    for (row, dialect) in [V3, LEDGER].into_iter().enumerate() {
        let gateway = in_front_of(&backend, dialect, &app, packs.path());
        for (column, name) in DIALECTS.into_iter().enumerate() {
            let pair = format!("{name} at {dialect}");
            let phone = format!("139001391{row}{column}");
            let mut client = Client::new(name, gateway.http, &app);
            let sent = client.ask_code(For::Register, &phone);
            assert!(client.is_good(&sent), "{pair}: {sent:?}");
            let registered = client.register(&phone, &backend.code(&e164(&phone)), PASSWORD);
            assert!(client.is_good(&registered), "{pair}: {registered:?}");
            let wrong = client.login(&phone, "wrong-password");
            assert!(!client.is_good(&wrong) && wrong.status < 500, "{pair}: {wrong:?}");
            assert!(client.logs_in(&phone, PASSWORD), "{pair}");
            if let Some(me) = client.me() {
                assert!(client.is_good(&me), "{pair}: {me:?}");
                assert_eq!(client.phone_of(&me), phone, "{pair}");
            }
            if let Some(renewed) = client.refresh() {
                assert!(client.is_good(&renewed), "{pair}: {renewed:?}");
            }
            if let Some(out) = client.log_out() {
                assert_eq!(client.is_good(&out), dialect == LEDGER, "{pair}: {out:?}");
            }
        }
    }
}

/// Registers a client of Discuz! Q v3 in the way that the backend's dialect leaves it, and tells as whom to log in.
fn join_v3(backend: &Gateway, dialect: &str, client: &Client, phone: &str, name: &str) -> String {
    let new = json!({"username": name, "password": PASSWORD});
    match dialect {
        // No form for a bare name: he logs in with an account that is there.
        "coolkit" | "qingzhenyun" => {
            assert_eq!(v3(client, "users/username.register", &new)["Code"], -4004, "{dialect}");
            let mut other = Client::new("canonical", backend.http, &App::sample());
            other.ask_code(For::Register, phone);
            other.register(phone, &backend.code(&e164(phone)), PASSWORD);
            phone.to_owned()
        }
        "shopxo" => {
            assert_eq!(v3(client, "users/username.register", &new)["Code"], 0, "{dialect}");
            name.to_owned()
        }
        // The code login of a number without an account proves the phone, and the register binds it.
        _ => {
            let asked = v3(client, "users/sms.send", &json!({"mobile": phone, "type": "login"}));
            assert!(asked["Data"]["interval"].is_u64(), "{dialect}: {asked}");
            let code = backend.code(&e164(phone));
            let wrong = v3(client, "users/sms.login", &json!({"mobile": phone, "code": "no-code"}));
            assert_eq!(wrong["Code"], -9002, "{dialect}: {wrong}");
            let unknown = v3(client, "users/sms.login", &json!({"mobile": phone, "code": code}));
            assert_eq!(unknown["Code"], -7041, "{dialect}: {unknown}");
            let mut new = new.clone();
            new["sessionToken"] = unknown["Data"]["sessionToken"].clone();
            let registered = v3(client, "users/username.register", &new);
            assert_eq!((&registered["Code"], &registered["Message"]), (&json!(0), &json!("接口调用成功")));
            let taken =
                v3(client, "users/username.register", &json!({"username": name, "password": PASSWORD}));
            assert_eq!(taken["Code"], -7042, "{dialect}: {taken}");
            phone.to_owned()
        }
    }
}

#[test]
fn clients_of_discuzq_v3_live_at_backends_of_all_other_dialects() {
    let (app, packs) = (App::sample(), packs(&[V3, LEDGER]));
    let backend = backend(&app, packs.path());
    for (number, dialect) in ALL.into_iter().enumerate().filter(|(_, dialect)| *dialect != V3) {
        let gateway = in_front_of(&backend, dialect, &app, packs.path());
        let phone = format!("1390013920{number}");
        let mut client = Client::new(V3, gateway.http, &app);
        let who = join_v3(&backend, dialect, &client, &phone, &format!("zoe{number}"));
        let log_in = |password: &str| {
            v3(&client, "users/username.login", &json!({"username": who, "password": password}))
        };
        assert_eq!(log_in("wrong-password")["Code"], -7040, "{dialect}");
        let missing = v3(&client, "users/username.login", &json!({"username": who}));
        assert_eq!((&missing["Code"], &missing["Message"]), (&json!(-4001), &json!("密码不能为空")));
        let logged_in = log_in(PASSWORD);
        assert_eq!(logged_in["Code"], 0, "{dialect}: {logged_in}");
        client.token = logged_in["Data"]["accessToken"].as_str().map(str::to_owned);
        let me = v3(&client, "user", &json!({}));
        match dialect {
            "coolkit" => assert_eq!(me["Code"], -4004, "{dialect}: {me}"),
            // Discuz! Q's tokens say whose they are, and those of the embedded backend do not.
            "discuzq" => assert_eq!(me["Code"], -3001, "{dialect}: {me}"),
            "shopxo" => assert_eq!(me["Data"]["username"], who, "{dialect}: {me}"),
            _ => assert_eq!(me["Data"]["mobile"], phone, "{dialect}: {me}"),
        }
    }
}

#[test]
fn clients_of_the_ledger_live_at_backends_of_all_other_dialects() {
    let (app, packs) = (App::sample(), packs(&[V3, LEDGER]));
    let backend = backend(&app, packs.path());
    for (number, dialect) in ALL.into_iter().enumerate().filter(|(_, dialect)| *dialect != LEDGER) {
        let gateway = in_front_of(&backend, dialect, &app, packs.path());
        let phone = format!("1390013930{number}");
        let mut client = Client::new(LEDGER, gateway.http, &app);
        let form = format!("purpose=join&to%5Bmobile%5D=%2B86{phone}");
        let slip = done(&ledger(&client, "POST", "words", &[], &form))["slip"].as_str().map(str::to_owned);
        assert_eq!(slip, None, "{dialect}: only dialects that carry one are given one");
        let code = backend.code(&e164(&phone));
        let join = |word: &str| {
            let form = format!("holder[mobile]=%2B86{phone}&holder[secret]={PASSWORD}&proof[word]={word}");
            ledger(&client, "POST", "holders", &[], &form)
        };
        let wrong = join("no-word");
        assert_eq!(wrong.json()["ledger"]["flaw"]["name"], "wrong_word", "{dialect}: {wrong:?}");
        let joined = join(&code);
        assert_eq!(joined.status, 201, "{dialect}: {joined:?}");
        done(&joined);
        let wrong = enter(&client, &phone, "wrong-password");
        assert_eq!(
            (wrong.status, &wrong.json()["ledger"]["flaw"]["name"]),
            (401, &json!("stranger")),
            "{dialect}"
        );
        let entered = done(&enter(&client, &phone, PASSWORD));
        client.token = entered["ticket"]["text"].as_str().map(str::to_owned);
        let me = ledger(&client, "GET", "holders/me", &[], "");
        if dialect == "coolkit" {
            assert_eq!((me.status, &me.json()["ledger"]["flaw"]["name"]), (501, &json!("unknown")), "{me:?}");
        } else if dialect == "discuzq" {
            // Discuz! Q's tokens say whose they are, and those of the embedded backend do not.
            assert_eq!(
                (me.status, &me.json()["ledger"]["flaw"]["name"]),
                (401, &json!("no_ticket")),
                "{me:?}"
            );
        } else {
            assert_eq!(done(&me)["holder"]["mobile"], e164(&phone), "{dialect}: {me:?}");
        }
        client.token = Some("no-ticket".to_owned());
        let me = ledger(&client, "GET", "holders/me", &[], "");
        assert!(me.status == 401 || dialect == "coolkit", "{dialect}: {me:?}");
    }
}

#[test]
fn a_running_gateway_learns_a_dialect_keeps_the_old_one_of_a_broken_pack_and_forgets_none() {
    let (app, packs) = (App::sample(), packs(&[V3]));
    let known = ["coolkit", "qingzhenyun", "discuzq", V3, "shopxo", "canonical"];
    let mut house = House::embedded(&[&app]).for_clients_of(&known).with_packs(packs.path());
    let gateway = house.start();
    let client = Client::new(LEDGER, gateway.http, &app);
    let words = || {
        let answer = enter(&client, "13900139400", PASSWORD);
        answer.json()["ledger"]["flaw"]["words"].as_str().map(str::to_owned)
    };
    assert_eq!(words(), None, "nobody speaks it yet");

    put(packs.path(), LEDGER, |text| text);
    house.change("\"discuzq-v3\"", "\"discuzq-v3\", \"ledger\"");
    assert!(gateway.reload(), "{}", gateway.printed());
    assert_eq!(words().as_deref(), Some("there is no such holder"));

    // The config stays as it is; a pack alone changes, which other instances can be told apart by.
    let hash = || {
        gateway
            .metrics_with("dragoman_config_info{")
            .lines()
            .find(|line| line.starts_with("dragoman_config_info{"))
            .map(str::to_owned)
    };
    let hash_before = hash();
    let other = |text: String| text.replace("there is no such holder", "nobody of that name");
    put(packs.path(), LEDGER, other);
    assert!(gateway.reload());
    assert_eq!(words().as_deref(), Some("nobody of that name"));
    assert_ne!(hash(), hash_before);
    assert!(!gateway.printed().contains("changed=nothing"), "{}", gateway.printed());

    let typo = |text: String| text.replace("field = \"identifier\"", "field = \"identifer\"");
    put(packs.path(), LEDGER, typo);
    assert!(!gateway.reload());
    assert_eq!(words().as_deref(), Some("nobody of that name"));
    let text = fs::read_to_string(packs.path().join("ledger.toml")).unwrap();
    let number = 1 + text.lines().position(|line| line.contains("identifer")).unwrap();
    let printed = gateway.printed();
    let told = printed.lines().find(|line| line.contains("ledger.toml:")).unwrap_or_default();
    assert!(told.contains(&format!("ledger.toml:{number}:")) && told.contains("identifer"), "{printed}");
    assert!(printed.contains("`identifier`"), "the hint says what was meant: {printed}");
    let mut v3_client = Client::new(V3, gateway.http, &app);
    v3_client.token = None;
    assert_eq!(v3(&v3_client, "users/username.login", &json!({"username": "zoe"}))["Code"], -4001);

    put(packs.path(), LEDGER, |text| text);
    assert!(gateway.reload());
    assert_eq!(words().as_deref(), Some("there is no such holder"));
}
