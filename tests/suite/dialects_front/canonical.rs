//! Clients of canonical at the demo.

use serde_json::json;

use super::{OTHER_PASSWORD, PASSWORD, at_demo, other_than};
use crate::support::clients::For;
use crate::support::http::{Answer, field};

#[test]
fn a_canonical_client_is_answered_as_the_contract_says() {
    let (_directory, gateway, mut client) = at_demo("canonical");
    let error = |answer: &Answer, status: u16, code: &str, field_name: Option<&str>| {
        let body = answer.json();
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(field(&answer.head, "content-type"), Some("application/problem+json"), "{answer:?}");
        assert_eq!((&body["code"], body["field"].as_str()), (&json!(code), field_name), "{answer:?}");
    };
    let phone = "13800138105";
    let missing =
        client.json("POST", "/v1/verification-codes", None, &json!({"channel": "sms", "purpose": "login"}));
    error(&missing, 400, "invalid_request", Some("phone"));
    let sent = client.ask_code(For::Register, phone);
    assert_eq!((sent.status, &sent.json()["resend_in"]), (202, &json!(120)), "{sent:?}");
    let again = client.ask_code(For::Register, phone);
    error(&again, 429, "send_too_frequent", None);
    assert!(field(&again.head, "retry-after").is_some());
    let code = gateway.code(&format!("+86{phone}"));
    let wrong = client.register(phone, &other_than(&code), PASSWORD);
    assert_eq!(wrong.json()["code"], "code_invalid", "{wrong:?}");
    assert_eq!(client.register(phone, &code, PASSWORD).status, 201);
    let wrong = client.login(phone, "wrong-password");
    error(&wrong, 401, "credentials_invalid", None);
    assert!(client.logs_in(phone, PASSWORD));
    let token = client.token.clone();
    let named = client.json("PATCH", "/v1/accounts/me", token.as_deref(), &json!({"username": "zoe"}));
    assert_eq!(named.json()["account"]["username"], "zoe", "{named:?}");
    let passwords =
        json!({"old_password": PASSWORD, "new_password": OTHER_PASSWORD, "password_form": "plain"});
    let changed = client.json("PUT", "/v1/accounts/me/password", token.as_deref(), &passwords);
    assert_eq!(changed.status, 204, "{changed:?}");
    assert!(client.logs_in(phone, OTHER_PASSWORD));
    let renewed = client.refresh().unwrap();
    assert!(client.is_good(&renewed), "{renewed:?}");
    assert_eq!(client.log_out().unwrap().status, 204);
    error(&client.me().unwrap(), 401, "token_invalid", None);
}
