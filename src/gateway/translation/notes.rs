//! What a translation loses, and what the live path does besides. What was written is read again by the dialect that it
//! was written in, and both readings are compared.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

use super::Translation;
use crate::account::{Call, Operation, Problem, Reply};
use crate::dialect::{Dialect, bare_call_form, problem_form, reply_form};

/// Names that an account goes by: a dialect may say one as another.
const IDENTITIES: [&str; 4] = ["identifier", "username", "phone", "email"];

/// What the gateway does to a call besides translating it.
pub(super) fn beside_request(translation: &Translation, call: &Call) -> Vec<String> {
    let (client, upstream) = (translation.client.habits(), translation.upstream.habits());
    let foreign = !translation.same();
    let proof = call.verification.as_ref();
    let nowhere = call.operation == Operation::SendCode && call.phone.is_none() && call.email.is_none();
    let names_account = call.account_of_path.is_some() && call.operation != Operation::WhoAmI;
    let by_phone = call.operation == Operation::Register && call.phone.is_some() && proof.is_some();
    chosen(&[
        (
            translation.client.signs() && call.client.app_id.is_some(),
            "the signature is not checked here; `dragoman verify` does that",
        ),
        (
            foreign && client.gateway_tokens && call.token.is_some(),
            "the token is one of the gateway's own: it sends the backend's token, which is sealed in it",
        ),
        (
            foreign && client.carries_challenge && proof.is_some_and(|proof| proof.challenge.is_some()),
            "the challenge is one of the gateway's own: it sends the backend's challenge, which is sealed in it",
        ),
        (
            foreign && upstream.carries_challenge && !client.carries_challenge && proof.is_some(),
            "the gateway adds the challenge that the backend gave when the code was sent",
        ),
        (
            foreign && call.bind_token.is_some(),
            "the bind token is one of the gateway's own: it sends the backend's, which is sealed in it",
        ),
        (
            call.token.is_some() && (nowhere || (names_account && foreign)),
            "the gateway asks the backend first whose token it is",
        ),
        (
            by_phone && upstream.binds_after_code_login.is_some() && call.bind_token.is_none(),
            "the backend registers by phone in two calls: a login by code, then this one with its bind token",
        ),
    ])
}

/// What the gateway does to an answer besides translating it.
pub(super) fn beside_answer(
    translation: &Translation,
    call: &Call,
    told: &Result<Reply, Problem>,
) -> Vec<String> {
    let client = translation.client.habits();
    let foreign = !translation.same();
    match told {
        Ok(reply) => chosen(&[
            (
                reply.session.is_none() && client.needs_session && call.operation.opens_session(),
                "the client needs a session: the gateway logs in now to get one",
            ),
            (
                foreign && reply.session.is_some() && client.gateway_tokens,
                "the gateway seals the session in a token of its own",
            ),
            (
                foreign && call.operation == Operation::SendCode && client.carries_challenge,
                "the gateway gives the client a sealed challenge of its own",
            ),
        ]),
        Err(problem) => chosen(&[(
            foreign && problem.bind_token.is_some(),
            "the gateway seals the bind token in one of its own",
        )]),
    }
}

fn chosen(notes: &[(bool, &str)]) -> Vec<String> {
    notes.iter().filter(|(holds, _)| *holds).map(|(_, note)| (*note).to_owned()).collect()
}

/// What of a call the backend's request does not say.
pub(super) fn lost_in_request(
    translation: &Translation,
    call: &Call,
    request: &Request<Bytes>,
) -> Vec<String> {
    let (head, body) = request.clone().into_parts();
    let Ok(read) = translation.upstream.read_call(call.operation, &head, &body, translation.reading()) else {
        return Vec::new();
    };
    let upstream = translation.upstream.name();
    let [said, heard] = [bare_call_form(call), bare_call_form(&read.call)].map(|form| members(&form));
    let names_somebody = heard.iter().any(|(name, _)| IDENTITIES.contains(&name.as_str()));
    // Who calls is for the backend to know, not for it to say again.
    let passed_over = |name: &str| {
        let renamed = names_somebody && IDENTITIES.contains(&name);
        renamed || name == "operation" || name.starts_with("client.")
    };
    differences(&said, &heard, upstream)
        .filter(|(name, _)| !passed_over(name))
        .map(|(_, note)| note)
        .collect()
}

/// What of an answer the client's answer does not say.
pub(super) fn lost_in_answer(
    translation: &Translation,
    call: &Call,
    told: &Result<Reply, Problem>,
    answer: &Response<Bytes>,
) -> Vec<String> {
    let client = translation.client.name();
    let read = translation.client.read_answer(call, answer, translation.reading());
    let [said, heard] = match (told, &read) {
        (Ok(said), Ok(heard)) => [reply_form(said), reply_form(heard)].map(|form| members(&form)),
        (Err(said), Err(heard)) if said.code != heard.code => {
            let (said, heard) = (said.code.name(), heard.code.name());
            return vec![format!("{client} has no answer of its own for {said}: it reads as {heard}")];
        }
        (Err(said), Err(heard)) => [problem_form(said), problem_form(heard)].map(|form| members(&form)),
        _ => return Vec::new(),
    };
    // The reason is a text for people.
    let counts = |name: &str| name != "reason";
    differences(&said, &heard, client).filter(|(name, _)| counts(name)).map(|(_, note)| note).collect()
}

type Members = Vec<(String, Value)>;

fn differences<'a>(
    said: &'a Members,
    heard: &'a Members,
    dialect: &'a str,
) -> impl Iterator<Item = (&'a str, String)> {
    said.iter().filter_map(move |(name, value)| {
        let other = heard.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        match other {
            None => Some((name.as_str(), format!("{dialect} has no place for {name}: it is dropped"))),
            Some(other) if other != value => {
                Some((name.as_str(), format!("{dialect} can't say {name} as it is: it is changed")))
            }
            Some(_) => None,
        }
    })
}

/// Every value of a form, by its dotted name.
fn members(form: &Value) -> Members {
    fn collect(prefix: &str, value: &Value, all: &mut Members) {
        match value {
            Value::Object(object) if prefix.is_empty() || !object.is_empty() => {
                for (name, value) in object {
                    let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                    collect(&name, value, all);
                }
            }
            _ => all.push((prefix.to_owned(), value.clone())),
        }
    }
    let mut all = Members::new();
    collect("", form, &mut all);
    all
}
