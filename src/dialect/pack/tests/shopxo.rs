//! What is ShopXO's own: routes by name, one member that is many things, and numbers that mean what the operation
//! lets them mean.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::Value;

use super::{READING, pack};
use crate::account::{
    Account, AccountStatus, Call, Captcha, Email, Gender, Operation, Phone, Problem, ProblemCode, Purpose,
    Reply, Session, Verification,
};
use crate::clock::Moment;
use crate::dialect::{
    Asked, Claim, Dialect, Dialects, Language, Pack, Sending, Target, Understood, normalise_path,
};

const NOW: i64 = 1_668_859_279;

fn claim(target: &str, pinned: bool) -> Claim {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = normalise_path(path).unwrap();
    pack("shopxo").claim(Target { method: &Method::POST, path: &path, query, pinned })
}

fn read(target: &str, content_type: &str, body: &str) -> Result<Understood, Problem> {
    let request = Request::post(target).header("content-type", content_type).body(()).unwrap();
    let (head, ()) = request.into_parts();
    pack("shopxo").read_call(Operation::Login, &head, &Bytes::from(body.to_owned()), READING)
}

fn read_json(route: &str, body: &str) -> Result<Call, Problem> {
    let target = format!("/api.php?s={route}");
    read(&target, "application/json", body).map(|understood| understood.call)
}

/// The request line and the body with which a backend is asked.
fn sent(pack: &Pack, call: &Call) -> Result<(String, Value), Problem> {
    let sending = Sending {
        now: Moment::from_seconds(NOW),
        default_country: READING.default_country,
        app: None,
        random: 7,
        request_id: "1",
        idempotency_key: None,
        client_address: None,
        accept_language: None,
        traceparent: None,
    };
    let request = pack.write_call(call, &sending)?;
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.headers()["content-type"], "application/json");
    Ok((request.uri().to_string(), serde_json::from_slice(request.body()).unwrap()))
}

fn asked<'a>(operation: Operation, call: Option<&'a Call>) -> Asked<'a> {
    Asked {
        operation: Some(operation),
        call,
        signed: None,
        language: None,
        country: READING.default_country,
        now: Moment::from_seconds(NOW),
        region: "cn",
    }
}

fn phone(e164: &str) -> Option<Phone> {
    Some(Phone::from_e164(e164).unwrap())
}

fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

#[test]
fn spellings_of_one_route_are_one_operation() {
    for target in [
        "/api.php?s=user/reg",
        "/api.php?s=User/Reg",
        "/api.php?s=/user/reg.html",
        "/api.php?s=user%2Freg",
        "/api.php?s=user//reg/",
        "/api.php?application=app&S=user/reg",
        "/api.php?%20s=user/reg",
        "/api.php?s%00x=user/reg",
        "//api.php?s=user%2Freg",
        "/API.php?s=user/reg",
        "/shop/api.php?s=user/reg",
        "/api.php/user/reg",
        "/api.php/User/reg.html?lang=zh",
        "/shop/api.php/user/reg",
        "/api.php/user/reg?s=user/reg",
        "/index.php?s=/api/user/reg",
        "/index.php?s=api/User/Reg.html",
        "/index.php/api/user/reg",
        "/?s=/api/user/reg",
    ] {
        assert_eq!(claim(target, false), Claim::Operation(Operation::Register), "{target}");
    }
    // Another dialect may have that path, so it counts where nothing else is spoken.
    assert_eq!(claim("/api/user/reg", false), Claim::Foreign);
    assert_eq!(claim("/api/user/reg", true), Claim::Operation(Operation::Register));
    for target in [
        "/user/reg",
        "/user/reg.html",
        "/index.php?s=/index/user/reg",
        "/index.php?s=user/reg",
        "/api.php",
        "/api.php?s=",
        "/api.php?s=goods/index",
        "/myapi.php?s=user/reg",
        "/other?s=user/reg&s=user/login",
        "/other?x=%zz",
    ] {
        assert_eq!(claim(target, false), Claim::Foreign, "{target}");
    }
}

#[test]
fn a_request_that_names_two_routes_is_refused() {
    for target in [
        "/api.php?s=user/reg&s=user/login",
        "/api.php?s=user/reg&s=user/reg",
        "/api.php?s=goods/index&S=user/login",
        "/api.php?s=goods/index&+s=user/login",
        "/api.php/goods/index?s=user/login",
        "/index.php?s=/api/user/reg&s=/index/index",
        "/api.php?s=user/reg&x=%zz",
    ] {
        assert_eq!(claim(target, false), Claim::Ambiguous, "{target}");
    }
}

#[test]
fn routes_that_take_a_credential_and_are_no_operation_are_guarded() {
    for route in
        ["safety/logout", "Safety/Logout.html", "user/logout", "user/appmobilebind", "user/appemailbind"]
    {
        assert_eq!(claim(&format!("/api.php?s={route}"), false), Claim::NoOperation, "{route}");
    }
    for route in ["user/appmobilebindverifysend", "user/appemailbindverifysend"] {
        assert_eq!(
            claim(&format!("/api.php?s={route}"), false),
            Claim::Operation(Operation::SendCode),
            "{route}"
        );
    }
    assert_eq!(claim("/api.php?s=user/userverifyentry", false), Claim::Foreign, "a picture passes through");
}

#[test]
fn type_says_what_the_account_and_the_code_are() {
    let call =
        read_json("user/reg", r#"{"accounts":"alice_01","pwd":"p","type":"username","verify":"Ab3x"}"#)
            .unwrap();
    assert_eq!((call.operation, call.username.as_deref()), (Operation::Register, Some("alice_01")));
    let captcha = call.captcha.unwrap();
    assert_eq!((captcha.kind.as_str(), captcha.answer.as_deref()), ("picture", Some("Ab3x")));
    assert_eq!(call.verification, None);

    let call =
        read_json("user/reg", r#"{"accounts":13800138001,"pwd":1234,"type":"sms","verify":1234}"#).unwrap();
    assert_eq!(call.phone, phone("+8613800138001"));
    assert_eq!(call.verification.unwrap().code.expose(), "1234");
    assert_eq!((call.captcha, call.password.unwrap().expose()), (None, "1234"));

    let call =
        read_json("user/login", r#"{"accounts":"zoe@example.com","type":"email","verify":"1234"}"#).unwrap();
    assert_eq!((call.operation, call.email.is_some()), (Operation::LoginCode, true));

    for (body, field) in [
        (r#"{"accounts":"a-b","pwd":"p","type":"username"}"#, "username"),
        (r#"{"accounts":"a","pwd":"p","type":"username"}"#, "username"),
        (r#"{"accounts":"0123456789012345678","pwd":"p","type":"username"}"#, "username"),
        (r#"{"accounts":"+14155552671","pwd":"p","type":"sms","verify":"1234"}"#, "phone"),
        (r#"{"accounts":"alice","pwd":"p","type":"email","verify":"1234"}"#, "email"),
    ] {
        let problem = read_json("user/reg", body).unwrap_err();
        assert_eq!(
            (problem.code, problem.field.as_deref()),
            (ProblemCode::InvalidField, Some(field)),
            "{body}"
        );
    }
}

#[test]
fn where_no_type_is_said_the_accounts_shape_says_it() {
    let call = read_json("user/forgetpwdverifysend", r#"{"accounts":"13800138001"}"#).unwrap();
    assert_eq!(call.purpose, Some(Purpose::ResetPassword));
    assert_eq!(
        (call.channel.map(|channel| channel.name()), call.phone),
        (Some("sms"), phone("+8613800138001"))
    );
    let call =
        read_json("user/forgetpwd", r#"{"accounts":"zoe@example.com","pwd":"new","verify":"1"}"#).unwrap();
    assert_eq!((call.email.is_some(), call.new_password.unwrap().expose()), (true, "new"));
    let problem =
        read_json("user/forgetpwd", r#"{"accounts":"alice_01","pwd":"new","verify":"1"}"#).unwrap_err();
    assert_eq!((problem.code, problem.field.as_deref()), (ProblemCode::InvalidField, Some("identifier")));
}

#[test]
fn a_code_that_is_to_bind_something_is_asked_for_in_a_member_of_its_own() {
    let call = read_json("user/appmobilebindverifysend", r#"{"mobile":"13800138001"}"#).unwrap();
    assert_eq!((call.operation, call.purpose), (Operation::SendCode, None));
    assert_eq!(call.phone, phone("+8613800138001"));
    let call = read_json("user/appemailbindverifysend", r#"{"email":"zoe@example.com"}"#).unwrap();
    assert_eq!((call.channel.map(|channel| channel.name()), call.email.is_some()), (Some("email"), true));
}

#[test]
fn the_body_beats_the_query_and_text_has_no_members() {
    let target = "/api.php?s=user/login&accounts=nobody&pwd=query&type=username&uuid=u-1&lang=en\
                  &application_client_type=ios";
    let read = |content_type, body| read(target, content_type, body).unwrap().call;
    let call = read("application/json", r#"{"accounts":"alice","application_client_type":"android"}"#);
    assert_eq!((call.identifier.as_deref(), call.password.unwrap().expose()), (Some("alice"), "query"));
    assert_eq!(call.client.platform.as_deref(), Some("ios"), "JSON does not say it");
    assert_eq!((call.client.device.as_deref(), call.client.locale.as_deref()), (Some("u-1"), Some("en")));
    let call = read("application/x-www-form-urlencoded", "accounts=alice&application_client_type=android");
    assert_eq!(
        (call.identifier.as_deref(), call.client.platform.as_deref()),
        (Some("alice"), Some("android"))
    );
    let multipart = "--B\r\nContent-Disposition: form-data; name=\"accounts\"\r\n\r\nalice\r\n--B--\r\n";
    let call = read("multipart/form-data; boundary=B", multipart);
    assert_eq!(call.identifier.as_deref(), Some("alice"));
    let call = read("text/plain", r#"{"accounts":"alice"}"#);
    assert_eq!(call.identifier.as_deref(), Some("nobody"));
    let problem =
        super::shopxo::read("/api.php?s=user/reg", "text/plain", r#"{"type":"username"}"#).unwrap_err();
    let told = json(&pack("shopxo").write_problem(&asked(Operation::Register, None), &problem));
    assert_eq!(told["code"], -1);
}

#[test]
fn a_picture_belongs_to_the_device_that_it_was_shown_on() {
    let body = r#"{"accounts":"alice","pwd":"p","type":"username","verify":"Ab3x"}"#;
    let call = read("/api.php?s=user/login&uuid=u-1", "application/json", body).unwrap().call;
    assert_eq!(call.captcha.as_ref().unwrap().device.as_deref(), Some("u-1"));
    let (target, _) = sent(&pack("shopxo"), &call).unwrap();
    assert!(target.contains("&uuid=u-1&"), "{target}");
}

#[test]
fn a_backend_is_asked_as_the_official_client_asks() {
    let pack = pack("shopxo");
    let mut call = Call::new(Operation::Register);
    call.username = Some("alice_01".to_owned());
    call.password = Some("secret12".to_owned().into());
    call.client.platform = Some("windows".to_owned());
    call.client.locale = Some("en".to_owned());
    call.client.device = Some("u-1".to_owned());
    let (target, body) = sent(&pack, &call).unwrap();
    assert_eq!(
        target,
        "/api.php?s=user%2Freg&system_type=default&application=app&application_client_type=h5\
         &application_client_brand=&token=&uuid=u-1&lang=zh&theme=yellow&ajax=ajax"
    );
    // An empty `verify` would be refused.
    assert_eq!(body, serde_json::json!({"accounts": "alice_01", "pwd": "secret12", "type": "username"}));

    call.phone = phone("+8613800138001");
    call.verification = Some(Verification { code: "1234".to_owned().into(), challenge: None });
    let (_, body) = sent(&pack, &call).unwrap();
    let expected = serde_json::json!({
        "accounts": "13800138001", "verify": "1234", "nickname": "alice_01", "pwd": "secret12", "type": "sms"
    });
    assert_eq!(body, expected);

    let mut call = Call::new(Operation::WhoAmI);
    call.token = Some("35341e082e26c981c586cc8113f77ab1".to_owned().into());
    let (target, _) = sent(&pack, &call).unwrap();
    assert_eq!(target.matches("token=").count(), 1, "{target}");
    assert!(target.contains("&token=35341e082e26c981c586cc8113f77ab1&"), "{target}");
    assert!(target.contains("&uuid=07000000-0000-4"), "made up where nobody says it: {target}");
}

#[test]
fn each_kind_of_call_finds_its_route() {
    let pack = pack("shopxo");
    let mut call = Call::new(Operation::SendCode);
    call.purpose = Some(Purpose::Login);
    call.phone = phone("+8613800138001");
    let (target, body) = sent(&pack, &call).unwrap();
    assert!(target.starts_with("/api.php?s=user%2Floginverifysend&"), "{target}");
    assert_eq!(body, serde_json::json!({"accounts": "13800138001", "type": "sms"}));

    call.purpose = Some(Purpose::ResetPassword);
    call.captcha =
        Some(Captcha { kind: "picture".to_owned(), answer: Some("Ab3x".to_owned()), ..Captcha::default() });
    let (target, body) = sent(&pack, &call).unwrap();
    assert!(target.starts_with("/api.php?s=user%2Fforgetpwdverifysend&"), "{target}");
    assert_eq!(body, serde_json::json!({"accounts": "13800138001", "verify": "Ab3x"}));

    // A kind of captcha that it does not know is none.
    call.captcha.as_mut().unwrap().kind = "tencent".to_owned();
    assert_eq!(sent(&pack, &call).unwrap().1, serde_json::json!({"accounts": "13800138001"}));

    call.purpose = Some(Purpose::Bind);
    assert_eq!(sent(&pack, &call).unwrap_err().code, ProblemCode::NotSupported);

    let mut call = Call::new(Operation::LoginCode);
    call.email = Some(Email::parse("zoe@example.com").unwrap());
    call.verification = Some(Verification { code: "1234".to_owned().into(), challenge: None });
    let (_, body) = sent(&pack, &call).unwrap();
    assert_eq!(body, serde_json::json!({"accounts": "zoe@example.com", "verify": "1234", "type": "email"}));
}

#[test]
fn what_has_no_form_here_is_told() {
    let pack = pack("shopxo");
    let mut call = Call::new(Operation::Login);
    call.phone = phone("+14155552671");
    call.password = Some("p".to_owned().into());
    let problem = sent(&pack, &call).unwrap_err();
    assert_eq!((problem.code, problem.field.as_deref()), (ProblemCode::InvalidField, Some("phone")));
    let mut call = Call::new(Operation::Register);
    call.username = Some("小明".to_owned());
    call.password = Some("p".to_owned().into());
    let problem = sent(&pack, &call).unwrap_err();
    assert_eq!((problem.code, problem.field.as_deref()), (ProblemCode::InvalidField, Some("username")));
    for operation in [Operation::LogOut, Operation::Refresh, Operation::ChangeName, Operation::Region] {
        assert!(!pack.has(operation) && pack.lacks(operation).is_some());
    }
}

fn account() -> Account {
    Account {
        id: Some("9007199254740993".to_owned()),
        nickname: Some("Zoe".to_owned()),
        phone: phone("+8613800138001"),
        email: Some(Email::parse("zoe@example.com").unwrap()),
        gender: Some(Gender::Female),
        status: Some(AccountStatus::Rejected),
        created_at: Some(Moment::from_seconds(NOW)),
        ..Account::default()
    }
}

#[test]
fn the_user_object_is_filled_from_the_account() {
    let mut call = Call::new(Operation::WhoAmI);
    call.token = Some("35341e082e26c981c586cc8113f77ab1".to_owned().into());
    let reply = Reply { account: Some(account()), ..Reply::default() };
    let written = |settings: &[(&str, &str)]| {
        let settings: BTreeMap<String, String> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let pack = Dialects::built_in().with_settings("shopxo", &settings).unwrap().unwrap();
        json(&pack.write_reply(&asked(Operation::WhoAmI, Some(&call)), &reply).unwrap())
    };
    let text = written(&[]);
    for (name, value) in [
        ("id", "9007199254740993"),
        ("status", "2"),
        ("gender", "1"),
        ("gender_text", "女"),
        ("token", "35341e082e26c981c586cc8113f77ab1"),
        ("username", ""),
        ("mobile", "13800138001"),
        ("mobile_security", "138***001"),
        ("email_security", "zoe***com"),
        ("user_name_view", "Zoe"),
        ("add_time", "1668859279"),
        ("add_time_text", "2022-11-19 20:01:19"),
        ("upd_time", "0"),
        ("integral", "0"),
        ("birthday", ""),
    ] {
        assert_eq!(text["data"][name], value, "{name}");
    }
    assert_eq!(text["data"]["is_mandatory_bind_mobile"], 0);
    let integers = written(&[("numbers", "integer")]);
    for (name, value) in
        [("id", 9_007_199_254_740_993_i64), ("status", 2), ("gender", 1), ("add_time", NOW), ("integral", 0)]
    {
        assert_eq!(integers["data"][name], value, "{name}");
    }
}

#[test]
fn a_registered_user_who_is_not_logged_in_is_an_empty_text() {
    let pack = pack("shopxo");
    let mut call = Call::new(Operation::Register);
    call.username = Some("alice_01".to_owned());
    let reply = Reply { account: Some(account()), ..Reply::default() };
    let asked_register = asked(Operation::Register, Some(&call));
    let answer = pack.write_reply(&asked_register, &reply).unwrap();
    assert_eq!(answer.body(), r#"{"msg":"注册成功","code":0,"data":""}"#);
    let read = pack.read_answer(&call, &answer, READING).unwrap();
    assert_eq!((read.account, read.session), (None, None));
    // A login without a session is none.
    let problem = pack.write_reply(&asked(Operation::Login, Some(&call)), &reply).unwrap_err();
    assert_eq!(problem.code, ProblemCode::UpstreamUnintelligible);
    // A password is changed, and who it was is not known.
    let answer = pack.write_reply(&asked(Operation::ChangePassword, None), &Reply::default()).unwrap();
    assert_eq!(answer.body(), r#"{"msg":"操作成功","code":0,"data":""}"#);
}

#[test]
fn a_failure_is_an_empty_text_or_list_as_the_config_says() {
    let problem = Problem::new(ProblemCode::CredentialsInvalid);
    let asked = asked(Operation::Login, None);
    let answer = pack("shopxo").write_problem(&asked, &problem);
    assert_eq!(answer.body(), r#"{"msg":"密码错误","code":-4,"data":""}"#);
    assert_eq!(answer.status(), 200);
    let settings = BTreeMap::from([("empty_data".to_owned(), "array".to_owned())]);
    let pack = Dialects::built_in().with_settings("shopxo", &settings).unwrap().unwrap();
    assert_eq!(pack.write_problem(&asked, &problem).body(), r#"{"msg":"密码错误","code":-4,"data":[]}"#);
}

#[test]
fn the_language_of_a_call_beats_that_of_its_header() {
    let pack = pack("shopxo");
    let problem = Problem::new(ProblemCode::CredentialsInvalid);
    let told = |locale: Option<&str>, header: Option<Language>| {
        let mut call = Call::new(Operation::Login);
        call.client.locale = locale.map(str::to_owned);
        let asked = Asked { language: header, ..asked(Operation::Login, Some(&call)) };
        json(&pack.write_problem(&asked, &problem))["msg"].as_str().unwrap().to_owned()
    };
    assert_eq!(told(Some("en"), Some(Language::Chinese)), "Password error");
    assert_eq!(told(Some("zh-TW"), Some(Language::English)), "密码错误");
    assert_eq!(told(None, Some(Language::English)), "Password error");
    assert_eq!(told(None, None), "密码错误");
    // A language that there are no texts in says nothing.
    assert_eq!(told(Some("es"), Some(Language::English)), "Password error");
    let mut call = Call::new(Operation::SendCode);
    call.client.locale = Some("en".to_owned());
    let answer = pack.write_reply(&asked(Operation::SendCode, Some(&call)), &Reply::default()).unwrap();
    assert_eq!(answer.body(), r#"{"msg":"Sent","code":0,"data":""}"#);
}

/// Calls of every operation and form that rows tell apart.
fn calls() -> Vec<Call> {
    let mut calls = Vec::new();
    for operation in Operation::ALL.iter().copied().filter(|operation| pack("shopxo").has(*operation)) {
        let purposes = match operation {
            Operation::SendCode => {
                vec![Some(Purpose::Register), Some(Purpose::Login), Some(Purpose::ResetPassword)]
            }
            _ => vec![None],
        };
        for purpose in purposes {
            let named: [fn(&mut Call); 3] = [
                |call| call.username = Some("alice_01".to_owned()),
                |call| call.phone = phone("+8613800138001"),
                |call| call.email = Some(Email::parse("zoe@example.com").unwrap()),
            ];
            for name in named {
                let mut call = Call::new(operation);
                call.purpose = purpose;
                name(&mut call);
                calls.push(call);
            }
        }
    }
    calls
}

#[test]
fn a_problem_that_is_written_is_read_as_itself_or_as_what_its_row_says() {
    let pack = pack("shopxo");
    let mut exact = 0;
    let mut all = 0;
    for (call, code) in calls().iter().flat_map(|call| ProblemCode::ALL.iter().map(move |code| (call, *code)))
    {
        for field in [None, Some("phone"), Some("password"), Some("new_password"), Some("identifier")] {
            let mut problem = Problem::new(code);
            problem.field = field.map(Into::into);
            for language in [Language::Chinese, Language::English] {
                let asked = Asked { language: Some(language), ..asked(call.operation, Some(call)) };
                let row = pack.plan.problems.row(&problem, &asked).unwrap();
                let answer = pack.write_problem(&asked, &problem);
                let read = pack.read_answer(call, &answer, READING).unwrap_err();
                let told = (code.name(), read.code.name(), call.operation.name(), answer.body());
                assert!(read.code == code || row.reads_as.contains(&read.code), "{told:?}");
                exact += usize::from(read.code == code);
                all += 1;
            }
        }
    }
    assert!(exact * 2 > all, "{exact} of {all}");
}

#[test]
fn numbers_mean_what_the_operation_lets_them_mean() {
    let pack = pack("shopxo");
    let read = |call: &Call, code: i64, message: &str| {
        let body = serde_json::json!({"msg": message, "code": code, "data": []}).to_string();
        let answer = Response::new(Bytes::from(body));
        pack.read_answer(call, &answer, READING).unwrap_err().code.name()
    };
    let register = Call::new(Operation::Register);
    let login = Call::new(Operation::Login);
    let mut send = Call::new(Operation::SendCode);
    send.purpose = Some(Purpose::Register);
    // Servers of v2.2 to v2.3.2.
    assert_eq!(read(&register, -10, "账号已存在"), "account_exists");
    assert_eq!(read(&send, -100, "请勿频繁发送"), "send_too_frequent");
    assert_eq!(read(&register, -1, "暂时关闭用户注册"), "registration_closed");
    assert_eq!(read(&login, -10, "用户被禁止登录"), "account_blocked");
    assert_eq!(read(&login, -10, "something else"), "captcha_required");
    assert_eq!(read(&login, -12345, "new"), "internal");
    assert_eq!(read(&login, -10000, "升级中..."), "upstream_unavailable");
}

#[test]
fn ids_are_read_as_numbers_and_texts_and_nothing_of_an_account_is_lost() {
    let pack = pack("shopxo");
    let call = Call::new(Operation::Register);
    for (id, platform) in [("9007199254740993", "h5"), ("\"9007199254740993\"", "h5")] {
        let body = format!(
            r#"{{"msg":"","code":"0","data":{{"id":{id},"platform":"{platform}","integral":1.50,"is_setup_pwd":1,"token":"t","pwd":"x","salt":"y"}}}}"#
        );
        let reply = pack.read_answer(&call, &Response::new(Bytes::from(body)), READING).unwrap();
        let account = reply.account.as_ref().unwrap();
        assert_eq!(account.id.as_deref(), Some("9007199254740993"));
        assert_eq!(reply.session, Some(Session::of_access_token("t".to_owned().into())));
        let written = pack.write_reply(&asked(Operation::Register, Some(&call)), &reply).unwrap();
        let text = std::str::from_utf8(written.body()).unwrap();
        assert!(text.contains(r#""integral":1.50"#) && text.contains(r#""platform":"h5""#), "{text}");
        assert!(!text.contains("pwd\":\"") && !text.contains("salt"), "{text}");
    }
    let body = r#"{"msg":"","code":0,"data":{"body_html":"<p>","user_id":9}}"#;
    let reply =
        pack.read_answer(&call, &Response::new(Bytes::from_static(body.as_bytes())), READING).unwrap();
    assert_eq!(reply.account.unwrap(), Account { id: Some("9".to_owned()), ..Account::default() });
    assert_eq!(reply.session, None);
}
