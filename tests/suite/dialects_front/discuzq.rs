//! Clients of Discuz! Q at the demo.

use serde_json::{Value, json};

use super::{OTHER_PASSWORD, PASSWORD, at_demo, other_than};
use crate::support::clients::{Client, For};
use crate::support::http::{Answer, field};

/// The answer is an error document of the server's form.
fn error(answer: &Answer, status: u16, code: &str, detail: &str, pointer: Option<&str>) {
    let error = &answer.json()["errors"][0];
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(field(&answer.head, "content-type"), Some("application/vnd.api+json"), "{answer:?}");
    assert_eq!((&error["status"], &error["code"]), (&json!(status.to_string()), &json!(code)), "{answer:?}");
    assert_eq!(error["detail"][0].as_str().unwrap_or_default(), detail, "{answer:?}");
    assert_eq!(error.pointer("/source/pointer").and_then(Value::as_str), pointer, "{answer:?}");
}

#[test]
fn a_discuzq_client_is_answered_as_its_server_answers() {
    let (_directory, gateway, mut client) = at_demo("discuzq");
    let phone = "13800138103";
    let missing = client.document("POST", "/api/sms/send", None, &json!({"type": "login"}));
    error(&missing, 422, "validation_error", "手机号 不能为空。", Some("/data/attributes/mobile"));
    let sent = client.ask_code(For::Register, phone);
    let interval = &sent.json()["data"]["attributes"]["interval"];
    assert_eq!(sent.json()["data"]["type"], "smssend", "{sent:?}");
    assert!(interval.as_u64().is_some_and(|interval| interval >= 60), "{sent:?}");
    let again = client.ask_code(For::Register, phone);
    let wait = field(&again.head, "retry-after").unwrap();
    error(&again, 500, "sms_interval", &format!("请在{wait}秒后重新发送验证码"), None);

    let code = gateway.code(&format!("+86{phone}"));
    let wrong = client.login_code(phone, &other_than(&code));
    error(&wrong, 500, "sms_verify_error", "验证码错误", None);
    let unknown = client.login_code(phone, &code);
    error(&unknown, 400, "not_found_user", "用户不存在", None);
    let mobile_token = unknown.json()["errors"][0]["token"].clone();
    assert!(mobile_token.is_string(), "{unknown:?}");
    let new =
        |name: &str, token: &Value| json!({"username": name, "password": PASSWORD, "mobileToken": token});
    let forged = json!(other_than(mobile_token.as_str().unwrap()));
    let refused = client.document("POST", "/api/register", None, &new("zoe", &forged));
    assert_eq!((refused.status, &refused.json()["errors"][0]["code"]), (422, &json!("validation_error")));
    let registered = client.document("POST", "/api/register", None, &new("zoe", &mobile_token));
    let body = registered.json();
    assert_eq!((registered.status, &body["data"]["type"]), (200, &json!("token")), "{registered:?}");
    assert_eq!(body["data"]["attributes"]["token_type"], "Bearer");
    let spent = client.document("POST", "/api/register", None, &new("zoes-sister", &mobile_token));
    assert_eq!(spent.status, 422, "{spent:?}");
    zoe_lives(client);
}

/// What the account does once it is there.
fn zoe_lives(mut client: Client) {
    let wrong = client.login("zoe", "wrong-password");
    assert_eq!(
        (wrong.status, &wrong.json()["errors"][0]["code"]),
        (403, &json!("login_failed")),
        "{wrong:?}"
    );
    let missing = client.document("POST", "/api/login", None, &json!({"username": "zoe"}));
    error(&missing, 422, "validation_error", "密码 不能为空。", Some("/data/attributes/password"));
    let logged_in = client.login("zoe", PASSWORD);
    assert_eq!(logged_in.json()["included"][0]["attributes"]["username"], "zoe", "{logged_in:?}");
    let me = client.me().unwrap();
    assert_eq!(me.json()["data"]["attributes"]["mobile"], "138****8103", "{me:?}");
    let id = client.id.replace("999".to_owned());
    let foreign = client.me().unwrap();
    error(&foreign, 401, "permission_denied", "没有权限", None);
    client.id = id;
    let target = format!("/api/users/{}", client.id.as_deref().unwrap());
    let passwords = json!({"password": PASSWORD, "newPassword": OTHER_PASSWORD});
    let changed = client.document("PATCH", &target, client.token.as_deref(), &passwords);
    assert!(client.is_good(&changed), "{changed:?}");
    assert!(client.logs_in("zoe", OTHER_PASSWORD));
    let spent = client.refresh_token.clone();
    let renewed = client.refresh().unwrap();
    assert!(client.is_good(&renewed), "{renewed:?}");
    assert!(client.is_good(&client.me().unwrap()));
    client.refresh_token = spent;
    error(&client.refresh().unwrap(), 401, "invalid_request", "登录已失效，请重新登录", None);
    client.token = Some("no-token".to_owned());
    error(&client.me().unwrap(), 401, "access_denied", "登录已失效，请重新登录", None);
}
