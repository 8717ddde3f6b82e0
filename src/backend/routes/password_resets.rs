//! A new password for who forgot the old one.

use bytes::Bytes;
use http::Request;

use super::accounts::open_session;
use super::{attempt, only_destination, required, session_json};
use crate::account::{Operation, Problem, Purpose};
use crate::backend::State;
use crate::backend::answer::Answer;
use crate::backend::password::Md5Form;
use crate::backend::request;
use crate::backend::store::{accounts, codes, sessions};

pub(super) async fn reset(state: &State, request: &Request<Bytes>) -> Result<Answer, Problem> {
    let call = request::read_call(Operation::ResetPassword, request)?;
    let attempt = attempt(state, Operation::ResetPassword, request)?;
    let destination = only_destination(&call)?;
    let verification = required(call.verification, "verification.code")?;
    let password = required(call.new_password, "new_password")?;
    let hash = state.passwords.hash(Md5Form::of(&password, call.password_form)).await?;

    let (now, key) = (state.now(), state.key.clone());
    let address = request::client_address(request.headers());
    let residents = state.residents.clone();
    let opened = state.database.write(move |transaction| {
        if attempt.done_before(transaction, now)? {
            return Ok(Ok(None));
        }
        let Some(account) = accounts::by_destination(transaction, &destination)? else {
            return Err(residents.not_here(&[destination.key()])?.into());
        };
        account.check_usable()?;
        let to = std::slice::from_ref(&destination);
        let spent = codes::spend(transaction, &key, to, Purpose::ResetPassword, &verification, now)?;
        if let Err(problem) = spent {
            return Ok(Err(problem));
        }
        accounts::set_password(transaction, account.id, &hash, now)?;
        sessions::end_others(transaction, account.id, None)?;
        attempt.remember(transaction, now)?;
        open_session(transaction, account.id, address, now).map(|opened| Ok(Some(opened)))
    });
    Ok(Answer::ok(session_json(state, opened.await??)))
}
