//! What could happen: calls, problems and answers that show whether a row is ever used.

use crate::account::{Call, Channel, Email, Operation, Phone, Problem, ProblemCode, Purpose};
use crate::dialect::pack::plan::Plan;
use crate::dialect::pack::problems::{Problems, Row};
use crate::dialect::pack::target::ProblemTarget;
use crate::dialect::pack::template::Template;

/// Who asked for what, as far as it was understood.
pub(in crate::dialect::pack) struct Situation {
    pub operation: Option<Operation>,
    pub call: Option<Call>,
}

/// All that rows tell apart: no operation, each operation, and each form of it.
pub(in crate::dialect::pack) fn situations(plan: &Plan) -> Vec<Situation> {
    let mut all = vec![Situation { operation: None, call: None }];
    for operation in plan.operations.iter().map(|plan| plan.operation) {
        all.push(Situation { operation: Some(operation), call: None });
        let calls = forms(operation).into_iter();
        all.extend(calls.map(|call| Situation { operation: Some(operation), call: Some(call) }));
    }
    all
}

/// One call of each form that an operation can take.
pub(in crate::dialect::pack) fn forms(operation: Operation) -> Vec<Call> {
    let purposes: Vec<Option<Purpose>> = match operation {
        Operation::SendCode => Purpose::ALL.iter().copied().map(Some).collect(),
        _ => vec![None],
    };
    let of_purpose = |purpose| {
        let plain = Call { purpose, ..Call::new(operation) };
        let phone = Phone::from_e164("+8613800138000").ok();
        let by_phone = Call { phone, channel: Some(Channel::Sms), ..plain.clone() };
        let email = Email::parse("somebody@example.com").ok();
        let by_email = Call { email, channel: Some(Channel::Email), ..plain.clone() };
        [plain, by_phone, by_email]
    };
    purposes.into_iter().flat_map(of_purpose).collect()
}

/// Problems of a code that a row could be meant for, the plainest first.
pub(in crate::dialect::pack) fn problems(row: &Row, code: ProblemCode) -> Vec<Problem> {
    let fields: Vec<Option<String>> = if row.fields.is_empty() {
        vec![None, Some("phone".to_owned()), Some("another".to_owned())]
    } else {
        row.fields.iter().map(|field| Some(field.to_string())).collect()
    };
    let reasons: Vec<Option<&'static str>> = match row.reason {
        Some(reason) => vec![Some(reason.text())],
        None => vec![None, Some(Problem::MISSING), Some(Problem::WRONG_FORM)],
    };
    let mut all = Vec::new();
    for field in &fields {
        for reason in &reasons {
            for attempts_left in [None, Some(3)] {
                let mut problem = Problem::new(code);
                problem.field = field.clone().map(Into::into);
                problem.reason = reason.map(Into::into);
                problem.attempts_left = attempts_left;
                all.push(problem);
            }
        }
    }
    all
}

/// A backend's answer as rows see it.
pub(in crate::dialect::pack) struct Told {
    pub told: ProblemTarget,
    pub status: u16,
}

/// Answers that a row could be meant for.
pub(in crate::dialect::pack) fn answers(row: &Row) -> Vec<Told> {
    let codes = match &row.code {
        Some((template, _)) => filled(template).into_iter().map(Some).collect(),
        None => vec![None, Some("none of them".to_owned())],
    };
    let texts = match row.matches.as_deref() {
        None => vec![String::new(), "none of them".to_owned()],
        Some([]) => vec![String::new()],
        Some(templates) => templates.iter().flat_map(filled).collect(),
    };
    let statuses = row.status.map_or(vec![200, 418], |status| vec![status]);
    let mut all = Vec::new();
    for code in &codes {
        for text in &texts {
            for status in &statuses {
                let told = ProblemTarget {
                    code: code.clone(),
                    text: Some(text.clone()),
                    ..ProblemTarget::default()
                };
                all.push(Told { told, status: *status });
            }
        }
    }
    all
}

/// Texts of a template's form that hardly any other has.
fn filled(template: &Template) -> Vec<String> {
    ["987654", "UNHEARD_OF", "phone"].iter().map(|text| template.fill(|_| (*text).into())).collect()
}

impl Problems {
    /// The row that writes a problem in a situation.
    pub(in crate::dialect::pack) fn writer(&self, problem: &Problem, situation: &Situation) -> Option<usize> {
        let says = |row: &Row| row.says(problem, situation.operation, situation.call.as_ref());
        self.rows.iter().position(says)
    }

    /// The row that reads an answer to a call.
    pub(in crate::dialect::pack) fn reader(&self, told: &Told, call: &Call) -> Option<usize> {
        self.rows.iter().position(|row| row.hears(&told.told, told.status, call).is_some())
    }
}
