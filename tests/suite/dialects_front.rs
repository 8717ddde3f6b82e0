//! Clients of all five dialects at one gateway with the embedded backend: what each asks in its own words is done,
//! and what is refused is refused in its own form, status and words.

mod canonical;
mod coolkit;
mod discuzq;
mod qingzhenyun;
mod shopxo;

use serde_json::json;
use tempfile::TempDir;

use crate::support::clients::{Client, DIALECTS, For};
use crate::support::coolkit::App;
use crate::support::gateway::{Gateway, House, demo};
use crate::support::http::Answer;

const PASSWORD: &str = "a-fine-password";
const OTHER_PASSWORD: &str = "another-fine-password";

/// The pair that the vendor's documentation publishes, by which the demo's app signs.
fn sample_app() -> App {
    App::new("McFJj4Noke1mGDZCR1QarGW7P9Ycp0Vr", "OdPuCZ4PkPPi0rVKRVcGmll2NM6vVk0c")
}

/// The demo, and a client of a dialect at it.
fn at_demo(dialect: &'static str) -> (TempDir, Gateway, Client) {
    let directory = tempfile::tempdir().unwrap();
    let gateway = demo(directory.path());
    let client = Client::new(dialect, gateway.http, &sample_app());
    (directory, gateway, client)
}

/// Asks for a code, finds it in the outbox and registers with it.
fn register(gateway: &Gateway, client: &mut Client, phone: &str) -> Answer {
    let sent = client.ask_code(For::Register, phone);
    assert!(client.is_good(&sent), "{}: {sent:?}", client.dialect);
    let code = gateway.code(&format!("+86{phone}"));
    client.register(phone, &code, PASSWORD)
}

/// A code that is not the right one.
fn other_than(code: &str) -> String {
    let last = if code.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &code[..code.len() - 1])
}

#[test]
fn who_registered_in_one_dialect_logs_in_by_all_others() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = demo(directory.path());
    for (number, dialect) in DIALECTS.into_iter().enumerate() {
        let phone = format!("1380013870{number}");
        let mut client = Client::new(dialect, gateway.http, &sample_app());
        let registered = register(&gateway, &mut client, &phone);
        assert!(client.is_good(&registered), "{dialect}: {registered:?}");
        assert!(client.token.is_some(), "{dialect}: {registered:?}");
        for dialect in DIALECTS {
            let mut other = Client::new(dialect, gateway.http, &sample_app());
            let logged_in = other.login(&phone, PASSWORD);
            assert!(other.is_good(&logged_in), "{dialect}: {logged_in:?}");
            if let Some(me) = other.me() {
                assert!(other.is_good(&me), "{dialect}: {me:?}");
                assert_eq!(other.phone_of(&me), phone, "{dialect}: {me:?}");
            }
        }
    }
}

#[test]
fn who_has_an_account_logs_in_by_code_where_the_dialect_can() {
    let app = App::sample();
    let house = House::embedded(&[&app]).for_clients_of(&DIALECTS);
    let gateway = house.start();
    for (number, dialect) in DIALECTS.into_iter().enumerate().filter(|(_, dialect)| *dialect != "coolkit") {
        let phone = format!("1380013880{number}");
        // To Discuz! Q's client one code is for registering and for logging in, and the backend waits between two.
        let registered = register(&gateway, &mut Client::new("canonical", gateway.http, &app), &phone);
        assert_eq!(registered.status, 201, "{registered:?}");
        let mut client = Client::new(dialect, gateway.http, &app);
        let sent = client.ask_code(For::Login, &phone);
        assert!(client.is_good(&sent), "{dialect}: {sent:?}");
        let code = gateway.code(&format!("+86{phone}"));
        let wrong = client.login_code(&phone, &other_than(&code));
        assert!(!client.is_good(&wrong), "{dialect}: {wrong:?}");
        client.token = None;
        let logged_in = client.login_code(&phone, &code);
        assert!(client.is_good(&logged_in) && client.token.is_some(), "{dialect}: {logged_in:?}");
        assert_eq!(client.phone_of(&client.me().unwrap()), phone, "{dialect}");
    }
}

#[test]
fn a_forgotten_password_is_replaced_in_each_dialects_own_way() {
    let app = App::sample();
    let house = House::embedded(&[&app]).for_clients_of(&DIALECTS);
    let gateway = house.start();
    for (number, dialect) in DIALECTS.into_iter().enumerate() {
        let phone = format!("1380013890{number}");
        let mut client = Client::new(dialect, gateway.http, &app);
        register(&gateway, &mut client, &phone);
        let sent = client.ask_code(For::Reset, &phone);
        assert!(client.is_good(&sent), "{dialect}: {sent:?}");
        let code = gateway.code(&format!("+86{phone}"));
        let challenge = client.challenge.clone();
        let answer = match dialect {
            "coolkit" => client.signed(
                "/api/user/password/reset",
                json!({"phoneNumber": format!("+86{phone}"), "verificationCode": code, "password": OTHER_PASSWORD}),
            ),
            "qingzhenyun" => client.json(
                "POST",
                "/v1/user/changePasswordByMessage2",
                None,
                &json!({"phoneInfo": challenge, "code": code, "newPassword": OTHER_PASSWORD}),
            ),
            "discuzq" => client.document(
                "POST",
                "/api/sms/verify",
                None,
                &json!({"mobile": phone, "code": code, "type": "reset_pwd", "password": OTHER_PASSWORD}),
            ),
            "shopxo" => client
                .shop("user/forgetpwd", &json!({"accounts": phone, "verify": code, "pwd": OTHER_PASSWORD})),
            _ => client.json(
                "POST",
                "/v1/password-resets",
                None,
                &json!({"phone": format!("+86{phone}"), "new_password": OTHER_PASSWORD,
                    "password_form": "plain", "verification": {"code": code}}),
            ),
        };
        assert!(client.is_good(&answer), "{dialect}: {answer:?}");
        let old = client.login(&phone, PASSWORD);
        assert!(!client.is_good(&old), "{dialect}: {old:?}");
        let new = client.login(&phone, OTHER_PASSWORD);
        assert!(client.is_good(&new), "{dialect}: {new:?}");
    }
}
