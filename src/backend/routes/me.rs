//! The account of who is logged in.

use bytes::Bytes;
use http::Request;

use super::accounts::settle;
use super::{Proof, account_json, authenticate, only_proof, required};
use crate::account::{Operation, Problem, ProblemCode, Purpose};
use crate::backend::State;
use crate::backend::answer::Answer;
use crate::backend::error::StoreError;
use crate::backend::password::Md5Form;
use crate::backend::request;
use crate::backend::store::{accounts, codes, sessions};

pub(super) async fn show(state: &State, request: &Request<Bytes>) -> Result<Answer, Problem> {
    let (_, account) = authenticate(state, request).await?;
    Ok(Answer::ok(account_json(state, &account)))
}

pub(super) async fn change_name(state: &State, request: &Request<Bytes>) -> Result<Answer, Problem> {
    let (opened, _) = authenticate(state, request).await?;
    let call = request::read_call(Operation::ChangeName, request)?;
    let (now, residents) = (state.now(), state.residents.clone());
    let renamed = state.database.write(move |transaction| {
        if let Some(username) = &call.username {
            let owner = accounts::by_username(transaction, username)?;
            if owner.is_some_and(|owner| owner.id != opened.account) {
                return Err(Problem::new(ProblemCode::AccountExists).field("username").into());
            }
        }
        let (username, nickname) = (call.username.as_deref(), call.nickname.as_deref());
        accounts::rename(transaction, opened.account, username, nickname, now)?;
        if username.is_some() {
            settle(transaction, &residents, opened.account)?;
        }
        accounts::by_id(transaction, opened.account)?.ok_or(StoreError::Lost)
    });
    Ok(Answer::ok(account_json(state, &renamed.await?)))
}

pub(super) async fn change_password(state: &State, request: &Request<Bytes>) -> Result<Answer, Problem> {
    let (opened, account) = authenticate(state, request).await?;
    let mut call = request::read_call(Operation::ChangePassword, request)?;
    let new = required(call.new_password.take(), "new_password")?;
    let proof = only_proof(call.old_password.take(), call.verification.take(), "old_password")?;
    let verification = match proof {
        Proof::Code(verification) => Some(verification),
        Proof::Password(old) => {
            let old = Md5Form::of(&old, call.password_form);
            if !state.passwords.verify(old, Some(account.password.clone())).await? {
                return Err(ProblemCode::CredentialsInvalid.into());
            }
            None
        }
    };
    let hash = state.passwords.hash(Md5Form::of(&new, call.password_form)).await?;

    let (now, key) = (state.now(), state.key.clone());
    let changed = state.database.write(move |transaction| {
        let current = accounts::by_id(transaction, account.id)?;
        // The old password may have been changed since it was verified.
        if current.is_none_or(|current| current.password != account.password) {
            return Err(ProblemCode::CredentialsInvalid.into());
        }
        if let Some(verification) = verification {
            let to = account.destinations();
            let spent = codes::spend(transaction, &key, &to, Purpose::ChangePassword, &verification, now)?;
            if let Err(problem) = spent {
                return Ok(Err(problem));
            }
        }
        accounts::set_password(transaction, account.id, &hash, now)?;
        sessions::end_others(transaction, account.id, Some(opened.session))?;
        Ok(Ok(()))
    });
    changed.await??;
    Ok(Answer::no_content())
}
