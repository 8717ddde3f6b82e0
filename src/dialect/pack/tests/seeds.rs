//! Every example that the dialects' source documents print, in both roles: as a backend's answer each is read to its
//! meaning, and as an answer to a client that meaning is written again.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

use super::{READING, pack};
use crate::account::{Call, Channel, Operation, Purpose};
use crate::clock::Moment;
use crate::dialect::{Asked, Dialect, Pack, Proof, Target, Understood};

#[derive(serde::Deserialize)]
pub(super) struct Seed {
    pub name: String,
    dialect: String,
    operation: String,
    request: Option<Value>,
    pub response: Value,
    emit: Option<String>,
}

pub(super) fn seeds(dialect: &str) -> Vec<Seed> {
    let all: Vec<Seed> =
        serde_json::from_str(include_str!("../../../../tests/fixtures/seed-examples.json")).unwrap();
    all.into_iter().filter(|seed| seed.dialect == dialect).collect()
}

/// `login`, `register`, `send_register_code`: the fixtures' own names.
fn operation(seed: &Seed) -> (Operation, Option<Purpose>) {
    match seed.operation.as_str() {
        "send_code" => (Operation::SendCode, Some(Purpose::Register)),
        name => (Operation::from_name(name).unwrap_or_else(|| panic!("{name}")), None),
    }
}

pub(super) fn answer_of(seed: &Seed) -> Response<Bytes> {
    let body = Bytes::from(seed.response["body"].to_string());
    let status = u16::try_from(seed.response["status"].as_u64().unwrap_or(200)).unwrap();
    Response::builder().status(status).body(body).unwrap()
}

pub(super) fn understood(pack: &Pack, seed: &Seed) -> Understood {
    let (operation, purpose) = operation(seed);
    let Some(request) = &seed.request else {
        let mut call = Call::new(operation);
        call.purpose = purpose;
        call.channel = purpose.map(|_| Channel::Sms);
        return Understood { call, proof: Proof::None };
    };
    let body = Bytes::from(request["body"].to_string());
    let mut builder = Request::builder()
        .method(request["method"].as_str().unwrap())
        .uri(request["target"].as_str().unwrap());
    for (name, value) in request["headers"].as_object().unwrap() {
        builder = builder.header(name, value.as_str().unwrap());
    }
    let (head, ()) = builder.body(()).unwrap().into_parts();
    let path = head.uri.path().to_owned();
    let target = Target {
        method: &head.method,
        path: &path,
        query: head.uri.query().unwrap_or_default(),
        pinned: false,
    };
    let claim = pack.claim(target);
    let understood = pack
        .read_call(operation, &head, &body, READING)
        .unwrap_or_else(|problem| panic!("{}: {problem:?}", seed.name));
    assert_eq!(understood.call.operation, operation, "{} {claim:?}", seed.name);
    understood
}

pub(super) fn asked<'a>(understood: &'a Understood) -> Asked<'a> {
    let signed = match &understood.proof {
        Proof::Signature(signed) => Some(signed),
        _ => None,
    };
    Asked {
        call: Some(&understood.call),
        signed,
        ..Asked::new(
            Some(understood.call.operation),
            READING.default_country,
            Moment::from_seconds(1_558_004_249),
            "cn",
        )
    }
}

fn check(dialect: &str, count: usize) {
    let pack = pack(dialect);
    let seeds = seeds(dialect);
    assert_eq!(seeds.len(), count);
    for seed in &seeds {
        let understood = understood(&pack, seed);
        let read = pack.read_answer(&understood.call, &answer_of(seed), READING);
        let written = match &read {
            Ok(reply) => pack.write_reply(&asked(&understood), reply).unwrap(),
            Err(problem) => pack.write_problem(&asked(&understood), problem),
        };
        if seed.emit.as_deref() == Some("meaning") {
            assert_eq!(pack.read_answer(&understood.call, &written, READING), read, "{}", seed.name);
        } else {
            // Equal as text: members stand in the documents' order.
            let text = std::str::from_utf8(written.body()).unwrap();
            assert_eq!(text, seed.response["body"].to_string(), "{}", seed.name);
            assert_eq!(
                u64::from(written.status().as_u16()),
                seed.response["status"].as_u64().unwrap_or(200),
                "{}",
                seed.name
            );
        }
    }
}

#[test]
fn coolkits_printed_examples_are_read_and_written_again() {
    check("coolkit", 12);
}

#[test]
fn qingzhenyuns_printed_examples_are_read_and_written_again() {
    check("qingzhenyun", 9);
}

#[test]
fn discuzqs_printed_examples_are_read_and_written_again() {
    check("discuzq", 2);
}

#[test]
fn shopxos_printed_examples_are_read_and_written_again() {
    check("shopxo", 2);
}
