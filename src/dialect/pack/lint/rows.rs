//! Every problem has a written row, and every row is used, each way.

use super::Lint;
use super::messages::messages;
use super::witness::{Situation, answers, forms, problems, situations};
use crate::account::{Operation, Problem, ProblemCode};
use crate::config::suggestion;
use crate::dialect::pack::Pack;
use crate::dialect::pack::field::Field;
use crate::dialect::pack::members::{Line, What};
use crate::dialect::pack::plan::Plan;
use crate::dialect::pack::problems::Row;

pub(super) fn check(lint: &Lint<'_>) {
    said(lint);
    fields_known(lint);
    let situations = situations(lint.plan);
    for (index, row) in lint.plan.problems.rows.iter().enumerate() {
        lacking_operations(lint, row);
        if row.writes {
            written(lint, index, row, &situations);
        } else if !row.reads_as.is_empty() {
            let hint = "name in `problem` what it is read as, or take out `reads_as`";
            lint.error(
                row.offset,
                "`reads_as` says how a written row is read, and this row is never written",
                hint,
            );
        }
        if row.reads && (row.reads_as.is_empty() || !row.writes) {
            read(lint, index, row);
        }
    }
}

/// Rows and labels name fields as problems do: by the model's name, or the wire's where the model has none.
fn fields_known(lint: &Lint<'_>) {
    let mut names: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
    for message in messages(lint) {
        names_of(message.lines, &mut names);
    }
    let rows = lint.plan.problems.rows.iter();
    let of_rows = rows.flat_map(|row| row.fields.iter().map(|field| (field.as_ref(), row.offset)));
    let of_labels = lint.plan.problems.labels.iter().map(|(field, _, offset)| (field.as_ref(), *offset));
    for (field, offset) in of_rows.chain(of_labels).filter(|(field, _)| !names.contains(field)) {
        lint.error(
            offset,
            format!("neither the model nor a message has a field `{field}`"),
            suggestion(field, &names),
        );
    }
}

fn names_of<'l>(lines: &'l [Line], names: &mut Vec<&'l str>) {
    for line in lines {
        names.push(&line.name);
        if let What::Object(inner) = &line.what {
            names_of(inner, names);
        }
    }
}

/// Where problems happen: anywhere, before the operation is known, and in each operation.
fn places(plan: &Plan) -> impl Iterator<Item = Option<Operation>> {
    std::iter::once(None).chain(plan.operations.iter().map(|plan| Some(plan.operation)))
}

/// Each problem has a row for every operation and for none, whatever else is known of it. Those that
/// are missing in the same places are told together.
fn said(lint: &Lint<'_>) {
    let mut missing: Vec<(Vec<Option<Operation>>, Vec<&str>)> = Vec::new();
    for code in ProblemCode::ALL {
        let problem = Problem::new(*code);
        let unsaid = |place: &Option<Operation>| {
            let situation = Situation { operation: *place, call: None };
            lint.plan.problems.writer(&problem, &situation).is_none()
        };
        let places: Vec<Option<Operation>> = places(lint.plan).filter(unsaid).collect();
        match missing.iter_mut().find(|(of, _)| *of == places) {
            _ if places.is_empty() => {}
            Some((_, codes)) => codes.push(code.name()),
            None => missing.push((places, vec![code.name()])),
        }
    }
    for (places, codes) in missing {
        let operations: Vec<&str> = places.iter().flatten().map(|of| of.name()).collect();
        let place = match places.first() {
            Some(None) => String::new(),
            _ => format!(" in answers of `{}`", operations.join("`, `")),
        };
        let message = format!("no row writes `{}`{place}", codes.join("`, `"));
        let hint = "add rows for them without conditions, or one with `problem = \"*\"` at the end";
        lint.error(lint.plan.problems.offset, message, hint);
    }
}

fn lacking_operations(lint: &Lint<'_>, row: &Row) {
    for scope in row.on.iter().filter(|scope| lint.plan.operation(scope.operation).is_none()) {
        let message = format!("the row is for `{}`, which this dialect has not", scope.operation.name());
        lint.error(row.offset, message, "take the operation out of `on`");
    }
}

/// A row is written for each of its problems, and a row for the rest for one at least.
fn written(lint: &Lint<'_>, index: usize, row: &Row, situations: &[Situation]) {
    let rows = &lint.plan.problems;
    let writes = |code: ProblemCode| {
        let problems = problems(row, code);
        situations.iter().any(|of| problems.iter().any(|problem| rows.writer(problem, of) == Some(index)))
    };
    let Some(codes) = &row.problems else {
        if !ProblemCode::ALL.iter().any(|code| writes(*code)) {
            let hint = "every problem has a row before it: take it out";
            lint.error(row.offset, "nothing is left for the row of `*`", hint);
        }
        return;
    };
    for code in codes.iter().filter(|code| !writes(**code)) {
        let taker = problems(row, *code).iter().find_map(|problem| {
            let of = situations.iter().find(|of| row.says(problem, of.operation, of.call.as_ref()))?;
            rows.writer(problem, of)
        });
        let message = format!("the row never writes `{}`", code.name());
        let hint = match taker.and_then(|taker| rows.rows.get(taker)) {
            Some(taker) => format!(
                "the row in line {} takes it: put this one before it, add `only = \"read\"`, or take it out",
                lint.line(taker.offset)
            ),
            None => {
                "its conditions never hold: see `on`, `field` and the holes of `code` and `text`".to_owned()
            }
        };
        lint.error(row.offset, message, hint);
    }
}

/// A row that is read is the first for some answer, or for its problem the first that is written: more than
/// one row may say a problem in its circumstances.
fn read(lint: &Lint<'_>, index: usize, row: &Row) {
    let rows = &lint.plan.problems;
    let answers = answers(row);
    let calls = lint.plan.operations.iter().flat_map(|plan| forms(plan.operation));
    let mut taker = None;
    for call in calls {
        for told in &answers {
            match rows.reader(told, &call) {
                Some(first) if first == index => return,
                Some(first) if first < index && row.hears(&told.told, told.status, &call).is_some() => {
                    taker = taker.or(Some(first));
                }
                _ => {}
            }
        }
    }
    let Some(taker) = taker.and_then(|taker| rows.rows.get(taker)) else { return };
    let same = |code| row.problems.as_ref().is_some_and(|codes| codes.contains(&code));
    if row.writes && code_read(taker).is_some_and(same) {
        return;
    }
    let line = lint.line(taker.offset);
    let hint = match (row.writes, name_read(taker)) {
        (true, Some(name)) => format!(
            "the row in line {line} reads it: say so with `reads_as = \"{name}\"`, or tell them apart"
        ),
        (true, None) => format!("the row in line {line} reads it: put this one before it"),
        (false, _) => format!("the row in line {line} reads it: put this one before it, or take it out"),
    };
    lint.error(row.offset, "no answer is ever read by this row", hint);
}

/// What reading by a row gives.
pub(super) fn code_read(row: &Row) -> Option<ProblemCode> {
    row.reads_as.first().or(row.problems.as_ref().and_then(|codes| codes.first())).copied()
}

fn name_read(row: &Row) -> Option<&'static str> {
    code_read(row).map(ProblemCode::name)
}

impl Pack {
    /// Problems that no row names in some operation, so that the row of `*` says them.
    pub fn left_to_star(&self) -> Vec<ProblemCode> {
        let rows = &self.plan.problems;
        let by_star = |code: &ProblemCode, operation| {
            let writer = rows.writer(&Problem::new(*code), &Situation { operation, call: None });
            writer.and_then(|index| rows.rows.get(index)).is_some_and(|row| row.problems.is_none())
        };
        let left = |code: &&ProblemCode| places(&self.plan).any(|operation| by_star(code, operation));
        ProblemCode::ALL.iter().filter(left).copied().collect()
    }
}
