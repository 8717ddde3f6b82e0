//! The canonical model's values as JSON, for people and for golden files: every field by the name that packs and the
//! canonical dialect have for it. Secrets are in it, so it is for what somebody pasted, never for what came in.

use serde_json::{Map, Value};

use super::field::{Datum, Field};
use super::source::{of_account, of_call, of_session};
use crate::account::{Call, Extensions, Problem, Reply};
use crate::dialect::{Proof, Understood};

/// A call, with what the caller signed.
pub fn call_form(understood: &Understood) -> Value {
    let mut form = Form::default();
    let call = &understood.call;
    form.put("operation", call.operation.name().into());
    form.fields(|field| of_call(call, field).filter(|_| field.is_of_call() || field == Field::ClientDialect));
    if let Proof::Signature(signed) = &understood.proof {
        form.put(Field::GuardNonce.name(), signed.nonce.as_str().into());
        form.put(Field::GuardTime.name(), signed.time.to_rfc3339().into());
    }
    form.extensions("extensions", &call.extensions);
    form.0.into()
}

/// The same for a call that was not read from a message.
pub fn bare_call_form(call: &Call) -> Value {
    call_form(&Understood { call: call.clone(), proof: Proof::None })
}

/// A good answer.
pub fn reply_form(reply: &Reply) -> Value {
    let Reply { account, session, region, base_url, challenge, expires_in, resend_in } = reply;
    let mut form = Form::default();
    if let Some(account) = account {
        form.fields(|field| of_account(account, field));
        form.extensions("account.extensions", &account.extensions);
    }
    if let Some(session) = session {
        form.fields(|field| of_session(session, field));
    }
    form.text("region", region.as_deref());
    form.text("base_url", base_url.as_deref());
    form.text("challenge", challenge.as_ref().map(|challenge| challenge.expose()));
    form.number("expires_in", *expires_in);
    form.number("resend_in", *resend_in);
    form.0.into()
}

/// A bad answer.
pub fn problem_form(problem: &Problem) -> Value {
    let Problem { code, field, reason, retry_after, attempts_left, region, bind_token, operation } = problem;
    let mut form = Form::default();
    form.text("code", Some(code.name()));
    form.text("field", field.as_deref());
    form.text("reason", reason.as_deref());
    form.number("retry_after", *retry_after);
    form.number("attempts_left", attempts_left.map(u64::from));
    form.text("region", region.as_deref());
    form.text("bind_token", bind_token.as_ref().map(|token| token.expose()));
    form.text("operation", operation.map(|operation| operation.name()));
    form.0.into()
}

/// An object under way; a dotted name is a member of an object within.
#[derive(Default)]
struct Form(Map<String, Value>);

impl Form {
    fn fields<'a>(&mut self, get: impl Fn(Field) -> Option<Datum<'a>>) {
        for field in Field::ALL {
            match get(*field) {
                Some(Datum::Integer(number)) => self.put(field.name(), number.into()),
                Some(Datum::Bool(flag)) => self.put(field.name(), flag.into()),
                Some(datum) => self.put(field.name(), datum.to_text().into_owned().into()),
                None => {}
            }
        }
    }

    fn text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.put(name, text.into());
        }
    }

    fn number(&mut self, name: &str, number: Option<u64>) {
        if let Some(number) = number {
            self.put(name, number.into());
        }
    }

    fn extensions(&mut self, name: &str, extensions: &Extensions) {
        for (dialect, group) in extensions.by_dialect() {
            let members = group.into_iter().map(|one| (one.path.clone(), as_read(&one.json)));
            self.put(&format!("{name}.{dialect}"), Value::Object(members.collect()));
        }
    }

    fn put(&mut self, name: &str, value: Value) {
        let mut object = &mut self.0;
        let mut rest = name;
        while let Some((outer, inner)) = rest.split_once('.') {
            let within = object.entry(outer).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(within) = within else { return };
            object = within;
            rest = inner;
        }
        object.insert(rest.to_owned(), value);
    }
}

/// An extension's JSON, or its text where a number has more digits than this JSON keeps.
fn as_read(json: &str) -> Value {
    let value = serde_json::from_str::<Value>(json).ok();
    let again = value.as_ref().map(Value::to_string);
    value.filter(|_| again.as_deref() == Some(json)).unwrap_or_else(|| Value::String(json.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::account::{Account, Operation, Phone, ProblemCode, Secret, Session, Verification};

    #[test]
    fn a_call_is_written_by_the_names_that_packs_use() {
        let mut call = Call::new(Operation::Register);
        call.phone = Phone::from_e164("+8613800138001").ok();
        call.verification = Some(Verification { code: "123456".into(), challenge: None });
        call.extensions.keep("coolkit", "n", "12345678901234567890.10");
        assert_eq!(
            bare_call_form(&call),
            json!({
                "operation": "register",
                "phone": "+8613800138001",
                "verification": { "code": "123456" },
                "extensions": { "coolkit": { "n": "12345678901234567890.10" } },
            })
        );
    }

    #[test]
    fn replies_and_problems_have_their_members_and_no_others() {
        let mut account = Account { id: Some("7".to_owned()), ..Account::default() };
        account.extensions.keep("coolkit", "online", "true");
        let session = Session::of_access_token(Secret::from("t"));
        let reply = Reply { account: Some(account), session: Some(session), ..Reply::default() };
        let expected = json!({
            "account": { "id": "7", "extensions": { "coolkit": { "online": true } } },
            "session": { "access_token": "t" },
        });
        assert_eq!(reply_form(&reply), expected);
        let problem = Problem::new(ProblemCode::AccountLocked).retry_after(60);
        assert_eq!(problem_form(&problem), json!({ "code": "account_locked", "retry_after": 60 }));
    }
}
