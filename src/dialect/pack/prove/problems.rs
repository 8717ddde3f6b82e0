//! Each row is read back as it says, shown by writing and reading an answer of each operation in its scope.

use std::collections::BTreeSet;

use super::{READING, asked};
use crate::account::{Call, Problem, ProblemCode};
use crate::dialect::pack::Pack;
use crate::dialect::pack::lint::Lint;
use crate::dialect::pack::lint::witness::{Situation, problems, situations};
use crate::dialect::pack::problems::Row;
use crate::dialect::{Dialect, Language};

pub(super) fn check(pack: &Pack, lint: &Lint<'_>) {
    let situations = situations(&pack.plan);
    for (index, row) in pack.plan.problems.rows.iter().enumerate().filter(|(_, row)| row.writes) {
        let mut read = BTreeSet::new();
        for situation in &situations {
            let Some(call) = &situation.call else { continue };
            for problem in written_by(pack, index, row, situation) {
                for language in &pack.plan.languages {
                    read.extend(reads_back(pack, lint, row, (call, &problem, *language)));
                }
            }
        }
        for code in row.reads_as.iter().filter(|code| !read.contains(*code) && !read.is_empty()) {
            let message = format!("what the row writes is never read as `{}`", code.name());
            lint.error(row.offset, message, "take it out of `reads_as`");
        }
    }
}

/// Problems of each code that this row writes in a situation: one, or one of each field where what is
/// written names the field.
fn written_by(pack: &Pack, index: usize, row: &Row, situation: &Situation) -> Vec<Problem> {
    let rows = &pack.plan.problems;
    let codes: &[ProblemCode] = row.problems.as_deref().unwrap_or(ProblemCode::ALL);
    let by_row = |problem: &Problem| rows.writer(problem, situation) == Some(index);
    let mut all: Vec<Problem> =
        codes.iter().filter_map(|code| problems(row, *code).into_iter().find(by_row)).collect();
    if row.fields.is_empty() && names_fields(row) {
        let labelled = rows.labels.iter().map(|(field, ..)| field);
        let fields: BTreeSet<&Box<str>> =
            labelled.chain(rows.rows.iter().flat_map(|row| &row.fields)).collect();
        let of = |problem: Problem| fields.iter().map(move |field| problem.clone().field(field.to_string()));
        all.extend(all.clone().into_iter().flat_map(of).filter(by_row).collect::<Vec<_>>());
    }
    all
}

/// Whether what the row writes says which field is wrong.
fn names_fields(row: &Row) -> bool {
    let templates = row.text.0.iter().map(|(_, text)| text).chain(row.code.iter().map(|(code, _)| code));
    templates.flat_map(|template| template.holes()).any(|hole| matches!(hole, "field" | "FIELD" | "label"))
}

/// What an answer that the row writes is read as.
fn reads_back(
    pack: &Pack,
    lint: &Lint<'_>,
    row: &Row,
    (call, problem, language): (&Call, &Problem, Language),
) -> Option<ProblemCode> {
    let operation = call.operation.name();
    let asked = asked(call.operation, call, Some(language));
    let answer = pack.write_problem(&asked, problem);
    let said = format!("what the row writes for `{}` in answers of `{operation}`", problem.code.name());
    let code = match pack.read_answer(call, &answer, READING) {
        Ok(_) => {
            let hint = "the conditions in `good` of [answers] take it: let `code` or `status` differ from good answers";
            lint.error(row.offset, format!("{said} is read as a good answer"), hint);
            return None;
        }
        Err(read) => read.code,
    };
    let allowed = if row.reads_as.is_empty() { code == problem.code } else { row.reads_as.contains(&code) };
    if !allowed {
        let mut names: Vec<&str> = row.reads_as.iter().map(|code| code.name()).collect();
        if names.is_empty() && row.problems.as_ref().is_some_and(|codes| codes.len() == 1) {
            names.push(problem.code.name());
        }
        names.push(code.name());
        let hint = if code == ProblemCode::UpstreamUnintelligible {
            "no row reads it: let the row have a `code`, `status` or `matches` that tells it".to_owned()
        } else {
            format!("say so with `reads_as = [\"{}\"]`, or tell the two apart", names.join("\", \""))
        };
        lint.error(row.offset, format!("{said} is read as `{}`", code.name()), hint);
    }
    Some(code)
}
