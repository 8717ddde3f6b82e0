//! All messages of a pack: what each is, and which fields belong in it.

use super::Lint;
use crate::dialect::pack::field::Field;
use crate::dialect::pack::members::{Line, What};
use crate::dialect::pack::message::Place;
use crate::dialect::pack::plan::{Case, OperationPlan};

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect::pack) enum Side {
    /// What every request to a backend has besides its own members.
    Always,
    Call,
    Reply,
    Problem,
}

/// The lines of one message.
pub(in crate::dialect::pack) struct Message<'p> {
    pub side: Side,
    pub lines: &'p [Line],
    /// Where members without a named place stand.
    pub usual: &'p [Place],
    pub operation: Option<&'p OperationPlan>,
    pub case: Option<&'p Case>,
}

impl Message<'_> {
    /// What findings call it.
    pub fn name(&self) -> String {
        let operation = self.operation.map_or("", |plan| plan.operation.name());
        match self.side {
            Side::Always => "[requests.always]".to_owned(),
            Side::Call => format!("the request of `{operation}`"),
            Side::Reply => format!("the reply of `{operation}`"),
            Side::Problem => "[answers.problem]".to_owned(),
        }
    }
}

/// Every message of the pack, in the order of its operations.
pub(in crate::dialect::pack) fn messages<'p>(lint: &Lint<'p>) -> Vec<Message<'p>> {
    let plan = lint.plan;
    let body: &[Place] = &[Place::Body];
    let bare = |side, lines, usual| Message { side, lines, usual, operation: None, case: None };
    let mut all = vec![bare(Side::Always, plan.requests.always.as_slice(), plan.requests.usual.as_slice())];
    for operation in &plan.operations {
        let usual = operation.usual.as_deref().unwrap_or(&plan.requests.usual);
        for case in &operation.cases {
            let lines = case.lines.as_slice();
            all.push(Message {
                operation: Some(operation),
                case: Some(case),
                ..bare(Side::Call, lines, usual)
            });
        }
        all.push(Message { operation: Some(operation), ..bare(Side::Reply, &operation.reply, body) });
    }
    all.push(bare(Side::Problem, &plan.answers.problem, body));
    all
}

impl Side {
    /// Whether reading this message can set the field.
    pub fn reads(self, field: Field) -> bool {
        match self {
            Self::Always => false,
            Self::Call => field.is_of_call(),
            Self::Reply => field.is_of_reply(),
            // These are made of the others.
            Self::Problem => {
                let made = [Field::ProblemTitle, Field::ProblemDetail, Field::RowStatus];
                field.is_of_problem() && !made.contains(&field)
            }
        }
    }

    /// Whether the field can have a value where this message is written.
    pub fn writes(self, field: Field) -> bool {
        let context = field.is_of_call() || matches!(field, Field::GatewayRegion | Field::GatewayTime);
        match self {
            Self::Always | Self::Call => {
                let gateway = field.is_of_gateway() && field != Field::GatewayRegion;
                field.is_of_call() || gateway || field == Field::ClientDialect
            }
            Self::Reply => field.is_of_reply() || context,
            Self::Problem => field.is_of_problem() || context,
        }
    }
}

/// Where a field belongs, for hints.
pub(in crate::dialect::pack) fn belongs(field: Field) -> &'static str {
    if field.is_of_reply() {
        "replies"
    } else if field.is_of_problem() {
        "[answers.problem]"
    } else if field == Field::GatewayRegion {
        "what clients are answered"
    } else if field.is_of_gateway() {
        "requests to a backend"
    } else {
        "requests"
    }
}

/// The fields that reading lines sets, those within objects too.
pub(in crate::dialect::pack) fn fields_read(lines: &[Line]) -> Vec<Field> {
    let mut fields = Vec::new();
    for line in lines.iter().filter(|line| line.reads()) {
        match &line.what {
            What::Value(value) => {
                fields.extend(value.field());
                fields.extend(value.sets.iter().map(|(field, _)| *field));
                if value.codec.takes_phones() {
                    fields.push(Field::Phone);
                }
            }
            What::Object(inner) => fields.extend(fields_read(inner)),
            _ => {}
        }
    }
    fields
}
