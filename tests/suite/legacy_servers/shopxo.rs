//! shopxo: what a real server was asked is asked again, and must be answered as it was recorded.

use serde_json::{Value, json};

use super::{JSON, form, seed};
use crate::support::http::{self, Answer, field};
use crate::support::legacy::LegacyServer;

const RECORDED: &str = include_str!("../../fixtures/shopxo-recorded.jsonl");
const UUID: &str = "1c2f6a40-5b7e-4d1c-9a11-5f0c7e1a2b3c";
/// Members of a user that no two servers have in common.
const VARYING: [&str; 9] = [
    "id",
    "number_code",
    "avatar",
    "add_time",
    "upd_time",
    "add_time_text",
    "upd_time_text",
    "token",
    "user_id",
];

/// What is put into a recorded request before it is sent again.
enum With<'a> {
    /// Nothing.
    Nothing,
    /// The answer of a picture that was fetched for this.
    Picture(&'a str),
    /// The same answer once more.
    SamePicture,
    /// A picture is fetched, and the recorded answer is wrong for it.
    OtherPicture(&'a str),
    /// The code that was sent there.
    Code(&'a str),
    /// The token of the last login.
    Token,
}
use With::{Code, Nothing, OtherPicture, Picture, SamePicture, Token};

/// A server, and what a client of it remembers.
struct Replay {
    server: LegacyServer,
    picture: String,
    token: String,
}

impl Replay {
    fn start(options: &[&str]) -> Self {
        let server = LegacyServer::start("shopxo", options);
        Self { server, picture: String::new(), token: String::new() }
    }

    /// Asks as recorded, and checks the answer against the recorded one.
    fn replay(&mut self, steps: &[(&str, With)]) {
        for (name, with) in steps {
            let (expected, answer) = self.again(name, with);
            assert_eq!(i64::from(answer.status), expected["status"].as_i64().unwrap(), "{name}: {answer:?}");
            let expected_body = expected["body"].as_str().unwrap();
            if expected["status"] == 204 {
                continue;
            }
            let wanted = expected["headers"][0][1].as_str().unwrap();
            assert_eq!(field(&answer.head, "content-type"), Some(wanted), "{name}");
            if answer.json()["data"].is_string() && !expected_body.contains("\\uff1a") {
                assert_eq!(answer.body, expected_body, "{name}");
                continue;
            }
            let (mut got, mut wanted) = (answer.json(), serde_json::from_str(expected_body).unwrap());
            assert_eq!(form(&got), form(&wanted), "{name}");
            for body in [&mut got, &mut wanted] {
                let Some(data) = body["data"].as_object_mut() else { continue };
                for member in VARYING {
                    data.entry(member).and_modify(|value| *value = Value::Null);
                }
            }
            assert_eq!(got, wanted, "{name}");
        }
    }

    /// Sends a recorded request, whatever comes of it.
    fn again(&mut self, name: &str, with: &With) -> (Value, Answer) {
        let mut lines = RECORDED.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let recorded = lines.find(|recorded| recorded["name"] == name).unwrap_or_else(|| panic!("no {name}"));
        let request = &recorded["request"];
        let mut target = request["target"].as_str().unwrap().to_owned();
        let mut body = request["body"].as_str().unwrap_or_default().to_owned();
        if let OtherPicture(kind) | Picture(kind) = with {
            let picture = format!("/api.php?s=user/userverifyentry&type={kind}&uuid={UUID}");
            let picture = http::get(self.server.address, &picture);
            assert_eq!(field(&picture.head, "content-type"), Some("image/svg+xml"), "{picture:?}");
            self.picture = self.server.code(UUID);
        }
        match with {
            Picture(_) | SamePicture => body = with_verify(&body, &self.picture),
            Code(to) => body = with_verify(&body, &self.server.code(to)),
            Token => {
                let (before, rest) = target.split_once("&token=").unwrap();
                let (_, after) = rest.split_once('&').unwrap();
                target = format!("{before}&token={}&{after}", self.token);
            }
            Nothing | OtherPicture(_) => {}
        }
        let headers = request["headers"].as_object().unwrap();
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        let answer = self.server.send(request["method"].as_str().unwrap(), &target, &headers, &body);
        if let Some(token) = serde_json::from_str::<Value>(&answer.body)
            .ok()
            .and_then(|body| body["data"]["token"].as_str().map(str::to_owned))
        {
            self.token = token;
        }
        (recorded["response"].clone(), answer)
    }
}

fn with_verify(body: &str, verify: &str) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap();
    body["verify"] = json!(verify);
    body.to_string()
}

#[test]
fn shopxo_with_pictures_answers_as_recorded() {
    let mut replay = Replay::start(&["--captcha"]);
    replay.replay(&[
        ("reg.empty_body", Nothing),
        ("reg.no_type", Nothing),
        ("reg.bad_type", Nothing),
        ("reg.captcha_never_fetched", Nothing),
        ("reg.captcha_wrong", OtherPicture("user_reg")),
        ("reg.username_format_1char", SamePicture),
        ("reg.username_format_symbol", SamePicture),
        ("reg.username_ok", SamePicture),
        ("reg.pwd_short_3_accepted", Picture("user_reg")),
        ("reg.captcha_reuse_after_success", Picture("user_reg")),
        ("reg.captcha_reuse_after_success_2", SamePicture),
        ("login.empty_body", Nothing),
        ("login.no_accounts", Nothing),
        ("login.no_pwd", Nothing),
        ("login.short_pwd", Nothing),
        ("login.long_pwd_19", Nothing),
        ("login.captcha_never_fetched", Nothing),
        ("login.captcha_wrong", OtherPicture("user_login")),
        ("login.pwd_wrong_en", SamePicture),
        ("login.pwd_wrong_repeat_1", SamePicture),
        ("login.pwd_wrong_repeat_4", SamePicture),
        ("login.ok", SamePicture),
        ("login.captcha_reuse_after_ok", SamePicture),
        ("token.old_after_relogin.tokenuserinfo", Token),
        ("token.missing.tokenuserinfo", Nothing),
        ("token.bogus.tokenuserinfo", Nothing),
    ]);
}

#[test]
fn shopxo_sends_and_takes_codes_as_recorded() {
    let mut replay = Replay::start(&["--captcha"]);
    replay.replay(&[
        ("regverifysend.captcha_wrong", OtherPicture("user_reg")),
        ("regverifysend.mobile_intl_format", SamePicture),
        ("regverifysend.username_type", SamePicture),
        ("regverifysend.sms_ok", SamePicture),
        ("regverifysend.sms_too_frequent_en", Picture("user_reg")),
        ("reg.sms_no_code_sent", Nothing),
        ("reg.sms_wrong_code", Nothing),
        ("reg.sms_no_verify_field", Nothing),
        ("reg.sms_no_pwd", Nothing),
        ("reg.sms_ok", Code("+8613800138001")),
        ("reg.sms_exists", Nothing),
        ("regverifysend.sms_exists", Nothing),
        ("regverifysend.sms_ok_2", Picture("user_reg")),
        ("reg.sms_wrong_code_repeat_1", Nothing),
        ("reg.sms_wrong_code_repeat_2", Nothing),
        ("reg.sms_wrong_code_repeat_2", Nothing),
        ("reg.sms_wrong_code_repeat_2", Nothing),
        ("reg.sms_wrong_code_repeat_2", Nothing),
        ("reg.sms_wrong_code_repeat_6", Nothing),
        ("reg.sms_wrong_code_repeat_7", Nothing),
        ("reg.sms_wrong_code_repeat_8", Nothing),
        ("loginverifysend.no_captcha", Nothing),
        ("loginverifysend.sms_ok", Picture("user_login")),
        ("login.sms_wrong_code", Nothing),
        ("login.sms_no_verify_field", Nothing),
        ("login.sms_ok", Code("+8613800138001")),
        ("login.sms_code_reuse", Code("+8613800138001")),
        ("forgetpwdverifysend.unknown_mobile", Nothing),
        ("forgetpwdverifysend.no_captcha", Nothing),
        ("forgetpwd.no_code_sent", Nothing),
    ]);
    let sent = replay.again("forgetpwdverifysend.no_captcha", &Picture("user_forget")).1;
    assert_eq!(sent.body, r#"{"msg":"发送成功","code":0,"data":""}"#);
    let sent = replay.again("regverifysend.email_too_frequent", &Picture("user_reg")).1;
    assert_eq!(sent.json()["code"], 0, "{sent:?}");
    replay.replay(&[
        ("forgetpwd.wrong_code", Nothing),
        ("forgetpwd.no_pwd", Nothing),
        ("forgetpwd.no_accounts", Nothing),
        ("forgetpwd.bad_accounts", Nothing),
        ("forgetpwd.ok", Code("+8613800138001")),
        ("login.after_forgetpwd_old_pwd", Picture("user_login")),
        ("regverifysend.email_too_frequent", Picture("user_reg")),
        ("reg.email_wrong_code", Nothing),
        ("reg.email_ok", Code("zoe@example.com")),
        ("reg.email_bad_format", Nothing),
    ]);
    let purposes: Vec<_> = replay
        .server
        .codes_for("+8613800138001")
        .into_iter()
        .map(|sent| (sent.purpose, sent.code.len()))
        .collect();
    let expected = ["register", "login", "reset_password"].map(|purpose| (purpose.to_owned(), 4));
    assert_eq!(purposes, expected);
}

#[test]
fn shopxo_without_pictures_answers_as_recorded_whatever_the_form_of_the_request() {
    let mut replay = Replay::start(&[]);
    let registered = replay.again("reg.form_multipart_exists", &Nothing).1;
    assert_eq!(registered.json()["data"]["username"], "carol_form");
    replay.replay(&[
        ("reg.form_multipart_exists", Nothing),
        ("reg.captcha_off_no_verify", Nothing),
        ("reg.captcha_off_verify_empty", Nothing),
        ("login.captcha_off", Nothing),
        ("login.captcha_off_accounts_case", Nothing),
        ("reg.captcha_off_accounts_case", Nothing),
        ("reg.accounts_zero", Nothing),
        ("reg.accounts_newline", Nothing),
        ("reg.accounts_unicode", Nothing),
        ("reg.pwd_empty", Nothing),
        ("reg.pwd_spaces", Nothing),
        ("reg.username_forbidden", Nothing),
        ("xss.accounts_email", Nothing),
        ("controller.unknown", Nothing),
        ("action.illegal", Nothing),
        ("url.min", Nothing),
        ("url.html_suffix", Nothing),
        ("url.leading_slash", Nothing),
        ("url.upper_action", Nothing),
        ("url.pathinfo", Nothing),
        ("url.root_rewrite_api_user_login", Nothing),
        ("method.GET", Nothing),
        ("method.PUT", Nothing),
        ("method.DELETE", Nothing),
        ("method.OPTIONS", Nothing),
        ("method.POST_with_origin", Nothing),
        ("error.exception_with_ajax", Nothing),
        ("precedence.query_vs_body", Nothing),
        ("ct.json_charset", Nothing),
        ("lang.unknown", Nothing),
        ("race.same_username_1", Nothing),
        ("race.same_username_2", Nothing),
        ("regverifysend.captcha_off_sms_ok", Nothing),
        ("regverifysend.sms_again_immediately", Nothing),
        ("reg.username_ok", Nothing),
        ("public.web_pc_login", Nothing),
        ("public.none.login", Nothing),
        ("public.in_json_body.login", Nothing),
        ("public.in_form_body.login", Nothing),
        ("public.unknown_application", Nothing),
        ("public.web_pc_reg", Nothing),
    ]);
}

#[test]
fn shopxo_changes_passwords_and_deletes_accounts_as_recorded() {
    let mut replay = Replay::start(&[]);
    replay.replay(&[
        ("reg.captcha_off_no_verify", Nothing),
        ("safety.loginpwdupdate_no_token", Nothing),
        ("safety.loginpwdupdate_short", Token),
        ("safety.loginpwdupdate_ok", Token),
        ("safety.logout_ok", Token),
        ("token.after_cancel.tokenuserinfo", Token),
        ("login.after_cancel", Nothing),
        ("reg.name_of_cancelled_account", Nothing),
        ("login.ok_ios", Nothing),
        ("login.ok_alipay", Nothing),
    ]);
    let target = format!("/api.php?s=safety/loginpwdupdate&application=app&token={}", replay.token);
    let change = |members: Value| replay.server.send("POST", &target, &[JSON], &members.to_string()).json();
    let unequal = change(json!({"my_pwd": "secret12", "new_pwd": "secret14", "confirm_new_pwd": "secret15"}));
    assert_eq!(unequal, json!({"msg": "确认密码与新密码不一致", "code": -5, "data": ""}));
    let wrong = change(json!({"my_pwd": "secret99", "new_pwd": "secret14", "confirm_new_pwd": "secret14"}));
    assert_eq!(wrong, json!({"msg": "当前密码错误", "code": -4, "data": ""}));
    let bearer = format!("Bearer {}", replay.token);
    let target = "/api.php?s=user/tokenuserinfo&application=app";
    let answer = replay.server.send("POST", target, &[JSON, ("Authorization", &bearer)], "{}");
    assert_eq!(answer.json()["msg"], "token不能为空", "a token in a header is none");
    let plain = json!({"type": "username", "accounts": "gina_nocap", "pwd": "secret12"}).to_string();
    let target = "/api.php?s=user/login&application=app";
    let answer = replay.server.send("POST", target, &[("Content-Type", "text/plain")], &plain);
    assert_eq!(answer.json()["msg"], "登录类型有误", "a body under text/plain has no members");
}

#[test]
fn shopxo_closed_reviewing_or_out_of_messages_answers_as_recorded() {
    Replay::start(&["--registration-closed"])
        .replay(&[("reg.sms_closed", Nothing), ("regverifysend.sms_closed", Nothing)]);
    Replay::start(&["--review"]).replay(&[("reg.audit_on", Nothing), ("login.audit_pending", Nothing)]);
    Replay::start(&["--fail-send"]).replay(&[("regverifysend.sms_gateway_refuses", Nothing)]);
    let closed = Replay::start(&["--site-closed"]).again("login.captcha_off", &Nothing).1;
    assert_eq!(closed.body, r#"{"msg":"升级中...","code":-10000,"data":""}"#);
}

#[test]
fn shopxo_of_older_servers_writes_numbers_as_text() {
    let server = LegacyServer::start("shopxo", &["--numbers", "text"]);
    let example = seed("shopxo.register");
    let request = &example["request"];
    let answer = server
        .send("POST", request["target"].as_str().unwrap(), &[JSON], &request["body"].to_string())
        .json();
    let printed = &example["response"]["body"];
    for (name, value) in answer["data"].as_object().unwrap() {
        if let Some(printed) = printed["data"].get(name) {
            assert_eq!(form(value), form(printed), "{name}");
        }
    }
    assert_eq!(answer["msg"], printed["msg"]);
    let again =
        server.send("POST", request["target"].as_str().unwrap(), &[JSON], &request["body"].to_string());
    assert_eq!(again.json()["msg"], "用户已存在[qqqqqq]");
}
