//! Answers: the user object, failures and their numbers, both ways.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Response;

use super::{NOW, READING, asked, json, pack, phone};
use crate::account::{
    Account, AccountStatus, Call, Email, Gender, Operation, Problem, ProblemCode, Purpose, Reply, Session,
};
use crate::clock::Moment;
use crate::dialect::{Asked, Dialect, Dialects, Language};

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
