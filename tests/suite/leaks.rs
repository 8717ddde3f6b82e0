//! Nothing that is secret is ever printed or measured.

use serde_json::{Value, json};

use crate::support::coolkit::{App, call, is_session, login, refresh, register};
use crate::support::gateway::House;

const PHONE: &str = "+8613800138401";
const EMAIL: &str = "very.private.person@example.com";
const PASSWORDS: [&str; 3] = ["pa55-w0rd-of-the-phone", "pa55-w0rd-after-reset", "pa55-w0rd-that-is-wrong"];

#[test]
fn what_is_printed_and_measured_holds_no_secret() {
    let app = App::sample();
    // Two codes go to one phone at once, for two purposes.
    let mut gateway = House::embedded(&[&app]).with("[throttle]\nper_purpose = true\n").start();
    let mut secrets: Vec<String> = PASSWORDS.map(str::to_owned).to_vec();
    secrets.extend([app.secret.clone(), PHONE.to_owned(), PHONE[1..].to_owned(), PHONE[3..].to_owned()]);
    secrets.push(EMAIL.to_owned());
    let mut keep = |answer: &Value| {
        assert!(is_session(answer), "{answer}");
        for token in ["at", "rt"] {
            secrets.push(answer[token].as_str().unwrap().to_owned());
        }
    };
    let ask = |path: &str, members: Value| call(gateway.http, &app, path, members);

    keep(&register(&gateway, &app, PHONE, PASSWORDS[0]));
    keep(&register(&gateway, &app, EMAIL, PASSWORDS[0]));
    let mut codes = vec![gateway.code(PHONE), gateway.code(EMAIL)];
    let session = ask("/api/user/login", login(PHONE, PASSWORDS[0]));
    keep(&session);
    keep(&refresh(gateway.http, &app, session["rt"].as_str().unwrap()));
    assert_eq!(ask("/api/user/login", login(PHONE, PASSWORDS[2]))["error"], 401);
    let ask_for_reset = || ask("/api/sms", json!({"sendType": "1", "to": PHONE}))["error"].clone();
    assert_eq!(ask_for_reset(), 0);
    assert_eq!(ask_for_reset(), 160_038);
    codes.push(gateway.code(PHONE));
    let reset = |code: &str| {
        let members = json!({"phoneNumber": PHONE, "verificationCode": code, "password": PASSWORDS[1]});
        ask("/api/user/password/reset", members)
    };
    assert_eq!(reset(&codes[1])["error"], 498);
    keep(&reset(&codes[2]));
    keep(&ask("/api/user/login", login(PHONE, PASSWORDS[1])));
    assert!(ask(&format!("/api/user/login?password={}", PASSWORDS[2]), json!({}))["error"].is_i64());

    let metrics = gateway.metrics();
    assert!(metrics.contains("dragoman_"), "{metrics}");
    gateway.interrupt();
    let printed = gateway.printed();
    let log = printed.lines().filter(|line| line.starts_with('{')).count();
    assert!(log >= 9, "the access log has {log} lines: {printed}");
    for (name, text) in [("what was printed", &printed), ("/metrics", &metrics)] {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} is in {name}: {text}");
        }
        // Six digits may be part of a longer number or of an id by chance.
        for word in text.split(|character: char| !character.is_ascii_alphanumeric()) {
            assert!(!codes.iter().any(|code| code == word), "the code {word} is in {name}: {text}");
        }
    }
}

#[test]
fn the_access_log_is_one_json_line_a_request() {
    let app = App::sample();
    let mut gateway = House::embedded(&[&app]).start();
    for _ in 0..3 {
        call(gateway.http, &app, "/api/user/login", login(PHONE, "nobody-has-this"));
    }
    gateway.interrupt();
    let printed = gateway.printed();
    let lines: Vec<Value> = printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let logins: Vec<&Value> = lines.iter().filter(|line| line["dialect"] == "coolkit").collect();
    assert_eq!(logins.len(), 3, "{printed}");
    for line in logins {
        assert_eq!(line["outcome"], "account_not_found", "{line}");
        assert_eq!(line["status"], 200, "{line}");
        assert_eq!(line["client"], "127.0.0.1", "{line}");
    }
}
