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
        // Such a register is two calls, and only the first of them has the phone.
        let in_two = operation == Operation::Register && pack.habits().binds_after_code_login.is_some();
        let first = if in_two { Operation::LoginCode } else { operation };
        let takes = |(kind, text): &(&'static str, &str)| {
            let operation = if *kind == "phone" { first } else { operation };
            has_form(pack, &named(operation, text)).then_some(*kind)
        };
        (operation, NAMES.iter().filter_map(takes).collect())
    };
    NAMING.into_iter().filter(|operation| pack.has(*operation)).map(of).collect()
}

/// What codes are for, and where each can be sent.
pub(super) fn codes(pack: &Pack) -> Vec<(Purpose, Vec<&'static str>)> {
    let of = |purpose: &Purpose| {
        let sent = |(_, text): &&(&'static str, &str)| {
            has_form(pack, &Call { purpose: Some(*purpose), ..named(Operation::SendCode, text) })
        };
        let to = NAMES.iter().take(2).filter(sent).map(|(kind, _)| *kind).collect::<Vec<_>>();
        (*purpose, to)
    };
    Purpose::ALL.iter().map(of).filter(|(_, to)| !to.is_empty()).collect()
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
    if operation != Operation::Login {
        call.verification = Some(Verification { code: "123456".into(), challenge: secret() });
    }
    call
}

fn has_form(pack: &Pack, call: &Call) -> bool {
    let app = UpstreamApp { id: "app".to_owned(), secret: "secret".into() };
    let sending = Sending {
        now: Moment::from_seconds(0),
        default_country: Country::CHINA,
        app: Some(&app),
        random: 0,
        request_id: "",
        idempotency_key: None,
        client_address: None,
        accept_language: None,
        traceparent: None,
    };
    pack.write_call(call, &sending).is_ok()
}
