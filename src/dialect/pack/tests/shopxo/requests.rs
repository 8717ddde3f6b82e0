//! Requests: which are this dialect's, what they mean, and how a backend is asked.

use bytes::Bytes;
use http::{Method, Request};
use serde_json::Value;

use super::{NOW, READING, asked, json, pack, phone};
use crate::account::{Call, Captcha, Email, Operation, Problem, ProblemCode, Purpose, Verification};
use crate::clock::Moment;
use crate::dialect::{Claim, Dialect, Pack, Sending, Target, Understood, normalise_path};

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
    let sending =
        Sending { random: 7, ..Sending::new(Moment::from_seconds(NOW), READING.default_country, "1") };
    let request = pack.write_call(call, &sending)?;
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.headers()["content-type"], "application/json");
    Ok((request.uri().to_string(), serde_json::from_slice(request.body()).unwrap()))
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
fn a_new_password_is_said_twice() {
    let body = |again: &str| format!(r#"{{"my_pwd":"a","new_pwd":"b","confirm_new_pwd":"{again}"}}"#);
    let change = |body: &str| read("/api.php?s=safety/loginpwdupdate&token=t", "application/json", body);
    let call = change(&body("b")).unwrap().call;
    assert_eq!((call.old_password.unwrap().expose(), call.new_password.unwrap().expose()), ("a", "b"));
    let problem = change(&body("c")).unwrap_err();
    let told = pack("shopxo").write_problem(&asked(Operation::ChangePassword, None), &problem);
    assert_eq!(told.body(), r#"{"msg":"确认密码与新密码不一致","code":-5,"data":""}"#);
    let read = pack("shopxo").read_answer(&Call::new(Operation::ChangePassword), &told, READING).unwrap_err();
    assert_eq!(read, problem);
}

#[test]
fn a_token_is_a_parameter_and_two_that_differ_are_refused() {
    let me = |target: &str, body: &str| {
        read(target, "application/json", body).map(|understood| understood.call.token)
    };
    for (target, body) in [
        ("/api.php?s=user/tokenuserinfo&token=t", "{}"),
        ("/api.php?s=user/tokenuserinfo&token=", r#"{"token":"t"}"#),
        ("/api.php?s=user/tokenuserinfo&token=t", r#"{"token":"t"}"#),
    ] {
        assert_eq!(me(target, body).unwrap().unwrap().expose(), "t", "{target} {body}");
    }
    let problem = me("/api.php?s=user/tokenuserinfo&token=t", r#"{"token":"u"}"#).unwrap_err();
    assert_eq!(problem.code, ProblemCode::InvalidRequest);
    assert_eq!(me("/api.php?s=user/tokenuserinfo&token=", "{}").unwrap_err().code, ProblemCode::TokenInvalid);
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
    let taken = |content_type, body| read(target, content_type, body).unwrap().call;
    let call = taken("application/json", r#"{"accounts":"alice","application_client_type":"android"}"#);
    assert_eq!((call.identifier.as_deref(), call.password.unwrap().expose()), (Some("alice"), "query"));
    assert_eq!(call.client.platform.as_deref(), Some("ios"), "JSON does not say it");
    assert_eq!((call.client.device.as_deref(), call.client.locale.as_deref()), (Some("u-1"), Some("en")));
    let call = taken("application/x-www-form-urlencoded", "accounts=alice&application_client_type=android");
    assert_eq!(
        (call.identifier.as_deref(), call.client.platform.as_deref()),
        (Some("alice"), Some("android"))
    );
    let multipart = "--B\r\nContent-Disposition: form-data; name=\"accounts\"\r\n\r\nalice\r\n--B--\r\n";
    let call = taken("multipart/form-data; boundary=B", multipart);
    assert_eq!(call.identifier.as_deref(), Some("alice"));
    let call = taken("text/plain", r#"{"accounts":"alice"}"#);
    assert_eq!(call.identifier.as_deref(), Some("nobody"));
    let problem = read("/api.php?s=user/reg", "text/plain", r#"{"type":"username"}"#).unwrap_err();
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
