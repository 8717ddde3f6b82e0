//! Tests of packs.

mod broken;
mod discuzq;
mod document;
mod problems;
mod qingzhenyun;
mod recorded;
mod round_trips;
mod seeds;
mod shopxo;

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

use super::*;
use crate::account::{Call, Country, Phone, Problem, Reply};
use crate::clock::Moment;
use crate::config;
use crate::dialect::{Asked, Dialect, Dialects, Reading, Sending, Understood};

const READING: Reading = Reading { default_country: Country::CHINA, json_depth: 64 };

fn pack(name: &str) -> Arc<Pack> {
    Dialects::built_in().get(name).unwrap().clone()
}

fn pack_with(name: &str, setting: &str, value: &str) -> Arc<Pack> {
    let settings = [(setting.to_owned(), value.to_owned())].into();
    Dialects::built_in().with_settings(name, &settings).unwrap().unwrap()
}

fn phone(text: &str) -> Phone {
    Phone::from_e164(text).unwrap()
}

/// A client's request, given as its start line, fields and body.
fn understood(pack: &Pack, start: &str, fields: &[(&str, &str)], body: &str) -> Result<Understood, Problem> {
    let (method, target) = start.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let target = Target {
        method: &head.method,
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        pinned: false,
    };
    let crate::dialect::Claim::Operation(operation) = pack.claim(target) else { panic!("{start}") };
    pack.read_call(operation, &head, &Bytes::from(body.to_owned()), READING)
}

/// The same with a JSON body.
fn json(pack: &Pack, start: &str, body: &str) -> Result<Call, Problem> {
    understood(pack, start, &[("content-type", "application/json")], body).map(|understood| understood.call)
}

/// What a backend is sent for a call.
fn sent(pack: &Pack, call: &Call) -> Result<Request<Bytes>, Problem> {
    let sending = Sending {
        random: 7,
        client_address: Some(std::net::IpAddr::from([192, 0, 2, 7])),
        ..Sending::new(Moment::from_seconds(1_558_004_249), READING.default_country, "r")
    };
    pack.write_call(call, &sending)
}

fn sent_body(pack: &Pack, call: &Call) -> String {
    String::from_utf8(sent(pack, call).unwrap().into_body().to_vec()).unwrap()
}

/// What a backend's answer means.
fn told(pack: &Pack, call: &Call, status: u16, body: &str) -> Result<Reply, Problem> {
    let answer = Response::builder().status(status).body(Bytes::from(body.to_owned())).unwrap();
    pack.read_answer(call, &answer, READING)
}

fn asked(call: &Call) -> Asked<'_> {
    Asked {
        call: Some(call),
        ..Asked::new(Some(call.operation), READING.default_country, Moment::from_seconds(1_558_004_249), "cn")
    }
}

/// Status and body of what a client is told of a problem.
fn refused(pack: &Pack, call: &Call, problem: &Problem) -> (u16, String) {
    let answer = pack.write_problem(&asked(call), problem);
    (answer.status().as_u16(), String::from_utf8(answer.into_body().to_vec()).unwrap())
}

/// The body that a client is answered with.
fn answered(pack: &Pack, call: &Call, reply: &Reply) -> String {
    let answer = pack.write_reply(&asked(call), reply).unwrap();
    String::from_utf8(answer.into_body().to_vec()).unwrap()
}

/// No settings, and each value of each setting.
fn all_settings(text: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let pack: toml::Table = toml::from_str(text).unwrap();
    let settings = pack.get("settings").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    let values = |values: &toml::Value| match values {
        toml::Value::Table(table) => table.keys().cloned().collect(),
        list => {
            list.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect::<Vec<_>>()
        }
    };
    let each = settings.iter().flat_map(|(name, setting)| {
        values(&setting["values"]).into_iter().map(move |value| [(name.clone(), value)].into())
    });
    std::iter::once(Default::default()).chain(each).collect()
}

#[test]
fn every_built_in_pack_loads_and_keeps_its_word_with_each_setting() {
    let mut all = Vec::new();
    for config::Dialect { name, pack: text, .. } in config::DIALECTS {
        for settings in all_settings(text) {
            let findings = match Pack::load(&format!("{name}.toml"), text, &settings) {
                Ok((pack, findings)) => findings.into_iter().chain(pack.prove()).collect(),
                Err(findings) => findings,
            };
            all.extend(findings.iter().map(|finding| format!("{settings:?} {finding}")));
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn a_pack_of_the_operators_own_is_proven_when_it_is_loaded() {
    let directory = std::env::temp_dir().join(format!("dragoman-packs-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let good = include_str!("../../../tests/packs/good.toml");
    std::fs::write(directory.join("parcel.toml"), good).unwrap();
    let loaded = Dialects::load(Some(&directory)).map(|(dialects, _)| dialects.get("parcel").is_some());
    let broken = good.replacen(
        "means = { problem = \"credentials_invalid\" }",
        "means = { problem = \"code_invalid\" }",
        1,
    );
    std::fs::write(directory.join("parcel.toml"), broken).unwrap();
    let refused = Dialects::load(Some(&directory)).unwrap_err();
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(loaded, Ok(true));
    assert!(
        refused[0].to_string().contains("parcel.toml:140:11: error: the example says `problem`"),
        "{refused:?}"
    );
}
