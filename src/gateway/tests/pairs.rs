//! Every client dialect in front of every upstream dialect: each operation in each of its forms, with its
//! good end and with every bad one, the whole way and back.

mod backend;
mod carried;
mod pair;
mod passwords;
mod samples;

use std::fmt::Write as _;

use super::*;
use crate::account::{Call, Operation, PasswordForm, Problem};
use crate::dialect::Dialects;
use carried::wrong_in;
use pair::{Pair, Went};
use passwords::md5_hex;
use samples::{TOKEN, reply, samples};

const READING: Reading = Reading { default_country: Country::CHINA, json_depth: 64 };

const DIALECTS: [&str; 5] = ["coolkit", "qingzhenyun", "discuzq", "shopxo", "canonical"];

/// For each client dialect and call a sign for each upstream dialect, in the order of `DIALECTS`: `+` is
/// carried out, `-` is not supported, `.` can't be asked by this client.
const EXPECTED: &str = include_str!("pairs/table.txt");

/// Which dialect has which operation, as the specification's table says.
const TABLE: [(Operation, [bool; 5]); 11] = [
    (Operation::SendCode, [true, true, true, true, true]),
    (Operation::Register, [true, true, true, true, true]),
    (Operation::Login, [true, true, true, true, true]),
    (Operation::LoginCode, [false, true, true, true, true]),
    (Operation::ResetPassword, [true, true, true, true, true]),
    (Operation::Refresh, [true, false, true, false, true]),
    (Operation::LogOut, [false, true, false, false, true]),
    (Operation::WhoAmI, [false, true, true, true, true]),
    (Operation::ChangePassword, [true, true, true, true, true]),
    (Operation::ChangeName, [false, true, false, false, true]),
    (Operation::Region, [true, false, false, false, true]),
];

/// What both dialects of a pair have and the pair has not.
const EXCEPTIONS: [(&str, &str, Operation); 3] = [
    // It registers bare names, for which these two have no form.
    ("discuzq", "coolkit", Operation::Register),
    ("discuzq", "qingzhenyun", Operation::Register),
    // Its path names an account, and nobody there says whether the token is of that one.
    ("discuzq", "coolkit", Operation::ChangePassword),
];

/// Whether a pair must have an operation in some form. The gateway itself knows the regions.
fn must_have(client: usize, upstream: usize, operation: Operation) -> bool {
    let (_, has) = TABLE.iter().find(|(of, _)| *of == operation).unwrap();
    let excepted = EXCEPTIONS.contains(&(DIALECTS[client], DIALECTS[upstream], operation));
    has[client] && (has[upstream] || operation == Operation::Region) && !excepted
}

fn asked(call: &Call) -> Asked<'_> {
    Asked {
        call: Some(call),
        ..Asked::new(Some(call.operation), READING.default_country, Moment::from_seconds(NOW), "cn")
    }
}

/// How a call ends at a pair, as a sign of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// The client's dialect has no such call.
    NoForm,
    Supported,
    NotSupported,
}

/// What is wrong with what the backend was asked: everything that proves who asks must have come through.
fn wrong_in_call(call: &Call, asked: &Call) -> Option<String> {
    let text = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
    let named = |call: &Call| {
        let phone = call.phone.as_ref().map(|phone| phone.national().to_owned());
        let email = call.email.as_ref().map(|email| email.as_str().to_owned());
        phone.or(email).or(call.identifier.clone()).or(call.username.clone())
    };
    let hashed = asked.password_form == PasswordForm::Md5Hex;
    let password =
        |secret: &Option<Secret>| text(secret).map(|text| if hashed { md5_hex(&text) } else { text });
    let code = |call: &Call| call.verification.as_ref().map(|proof| proof.code.expose().to_owned());
    // A token that binds stands for the code and the phone, and may need a name that is made up.
    let bound = asked.bind_token.is_some();
    let token = call.token.as_ref().filter(|_| call.operation.needs_token());
    let facts = [
        // The backend's own token, where the client has one of the gateway's, and a name where not its challenge
        // stands for it.
        ("token", token.map(|_| TOKEN.to_owned()), text(&asked.token).filter(|_| token.is_some())),
        ("name", named(call).filter(|_| named(asked).is_some() && !bound), named(asked).filter(|_| !bound)),
        ("password", password(&call.password), text(&asked.password)),
        ("new password", password(&call.new_password), text(&asked.new_password)),
        ("old password", password(&call.old_password), text(&asked.old_password)),
        ("refresh token", text(&call.refresh_token), text(&asked.refresh_token)),
        ("code", code(call).filter(|_| !bound), code(asked)),
    ];
    let asks = call.operation == asked.operation;
    let mut wrong = facts.iter().filter(|(_, expected, got)| asks && expected != got);
    wrong.next().map(|(name, expected, got)| format!("{name} is asked as {got:?}, not {expected:?}"))
}

/// The good end, or the finding.
async fn good_end(pair: &mut Pair, call: &Call) -> Result<Cell, String> {
    if let Err(problem) = pair.client_says(call) {
        let no_form = matches!(problem.code, ProblemCode::NotSupported | ProblemCode::InvalidRequest);
        return if no_form { Ok(Cell::NoForm) } else { Err(format!("can't be asked: {problem:?}")) };
    }
    let Went { told, asked, call } = match pair.make_in_turn(call, None).await {
        Ok(went) => went,
        // What must come before it is not supported, and said so.
        Err(problem) if problem.code == ProblemCode::NotSupported => return Ok(Cell::NotSupported),
        Err(problem) => return Err(format!("what comes before it: {problem:?}")),
    };
    match told {
        Ok(told) => {
            let mut whole = reply(call.operation);
            if call.operation == Operation::Region {
                whole.region = Some("cn".to_owned());
                whole.base_url = Some("https://cn.example".to_owned());
            }
            let wrong = asked.last().and_then(|last| wrong_in_call(&call, &last.call));
            let wrong = wrong.or_else(|| wrong_in(pair, call.operation, &whole, &told));
            wrong.map_or(Ok(Cell::Supported), Err)
        }
        Err(problem) if problem.code == ProblemCode::NotSupported => {
            let names: Vec<_> = asked.iter().map(|asked| asked.call.operation.name()).collect();
            if names.is_empty() { Ok(Cell::NotSupported) } else { Err(format!("asked {names:?} in vain")) }
        }
        Err(problem) => Err(format!("{problem:?}, asked {}", asked.len())),
    }
}

fn bad_end(code: ProblemCode) -> Problem {
    let problem = Problem::new(code);
    match code {
        ProblemCode::WrongRegion => problem.region("eu"),
        ProblemCode::AccountLocked
        | ProblemCode::SendTooFrequent
        | ProblemCode::RateLimited
        | ProblemCode::Overloaded => problem.retry_after(7),
        _ => problem,
    }
}

/// What is wrong with how a client is told of a backend's bad answer.
async fn wrong_with_bad_end(pair: &mut Pair, call: &Call, code: ProblemCode) -> Option<String> {
    let went = match pair.make_in_turn(call, Some(bad_end(code))).await {
        Ok(went) => went,
        Err(problem) => return Some(format!("what comes before it: {problem:?}")),
    };
    if call.operation == Operation::Region {
        return went.told.err().map(|problem| format!("nobody was asked, and {problem:?}"));
    }
    let Err(told) = went.told else { return Some("a good answer".to_owned()) };
    let Some(last) = went.asked.last() else { return Some(format!("nobody was asked, and {told:?}")) };
    let Err(read) = &last.told else { return Some("the backend's answer is good".to_owned()) };
    if read.code != code && !last.reads_as.contains(&read.code) {
        return Some(format!("the gateway reads {:?}", read.code));
    }
    let mut meant = read.clone();
    if meant.code == ProblemCode::WrongRegion && meant.region.is_none() {
        // The phone's country is served right here, so that the backend can't have meant it.
        meant = Problem::new(ProblemCode::UpstreamUnintelligible);
    }
    let allowed = pair.client.reads_as(&asked(&went.call), &meant);
    let fits = if allowed.is_empty() { told.code == meant.code } else { allowed.contains(&told.code) };
    if !fits {
        return Some(format!("the client reads {:?} for {:?}", told.code, meant.code));
    }
    if told.code == ProblemCode::WrongRegion && told.region.as_deref().is_some_and(|region| region != "eu") {
        return Some(format!("the region is {:?}", told.region));
    }
    None
}

/// The table as a person reads it: a line for each call, a column for each upstream, a block for each client.
fn print(table: &[(&str, &str, Vec<Cell>)]) -> String {
    let mut text = String::new();
    for (client, name, cells) in table {
        let signs: String = cells
            .iter()
            .map(|cell| match cell {
                Cell::NoForm => '.',
                Cell::Supported => '+',
                Cell::NotSupported => '-',
            })
            .collect();
        writeln!(text, "{client:<12}{name:<32}{signs}").unwrap();
    }
    text
}

/// Compares the table with the specification's.
fn differences(table: &[(&str, &str, Vec<Cell>)]) -> Vec<String> {
    let mut differences = Vec::new();
    for (client, name) in DIALECTS.iter().enumerate() {
        for (upstream, other) in DIALECTS.iter().enumerate() {
            for operation in Operation::ALL {
                let rows = table.iter().filter(|(of, sample, _)| {
                    of == name && sample.split('/').next() == Some(operation.name())
                });
                let has = rows.into_iter().any(|(_, _, cells)| cells[upstream] == Cell::Supported);
                if has != must_have(client, upstream, *operation) {
                    differences.push(format!("{name} > {other}: {} is {has}", operation.name()));
                }
            }
        }
    }
    differences
}

#[tokio::test]
async fn every_call_at_every_pair_has_its_good_end_and_every_bad_one() {
    let samples = samples();
    let mut findings = Vec::new();
    let mut table: Vec<(&str, &str, Vec<Cell>)> = Vec::new();
    let (mut supported, mut not_supported, mut bad_ends) = (0, 0, 0);
    for client in DIALECTS {
        // Hashes, which not everybody takes, have a test of their own.
        let plain: &[_] = if client == "qingzhenyun" { &[("password_form", "plain")] } else { &[] };
        let pair = |upstream: &&str| Pair::new((client, plain), (upstream, &[]));
        let mut pairs: Vec<Pair> = DIALECTS.iter().map(pair).collect();
        for sample in &samples {
            let mut cells = Vec::new();
            for pair in &mut pairs {
                let place = format!("{client} > {}: {}", pair.backend.pack.name(), sample.name);
                let cell = good_end(pair, &sample.call).await.unwrap_or_else(|finding| {
                    findings.push(format!("{place}: {finding}"));
                    Cell::NotSupported
                });
                cells.push(cell);
                match cell {
                    Cell::NoForm => continue,
                    Cell::NotSupported => {
                        not_supported += 1;
                        continue;
                    }
                    Cell::Supported => supported += 1,
                }
                for code in ProblemCode::ALL {
                    bad_ends += 1;
                    if let Some(finding) = wrong_with_bad_end(pair, &sample.call, *code).await {
                        findings.push(format!("{place} {code:?}: {finding}"));
                    }
                }
            }
            table.push((client, sample.name, cells));
        }
    }
    findings.extend(differences(&table));
    let printed = print(&table);
    assert!(findings.is_empty(), "{printed}\n{} findings:\n{}", findings.len(), findings.join("\n"));
    assert_eq!(printed, EXPECTED, "the table has changed:\n{printed}");
    assert_eq!((supported, not_supported), (313, 117));
    assert_eq!(bad_ends, supported * ProblemCode::ALL.len());
}
