use super::*;
use crate::gateway::roster::Roster;

fn translator() -> Translator {
    let settings = Settings::demo(&|_| None).expect("the demo");
    let mut roster = Roster::new(&settings).unwrap();
    Translator::new(&settings, &mut roster).unwrap()
}

fn side_by_side(from: &str, message: &str, operation: Option<&str>) -> Result<SideBySide, PastedError> {
    let operation = operation.map(str::to_owned);
    let pasted = Pasted { from: from.to_owned(), message: message.to_owned(), operation };
    translator().translate(&pasted, Moment::from_seconds(1_558_004_249), 7)
}

fn version<'a>(all: &'a SideBySide, dialect: &str) -> &'a Version {
    all.versions.iter().find(|version| version.dialect == dialect).unwrap()
}

fn shopxo_register(members: &str) -> SideBySide {
    let message = format!("POST /api.php?s=user/reg&application=app HTTP/1.1\n\n{members}");
    side_by_side("shopxo", &message, None).unwrap()
}

#[test]
fn a_shopxo_registration_is_said_in_the_other_four() {
    let all = shopxo_register(
        "{\"accounts\":\"13800138005\",\"pwd\":\"a-fine-password\",\"verify\":\"1234\",\"type\":\"sms\"}",
    );
    assert_eq!(all.canonical.as_ref().unwrap()["phone"], "+8613800138005");
    let dialects: Vec<_> = all.versions.iter().map(|version| version.dialect).collect();
    assert_eq!(dialects.len(), 4, "{dialects:?}");
    for (dialect, line, part) in [
        ("coolkit", "POST /api/user/register HTTP/1.1", "\"phoneNumber\":\"+8613800138005\""),
        ("qingzhenyun", "POST /v1/user/register HTTP/1.1", STAND_IN_CHALLENGE),
        ("canonical", "POST /v1/accounts HTTP/1.1", STAND_IN_CHALLENGE),
        ("discuzq", "POST /api/sms/verify HTTP/1.1", "13800138005"),
    ] {
        let message = &version(&all, dialect).messages[0];
        assert!(message.starts_with(line) && message.contains(part), "{dialect}: {message}");
    }
    let [_, binding] = &version(&all, "discuzq").messages[..] else { panic!("two calls at discuzq") };
    assert!(binding.starts_with("POST /api/register ") && binding.contains(STAND_IN_BINDING), "{binding}");
}

#[test]
fn what_a_dialect_can_not_say_is_told_with_what_the_client_is_answered() {
    let all = shopxo_register("{\"accounts\":\"zoe\",\"pwd\":\"a-fine-password\",\"type\":\"username\"}");
    for dialect in ["coolkit", "qingzhenyun"] {
        let version = version(&all, dialect);
        let unsaid = version.unsaid.as_ref().unwrap();
        assert_eq!((unsaid.code, version.messages.len()), ("not_supported", 0));
        assert!(unsaid.answer.starts_with("HTTP/1.1 200 OK") && unsaid.answer.contains("\"code\":-1000"));
    }
    assert!(version(&all, "discuzq").unsaid.is_none());
}

#[test]
fn what_is_no_good_call_of_its_dialect_is_told_with_the_answer() {
    let all = side_by_side("canonical", "POST /v1/sessions\n\n{\"phone\":7}", None).unwrap();
    assert_eq!(all.unreadable.unwrap().code, "invalid_field");
    assert!(all.versions.is_empty());
}

#[test]
fn an_answer_is_told_to_the_clients_of_the_others() {
    let answer = "HTTP/1.1 200 OK\n\n{\"msg\":\"密码错误\",\"code\":-4,\"data\":\"\"}";
    let all = side_by_side("shopxo", answer, Some("login")).unwrap();
    assert_eq!(all.canonical.as_ref().unwrap()["code"], "credentials_invalid");
    assert!(version(&all, "canonical").messages[0].starts_with("HTTP/1.1 401 "));
    assert!(matches!(side_by_side("shopxo", answer, None), Err(PastedError::NoOperation)));
    assert!(matches!(side_by_side("shopxo", answer, Some("logon")), Err(PastedError::AskedFor(_))));
}

#[test]
fn what_is_no_message_of_a_known_dialect_is_told() {
    assert!(matches!(side_by_side("shopxo", "hello", None), Err(PastedError::NoMessage(_))));
    assert!(matches!(side_by_side("shop", "GET / HTTP/1.1\n\n", None), Err(PastedError::UnknownDialect(..))));
}
