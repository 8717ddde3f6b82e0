//! Every operation is there or is said to be lacking, and each has a way in and out.

use super::Lint;
use super::messages::fields_read;
use crate::account::Operation;
use crate::dialect::pack::field::Field;
use crate::dialect::pack::members::{Line, What};
use crate::dialect::pack::plan::{Case, OperationPlan, Proof};

pub(super) fn check(lint: &Lint<'_>) {
    for operation in Operation::ALL {
        listed_once(lint, *operation);
    }
    for lack in lint.plan.lacks.iter().filter(|lack| lack.why.trim().is_empty()) {
        let message = format!("`{}` is lacking without a reason", lack.operation.name());
        lint.error(
            lack.offset,
            message,
            "say why the dialect has no form for it: `dragoman dialects` prints it",
        );
    }
    for plan in &lint.plan.operations {
        answers(lint, plan);
        for case in &plan.cases {
            proof(lint, plan, case);
            asks(lint, plan, case);
        }
    }
}

fn listed_once(lint: &Lint<'_>, operation: Operation) {
    let name = operation.name();
    let lack = lint.plan.lacks.iter().find(|lack| lack.operation == operation);
    match (lint.plan.operation(operation), lack) {
        (Some(plan), Some(lack)) => {
            let message = format!("`{name}` is in [operations] and in [lacks]");
            let line = lint.line(plan.offset);
            lint.error(lack.offset, message, format!("take this line out, or the operation in line {line}"));
        }
        (None, None) => {
            let message = format!("nothing is said of the operation `{name}`");
            let hint = format!(
                "add [operations.{name}], or under [lacks] `{name} = \"why the dialect has it not\"`"
            );
            lint.error(0, message, hint);
        }
        _ => {}
    }
}

/// What a request must be able to say, whatever its form; of each list one field is enough.
fn needed(operation: Operation) -> &'static [&'static [Field]] {
    const DESTINATION: &[Field] =
        &[Field::Phone, Field::Email, Field::Identifier, Field::Username, Field::Token];
    const CODE: &[Field] = &[Field::VerificationCode];
    match operation {
        Operation::SendCode => &[DESTINATION],
        Operation::Register => &[&[
            Field::Username,
            Field::Phone,
            Field::Email,
            Field::Identifier,
            Field::BindToken,
            Field::FederatedProvider,
            Field::VerificationChallenge,
        ]],
        Operation::Login => &[&[Field::Password, Field::FederatedProvider]],
        Operation::LoginCode => &[CODE],
        Operation::ResetPassword => &[CODE, &[Field::NewPassword]],
        Operation::Refresh => &[&[Field::RefreshToken, Field::Token]],
        Operation::ChangePassword => &[&[Field::NewPassword], &[Field::OldPassword, Field::VerificationCode]],
        Operation::ChangeName => &[&[Field::Username, Field::Nickname]],
        Operation::Region => &[&[Field::Phone, Field::Email, Field::CountryCallingCode]],
        Operation::LogOut | Operation::WhoAmI => &[],
    }
}

fn asks(lint: &Lint<'_>, plan: &OperationPlan, case: &Case) {
    let mut there = fields_read(&case.lines);
    if case.proof == Proof::Token {
        there.push(Field::Token);
    }
    for fields in needed(plan.operation) {
        if !fields.iter().any(|field| there.contains(field)) {
            let name = plan.operation.name();
            let message = format!("the request of `{name}` has no line for {}", names(fields));
            lint.error(case.at.case, message, "add the member that holds it, or a group with it to `use`");
        }
    }
}

fn names(fields: &[Field]) -> String {
    let names: Vec<String> = fields.iter().map(|field| format!("`{}`", field.name())).collect();
    names.join(" or ")
}

/// What a good answer must say.
fn answers(lint: &Lint<'_>, plan: &OperationPlan) {
    let name = plan.operation.name();
    let there = fields_read(&plan.reply);
    let fresh = lint.plan.token.fresh.is_some();
    // After register and reset the gateway logs in by itself where a client needs a session.
    let opens = matches!(plan.operation, Operation::Login | Operation::LoginCode | Operation::Refresh);
    if opens && !there.contains(&Field::SessionAccessToken) && !fresh {
        let message = format!("`{name}` opens a session, and its reply has no `session.access_token`");
        lint.error(plan.offset, message, "name in `reply` the member that holds the token");
    }
    let account = || plan.reply.iter().any(says_account);
    if plan.operation == Operation::WhoAmI && !account() {
        let message = "`me` answers whose session it is, and its reply has no field of the account";
        lint.error(plan.offset, message, "name in `reply` the members that hold it: `id = \"account.id\"`");
    }
    if plan.operation == Operation::Region && !there.contains(&Field::ReplyRegion) {
        let message = "`region` answers a region, and its reply has no line for it";
        lint.error(plan.offset, message, "name in `reply` the member that holds it: `region = \"region\"`");
    }
}

fn says_account(line: &Line) -> bool {
    match &line.what {
        What::Value(value) => value.field().is_some_and(|field| field.name().starts_with("account.")),
        What::Object(lines) => lines.iter().any(says_account),
        _ => false,
    }
}

fn proof(lint: &Lint<'_>, plan: &OperationPlan, case: &Case) {
    let name = plan.operation.name();
    match case.proof {
        Proof::None => {}
        Proof::Token | Proof::TokenIfSent => {
            let token = &lint.plan.token;
            if token.read.is_empty() || token.write.is_none() {
                let message = format!("`{name}` needs a token, and nothing says where it stands");
                let hint = "add [token] with `read = [\"header authorization bearer\"]` and `write = \"header authorization bearer\"`";
                lint.error(case.at.case, message, hint);
            }
        }
        Proof::Signature if !lint.plan.signs => {
            let message = format!("`{name}` is signed, and the dialect has no signature");
            lint.error(
                case.at.case,
                message,
                "add `signature = \"coolkit\"` to [dialect], or write another `proof`",
            );
        }
        Proof::Signature => signed(lint, plan, case),
    }
}

/// What the guards need of a signed request, and what a backend is sent in its place.
const SIGNED: &[(Field, Field)] = &[
    (Field::ClientAppId, Field::GatewayAppId),
    (Field::GuardNonce, Field::GatewayNonce),
    (Field::GuardTime, Field::GatewayTime),
];

fn signed(lint: &Lint<'_>, plan: &OperationPlan, case: &Case) {
    let there = fields_read(&case.lines);
    for (read, written) in SIGNED {
        let example = format!("field = [\"{}\", \"{}\"], required = true", written.name(), read.name());
        if !there.contains(read) {
            let message = format!(
                "`{}` is signed, and its request has no line for `{}`",
                plan.operation.name(),
                read.name()
            );
            lint.error(case.at.case, message, format!("add a member with `{example}`"));
            continue;
        }
        let line = case
            .lines
            .iter()
            .find(|line| matches!(&line.what, What::Value(value) if value.field() == Some(*read)));
        if let Some(line) = line
            && let What::Value(value) = &line.what
            && !value.fields.contains(written)
        {
            let message = format!("a backend is never sent the caller's `{}`", read.name());
            lint.error(line.offset, message, format!("write the gateway's own: `{example}`"));
        }
    }
}
