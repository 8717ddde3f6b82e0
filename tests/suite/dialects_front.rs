//! Clients of all five dialects at one gateway with the embedded backend: what each asks in its own words is done,
//! and what is refused is refused in its own form, status and words.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::clients::{Client, DIALECTS, For};
use crate::support::coolkit::App;
use crate::support::gateway::{Gateway, House, demo};
use crate::support::http::{Answer, field};

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

#[test]
fn a_qingzhenyun_client_is_answered_as_its_server_answers() {
    let (_directory, gateway, mut client) = at_demo("qingzhenyun");
    let error = |answer: &Answer, status: u16, code: &str, message: &str| {
        let expected = json!({"success": false, "message": message, "code": code, "status": status});
        assert_eq!((answer.status, answer.json()), (status, expected), "{answer:?}");
    };
    let post = |client: &Client, call: &str, members: Value| {
        client.json("POST", &format!("/v1/user/{call}"), None, &members)
    };
    let phone = "13800138102";
    error(&post(&client, "sendRegisterMessage", json!({})), 400, "{PHONE}_REQUIRED", "{PHONE}_REQUIRED");
    let bad = post(&client, "sendRegisterMessage", json!({"phone": "12"}));
    error(&bad, 400, "PHONE_NOT_VALIDATE", "Phone not validate");

    let sent = client.ask_code(For::Register, phone);
    assert!(sent.body.starts_with("{\"status\":200,\"result\":\""), "{sent:?}");
    assert!(sent.body.ends_with("\",\"code\":\"OK\",\"success\":true}"), "{sent:?}");
    let again = client.ask_code(For::Register, phone);
    error(&again, 400, "SEND_MESSAGE_FREQUENTLY", "SEND_MESSAGE_FREQUENTLY");
    assert!(field(&again.head, "retry-after").is_some_and(|wait| wait.parse::<u64>().unwrap() > 100));

    let code = gateway.code(&format!("+86{phone}"));
    let good = json!({"password": PASSWORD, "code": code, "phoneInfo": client.challenge});
    let with = |name: &str, value: Value| {
        let mut members = good.clone();
        members[name] = value;
        post(&client, "register", members)
    };
    error(&with("code", Value::Null), 400, "{CODE}_REQUIRED", "{CODE}_REQUIRED");
    error(&with("code", json!(other_than(&code))), 400, "{CODE}_NOT_VALID", "{CODE}_NOT_VALID");
    error(&with("phoneInfo", Value::Null), 400, "{PHONE_INFO}_REQUIRED", "{PHONE_INFO}_REQUIRED");
    let forged = other_than(client.challenge.as_deref().unwrap());
    error(&with("phoneInfo", json!(forged)), 400, "{PHONE_INFO}_NOT_VALID", "{PHONE_INFO}_NOT_VALID");
    error(&with("name", json!("zoe@example.com")), 400, "{NAME}_EXISTS", "{NAME}_EXISTS");
    let registered = client.register(phone, &code, PASSWORD);
    let body = registered.json();
    assert_eq!(body["result"]["phone"], phone, "{body}");
    assert!(
        body["result"]["uuid"].is_u64() && body["result"]["createTime"].as_i64().unwrap() > 1_700_000_000_000
    );
    let token = client.token.clone().unwrap();
    assert_eq!(field(&registered.head, "authorization"), Some(format!("Bearer {token}").as_str()));
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!((&claims["uuid"], &claims["phone"]), (&body["result"]["uuid"], &json!(phone)), "{claims}");

    let wrong = post(&client, "login", json!({"value": phone, "password": "wrong-password"}));
    error(&wrong, 400, "USER_LOGIN_FAILED", "USER_LOGIN_FAILED");
    let md5 = "6b0e8ea9cfa8ed1ea6b3cbd4b3d4a2b4";
    let wrong = post(&client, "login", json!({"value": phone, "password": md5}));
    error(&wrong, 400, "USER_LOGIN_FAILED", "USER_LOGIN_FAILED");
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let body = format!("value={phone}&password={PASSWORD}&countryCode=86");
    assert!(client.is_good(&client.send("POST", "/v1/user/login", &form, &body)));
    assert!(client.logs_in(phone, PASSWORD));

    the_token_is_taken_from_five_places(&client);
    let token = client.token.as_deref();
    let named = client.json("POST", "/v1/user/changeName", token, &json!({"name": "zoe"}));
    assert_eq!(named.json()["result"], true, "{named:?}");
    let me = client.me().unwrap();
    assert_eq!(me.json()["result"]["name"], "zoe", "{me:?}");
    let slid = me.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(field(&me.head, "authorization"), Some(format!("Bearer {slid}").as_str()));
    let change = json!({"oldPassword": PASSWORD, "newPassword": OTHER_PASSWORD});
    let changed = client.json("POST", "/v1/user/changePassword", Some(&slid), &change);
    assert_eq!(changed.json()["result"], true, "{changed:?}");
    assert!(client.logs_in("zoe", OTHER_PASSWORD));

    let out = client.log_out().unwrap();
    assert_eq!((&out.json()["result"], out.json().get("token")), (&json!(true), None), "{out:?}");
    error(&client.me().unwrap(), 401, "INVALID_TOKEN", "INVALID_TOKEN");
    error(&post(&client, "info", json!({})), 401, "CREDENTIALS_REQUIRED", "CREDENTIALS_REQUIRED");
}

fn the_token_is_taken_from_five_places(client: &Client) {
    let token = client.token.as_deref().unwrap();
    let json_body = ("Content-Type", "application/json");
    let bearer = format!("Bearer {token}");
    for (target, name, value, body) in [
        ("/v1/user/info".to_owned(), "Authorization", bearer.as_str(), json!({})),
        ("/v1/user/info".to_owned(), "token", token, json!({})),
        (format!("/v1/user/info?auth={token}"), "X-None", "0", json!({})),
        (format!("/v1/user/info?token={token}"), "X-None", "0", json!({})),
        ("/v1/user/info".to_owned(), "X-None", "0", json!({"token": token})),
    ] {
        let me = client.send("POST", &target, &[json_body, (name, value)], &body.to_string());
        assert!(client.is_good(&me), "{name} {body}: {me:?}");
    }
}

#[test]
fn a_discuzq_client_is_answered_as_its_server_answers() {
    let (_directory, gateway, mut client) = at_demo("discuzq");
    let error = |answer: &Answer, status: u16, code: &str, detail: &str, pointer: Option<&str>| {
        let error = &answer.json()["errors"][0];
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(field(&answer.head, "content-type"), Some("application/vnd.api+json"), "{answer:?}");
        assert_eq!(
            (&error["status"], &error["code"]),
            (&json!(status.to_string()), &json!(code)),
            "{answer:?}"
        );
        assert_eq!(error["detail"][0].as_str().unwrap_or_default(), detail, "{answer:?}");
        assert_eq!(error.pointer("/source/pointer").and_then(Value::as_str), pointer, "{answer:?}");
    };
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

#[test]
fn a_shopxo_client_is_answered_as_its_server_answers() {
    let (_directory, gateway, mut client) = at_demo("shopxo");
    let error = |answer: &Answer, code: i64, text: &str| {
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({"msg": text, "code": code, "data": ""})),
            "{answer:?}"
        );
        assert_eq!(field(&answer.head, "content-type"), Some("application/json; charset=utf-8"));
    };
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
