//! Traffic recorded against a real ShopXO server: as a client's requests each is understood, refused for its own
//! fault, guarded or foreign; as a backend's answers each is a reply or a problem. What each means is pinned in a
//! table, which names them all.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, Response};

use super::{READING, pack};
use crate::account::{Call, Email, Operation, Phone, Problem, Purpose, Reply};
use crate::clock::Moment;
use crate::dialect::{Asked, Claim, Dialect, Pack, Target, normalise_path};

#[derive(serde::Deserialize)]
struct Exchange {
    name: String,
    request: Sent,
    response: Answered,
}

#[derive(serde::Deserialize)]
struct Sent {
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    body: Option<String>,
}

#[derive(serde::Deserialize)]
struct Answered {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

const TRAFFIC: &str = include_str!("../../../../tests/fixtures/shopxo-recorded.jsonl");
const MEANINGS: &str = include_str!("../../../../tests/fixtures/shopxo-recorded-meanings.tsv");
const CODES: &str = include_str!("../../../../tests/fixtures/shopxo-codes.tsv");
const CODE_MEANINGS: &str = include_str!("../../../../tests/fixtures/shopxo-codes-meanings.tsv");

fn exchanges() -> Vec<Exchange> {
    TRAFFIC.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The rows of a table below its heading.
fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().skip(1).map(|line| line.split('\t').collect())
}

/// What a request is taken for: in words, and as a call where it is understood.
fn understood(pack: &Pack, sent: &Sent) -> (String, Option<Call>) {
    let mut builder = Request::builder().method(sent.method.as_str()).uri(&sent.target);
    for (name, value) in &sent.headers {
        builder = builder.header(name, value);
    }
    let (head, ()) = builder.body(()).unwrap().into_parts();
    let path = normalise_path(head.uri.path()).unwrap();
    let query = head.uri.query().unwrap_or_default();
    match pack.claim(Target { method: &head.method, path: &path, query, pinned: true }) {
        Claim::Operation(operation) => {
            let body = Bytes::from(sent.body.clone().unwrap_or_default());
            match pack.read_call(operation, &head, &body, READING) {
                Ok(understood) => (scope_of(&understood.call), Some(understood.call)),
                Err(problem) => {
                    let told = code_told(pack, operation, &problem);
                    (format!("{}: {} ({told})", operation.name(), in_words(&problem)), None)
                }
            }
        }
        Claim::NoOperation => ("guarded".to_owned(), None),
        Claim::Foreign => ("foreign".to_owned(), None),
        Claim::WrongMethod => ("wrong method".to_owned(), None),
        Claim::Ambiguous => ("ambiguous".to_owned(), None),
    }
}

/// The number that a client of an operation is told a problem with.
fn code_told(pack: &Pack, operation: Operation, problem: &Problem) -> i64 {
    let asked =
        Asked::new(Some(operation), READING.default_country, Moment::from_seconds(1_558_004_249), "cn");
    let answer = pack.write_problem(&asked, problem);
    let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    body["code"].as_i64().unwrap()
}

/// `register/sms`, `send_code/login/email`.
fn scope_of(call: &Call) -> String {
    let mut scope = call.operation.name().to_owned();
    if call.operation == Operation::SendCode {
        scope.push('/');
        scope.push_str(call.purpose.map_or("other", Purpose::name));
    }
    let form = match call {
        Call { phone: Some(_), .. } => "/sms",
        Call { email: Some(_), .. } => "/email",
        Call { username: Some(_), .. } => "/username",
        _ => "",
    };
    scope + form
}

/// A call of such a scope, for answers to requests that were not understood.
fn call_of(scope: &str) -> Call {
    let mut words = scope.split('/');
    let mut call = Call::new(Operation::from_name(words.next().unwrap()).unwrap());
    for word in words {
        match word {
            "sms" => call.phone = Some(Phone::from_e164("+8613800138001").unwrap()),
            "email" => call.email = Some(Email::parse("zoe@example.com").unwrap()),
            "username" => call.username = Some("alice_01".to_owned()),
            purpose => call.purpose = Some(Purpose::from_name(purpose).unwrap()),
        }
    }
    call
}

fn in_words(problem: &Problem) -> String {
    match &problem.field {
        Some(field) => format!("{} {field}", problem.code.name()),
        None => problem.code.name().to_owned(),
    }
}

fn answer_in_words(answer: &Result<Reply, Problem>) -> String {
    let reply = match answer {
        Ok(reply) => reply,
        Err(problem) => return in_words(problem),
    };
    let mut words = vec!["good"];
    words.extend(reply.account.as_ref().and_then(|account| account.id.as_ref()).map(|_| "account"));
    words.extend(reply.session.as_ref().map(|_| "session"));
    words.join(" ")
}

fn response(status: u16, headers: &[(String, String)], body: &str) -> Response<Bytes> {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    builder.body(Bytes::from(body.to_owned())).unwrap()
}

/// Names that two lists have not in common.
fn difference<'n>(one: &[&'n str], other: &[&'n str]) -> Vec<&'n str> {
    let lacks = |names: &[&str], name: &&&str| !names.contains(*name);
    let only_one = one.iter().filter(|name| lacks(other, name));
    only_one.chain(other.iter().filter(|name| lacks(one, name))).copied().collect()
}

#[test]
fn every_recorded_request_is_understood_or_refused_for_its_own_fault_or_no_account_call() {
    let pack = pack("shopxo");
    let exchanges = exchanges();
    let table: BTreeMap<&str, Vec<&str>> = rows(MEANINGS).map(|row| (row[0], row)).collect();
    let names: Vec<&str> = exchanges.iter().map(|exchange| exchange.name.as_str()).collect();
    assert_eq!(difference(&names, &table.keys().copied().collect::<Vec<_>>()), [""; 0]);
    let mut counts = [0; 5];
    for exchange in &exchanges {
        let (taken_for, call) = understood(&pack, &exchange.request);
        assert_eq!(taken_for, table[exchange.name.as_str()][1], "{}", exchange.name);
        let kind = match taken_for.as_str() {
            _ if call.is_some() => 0,
            "guarded" => 2,
            "foreign" => 3,
            "wrong method" => 4,
            refused => {
                assert!(refused.contains(": invalid_") || refused.contains(": token_invalid"), "{refused}");
                1
            }
        };
        counts[kind] += 1;
    }
    // Understood, refused, guarded, foreign, wrong method.
    assert_eq!(counts, [107, 24, 7, 13, 3]);
}

#[test]
fn what_is_refused_is_refused_with_the_number_of_a_real_server() {
    // What a real server tells otherwise, and why this does not.
    const OTHERWISE: &[(&str, &str)] = &[
        ("token.missing.tokenuserinfo", "-1 there, and -400 on every other route: here as everywhere"),
        ("reg.sms_no_verify_field", "a PHP error"),
        ("login.sms_no_verify_field", "a PHP error"),
        ("bind.email_send_bad", "an address's format is -2 on every other route that sends a code"),
        ("reg.accounts_zero", "PHP takes the name 0 for none"),
        ("reg.accounts_newline", "PHP's $ lets a line feed pass at the end of a name"),
        ("error.exception_with_ajax", "an exception of the database"),
    ];
    let pack = pack("shopxo");
    let mut otherwise = Vec::new();
    for exchange in &exchanges() {
        let (taken_for, _) = understood(&pack, &exchange.request);
        let Some((_, told)) = taken_for.rsplit_once('(') else { continue };
        let told: i64 = told.trim_end_matches(')').parse().unwrap();
        let body: serde_json::Value = serde_json::from_str(&exchange.response.body).unwrap();
        if body["code"] != told {
            otherwise.push((exchange.name.clone(), told));
        }
    }
    let names: Vec<&str> = otherwise.iter().map(|(name, _)| name.as_str()).collect();
    let expected: Vec<&str> = OTHERWISE.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, expected, "{otherwise:?}");
}

#[test]
fn every_recorded_answer_is_a_reply_or_a_problem() {
    let pack = pack("shopxo");
    let table: BTreeMap<&str, Vec<&str>> = rows(MEANINGS).map(|row| (row[0], row)).collect();
    let mut unintelligible = Vec::new();
    for exchange in &exchanges() {
        let row = &table[exchange.name.as_str()];
        let (_, call) = understood(&pack, &exchange.request);
        // Where the request was no call, the table says to which one the answer could belong.
        let call = match call {
            Some(call) => call,
            None => call_of(row[2]),
        };
        let answered = &exchange.response;
        let answer = response(answered.status, &answered.headers, &answered.body);
        let meaning = answer_in_words(&pack.read_answer(&call, &answer, READING));
        assert_eq!(meaning, row[3], "{}", exchange.name);
        if meaning == "upstream_unintelligible" {
            unintelligible.push((exchange.name.clone(), answered.body.is_empty()));
        }
    }
    assert_eq!(unintelligible.len(), 5);
    assert!(unintelligible.iter().all(|(_, is_empty)| *is_empty), "{unintelligible:?}");
}

#[test]
fn every_code_seen_of_an_operation_is_a_problem() {
    const ROUTES: &[(&str, &str)] = &[
        ("user/reg", "register"),
        ("user/login", "login"),
        ("user/regverifysend", "send_code"),
        ("user/loginverifysend", "send_code"),
        ("user/forgetpwdverifysend", "send_code"),
        ("user/forgetpwd", "reset_password"),
        ("user/tokenuserinfo", "me"),
        ("safety/loginpwdupdate", "change_password"),
    ];
    let pack = pack("shopxo");
    let meanings: Vec<Vec<&str>> = rows(CODE_MEANINGS).collect();
    let mut count = 0;
    for line in CODES.lines().skip(1) {
        // A text that PHP printed over several lines goes on there.
        let Some((route, rest)) = line.split_once('\t') else { continue };
        let Some((code, message)) = rest.split_once('\t') else { continue };
        let Some((_, operation)) = ROUTES.iter().find(|(of, _)| *of == route) else { continue };
        if code == "0" {
            continue;
        }
        count += 1;
        let fits = |row: &&Vec<&str>| row[..3] == [route, code, message];
        let of: Vec<_> = meanings.iter().filter(fits).collect();
        assert!(!of.is_empty(), "nothing is written down of {line}");
        for row in of {
            let scope = row[3];
            assert!(scope.starts_with(operation), "{row:?}");
            let body = serde_json::json!({"msg": message, "code": code.parse::<i64>().unwrap(), "data": ""});
            let answer = response(200, &[], &body.to_string());
            let meaning = answer_in_words(&pack.read_answer(&call_of(scope), &answer, READING));
            assert_eq!(meaning, row[4], "{row:?}");
        }
    }
    assert_eq!(count, 77);
}
