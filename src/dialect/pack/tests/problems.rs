//! Problems both ways: what a pack writes to a client it must read again when a backend says it.

use super::{READING, asked, pack};
use crate::account::{Call, Operation, Phone, Problem, ProblemCode, Purpose};
use crate::config;
use crate::dialect::{Asked, Dialect, Pack};

/// Calls of every operation of a dialect, a send for each purpose.
fn calls(pack: &Pack) -> Vec<Call> {
    let mut calls = Vec::new();
    for operation in Operation::ALL.iter().copied().filter(|operation| pack.has(*operation)) {
        let mut call = Call::new(operation);
        call.phone = Some(Phone::from_e164("+8613800138001").unwrap());
        if operation != Operation::SendCode {
            calls.push(call);
            continue;
        }
        for purpose in Purpose::ALL {
            call.purpose = Some(*purpose);
            calls.push(call.clone());
        }
    }
    calls
}

/// Problems of a code, bare and with everything that a row could look at.
fn problems(code: ProblemCode) -> Vec<Problem> {
    let bare = Problem::new(code);
    let mut counted = bare.clone().retry_after(7);
    counted.attempts_left = Some(4);
    let fields = ["username", "phone", "password", "new_password", "verification.code", "unheard_of"];
    let reasons = [Problem::MISSING, Problem::WRONG_FORM, "is odd"];
    let named = fields.iter().flat_map(|field| {
        let bare = &bare;
        reasons.iter().map(move |reason| bare.clone().field(*field).reason(*reason))
    });
    [bare.clone(), bare.clone().reason("is odd"), counted].into_iter().chain(named).collect()
}

#[test]
fn every_problem_reads_back_as_itself_or_as_its_row_says() {
    for config::Dialect { name, .. } in config::DIALECTS {
        let pack = pack(name);
        for call in calls(&pack) {
            for problem in ProblemCode::ALL.iter().flat_map(|code| problems(*code)) {
                let asked = asked(&call);
                let row = pack.plan.problems.row(&problem, &asked).unwrap();
                let expected = match row.reads_as.as_slice() {
                    [] => vec![problem.code],
                    others => others.to_vec(),
                };
                let answer = pack.write_problem(&asked, &problem);
                let read = pack.read_answer(&call, &answer, READING).unwrap_err();
                let told = format!("{name} {:?} {problem:?}: {:?}", call.operation, answer.body());
                assert!(expected.contains(&read.code), "{told} was read as {read:?}");
            }
        }
    }
}

#[test]
fn every_problem_has_its_form_outside_of_operations_too() {
    for config::Dialect { name, .. } in config::DIALECTS {
        let pack = pack(name);
        let call = Call::new(Operation::Login);
        for code in ProblemCode::ALL {
            let asked = Asked { operation: None, call: None, ..asked(&call) };
            let answer = pack.write_problem(&asked, &Problem::new(*code));
            assert!(answer.body().len() > 10, "{name} {code:?}: {:?}", answer.body());
        }
    }
}
