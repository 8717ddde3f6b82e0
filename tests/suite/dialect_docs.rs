//! docs/dialects.md says what the packs do.

use dragoman::account::{Country, Operation, Problem, ProblemCode};
use dragoman::clock::Moment;
use dragoman::dialect::{Asked, Dialect, Dialects};
use serde_json::Value;

use crate::support::clients::DIALECTS;

const DOCS: &str = include_str!("../../docs/dialects.md");

/// The cells of a section's table rows that begin with a name, without the first.
fn rows(section: &str) -> Vec<(Vec<&'static str>, Vec<&'static str>)> {
    let start = DOCS.find(&format!("\n## {section}\n")).unwrap();
    let text = DOCS[start + 1..].split("\n## ").next().unwrap();
    let table = text.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let lines = table.take_while(|line| line.starts_with('|'));
    lines
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            (cells.next().unwrap().split(", ").collect(), cells.collect())
        })
        .collect()
}

#[test]
fn the_table_of_operations_is_what_the_packs_have() {
    let packs = Dialects::built_in();
    let rows = rows("What each can");
    assert_eq!(rows.len(), Operation::ALL.len());
    for (names, cells) in rows {
        let operation = Operation::ALL.iter().find(|operation| operation.name() == names[0]).unwrap();
        for (dialect, cell) in DIALECTS.iter().zip(cells) {
            let has = packs.get(dialect).unwrap().has(*operation);
            assert_eq!(cell, if has { "yes" } else { "–" }, "{} of {dialect}", names[0]);
        }
    }
}

#[test]
fn the_table_of_errors_is_what_clients_are_told() {
    let packs = Dialects::built_in();
    let rows = rows("Errors");
    assert!(rows.len() > 15);
    for (names, cells) in rows {
        let name = |name: &&str| match *name {
            "everything else" => ProblemCode::Internal,
            name => ProblemCode::from_name(name).unwrap(),
        };
        for code in names.iter().map(name) {
            for (dialect, cell) in DIALECTS.iter().zip(&cells) {
                if *cell == "its own" {
                    continue;
                }
                let cell = cell.replace('−', "-");
                let words: Vec<&str> = cell.split([' ', ',', ';', '`']).collect();
                for operation in Operation::ALL {
                    let pack = packs.get(dialect).unwrap();
                    let sends = code != ProblemCode::SendTooFrequent || *operation == Operation::SendCode;
                    if !pack.has(*operation) || !sends {
                        continue;
                    }
                    for word in told(&**pack, *operation, code) {
                        let said = words.contains(&word.as_str());
                        assert!(said, "{dialect} says {word} of {code:?} in {operation:?}, the docs {cell}");
                    }
                }
            }
        }
    }
}

/// What a client is told by: a number, a name, or HTTP status and name.
fn told(pack: &dyn Dialect, operation: Operation, code: ProblemCode) -> Vec<String> {
    let asked = Asked::new(Some(operation), Country::CHINA, Moment::from_seconds(1_763_700_000), "cn");
    let problem = match code {
        ProblemCode::InvalidRequest => Problem::missing("phone"),
        ProblemCode::InvalidField => Problem::invalid("phone", "is not valid"),
        code => Problem::new(code),
    };
    let answer = pack.write_problem(&asked, &problem);
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    let status = answer.status().as_str().to_owned();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match pack.name() {
        "coolkit" => vec![text(&body["error"])],
        "qingzhenyun" => {
            vec![text(&body["code"]).replace("{PHONE}", "{FIELD}").replace("{VALUE}", "{FIELD}")]
        }
        "discuzq" => vec![status, text(&body["errors"][0]["code"])],
        "shopxo" => vec![text(&body["code"])],
        _ => vec![status],
    }
}
