//! Every example of the source documents, in both roles, and what each number means.

use http::StatusCode;
use serde_json::{Value, json};

use super::*;
use crate::account::{Country, PasswordForm, ProblemCode, Session};
use crate::clock::Moment;
use crate::dialect::{Language, Signed};

const READING: Reading = Reading { default_country: Country::CHINA, json_depth: 64 };

#[derive(serde::Deserialize)]
struct Example {
    name: String,
    dialect: String,
    operation: String,
    request: Option<Value>,
    response: Value,
    emit: Option<String>,
}

fn examples() -> Vec<Example> {
    let all: Vec<Example> =
        serde_json::from_str(include_str!("../../../tests/fixtures/seed-examples.json")).unwrap();
    all.into_iter().filter(|example| example.dialect == NAME).collect()
}

fn answer_of(body: &Value) -> Response<Bytes> {
    Response::new(Bytes::from(body.to_string()))
}

fn understood(example: &Example) -> Understood {
    let operation = Operation::from_name(&example.operation).unwrap();
    let Some(seed) = &example.request else {
        return Understood { call: Call::new(operation), proof: Proof::None };
    };
    let body = Bytes::from(seed["body"].to_string());
    let target = seed["target"].as_str().unwrap();
    let request = Request::builder().method("POST").uri(target).body(()).unwrap();
    let (head, ()) = request.into_parts();
    assert_eq!(Coolkit.claim(&head.method, head.uri.path()), Claim::Operation(operation));
    Coolkit.read_call(operation, &head, &body, READING).unwrap()
}

fn asked<'a>(understood: &'a Understood) -> Asked<'a> {
    let signed = match &understood.proof {
        Proof::Signature(signed) => Some(signed),
        _ => None,
    };
    Asked {
        operation: Some(understood.call.operation),
        call: Some(&understood.call),
        signed,
        language: Language::English,
        now: Moment::from_seconds(1_558_004_249),
        region: "cn",
    }
}

#[test]
fn each_printed_answer_is_read_and_written_again() {
    let examples = examples();
    assert_eq!(examples.len(), 12);
    for example in &examples {
        let understood = understood(example);
        let call = &understood.call;
        let seed = &example.response["body"];
        let read = Coolkit.read_answer(call, &answer_of(seed), READING);
        let written = match &read {
            Ok(reply) => Coolkit.write_reply(&asked(&understood), reply).unwrap(),
            Err(problem) => Coolkit.write_problem(&asked(&understood), problem),
        };
        assert_eq!(written.status(), StatusCode::OK);
        if example.emit.as_deref() == Some("meaning") {
            assert_eq!(Coolkit.read_answer(call, &written, READING), read, "{}", example.name);
        } else {
            // Equal as text: members stand in the documents' order.
            assert_eq!(std::str::from_utf8(written.body()).unwrap(), seed.to_string(), "{}", example.name);
        }
    }
}

#[test]
fn the_printed_errors_mean_what_the_documents_say() {
    use ProblemCode as P;
    let meanings = [
        ("coolkit.login.400", P::InvalidRequest),
        ("coolkit.login.301", P::WrongRegion),
        ("coolkit.login.401", P::CredentialsInvalid),
        ("coolkit.login.402", P::AccountInactive),
        ("coolkit.login.404", P::AccountNotFound),
        ("coolkit.login.406", P::Internal),
        ("coolkit.login.500", P::Internal),
        ("coolkit.register.409", P::AccountExists),
        ("coolkit.register.498", P::CodeInvalid),
        ("coolkit.register.500", P::Internal),
    ];
    let examples = examples();
    for (name, code) in meanings {
        let example = examples.iter().find(|example| example.name == name).unwrap();
        let call = Call::new(Operation::from_name(&example.operation).unwrap());
        let told = Coolkit.read_answer(&call, &answer_of(&example.response["body"]), READING);
        assert_eq!(told.map_err(|problem| problem.code), Err(code), "{name}");
    }
}

#[test]
fn numbers_that_mean_different_things_are_told_apart_by_operation() {
    use Operation as O;
    let read = |operation, error: Value| {
        let body = json!({"error": error, "msg": "x"});
        Coolkit.read_answer(&Call::new(operation), &answer_of(&body), READING).unwrap_err().code
    };
    for (operation, error, code) in [
        (O::SendCode, json!(401), ProblemCode::AccountNotFound),
        (O::Refresh, json!("401"), ProblemCode::TokenInvalid),
        (O::Refresh, json!(402), ProblemCode::TokenInvalid),
        (O::Register, json!(401), ProblemCode::Internal),
        (O::Login, json!(200), ProblemCode::Internal),
        (O::Login, json!(405), ProblemCode::Internal),
        (O::SendCode, json!(160_038), ProblemCode::SendTooFrequent),
        (O::Login, json!("what"), ProblemCode::UpstreamUnintelligible),
    ] {
        assert_eq!(read(operation, error.clone()), code, "{operation:?} {error}");
    }
}

#[test]
fn what_a_problem_says_reads_back_as_it_or_as_what_shares_its_number() {
    use ProblemCode as P;
    for operation in Operation::ALL {
        for code in P::ALL {
            let call = Call::new(*operation);
            let understood = Understood { call, proof: Proof::None };
            let mut problem = Problem::new(*code).region("eu");
            problem.operation = Some(*operation);
            let written = Coolkit.write_problem(&asked(&understood), &problem);
            let members: Value = serde_json::from_slice(written.body()).unwrap();
            assert_eq!(members["msg"], members["info"]);
            assert!(members["error"].is_i64() && !members["msg"].as_str().unwrap().is_empty());
            let read = Coolkit.read_answer(&understood.call, &written, READING).unwrap_err().code;
            let shares = matches!(
                (code, read),
                (
                    P::InvalidField | P::PayloadTooLarge | P::CaptchaRequired | P::CaptchaInvalid,
                    P::InvalidRequest
                ) | (P::AccountPendingReview, P::AccountInactive | P::TokenInvalid)
                    | (P::AccountInactive, P::TokenInvalid)
                    | (P::AccountBlocked | P::AccountLocked | P::RegistrationClosed, P::NotPermitted)
                    | (P::IdentityAlreadyBound, P::AccountExists)
                    | (P::CodeExpired, P::CodeInvalid)
                    | (P::RateLimited | P::SendTooFrequent, P::RateLimited | P::SendTooFrequent)
                    | (P::CredentialsInvalid, P::AccountNotFound | P::TokenInvalid | P::Internal)
                    | (P::TokenInvalid, P::AccountNotFound | P::CredentialsInvalid | P::Internal)
            );
            assert!(read == *code || shares || read == P::Internal, "{operation:?} {code:?} {read:?}");
        }
    }
}

#[test]
fn what_clients_send_in_the_wild_is_understood() {
    let base = json!({"appid": "a", "nonce": "1", "ts": 1_558_004_249, "version": 8,
                      "phoneNumber": "+8613123456789", "password": "12345678"});
    let changes: [(&str, Value); 9] = [
        ("ts", json!("1558004249")),
        ("ts", json!(1_558_004_249_000_i64)),
        ("nonce", json!(123_456_789_012_345_i64)),
        ("version", json!("6")),
        ("email", json!("")),
        ("email", Value::Null),
        ("phoneNumber", json!("8613123456789")),
        ("romVersion", json!("11.1.2")),
        ("os", json!("Android")),
    ];
    for (name, value) in changes {
        let mut body = base.clone();
        body[name] = value.clone();
        let head = Request::builder().header("content-type", "text/plain;charset=UTF-8").body(()).unwrap();
        let (head, ()) = head.into_parts();
        let body = Bytes::from(body.to_string());
        let Understood { call, proof } = Coolkit.read_call(Operation::Login, &head, &body, READING).unwrap();
        assert_eq!(call.phone.as_ref().unwrap().e164(), "+8613123456789", "{name} {value}");
        assert_eq!(call.password_form, PasswordForm::Plain);
        let Proof::Signature(Signed { time, .. }) = proof else { panic!("unsigned") };
        assert_eq!(time, Moment::from_seconds(1_558_004_249), "{name} {value}");
    }
}

#[test]
fn send_types_name_purposes_and_wechats_is_none_that_others_know() {
    let send = |send_type: Value, to: Value| {
        let (head, ()) = Request::new(()).into_parts();
        let mut body = json!({"appid": "a", "nonce": "1", "ts": 1, "sendType": send_type});
        body.as_object_mut().unwrap().extend(to.as_object().unwrap().clone());
        Coolkit.read_call(Operation::SendCode, &head, &Bytes::from(body.to_string()), READING)
    };
    let phone = json!({"to": "+8613123456789"});
    for (send_type, purpose) in SEND_TYPES {
        let call = send(json!(send_type), phone.clone()).unwrap().call;
        assert_eq!(call.purpose, Some(*purpose));
    }
    assert_eq!(send(json!("4"), phone.clone()).unwrap().call.purpose, None);
    assert_eq!(send(json!("7"), phone).unwrap_err().code, ProblemCode::NotSupported);
    let both = send(json!("0"), json!({"to": "+8613123456789", "email": "a@b.c"})).unwrap_err();
    assert_eq!(both.code, ProblemCode::InvalidRequest);
}

#[test]
fn the_api_key_of_an_account_without_one_stays_the_same() {
    let understood = Understood { call: Call::new(Operation::Login), proof: Proof::None };
    let session = Session {
        access_token: "at".into(),
        expires_in: None,
        refresh_token: None,
        refresh_expires_in: None,
    };
    let account = crate::account::Account { id: Some("7".to_owned()), ..Default::default() };
    let reply = Reply { account: Some(account), session: Some(session), ..Reply::default() };
    let written = Coolkit.write_reply(&asked(&understood), &reply).unwrap();
    let body: Value = serde_json::from_slice(written.body()).unwrap();
    assert_eq!(body["rt"], "");
    assert_eq!(body["user"]["apikey"], "d6ed313e-533a-55a6-aa06-4c00bc132812");
}
