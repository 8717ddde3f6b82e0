//! Codes: made, kept as a digest, then sent.

use bytes::Bytes;
use http::Request;

use super::{attempt, required};
use crate::account::{Call, Channel, Operation, Problem, ProblemCode, Purpose, Secret};
use crate::backend::State;
use crate::backend::answer::Answer;
use crate::backend::error::StoreError;
use crate::backend::json::Json;
use crate::backend::outbox::Message;
use crate::backend::request;
use crate::backend::store::accounts::{self, AccountRow};
use crate::backend::store::idempotency::Attempt;
use crate::backend::store::{Destination, codes};

pub(super) async fn send(state: &State, request: &Request<Bytes>) -> Result<Answer, Problem> {
    let call = request::read_call(Operation::SendCode, request)?;
    let attempt = attempt(state, Operation::SendCode, request)?;
    let channel = required(call.channel, "channel")?;
    let purpose = required(call.purpose, "purpose")?;
    let destination = destination(&call, channel)?;
    let length = call.code_length.unwrap_or(codes::DEFAULT_LENGTH);

    let (now, key, to) = (state.now(), state.key.clone(), destination);
    let residents = state.residents.clone();
    let issued = state.database.write(move |transaction| -> Result<_, StoreError> {
        if attempt.done_before(transaction, now)? {
            return Ok(None);
        }
        attempt.remember(transaction, now)?;
        let owner = accounts::by_destination(transaction, &to)?;
        let elsewhere = if owner.is_none() { residents.elsewhere(&[to.key()])? } else { None };
        check_purpose(owner.as_ref(), elsewhere, &to, purpose)?;
        codes::check_pause(transaction, &to, purpose, now)?;
        let issued = codes::issue(transaction, &key, &to, purpose, length, now)?;
        Ok(Some((issued, proven(owner.as_ref(), to))))
    });
    let Some((issued, to)) = issued.await? else {
        return Ok(sent(None));
    };
    let message = Message { time: now, channel, to: to.text().to_owned(), purpose, code: issued.code };
    if let Err(error) = state.sender.send(message).await {
        tracing::error!(%error, "the embedded backend could not send a code");
        withdraw(state, issued.challenge, attempt).await?;
        return Err(ProblemCode::SendFailed.into());
    }
    Ok(sent(Some(issued.challenge)))
}

fn destination(call: &Call, channel: Channel) -> Result<Destination, Problem> {
    Ok(match channel {
        Channel::Sms => Destination::Phone(required(call.phone.clone(), "phone")?),
        Channel::Email => Destination::Email(required(call.email.clone(), "email")?),
    })
}

/// Where a code goes: to the address that its owner has proven, not to another spelling that a caller
/// gives; the two may be mailboxes of two people.
fn proven(owner: Option<&AccountRow>, given: Destination) -> Destination {
    let own = owner.map(AccountRow::destinations).unwrap_or_default();
    own.into_iter().find(|own| own.key() == given.key()).unwrap_or(given)
}

/// Refuses a code that could not be used for what it is asked for.
fn check_purpose(
    owner: Option<&AccountRow>,
    elsewhere: Option<String>,
    destination: &Destination,
    purpose: Purpose,
) -> Result<(), StoreError> {
    let field = destination.field();
    let taken = owner.is_some() || elsewhere.is_some();
    match (purpose, taken) {
        (Purpose::Register, true) => Err(Problem::new(ProblemCode::AccountExists).field(field).into()),
        (Purpose::Bind, true) => Err(Problem::new(ProblemCode::IdentityAlreadyBound).field(field).into()),
        (Purpose::ResetPassword | Purpose::ChangePassword | Purpose::DeleteAccount, false) => {
            Err(ProblemCode::AccountNotFound.into())
        }
        _ => match elsewhere {
            Some(region) => Err(Problem::new(ProblemCode::WrongRegion).region(region).into()),
            None => Ok(()),
        },
    }
}

/// A code that nobody got neither counts as sent nor keeps the caller from trying again.
async fn withdraw(state: &State, challenge: Secret, attempt: Attempt) -> Result<(), Problem> {
    let withdrawn = state.database.write(move |transaction| {
        codes::withdraw(transaction, &challenge)?;
        attempt.forget(transaction)?;
        Ok(())
    });
    Ok(withdrawn.await?)
}

fn sent(challenge: Option<Secret>) -> Answer {
    let challenge = challenge.map(|challenge| challenge.expose().to_owned());
    Answer::accepted(Json::object([
        ("challenge", Json::text(challenge)),
        ("expires_in", Json::number(Some(codes::LIFETIME_SECONDS))),
        ("resend_in", Json::number(Some(codes::RESEND_SECONDS))),
    ]))
    .with_send_limit(codes::RESEND_SECONDS)
}
