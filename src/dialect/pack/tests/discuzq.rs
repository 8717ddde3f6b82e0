//! Discuz! Q's own ways: documents around everything, one route for two operations, errors of many shapes.

use super::{answered, json, pack, phone, refused, sent, sent_body, told, understood};
use crate::account::{
    Account, Call, Captcha, Federated, Operation, Problem, ProblemCode, Purpose, Reply, Session, Verification,
};
use crate::dialect::Proof;

const JSON: (&str, &str) = ("content-type", "application/vnd.api+json");

/// A token of the shape that servers issue: its middle part says `{"sub":"3"}`.
const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIzIn0.c2lnbmF0dXJl";

fn attributes(text: &str) -> String {
    format!(r#"{{"data":{{"attributes":{{{text}}}}}}}"#)
}

fn error(text: &str) -> String {
    format!(r#"{{"errors":[{{{text}}}]}}"#)
}

#[test]
fn only_the_attributes_of_a_json_body_count() {
    let pack = pack("discuzq");
    let body = r#"{"data":{"type":7,"attributes":{"username":"eric","password":"secret","later":1},"id":1},"username":"other"}"#;
    let call = json(&pack, "POST /api/register", body).unwrap();
    assert_eq!(call.username.as_deref(), Some("eric"));
    let kept: Vec<_> = call.extensions.iter().map(|extension| extension.path.as_str()).collect();
    assert_eq!(kept, ["data.attributes.later"]);
    assert_eq!(
        sent_body(&pack, &call),
        r#"{"data":{"type":"users","attributes":{"username":"eric","password":"secret","later":1}}}"#
    );
    let refusal = r#"{"errors":[{"status":"422","code":"validation_error","detail":["用户名 不能为空。"],"source":{"pointer":"/data/attributes/username"}}]}"#;
    for (kind, body) in [("text/plain", body), (JSON.1, "{}"), (JSON.1, r#"{"data":{}}"#), (JSON.1, "")] {
        let problem = understood(&pack, "POST /api/register", &[("content-type", kind)], body).unwrap_err();
        assert_eq!(refused(&pack, &call, &problem), (422, refusal.to_owned()), "{kind} {body}");
    }
}

#[test]
fn an_empty_password_is_refused_and_a_name_loses_its_white_space() {
    let pack = pack("discuzq");
    let read = |text: &str| json(&pack, "POST /api/register", &attributes(text));
    let call = read(r#""username":" e ric ","password":"secret""#).unwrap();
    assert_eq!(call.username.as_deref(), Some("eric"));
    let problem = read(r#""username":"eric","password":"""#).unwrap_err();
    assert_eq!(problem, Problem::missing("password"));
    for name in ["a b", "sixteen-letters-"] {
        let call = Call { username: Some(name.into()), ..call.clone() };
        let problem = sent(&pack, &call).unwrap_err();
        assert_eq!((problem.code, problem.field.as_deref()), (ProblemCode::InvalidField, Some("username")));
    }
}

#[test]
fn what_vouches_for_a_person_travels_with_register_and_login() {
    let pack = pack("discuzq");
    let vouched = r#""mobileToken":"m","js_code":"j","iv":"i","encryptedData":"e","rebind":1,"token":"w","captcha_ticket":"t","captcha_rand_str":"r""#;
    for (route, operation) in [("register", Operation::Register), ("login", Operation::Login)] {
        let body = attributes(&format!(r#""username":"eric","password":"secret",{vouched}"#));
        let call = json(&pack, &format!("POST /api/{route}"), &body).unwrap();
        assert_eq!(call.operation, operation);
        assert_eq!(call.bind_token, Some("m".into()));
        let federated = Federated {
            provider: "wechat".into(),
            token: Some("w".into()),
            code: Some("j".into()),
            iv: Some("i".into()),
            encrypted_data: Some("e".into()),
            rebind: Some(true),
        };
        assert_eq!(call.federated, Some(federated));
        let captcha = Captcha {
            kind: "tencent".into(),
            ticket: Some("t".into()),
            rand_str: Some("r".into()),
            ..Captcha::default()
        };
        assert_eq!(call.captcha, Some(captcha));
        let again = json(&pack, &format!("POST /api/{route}"), &sent_body(&pack, &call)).unwrap();
        assert_eq!(again, call);
        // A picture is none of this dialect's captchas.
        let picture = Captcha { kind: "picture".into(), answer: Some("x".into()), ..Captcha::default() };
        let call = Call { captcha: Some(picture), ..call };
        assert!(!sent_body(&pack, &call).contains("captcha"));
    }
}

#[test]
fn a_login_takes_a_name_or_a_mobile() {
    let pack = pack("discuzq");
    let mut call = Call::new(Operation::Login);
    call.password = Some("secret".into());
    call.phone = Some(phone("+8613800138001"));
    assert!(sent_body(&pack, &call).contains(r#""username":"13800138001""#));
    call.phone = Some(phone("+12025550123"));
    assert_eq!(sent(&pack, &call).unwrap_err().code, ProblemCode::InvalidField);
    call.phone = None;
    call.email = crate::account::Email::parse("a@example.com").ok();
    assert_eq!(sent(&pack, &call).unwrap_err().code, ProblemCode::NotSupported);
    // What its own client typed goes there as it came; another's e-mail does not.
    for name in ["a@example.com", "138 0013 8001"] {
        let body = attributes(&format!(r#""username":"{name}","password":"secret""#));
        let mut call = json(&pack, "POST /api/login", &body).unwrap();
        assert_eq!(call.identifier.as_deref(), Some(name));
        call.client.dialect = "discuzq";
        assert!(sent_body(&pack, &call).contains(&format!(r#""username":"{name}""#)));
    }
}

#[test]
fn codes_are_sent_for_types() {
    let pack = pack("discuzq");
    let read = |kind: &str, fields: &[(&str, &str)]| {
        let fields: Vec<_> = fields.iter().copied().chain([JSON]).collect();
        let body = attributes(&format!(r#""mobile":"13800138001","type":"{kind}""#));
        understood(&pack, "POST /api/sms/send", &fields, &body)
    };
    assert_eq!(read("login", &[]).unwrap().call.purpose, Some(Purpose::Login));
    assert_eq!(read("reset_pwd", &[]).unwrap().call.purpose, Some(Purpose::ResetPassword));
    for kind in ["rebind", "reset_pay_pwd", "verify"] {
        let call = read(kind, &[]).unwrap().call;
        assert_eq!((call.purpose, call.operation), (None, Operation::SendCode), "{kind}");
    }
    assert_eq!(read("bind", &[]).unwrap_err().code, ProblemCode::TokenInvalid);
    let bind = read("bind", &[("authorization", TOKEN)]).unwrap();
    assert_eq!((bind.proof, bind.call.purpose), (Proof::Token, Some(Purpose::Bind)));
    assert_eq!(read("nonsense", &[]).unwrap_err().code, ProblemCode::InvalidField);
    let mut call = read("login", &[]).unwrap().call;
    for (purpose, kind) in [
        (Purpose::Register, Some("login")),
        (Purpose::Login, Some("login")),
        (Purpose::ResetPassword, Some("reset_pwd")),
        (Purpose::ChangePassword, None),
        (Purpose::DeleteAccount, None),
    ] {
        call.purpose = Some(purpose);
        match kind {
            Some(kind) => assert!(sent_body(&pack, &call).contains(&format!(r#""type":"{kind}""#))),
            None => assert_eq!(sent(&pack, &call).unwrap_err().code, ProblemCode::NotSupported),
        }
    }
    let reply = Reply { resend_in: Some(90), ..Reply::default() };
    let answer = r#"{"data":{"type":"smssend","id":"1","attributes":{"interval":90}}}"#;
    assert_eq!(answered(&pack, &call, &reply), answer);
    assert_eq!(told(&pack, &call, 200, answer), Ok(reply));
}

#[test]
fn the_type_of_a_verified_code_says_what_it_does() {
    let pack = pack("discuzq");
    let read = |text: &str| {
        let body = attributes(&format!(r#""mobile":"13800138001","code":"123456",{text}"#));
        json(&pack, "POST /api/sms/verify", &body)
    };
    let login = read(r#""type":"login","register":1,"inviteCode":"v""#).unwrap();
    assert_eq!((login.operation, login.invite_code.as_deref()), (Operation::LoginCode, Some("v")));
    assert!(sent_body(&pack, &login).contains(r#""type":"login""#));
    assert!(sent_body(&pack, &login).contains(r#""register":1"#));
    let reset = read(r#""type":"reset_pwd","password":"secret""#).unwrap();
    assert_eq!((reset.operation, reset.new_password.is_some()), (Operation::ResetPassword, true));
    assert!(sent_body(&pack, &reset).contains(r#""type":"reset_pwd""#));
    for kind in ["bind", "rebind", "reset_pay_pwd", "verify"] {
        let problem = read(&format!(r#""type":"{kind}""#)).unwrap_err();
        assert_eq!(problem.code, ProblemCode::NotSupported, "{kind}");
        assert_eq!(refused(&pack, &login, &problem).0, 404);
    }
    let mut by_mail = Call::new(Operation::LoginCode);
    by_mail.verification = Some(Verification { code: "1".into(), challenge: None });
    by_mail.email = crate::account::Email::parse("a@example.com").ok();
    assert_eq!(sent(&pack, &by_mail).unwrap_err().code, ProblemCode::NotSupported);
}

#[test]
fn tokens_may_lack_their_prefix_and_stand_in_the_query() {
    let pack = pack("discuzq");
    let me = |target: &str, fields: &[(&str, &str)]| {
        understood(&pack, &format!("GET /api/users/3{target}"), fields, "")
            .map(|read| read.call.token.unwrap())
    };
    assert_eq!(me("", &[("authorization", "Bearer t")]), Ok("t".into()));
    assert_eq!(me("", &[("authorization", "t")]), Ok("t".into()));
    assert_eq!(me("?token=t", &[("authorization", "bearer t")]), Ok("t".into()));
    let problem = me("?token=u", &[("authorization", "t")]).unwrap_err();
    assert_eq!(problem.code, ProblemCode::InvalidRequest);
    let problem = me("", &[("token", "t")]).unwrap_err();
    let call = Call::new(Operation::WhoAmI);
    let body = error(r#""status":"401","code":"not_authenticated","detail":["请先登录"]"#);
    assert_eq!(refused(&pack, &call, &problem), (401, body));
}

#[test]
fn a_path_names_the_account_of_its_token() {
    let pack = pack("discuzq");
    let mut call = Call::new(Operation::WhoAmI);
    call.token = Some(TOKEN.into());
    let request = sent(&pack, &call).unwrap();
    assert_eq!((request.method().as_str(), request.uri().path()), ("GET", "/api/users/3"));
    assert_eq!(request.headers()["x-forwarded-for"], "192.0.2.7");
    let fields = [("authorization", TOKEN)];
    let read = understood(&pack, "GET /api/users/3", &fields, "").unwrap();
    assert_eq!(read.call.account_of_path.as_deref(), Some("3"));
    assert_eq!(sent(&pack, &read.call).unwrap().uri().path(), "/api/users/3");
    let foreign = understood(&pack, "GET /api/users/4", &fields, "").unwrap();
    assert_eq!(sent(&pack, &foreign.call).unwrap_err().code, ProblemCode::NotPermitted);
    call.token = Some("no-jwt".into());
    assert_eq!(sent(&pack, &call).unwrap_err().code, ProblemCode::TokenInvalid);
}

#[test]
fn a_password_is_changed_by_a_patch_that_repeats_it() {
    let pack = pack("discuzq");
    let fields = [JSON, ("authorization", TOKEN)];
    let patch = |text: &str| understood(&pack, "PATCH /api/users/3", &fields, &attributes(text));
    let call = patch(r#""password":"old","newPassword":"new-secret""#).unwrap().call;
    assert_eq!(call.operation, Operation::ChangePassword);
    assert_eq!(
        sent_body(&pack, &call),
        r#"{"data":{"type":"users","attributes":{"password":"old","newPassword":"new-secret","password_confirmation":"new-secret"}}}"#
    );
    let other = r#""password":"old","newPassword":"new-secret","password_confirmation":"other""#;
    assert_eq!(patch(other).unwrap_err().code, ProblemCode::InvalidField);
}

#[test]
fn a_login_shows_the_user_with_a_masked_mobile() {
    let pack = pack("discuzq");
    let call = Call::new(Operation::Login);
    let account = Account {
        id: Some("3".into()),
        username: Some("eric".into()),
        phone: Some(phone("+8613800138000")),
        ..Account::default()
    };
    let session = Some(Session::of_access_token(TOKEN.into()));
    let reply = Reply { account: Some(account.clone()), session, ..Reply::default() };
    let answer = answered(&pack, &call, &reply);
    assert!(answer.starts_with(r#"{"data":{"type":"token","id":"3","attributes":{"token_type":"Bearer","expires_in":2592000,"access_token":"#));
    assert!(answer.contains(r#""refresh_token":""}},"included":[{"type":"users","id":"3","attributes":{"id":3,"username":"eric","mobile":"138****8000","#), "{answer}");
    let read = told(&pack, &call, 201, &answer).unwrap().account.unwrap();
    assert_eq!((read.id, read.username, read.phone), (account.id, account.username, account.phone));
    // A masked mobile is no phone; without a mask it is.
    for (mobile, read) in [("138****8000", None), ("13800138000", Some(phone("+8613800138000")))] {
        let body = format!(r#"{{"data":{{"type":"users","id":"3","attributes":{{"mobile":"{mobile}"}}}}}}"#);
        let account = told(&pack, &Call::new(Operation::WhoAmI), 200, &body).unwrap().account.unwrap();
        assert_eq!(account.phone, read);
    }
}

#[test]
fn errors_of_every_shape_are_read() {
    let pack = pack("discuzq");
    let mut call = Call::new(Operation::Login);
    let read = |call: &Call, status: u16, body: &str| told(&pack, call, status, body).unwrap_err();
    for status in [r#""403""#, "403"] {
        let failed = |detail: &str| {
            read(&call, 403, &error(&format!(r#""status":{status},"code":"login_failed"{detail}"#)))
        };
        assert_eq!(failed("").code, ProblemCode::AccountNotFound);
        assert_eq!(failed(r#","detail":[]"#).code, ProblemCode::AccountNotFound);
        for counted in [
            r#"["登录失败，您还可以尝试4次"]"#,
            r#""登录失败，您还可以尝试4次""#,
            r#"{"1":"登录失败，您还可以尝试4次"}"#,
        ] {
            let problem = failed(&format!(r#","detail":{counted}"#));
            assert_eq!((problem.code, problem.attempts_left), (ProblemCode::CredentialsInvalid, Some(4)));
        }
        let problem = failed(r#","detail":["帐号或密码错误"]"#);
        assert_eq!((problem.code, problem.attempts_left), (ProblemCode::CredentialsInvalid, None));
        assert_eq!(failed(r#","detail":[7]"#).code, ProblemCode::CredentialsInvalid);
    }
    let object = r#"{"errors":{"code":"login_failures_times_toplimit"}}"#;
    assert_eq!(read(&call, 402, object).code, ProblemCode::AccountLocked);
    assert_eq!(
        read(&call, 500, &error(r#""code":"unheard_of","detail":["secret"]"#)),
        ProblemCode::Internal.into()
    );
    for (code, meaning) in [
        ("validate_reject", ProblemCode::AccountBlocked),
        ("validate_ignore", ProblemCode::AccountBlocked),
        ("register_validate", ProblemCode::AccountPendingReview),
        ("user_has_mobile", ProblemCode::IdentityAlreadyBound),
        ("account_has_been_bound", ProblemCode::IdentityAlreadyBound),
        ("no_bind_user", ProblemCode::AccountNotFound),
        ("access_denied", ProblemCode::TokenInvalid),
        ("invalid_request", ProblemCode::Internal),
    ] {
        assert_eq!(read(&call, 401, &error(&format!(r#""code":"{code}""#))).code, meaning, "{code}");
    }
    call.operation = Operation::Refresh;
    assert_eq!(read(&call, 401, &error(r#""code":"invalid_request""#)).code, ProblemCode::TokenInvalid);
    call.operation = Operation::SendCode;
    let early = read(&call, 500, &error(r#""code":"sms_interval","detail":["请在42秒后重新发送验证码"]"#));
    assert_eq!(early, Problem::new(ProblemCode::SendTooFrequent).retry_after(42));
}

#[test]
fn pointers_name_fields_both_ways() {
    let pack = pack("discuzq");
    let call = Call::new(Operation::Register);
    let read = |name: &str, detail: &str| {
        let pointer = format!(r#""source":{{"pointer":"/data/attributes/{name}"}}"#);
        let body =
            error(&format!(r#""status":"422","code":"validation_error","detail":["{detail}"],{pointer}"#));
        told(&pack, &call, 422, &body).unwrap_err()
    };
    for (name, field) in [
        ("username", "username"),
        ("mobile", "phone"),
        ("mobileToken", "bind_token"),
        ("register_reason", "reason"),
    ] {
        let problem = read(name, "字段 已经存在。");
        assert_eq!((problem.code, problem.field.as_deref()), (ProblemCode::AccountExists, Some(field)));
        let (status, body) = refused(&pack, &call, &problem);
        assert_eq!(status, 422);
        assert!(body.contains(&format!(r#""pointer":"/data/attributes/{name}""#)), "{body}");
        assert_eq!(read(name, "字段 长度不能大于 15 个字符。").code, ProblemCode::InvalidField);
        assert_eq!(read(name, "字段 不能为空。"), Problem::missing(field));
    }
    // A backend that does not say which field exists means the name: the app shows one.
    let (_, body) = refused(&pack, &call, &ProblemCode::AccountExists.into());
    assert!(
        body.contains(r#""detail":["用户名 已经存在。"],"source":{"pointer":"/data/attributes/username"}"#),
        "{body}"
    );
    // Only what is about a field points to one.
    let (_, body) = refused(&pack, &call, &Problem::new(ProblemCode::TokenInvalid).field("token"));
    assert!(!body.contains("pointer"), "{body}");
}

#[test]
fn a_code_login_without_an_account_is_answered_with_a_bind_token() {
    let pack = pack("discuzq");
    let call = Call::new(Operation::LoginCode);
    let mut problem = Problem::new(ProblemCode::AccountNotFound);
    problem.bind_token = Some("m".into());
    let (status, body) = refused(&pack, &call, &problem);
    assert_eq!(status, 400);
    assert_eq!(body, error(r#""status":"400","code":"not_found_user","detail":["用户不存在"],"token":"m""#));
    assert_eq!(told(&pack, &call, 400, &body), Err(problem));
}

#[test]
fn wrong_credentials_always_have_a_text_in_a_list() {
    let pack = pack("discuzq");
    let call = Call::new(Operation::Login);
    let mut problem = Problem::new(ProblemCode::CredentialsInvalid);
    let (status, body) = refused(&pack, &call, &problem);
    assert_eq!(
        (status, body),
        (403, error(r#""status":"403","code":"login_failed","detail":["帐号或密码错误"]"#))
    );
    problem.attempts_left = Some(2);
    assert!(refused(&pack, &call, &problem).1.contains(r#"["登录失败，您还可以尝试2次"]"#));
    let (_, body) = refused(&pack, &call, &ProblemCode::AccountNotFound.into());
    assert!(body.contains(r#"["帐号或密码错误"]"#), "{body}");
}
