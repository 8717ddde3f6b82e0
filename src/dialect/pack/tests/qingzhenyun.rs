//! qingzhenyun's own ways: tokens in five places, phoneInfo, odd codes, longs in two halves.

use super::{answered, asked, json, pack, pack_with, phone, refused, sent, sent_body, told, understood};
use crate::account::{
    Account, Call, Channel, Operation, PasswordForm, Problem, ProblemCode, Purpose, Reply, Session,
    Verification,
};
use crate::clock::Moment;
use crate::dialect::{Dialect, Proof};

const JSON: (&str, &str) = ("content-type", "application/json");

fn verification() -> Option<Verification> {
    Some(Verification { code: "119614".into(), challenge: Some("phone.info".into()) })
}

#[test]
fn each_way_to_send_a_code_has_its_purpose() {
    let pack = pack("qingzhenyun");
    for (route, purpose) in [
        ("sendRegisterMessage", Purpose::Register),
        ("sendLoginMessage", Purpose::Login),
        ("sendChangePasswordMessage2", Purpose::ResetPassword),
    ] {
        let call = json(&pack, &format!("POST /v1/user/{route}"), r#"{"phone":"13800138001"}"#).unwrap();
        assert_eq!(call.purpose, Some(purpose));
        assert_eq!(call.channel, Some(Channel::Sms));
        assert_eq!(call.phone, Some(phone("+8613800138001")));
        let request = sent(&pack, &call).unwrap();
        assert_eq!(request.uri().path(), format!("/v1/user/{route}"));
        assert_eq!(sent_body(&pack, &call), r#"{"phone":"13800138001","countryCode":"86"}"#);
    }
}

#[test]
fn a_code_to_change_the_password_needs_a_token_and_names_no_phone() {
    let pack = pack("qingzhenyun");
    let start = "POST /v1/user/sendChangePasswordMessage";
    let problem = understood(&pack, start, &[JSON], "{}").unwrap_err();
    assert_eq!(problem.code, ProblemCode::TokenInvalid);
    let read = understood(&pack, start, &[JSON, ("authorization", "Bearer t")], "{}").unwrap();
    assert_eq!(read.proof, Proof::Token);
    assert_eq!(read.call.purpose, Some(Purpose::ChangePassword));
    // The gateway has found out the phone; this dialect's backend knows it by the token.
    let mut call = read.call;
    call.phone = Some(phone("+8613800138001"));
    let request = sent(&pack, &call).unwrap();
    assert_eq!(request.uri().path(), "/v1/user/sendChangePasswordMessage");
    assert_eq!(request.headers()["authorization"], "Bearer t");
    assert_eq!(request.body().as_ref(), b"{}");
    // Clients of other dialects ask for codes without a token, and have no place for one.
    call.token = None;
    assert_eq!(sent(&pack, &call).unwrap_err().code, ProblemCode::NotSupported);
}

#[test]
fn a_canonical_client_may_send_its_token_for_such_a_code() {
    let canonical = pack("canonical");
    let body = r#"{"channel":"sms","phone":"+8613800138001","purpose":"change_password"}"#;
    let ask = |fields: &[(&str, &str)]| {
        let fields: Vec<_> = fields.iter().copied().chain([JSON]).collect();
        understood(&canonical, "POST /v1/verification-codes", &fields, body).unwrap()
    };
    let with = ask(&[("authorization", "Bearer t")]);
    assert_eq!((with.proof, with.call.token.is_some()), (Proof::None, true));
    assert!(sent(&pack("qingzhenyun"), &with.call).is_ok());
    assert_eq!(sent(&canonical, &with.call).unwrap().headers()["authorization"], "Bearer t");
    let without = ask(&[]);
    assert_eq!(without.call.token, None);
    assert!(!sent(&canonical, &without.call).unwrap().headers().contains_key("authorization"));
}

#[test]
fn purposes_and_channels_that_it_has_not_are_not_supported() {
    let pack = pack("qingzhenyun");
    let mut call = Call::new(Operation::SendCode);
    call.phone = Some(phone("+8613800138001"));
    for purpose in [Purpose::Bind, Purpose::DeleteAccount] {
        call.purpose = Some(purpose);
        assert_eq!(sent(&pack, &call).unwrap_err().code, ProblemCode::NotSupported, "{purpose:?}");
    }
    call.purpose = Some(Purpose::Register);
    call.phone = None;
    call.email = crate::account::Email::parse("a@example.com").ok();
    assert_eq!(sent(&pack, &call).unwrap_err().code, ProblemCode::NotSupported);
}

#[test]
fn country_and_number_are_one_phone() {
    let pack = pack("qingzhenyun");
    let read = |body: &str| json(&pack, "POST /v1/user/sendLoginMessage", body);
    let american = Some(phone("+12025550123"));
    assert_eq!(read(r#"{"phone":"2025550123","countryCode":"1"}"#).unwrap().phone, american);
    assert_eq!(read(r#"{"phone":2025550123,"countryCode":1}"#).unwrap().phone, american);
    let call = read(r#"{"phone":"2025550123","countryCode":"+1"}"#).unwrap();
    assert_eq!(sent_body(&pack, &call), r#"{"phone":"2025550123","countryCode":"1"}"#);
    let problem = read(r#"{"phone":"12"}"#).unwrap_err();
    let (status, body) = refused(&pack, &call, &problem);
    assert_eq!(status, 400);
    assert_eq!(
        body,
        r#"{"success":false,"message":"Phone not validate","code":"PHONE_NOT_VALIDATE","status":400}"#
    );
    for empty in ["{}", r#"{"phone":""}"#, r#"{"phone":null}"#] {
        let (_, body) = refused(&pack, &call, &read(empty).unwrap_err());
        assert!(body.contains(r#""message":"{PHONE}_REQUIRED","code":"{PHONE}_REQUIRED""#), "{body}");
    }
}

#[test]
fn the_value_of_a_login_is_a_phone_when_it_is_all_digits() {
    let pack = pack("qingzhenyun");
    let login = |value: &str, rest: &str| {
        let body = format!(r#"{{"value":"{value}","password":"secret"{rest}}}"#);
        json(&pack, "POST /v1/user/login", &body)
    };
    let call = login("2025550123", r#","countryCode":"1""#).unwrap();
    assert_eq!((&call.phone, &call.username), (&Some(phone("+12025550123")), &None));
    assert!(sent_body(&pack, &call).contains(r#""countryCode":"1""#));
    for name in ["eric", "eric@example.com", "13800138001x"] {
        let call = login(name, "").unwrap();
        assert_eq!((&call.username.as_deref(), &call.phone), (&Some(name), &None));
        assert!(sent_body(&pack, &call).starts_with(&format!(r#"{{"value":"{name}","#)));
    }
    let problem = login("", "").unwrap_err();
    assert!(refused(&pack, &call, &problem).1.contains("{VALUE}_REQUIRED"));
}

#[test]
fn names_that_a_login_would_take_for_something_else_have_no_form() {
    let pack = pack("qingzhenyun");
    let mut login = Call::new(Operation::Login);
    login.password = Some("secret".into());
    login.username = Some("13800138001".into());
    assert_eq!(sent(&pack, &login).unwrap_err().code, ProblemCode::InvalidField);
    login.username = None;
    login.email = crate::account::Email::parse("a@example.com").ok();
    assert_eq!(sent(&pack, &login).unwrap_err().code, ProblemCode::NotSupported);
    for name in ["a@example.com", "123456", "-5"] {
        let body = format!(r#"{{"name":"{name}"}}"#);
        let fields = [JSON, ("token", "t")];
        let problem = understood(&pack, "POST /v1/user/changeName", &fields, &body).unwrap_err();
        let call = Call::new(Operation::ChangeName);
        assert!(refused(&pack, &call, &problem).1.contains("{NAME}_EXISTS"), "{name}");
    }
}

#[test]
fn who_brings_a_code_names_the_phone_by_phone_info() {
    let pack = pack("qingzhenyun");
    let body = r#"{"phoneInfo":"phone.info","code":"119614","newPassword":"secret"}"#;
    let call = json(&pack, "POST /v1/user/changePasswordByMessage2", body).unwrap();
    assert_eq!(call.operation, Operation::ResetPassword);
    assert_eq!(call.verification, verification());
    let problem = json(&pack, "POST /v1/user/loginByMessage", r#"{"code":"119614"}"#).unwrap_err();
    let asked = Call::new(Operation::LoginCode);
    assert!(refused(&pack, &asked, &problem).1.contains("{PHONE_INFO}_REQUIRED"));
    let expired = Problem::invalid("verification.challenge", "is not valid or has expired");
    assert!(refused(&pack, &asked, &expired).1.contains("{PHONE_INFO}_NOT_VALID"));
    let mut login = Call::new(Operation::LoginCode);
    login.phone = Some(phone("+8613800138001"));
    login.verification = verification();
    assert_eq!(sent_body(&pack, &login), r#"{"phoneInfo":"phone.info","code":"119614"}"#);
}

#[test]
fn a_password_is_changed_with_the_old_one_or_with_a_code() {
    let pack = pack("qingzhenyun");
    let mut call = Call::new(Operation::ChangePassword);
    call.token = Some("t".into());
    call.new_password = Some("5f4dcc3b5aa765d61d8327deb882cf99".into());
    call.password_form = PasswordForm::Md5Hex;
    assert_eq!(sent(&pack, &call).unwrap_err().code, ProblemCode::InvalidRequest);
    call.verification = verification();
    assert_eq!(sent(&pack, &call).unwrap().uri().path(), "/v1/user/changePasswordByMessage");
    call.old_password = Some("7c6a180b36896a0a8c02787eeafb0e4c".into());
    assert_eq!(sent(&pack, &call).unwrap().uri().path(), "/v1/user/changePassword");
    let reply =
        told(&pack, &call, 200, r#"{"status":200,"result":true,"code":"OK","success":true,"token":"u"}"#);
    let session = reply.unwrap().session.unwrap();
    assert_eq!((session.access_token.expose(), session.expires_in), ("u", Some(2_592_000)));
    let answer = r#"{"status":200,"result":true,"code":"OK","success":true}"#;
    assert_eq!(answered(&pack, &call, &Reply::default()), answer);
}

#[test]
fn tokens_are_found_in_five_places_and_two_different_ones_are_refused() {
    let pack = pack("qingzhenyun");
    let info = |target: &str, fields: &[(&str, &str)], body: &str| {
        let fields: Vec<_> = fields.iter().copied().chain([JSON]).collect();
        understood(&pack, &format!("POST /v1/user/info{target}"), &fields, body)
            .map(|read| read.call.token.unwrap())
    };
    let t = Ok("t".into());
    assert_eq!(info("", &[("authorization", "Bearer t")], ""), t);
    assert_eq!(info("", &[("token", "t")], ""), t);
    assert_eq!(info("?auth=t", &[], ""), t);
    assert_eq!(info("?token=t", &[], ""), t);
    assert_eq!(info("", &[], r#"{"token":"t"}"#), t);
    assert_eq!(info("?auth=t&token=t", &[("authorization", "bearer t"), ("token", "t")], ""), t);
    let problem = info("?auth=other", &[("token", "t")], "").unwrap_err();
    assert_eq!(problem.code, ProblemCode::InvalidRequest);
    // Without its scheme it is some other credential.
    let problem = info("", &[("authorization", "t")], "").unwrap_err();
    let call = Call::new(Operation::WhoAmI);
    let none =
        r#"{"success":false,"message":"CREDENTIALS_REQUIRED","code":"CREDENTIALS_REQUIRED","status":401}"#;
    assert_eq!(refused(&pack, &call, &problem), (401, none.to_owned()));
}

#[test]
fn form_bodies_are_read_too() {
    let pack = pack("qingzhenyun");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let read = understood(&pack, "POST /v1/user/login", &form, "value=eric&password=secret&x=1").unwrap();
    assert_eq!(read.call.username.as_deref(), Some("eric"));
}

#[test]
fn passwords_travel_as_the_setting_says() {
    let hash = "5f4dcc3b5aa765d61d8327deb882cf99";
    let login = |pack: &super::Pack, password: &str| {
        json(pack, "POST /v1/user/login", &format!(r#"{{"value":"eric","password":"{password}"}}"#))
    };
    let auto = pack("qingzhenyun");
    assert_eq!(login(&auto, hash).unwrap().password_form, PasswordForm::Md5Hex);
    let plain_call = login(&auto, "password").unwrap();
    assert_eq!(plain_call.password_form, PasswordForm::Plain);
    assert!(sent_body(&auto, &plain_call).contains(hash));
    let md5 = pack_with("qingzhenyun", "password_form", "md5_hex");
    let problem = login(&md5, "password").unwrap_err();
    assert!(refused(&md5, &plain_call, &problem).1.contains("{PASSWORD}_MUST_MD5_ENCODE"));
    let plain = pack_with("qingzhenyun", "password_form", "plain");
    assert!(sent_body(&plain, &plain_call).contains(r#""password":"password""#));
    // A hash is no plain password, and never sent as one.
    let hashed = login(&auto, hash).unwrap();
    assert_eq!(sent(&plain, &hashed).unwrap_err().code, ProblemCode::NotSupported);
}

#[test]
fn the_user_is_read_in_both_forms_and_written_in_the_documents() {
    let pack = pack("qingzhenyun");
    let call = Call::new(Operation::WhoAmI);
    let user = r#"{"uuid":{"high":1,"low":-1},"name":"eric","email":"","phone":"2025550123","countryCode":"1","createTime":{"high":353,"low":926370034},"icon":"x","spaceUsed":18446744073709551615}"#;
    let body = format!(r#"{{"status":200,"result":{user},"code":"OK","success":true}}"#);
    let reply = told(&pack, &call, 200, &body).unwrap();
    let account = reply.account.clone().unwrap();
    assert_eq!(account.id.as_deref(), Some("8589934591"));
    assert_eq!(account.phone, Some(phone("+12025550123")));
    assert_eq!(account.email, None);
    assert_eq!(account.created_at, Some(Moment::from_millis((353 << 32) + 926_370_034)));
    let written = answered(&pack, &call, &reply);
    assert!(
        written.contains(r#""uuid":8589934591,"name":"eric","email":"","phone":"2025550123""#),
        "{written}"
    );
    assert!(written.contains(r#""spaceUsed":18446744073709551615"#), "{written}");

    let account = Account { id: Some("an-id-of-letters".into()), ..Account::default() };
    let reply = Reply { account: Some(account), ..Reply::default() };
    let number = super::integer_of("an-id-of-letters");
    let expected = format!(
        r#"{{"status":200,"result":{{"uuid":{number},"name":"","email":"","phone":"","createTime":0,"ssid":"","level":0,"type":0,"ban":0,"banTime":0,"refreshTime":0,"lastLoginTime":0,"validateAddon":"{{}}","validate":0,"version":1}},"code":"OK","success":true}}"#
    );
    assert_eq!(answered(&pack, &call, &reply), expected);
}

#[test]
fn a_foreign_phone_without_its_country_is_the_one_that_was_asked_for() {
    let pack = pack("qingzhenyun");
    let mut call = Call::new(Operation::Login);
    let body =
        r#"{"status":200,"result":{"uuid":1,"phone":"2025550123"},"code":"OK","success":true,"token":"t"}"#;
    call.phone = Some(phone("+12025550123"));
    assert_eq!(told(&pack, &call, 200, body).unwrap().account.unwrap().phone, call.phone);
    call.phone = Some(phone("+8613800138001"));
    assert_ne!(told(&pack, &call, 200, body).unwrap().account.unwrap().phone, call.phone);
}

#[test]
fn a_fresh_token_stands_in_the_body_and_in_a_field() {
    let pack = pack("qingzhenyun");
    let call = Call::new(Operation::WhoAmI);
    let session = Some(Session::of_access_token("fresh".into()));
    let reply = Reply { account: Some(Account::default()), session, ..Reply::default() };
    let answer = pack.write_reply(&asked(&call), &reply).unwrap();
    assert_eq!(answer.headers()["authorization"], "Bearer fresh");
    assert!(answer.body().ends_with(br#""success":true,"token":"fresh"}"#));
    // From a backend that sends it in the field alone.
    let mut answer = pack.write_reply(&asked(&call), &Reply { session: None, ..reply.clone() }).unwrap();
    answer.headers_mut().insert("authorization", http::HeaderValue::from_static("Bearer fresh"));
    assert_eq!(pack.read_answer(&call, &answer, super::READING).unwrap().session, reply.session);
}

#[test]
fn failures_are_known_by_success_and_code_alone() {
    let pack = pack("qingzhenyun");
    let mut call = Call::new(Operation::Login);
    let read = |call: &Call, status: u16, code: &str| {
        let body = format!(r#"{{"success":false,"message":"any","code":"{code}","status":400,"token":"t"}}"#);
        told(&pack, call, status, &body).unwrap_err()
    };
    for status in [200, 400, 401, 500] {
        assert_eq!(read(&call, status, "LOGIN_FAILED").code, ProblemCode::CredentialsInvalid);
        assert_eq!(read(&call, status, "USER_LOGIN_FAILED").code, ProblemCode::CredentialsInvalid);
        assert_eq!(read(&call, status, "USER_VERSION_NOT_MATCH").code, ProblemCode::TokenInvalid);
        assert_eq!(read(&call, status, "USER_NOT_FOUND").code, ProblemCode::AccountNotFound);
    }
    let required = read(&call, 400, "{VALUE}_REQUIRED");
    assert_eq!(required, Problem::missing("username"));
    assert_eq!(read(&call, 400, "NEVER_HEARD_OF").code, ProblemCode::UpstreamUnintelligible);
    call.operation = Operation::ResetPassword;
    assert_eq!(read(&call, 400, "{NEW_PASSWORD}_NOT_VALID").field.as_deref(), Some("new_password"));
    assert_eq!(read(&call, 400, "{PHONE_INFO}_NOT_VALID").field.as_deref(), Some("verification.challenge"));
    assert_eq!(read(&call, 400, "{CODE}_NOT_VALID").code, ProblemCode::CodeInvalid);
}

#[test]
fn a_later_server_says_200_but_for_tokens_and_unknown_paths() {
    let later = pack_with("qingzhenyun", "http_status", "ok");
    let first = pack("qingzhenyun");
    let call = Call::new(Operation::Login);
    for (code, real, ok) in [
        (ProblemCode::CredentialsInvalid, 400, 200),
        (ProblemCode::TokenInvalid, 401, 401),
        (ProblemCode::NotSupported, 404, 404),
        (ProblemCode::Internal, 500, 200),
    ] {
        assert_eq!(refused(&first, &call, &code.into()).0, real);
        assert_eq!(refused(&later, &call, &code.into()).0, ok);
    }
}

#[test]
fn a_region_that_can_not_be_followed_is_told_beside_the_code() {
    let pack = pack("qingzhenyun");
    let call = Call::new(Operation::Login);
    let (_, body) = refused(&pack, &call, &Problem::new(ProblemCode::WrongRegion).region("eu"));
    assert!(body.ends_with(r#""code":"REGION_NOT_MATCH","status":400,"result":{"region":"eu"}}"#), "{body}");
    assert_eq!(told(&pack, &call, 400, &body).unwrap_err().region.as_deref(), Some("eu"));
}
