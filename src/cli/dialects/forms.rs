//! By which names an account may go where a dialect asks for one, and what its codes are for: found out by writing
//! requests, so that it is what really has a form.

use crate::account::{Call, Channel, Country, Identifier, Operation, Purpose, Secret, Verification};
use crate::clock::Moment;
use crate::config::UpstreamApp;
use crate::dialect::{Dialect, Pack, Sending};

/// Samples of the names that an account goes by; the phone is one of the country that is the default.
const NAMES: [(&str, &str); 3] =
    [("phone", "+8613800138000"), ("email", "alice@example.com"), ("username", "alice")];

/// A token with a subject, which some paths name.
const TOKEN: &str = "e30.eyJzdWIiOiIxIn0.e30";

/// The operations that name an account.
const NAMING: [Operation; 4] =
    [Operation::Register, Operation::Login, Operation::LoginCode, Operation::ResetPassword];

/// Which names an operation takes, by the model's own words.
pub(super) fn names(pack: &Pack) -> Vec<(Operation, Vec<&'static str>)> {
    let of = |operation: Operation| {
        let takes = |(kind, text): &&(&'static str, &str)| {
            // Such a register is two calls, and only the first of them has the phone.
            let in_two = *kind == "phone" && pack.habits().binds_after_code_login.is_some();
            let first = match operation {
                Operation::Register if in_two => Operation::LoginCode,
                other => other,
            };
            has_form(pack, &named(first, text)) || has_code(pack, first, text)
        };
        (operation, NAMES.iter().filter(takes).map(|(kind, _)| *kind).collect())
    };
    NAMING.into_iter().filter(|operation| pack.has(*operation)).map(of).collect()
}

/// What codes are for, and where each can be sent.
pub(super) fn codes(pack: &Pack) -> Vec<(Purpose, Vec<&'static str>)> {
    let of = |purpose: &Purpose| {
        let to = NAMES.iter().filter(|(_, text)| has_form(pack, &code(*purpose, text)));
        (*purpose, to.map(|(kind, _)| *kind).collect::<Vec<_>>())
    };
    Purpose::ALL.iter().map(of).filter(|(_, to)| !to.is_empty()).collect()
}

/// Whether a name can be sent a code that the operation then takes.
fn has_code(pack: &Pack, operation: Operation, text: &str) -> bool {
    let sent = operation.purpose_of_code().is_some_and(|purpose| has_form(pack, &code(purpose, text)));
    let verification = Some(Verification { code: "123456".into(), challenge: Some("challenge".into()) });
    sent && has_form(pack, &Call { verification, ..named(operation, text) })
}

fn code(purpose: Purpose, text: &str) -> Call {
    Call { purpose: Some(purpose), ..named(Operation::SendCode, text) }
}

fn named(operation: Operation, text: &str) -> Call {
    let mut call = Call::new(operation);
    match Identifier::classify(text, Country::CHINA) {
        Identifier::Phone(phone) => (call.phone, call.channel) = (Some(phone), Some(Channel::Sms)),
        Identifier::Email(email) => (call.email, call.channel) = (Some(email), Some(Channel::Email)),
        Identifier::Username(name) => call.username = Some(name),
    }
    let secret = || Some(Secret::from("secret"));
    if operation != Operation::LoginCode {
        (call.password, call.new_password, call.token) = (secret(), secret(), Some(TOKEN.into()));
    }
    call
}

fn has_form(pack: &Pack, call: &Call) -> bool {
    let app = UpstreamApp { id: "app".to_owned(), secret: "secret".into() };
    let sending = Sending { app: Some(&app), ..Sending::new(Moment::from_seconds(0), Country::CHINA, "") };
    pack.write_call(call, &sending).is_ok()
}
