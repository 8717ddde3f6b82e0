//! What every decoder must stand: any bytes. Each target takes them, and panics where the decoder breaks a
//! promise. `make fuzz` lets libFuzzer loose on them; tests/fuzz_corpus.rs replays the corpus and mutates it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use dragoman::account::{Call, Channel, Country, Operation, Phone, Purpose};
use dragoman::clock::Moment;
use dragoman::config::Settings;
use dragoman::dialect::{Asked, Claim, Dialect, Dialects, Pack, Proof, Reading, Sending, Target};
use dragoman::json;
use dragoman::seal::{Audience, Context, Kind, SealKey, SealKeys, session_token};
use dragoman::sign::{Carrier, Signature, messages};

/// A target's name, and what it does with bytes.
pub type FuzzTarget = (&'static str, fn(&[u8]));

/// One target a decoder.
pub const TARGETS: &[FuzzTarget] = &[
    ("call_coolkit", |data| call("coolkit", data)),
    ("call_qingzhenyun", |data| call("qingzhenyun", data)),
    ("call_discuzq", |data| call("discuzq", data)),
    ("call_shopxo", |data| call("shopxo", data)),
    ("call_canonical", |data| call("canonical", data)),
    ("answer_coolkit", |data| answer("coolkit", data)),
    ("answer_qingzhenyun", |data| answer("qingzhenyun", data)),
    ("answer_discuzq", |data| answer("discuzq", data)),
    ("answer_shopxo", |data| answer("shopxo", data)),
    ("answer_canonical", |data| answer("canonical", data)),
    ("sign", sign),
    ("config", config),
    ("pack", pack),
    ("seal", seal),
    ("json", json_text),
];

/// Runs the target of a name.
///
/// # Panics
/// When there is none, or the decoder breaks a promise.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(of, _)| *of == name).expect("a target of this name");
    target(data);
}

const READING: Reading = Reading { default_country: Country::CHINA, json_depth: 64 };
const NOW: Moment = Moment::from_seconds(1_700_000_000);

static DIALECTS: LazyLock<Dialects> = LazyLock::new(Dialects::built_in);

fn dialect(name: &str) -> &'static Pack {
    DIALECTS.get(name).expect("a built-in pack")
}

fn asked(operation: Operation, call: Option<&Call>) -> Asked<'_> {
    Asked { call, ..Asked::new(Some(operation), READING.default_country, NOW, "cn") }
}

/// The first line, and what is behind it.
fn line(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, rest) = data.split_at(end);
    (line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..).unwrap_or_default())
}

/// Header fields up to an empty line, and the body.
fn fields(mut builder: http::request::Builder, mut data: &[u8]) -> (http::request::Builder, &[u8]) {
    loop {
        let (field, rest) = line(data);
        data = rest;
        if field.is_empty() {
            return (builder, data);
        }
        let colon = field.iter().position(|byte| *byte == b':').unwrap_or(field.len());
        let (name, value) = field.split_at(colon);
        builder = builder.header(name, value.get(1..).unwrap_or_default().trim_ascii());
    }
}

/// A client's request: a start line, fields, an empty line, a body. What is understood can be written, and every
/// refusal has a form.
fn call(name: &str, data: &[u8]) {
    let pack = dialect(name);
    let (start, rest) = line(data);
    let space = start.iter().position(|byte| *byte == b' ').unwrap_or(start.len());
    let (method, target) = start.split_at(space);
    let builder = http::Request::builder().method(method).uri(target.get(1..).unwrap_or_default());
    let (builder, body) = fields(builder, rest);
    let Ok(request) = builder.body(()) else { return };
    let (head, ()) = request.into_parts();
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    let target = Target { method: &head.method, path, query, pinned: true };
    let Claim::Operation(operation) = pack.claim(target) else { return };
    match pack.read_call(operation, &head, &body.to_vec().into(), READING) {
        Ok(understood) => {
            // Whether it has a form is for the values to say; that it is said without a panic counts here.
            let app = dragoman::config::UpstreamApp { id: "app".to_owned(), secret: "secret".into() };
            let sending =
                Sending { app: Some(&app), random: 7, ..Sending::new(NOW, READING.default_country, "r") };
            for name in ["coolkit", "qingzhenyun", "discuzq", "shopxo", "canonical"] {
                _ = dialect(name).write_call(&understood.call, &sending);
            }
            if let Proof::Signature(signed) = &understood.proof {
                assert!(pack.signs() && signed.time.millis() != i64::MIN);
            }
        }
        Err(problem) => {
            let answer = pack.write_problem(&asked(operation, None), &problem);
            assert!(!answer.body().is_empty(), "{problem:?} has no form");
        }
    }
}

/// A backend's answer: a line with operation, purpose or `-`, and status, then fields, an empty line and a body.
/// What is understood every dialect can tell or refuse.
fn answer(name: &str, data: &[u8]) {
    let pack = dialect(name);
    let (start, rest) = line(data);
    let mut words = std::str::from_utf8(start).unwrap_or_default().split(' ');
    let operation = words.next().and_then(Operation::from_name).unwrap_or(Operation::Login);
    let mut call = Call::new(operation);
    call.purpose = words.next().and_then(Purpose::from_name);
    call.channel = call.purpose.map(|_| Channel::Sms);
    call.phone = Phone::from_e164("+8613800138001").ok();
    let status = words.next().and_then(|word| word.parse().ok()).unwrap_or(200);
    let (builder, body) = fields(http::Request::builder(), rest);
    let Ok(carrier) = builder.body(()) else { return };
    let Ok(mut answer) = http::Response::builder().status(status).body(body.to_vec().into()) else { return };
    *answer.headers_mut() = carrier.headers().clone();
    let told = pack.read_answer(&call, &answer, READING);
    for name in ["coolkit", "qingzhenyun", "discuzq", "shopxo", "canonical"] {
        let client = dialect(name);
        if !client.has(operation) {
            continue;
        }
        match &told {
            Ok(reply) => _ = client.write_reply(&asked(operation, Some(&call)), reply),
            Err(problem) => {
                let answer = client.write_problem(&asked(operation, Some(&call)), problem);
                assert!(!answer.body().is_empty(), "{problem:?} has no form in {name}");
            }
        }
    }
}

/// An `Authorization` field, a query, a body. A signature that is read is written as one that is read as the same.
fn sign(data: &[u8]) {
    let (authorization, rest) = line(data);
    let (query, body) = line(rest);
    if let Ok(text) = std::str::from_utf8(authorization)
        && let Some(signature) = Signature::from_authorization(text)
    {
        assert!(Signature::from_authorization(&signature.to_authorization()) == Some(signature));
    }
    let query = String::from_utf8_lossy(query);
    for carrier in [Carrier::Query, Carrier::Body] {
        for refresh in [false, true] {
            assert!(!messages(carrier, &query, body, refresh).is_empty());
        }
    }
}

fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let variable = |name: &str| (name == "SET").then(|| "value".to_owned());
    if let Err(findings) = Settings::parse("fuzzed.toml", text, &variable) {
        assert!(!findings.is_empty(), "refused without a word");
    }
}

fn pack(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Names of dialects are kept for good; a fuzzer would make up millions.
    if text.len() > 64 * 1024 {
        return;
    }
    if let Err(findings) = Pack::load("fuzzed.toml", text, &BTreeMap::new()) {
        assert!(!findings.is_empty(), "refused without a word");
    }
}

static KEYS: LazyLock<SealKeys> =
    LazyLock::new(|| SealKeys::new(&SealKey::new("k", &[7; SealKey::LEAST_BYTES]).expect("a key"), []));

/// Nothing opens that was not sealed here.
fn seal(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let audience = Audience { dialect: "qingzhenyun", app: None, region: "cn" };
    for kind in Kind::ALL {
        let context = Context {
            kind: *kind,
            operation: Some(Operation::SendCode),
            purpose: Some(Purpose::Register),
            audience,
        };
        assert!(KEYS.open(text, &context, NOW).is_err(), "a forgery opens as {}", kind.name());
    }
    assert!(session_token::read(&KEYS, text, audience, NOW).is_err(), "a forgery is a session");
}

/// What is read is written as what is read again.
fn json_text(data: &[u8]) {
    let Ok(value) = json::parse(data, 64) else { return };
    let mut written = String::new();
    value.write_json(&mut written);
    match json::parse(written.as_bytes(), 64) {
        Ok(again) => {
            let mut twice = String::new();
            again.write_json(&mut twice);
            assert!(twice == written, "{written} is read as {twice}");
        }
        Err(error) => panic!("{written} is written and not read: {error}"),
    }
}
