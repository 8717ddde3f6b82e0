//! Clients of ShopXO at the demo.

use serde_json::json;

use super::{OTHER_PASSWORD, PASSWORD, at_demo, other_than};
use crate::support::clients::{Client, For};
use crate::support::http::{Answer, field};

/// The answer is a failure of the server's form.
fn error(answer: &Answer, code: i64, text: &str) {
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({"msg": text, "code": code, "data": ""})),
        "{answer:?}"
    );
    assert_eq!(field(&answer.head, "content-type"), Some("application/json; charset=utf-8"));
}

#[test]
fn a_shopxo_client_is_answered_as_its_server_answers() {
    let (_directory, gateway, mut client) = at_demo("shopxo");
    let phone = "13800138104";
    error(&client.shop("user/regverifysend", &json!({"type": "sms"})), -1, "账号不能为空");
    let bad = client.shop("user/regverifysend", &json!({"type": "sms", "accounts": "+12025550123"}));
    error(&bad, -2, "手机号码格式错误");
    let sent = client.ask_code(For::Register, phone);
    assert_eq!(sent.json(), json!({"msg": "发送成功", "code": 0, "data": ""}));
    let again = client.ask_code(For::Register, phone);
    error(&again, -100, "发送失败[操作频繁，请稍后再试！]");
    assert!(field(&again.head, "retry-after").is_some());

    let code = gateway.code(&format!("+86{phone}"));
    assert_eq!(code.len(), 4, "the official client's input takes four characters");
    error(&client.register(phone, &other_than(&code), PASSWORD), -11, "验证码错误");
    let missing = client.shop("user/reg", &json!({"accounts": phone, "verify": code, "type": "sms"}));
    error(&missing, -1, "密码不能为空");
    let registered = client.register(phone, &code, PASSWORD);
    let data = &registered.json()["data"];
    assert_eq!(
        (&data["mobile"], &data["mobile_security"]),
        (&json!(phone), &json!("138***104")),
        "{registered:?}"
    );
    assert!(data["add_time"].as_str().is_some_and(|time| time.parse::<i64>().unwrap() > 1_700_000_000));

    error(&client.login(phone, "wrong-password"), -4, "密码错误");
    let english = client.send(
        "POST",
        "/api.php?s=user/login&application=app&lang=en",
        &[("Content-Type", "application/x-www-form-urlencoded")],
        &format!("accounts={phone}&pwd=wrong-password&type=username"),
    );
    error(&english, -4, "Password error");
    assert!(client.logs_in(phone, PASSWORD));
    for target in ["/api.php/User/Login.html?lang=zh", "/index.php?s=/api/user/login", "/?s=api/user/login"] {
        let members = json!({"accounts": phone, "pwd": PASSWORD, "type": "username"});
        assert!(client.is_good(&client.json("POST", target, None, &members)), "{target}");
    }
    lives(client, phone);
}

/// What the account does once it is there.
fn lives(mut client: Client, phone: &str) {
    let me = client.me().unwrap();
    assert_eq!(client.phone_of(&me), phone, "{me:?}");
    assert_eq!(me.json()["data"]["token"].as_str(), client.token.as_deref());
    let passwords =
        |again: &str| json!({"my_pwd": PASSWORD, "new_pwd": OTHER_PASSWORD, "confirm_new_pwd": again});
    error(&client.shop("safety/loginpwdupdate", &passwords("different")), -5, "确认密码与新密码不一致");
    let changed = client.shop("safety/loginpwdupdate", &passwords(OTHER_PASSWORD));
    assert!(client.is_good(&changed), "{changed:?}");
    assert!(client.logs_in(phone, OTHER_PASSWORD));
    client.token = None;
    error(&client.me().unwrap(), -400, "登录失效，请重新登录");
    // It would delete the account of a real server.
    let gone = client.shop("safety/logout", &json!({}));
    assert!(!client.is_good(&gone), "{gone:?}");
}
