//! Clients of coolkit at the demo.

use serde_json::json;

use super::{OTHER_PASSWORD, PASSWORD, at_demo, register, sample_app};
use crate::support::clients::For;
use crate::support::http::Answer;

#[test]
fn a_coolkit_client_is_answered_as_the_ewelink_cloud_answers() {
    let (_directory, gateway, mut client) = at_demo("coolkit");
    let error = |answer: &Answer, number: i64| {
        let body = answer.json();
        assert_eq!((answer.status, &body["error"]), (200, &json!(number)), "{answer:?}");
        assert!(body["msg"].as_str() == body["info"].as_str() && body["msg"].is_string(), "{answer:?}");
        body["msg"].as_str().unwrap().to_owned()
    };
    let phone = "13800138101";
    let missing = client.signed("/api/sms", json!({"sendType": "0"}));
    error(&missing, 400);
    let registered = register(&gateway, &mut client, phone);
    assert_eq!(client.phone_of(&registered), phone);
    assert_eq!(registered.json()["region"], "cn");
    error(&client.ask_code(For::Reset, phone), 160_038);
    let exists = client.signed(
        "/api/user/register",
        json!({"phoneNumber": "+8613800138101", "verificationCode": "000000", "password": PASSWORD}),
    );
    error(&exists, 409);
    error(&client.login(phone, "wrong-password"), 401);
    let missing = client.signed("/api/user/login", json!({"phoneNumber": "+8613800138101"}));
    assert!(error(&missing, 400).contains("password"));
    let changed = client.json(
        "POST",
        "/api/user/password",
        client.token.as_deref(),
        &json!({"oldPassword": PASSWORD, "newPassword": OTHER_PASSWORD, "appid": sample_app().id,
            "ts": crate::support::now(), "nonce": "abcd1234", "version": 8}),
    );
    assert!(changed.json()["message"].is_string(), "{changed:?}");
    assert!(client.logs_in(phone, OTHER_PASSWORD));
    let renewed = client.refresh().unwrap();
    assert!(client.is_good(&renewed) && renewed.json()["rt"].is_string(), "{renewed:?}");
}
