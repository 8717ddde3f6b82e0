//! Registration.

use std::net::IpAddr;

use bytes::Bytes;
use http::Request;
use rusqlite::Transaction;

use super::{Outcome, attempt, required, session_json};
use crate::account::{Call, Extension, Operation, Problem, Purpose};
use crate::backend::State;
use crate::backend::answer::Answer;
use crate::backend::digest::DigestKey;
use crate::backend::error::StoreError;
use crate::backend::json::Json;
use crate::backend::password::Md5Form;
use crate::backend::request;
use crate::backend::residents::Residents;
use crate::backend::store::accounts::{self, AccountRow, NewAccount};
use crate::backend::store::sessions::{self, Tokens};
use crate::backend::store::{Destination, bindings, codes};
use crate::clock::Moment;

pub(super) async fn register(state: &State, request: &Request<Bytes>) -> Result<Answer, Problem> {
    let mut call = request::read_call(Operation::Register, request)?;
    let attempt = attempt(state, Operation::Register, request)?;
    if call.federated.is_some() {
        return Err(Problem::not_supported(Operation::Register));
    }
    let password = required(call.password.take(), "password")?;
    check_members(&call)?;
    let password = state.passwords.hash(Md5Form::of(&password, call.password_form)).await?;

    let (now, key) = (state.now(), state.key.clone());
    let address = request::client_address(request.headers());
    let residents = state.residents.clone();
    let registered = state.database.write(move |transaction| {
        if attempt.done_before(transaction, now)? {
            return Ok(Ok(None));
        }
        let created = create(transaction, &key, &call, password, now)?;
        let account = match created {
            Ok(account) => account,
            Err(problem) => return Ok(Err(problem)),
        };
        settle(transaction, &residents, account)?;
        attempt.remember(transaction, now)?;
        open_session(transaction, account, address, now).map(|opened| Ok(Some(opened)))
    });
    Ok(Answer::created(session_json(state, registered.await??)))
}

/// Opens a session for an account, and answers the account as it is then.
pub(super) fn open_session(
    transaction: &Transaction<'_>,
    account: i64,
    address: Option<IpAddr>,
    now: Moment,
) -> Result<(AccountRow, Tokens), StoreError> {
    accounts::logged_in(transaction, account, address, now)?;
    let tokens = sessions::open(transaction, account, now)?;
    let account = accounts::by_id(transaction, account)?.ok_or(StoreError::Lost)?;
    Ok((account, tokens))
}

/// Tells the other regions' backends the names of an account, unless one of them has such a one.
pub(super) fn settle(
    transaction: &Transaction<'_>,
    residents: &Residents,
    account: i64,
) -> Result<(), StoreError> {
    let account = accounts::by_id(transaction, account)?.ok_or(StoreError::Lost)?;
    residents.settle(&account)
}

fn check_members(call: &Call) -> Result<(), Problem> {
    let has_destination = call.phone.is_some() || call.email.is_some();
    if !has_destination && call.username.is_none() && call.bind_token.is_none() {
        return Err(Problem::malformed("username, phone or email is missing"));
    }
    if has_destination && call.verification.is_none() && call.bind_token.is_none() {
        return Err(Problem::missing("verification.code"));
    }
    Ok(())
}

/// Proves the phone and the e-mail, and creates the account.
fn create(
    transaction: &Transaction<'_>,
    key: &DigestKey,
    call: &Call,
    password: String,
    now: Moment,
) -> Outcome<i64> {
    let phone = call.phone.clone().map(Destination::Phone);
    let email = call.email.clone().map(Destination::Email);
    let mut destinations: Vec<Destination> = phone.into_iter().chain(email).collect();
    let mut unproven = destinations.clone();
    if let Some(token) = &call.bind_token {
        let bound = bindings::find(transaction, token, now)?;
        unproven.retain(|destination| destination.key() != bound.key());
        if destinations.iter().all(|given| given.field() != bound.field()) {
            destinations.push(bound);
        }
    }
    accounts::check_free(transaction, call.username.as_deref(), &destinations)?;
    // The code proves the phone where both are given; the e-mail must be bound by then.
    if let [.., other] = unproven.as_slice()
        && (unproven.len() > 1 || call.verification.is_none())
    {
        return Err(Problem::invalid(other.field(), "needs a code or a bind_token of its own").into());
    }
    if let (false, Some(verification)) = (unproven.is_empty(), &call.verification) {
        let spent = codes::spend(transaction, key, &unproven, Purpose::Register, verification, now)?;
        if let Err(problem) = spent {
            return Ok(Err(problem));
        }
    }
    if let Some(token) = &call.bind_token {
        bindings::spend(transaction, token)?;
    }
    let account = new_account(call, &destinations, password);
    Ok(Ok(accounts::create(transaction, &account, now)?))
}

fn new_account(call: &Call, destinations: &[Destination], password: String) -> NewAccount {
    let mut account = NewAccount {
        username: call.username.clone(),
        password,
        nickname: call.nickname.clone(),
        avatar_url: call.avatar_url.clone(),
        locale: call.client.locale.clone(),
        extensions: Some(extensions_json(call).to_text()),
        ..NewAccount::default()
    };
    for destination in destinations {
        match destination {
            Destination::Phone(phone) => account.phone = Some(phone.clone()),
            Destination::Email(email) => account.email = Some(email.clone()),
        }
    }
    account
}

/// The extensions as `{dialect: {path: value}}`.
fn extensions_json(call: &Call) -> Json {
    let member = |extension: &Extension| {
        Json::parse(extension.json.as_bytes()).ok().map(|value| (extension.path.clone(), value))
    };
    let groups = call.extensions.by_dialect().into_iter();
    let groups = groups.map(|(dialect, group)| {
        (dialect.to_owned(), Json::Object(group.into_iter().filter_map(member).collect()))
    });
    Json::Object(groups.collect())
}
