//! Each `[[example]]` means what it says, and means the same when it is written again.

mod answers;

use std::borrow::Cow;

use bytes::Bytes;
use http::Request;

use super::READING;
use crate::account::{Call, Email, Operation, PasswordForm, Phone, Purpose, Secret};
use crate::clock::Moment;
use crate::config::UpstreamApp;
use crate::dialect::pack::field::{Datum, Field, Kind};
use crate::dialect::pack::lint::Lint;
use crate::dialect::pack::source::of_call;
use crate::dialect::pack::{Example, Meaning, Pack};
use crate::dialect::{Dialect, Proof, Sending, Understood};

/// An example under examination.
struct Trial<'t, 'p> {
    pack: &'t Pack,
    lint: &'t Lint<'p>,
    example: &'t Example,
}

pub(super) fn check(pack: &Pack, lint: &Lint<'_>, example: &Example) {
    let trial = Trial { pack, lint, example };
    if example.request.is_none() && example.answer.is_none() {
        return trial.fail("has neither `request` nor `answer`", "add the message that it is an example of");
    }
    let call = match &example.request {
        Some(start) => trial.request(start),
        None => trial.asked_for(),
    };
    if let (Some(call), Some(body)) = (call, &example.answer) {
        trial.answer(&call, body);
    }
}

impl Trial<'_, '_> {
    fn fail(&self, what: impl std::fmt::Display, hint: impl Into<String>) {
        self.lint.error(self.example.offset, format!("the example {:?} {what}", self.example.name), hint);
    }

    /// The call that an answer belongs to, where no request says it.
    fn asked_for(&self) -> Option<Call> {
        let known = || Operation::ALL.iter().map(|of| of.name()).collect::<Vec<_>>().join(", ");
        let Some(text) = &self.example.operation else {
            self.fail("does not say what was asked", "add `operation = \"login\"`");
            return None;
        };
        let (name, form) = text.split_once('/').unwrap_or((text, ""));
        let operation = Operation::from_name(name);
        let Some(operation) = operation.filter(|operation| self.pack.has(*operation)) else {
            self.fail(format!("is of the operation `{name}`, which this dialect has not"), known());
            return None;
        };
        let mut call = Call::new(operation);
        call.purpose = Purpose::from_name(form);
        call.phone = Phone::from_e164("+8613800138000").ok().filter(|_| form == "sms");
        call.email = Email::parse("somebody@example.com").ok().filter(|_| form == "email");
        Some(call)
    }

    /// Reads the request, holds it to what it means, and writes it again.
    fn request(&self, start: &str) -> Option<Call> {
        let (head, body) = self.head(start)?;
        let read = self.pack.read_call(Operation::Login, &head, &body, READING);
        let understood = match (read, self.means_problem() && self.example.answer.is_none()) {
            (Ok(understood), false) => understood,
            (Err(problem), true) => {
                self.problem_means(&problem);
                return None;
            }
            (Ok(_), true) => {
                self.fail("is understood, and means a problem", "change `means`, or the request");
                return None;
            }
            (Err(problem), false) => {
                self.fail(
                    format!("is refused: {}, {}", problem.code.name(), problem.detail()),
                    "change the request, or the lines that read it",
                );
                return None;
            }
        };
        let call = &understood.call;
        for meaning in &self.example.means {
            match meaning.name.as_str() {
                "operation" => self.compare(meaning, Some(call.operation.name().into())),
                name => match Field::from_name(name) {
                    Some(field) if field.is_of_call() => {
                        self.compare(meaning, of_request(&understood, field))
                    }
                    Some(_) if self.example.answer.is_some() => {}
                    _ => self.unknown(meaning),
                },
            }
        }
        if !self.example.only_read {
            self.request_again(&understood);
        }
        Some(understood.call)
    }

    fn head(&self, start: &str) -> Option<(http::request::Parts, Bytes)> {
        let mut words = start.split_whitespace();
        let mut request = Request::builder().method(words.next()?).uri(words.next().unwrap_or("/"));
        for header in &self.example.headers {
            let (name, value) = header.split_once(':').unwrap_or((header, ""));
            request = request.header(name.trim(), value.trim());
        }
        let body = Bytes::from(self.example.body.clone().unwrap_or_default());
        match request.body(()) {
            Ok(request) => Some((request.into_parts().0, body)),
            Err(_) => {
                self.fail(
                    "is no HTTP request",
                    "write `request = \"POST /path\"` and headers as `\"name: value\"`",
                );
                None
            }
        }
    }

    /// What is sent to a backend for the same call must mean the same there.
    fn request_again(&self, understood: &Understood) {
        let call = &understood.call;
        let app =
            UpstreamApp { id: "example".to_owned(), secret: Secret::new("secret of the example".to_owned()) };
        let sending = Sending {
            app: Some(&app),
            random: 42,
            ..Sending::new(Moment::from_seconds(1_558_004_249), READING.default_country, "example")
        };
        let hint = "let its lines be written too, or add `only = \"read\"` to the example";
        let again = match self.pack.write_call(call, &sending) {
            Ok(request) => request,
            Err(problem) => {
                return self.fail(
                    format!("can't be written again: {}, {}", problem.code.name(), problem.detail()),
                    hint,
                );
            }
        };
        let (head, body) = again.into_parts();
        let again = match self.pack.read_call(call.operation, &head, &body, READING) {
            Ok(again) => again,
            Err(problem) => {
                return self.fail(
                    format!(
                        "is refused when it is written again: {}, {}",
                        problem.code.name(),
                        problem.detail()
                    ),
                    hint,
                );
            }
        };
        let hashed =
            call.password_form == PasswordForm::Plain && again.call.password_form == PasswordForm::Md5Hex;
        for field in Field::ALL.iter().copied().filter(|field| field.is_of_call() && !is_of_caller(*field)) {
            // Plain passwords are written as hashes where those are wanted: the same password, another text.
            let password = field.kind() == Kind::Password || field == Field::PasswordForm;
            let Some(first) = of_call(call, field).filter(|_| !(hashed && password)) else { continue };
            let second = of_call(&again.call, field);
            if second.as_ref().map(Datum::to_text) != Some(first.to_text()) {
                self.fail(format!("says another `{}` when it is written again", field.name()), hint);
            }
        }
    }

    fn means_problem(&self) -> bool {
        self.example.means.iter().any(|meaning| meaning.name == "problem")
    }

    fn compare(&self, meaning: &Meaning, found: Option<Cow<'_, str>>) {
        let name = &meaning.name;
        let text = match found {
            Some(found) if *found == *meaning.value => return,
            Some(found) => format!("the example says `{name}` = {found:?}, and means {:?}", meaning.value),
            None => format!("the example does not say `{name}`"),
        };
        self.lint.error(meaning.offset, text, "change `means`, or the lines and rows that read the message");
    }

    fn unknown(&self, meaning: &Meaning) {
        let names: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
        let hint = crate::config::suggestion(&meaning.name, &names);
        self.lint.error(meaning.offset, format!("this example can't mean `{}`", meaning.name), hint);
    }
}

/// What the gateway says in the caller's place.
fn is_of_caller(field: Field) -> bool {
    field.name().starts_with("client.") || matches!(field, Field::GuardNonce | Field::GuardTime)
}

fn of_request(understood: &Understood, field: Field) -> Option<Cow<'_, str>> {
    let owned = |datum: Datum<'_>| Cow::Owned(datum.to_text().into_owned());
    match (field, &understood.proof) {
        (Field::ClientAppId, Proof::Signature(signed)) => Some(Cow::Borrowed(signed.app_id.as_str())),
        (Field::GuardNonce, Proof::Signature(signed)) => Some(Cow::Borrowed(signed.nonce.as_str())),
        (Field::GuardTime, Proof::Signature(signed)) => Some(Cow::Owned(signed.time.to_rfc3339())),
        _ => of_call(&understood.call, field).map(owned),
    }
}
