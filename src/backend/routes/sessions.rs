//! Log in, refresh, log out.

use bytes::Bytes;
use http::Request;

use super::accounts::{open_session, settle};
use super::{Proof, authenticate, only_proof, required, session_json};
use crate::account::{Call, Identifier, Operation, Problem, ProblemCode, Purpose, Secret, Verification};
use crate::backend::State;
use crate::backend::answer::Answer;
use crate::backend::error::StoreError;
use crate::backend::password::Md5Form;
use crate::backend::request;
use crate::backend::store::accounts::{self, AccountRow};
use crate::backend::store::{Destination, bindings, codes, sessions};

pub(super) async fn login(state: &State, request: &Request<Bytes>) -> Result<Answer, Problem> {
    let mut call = request::read_call(Operation::Login, request)?;
    if call.federated.is_some() {
        return Err(Problem::not_supported(Operation::Login));
    }
    let name = Name::of(state, &call)?;
    match only_proof(call.password.take(), call.verification.take(), "password")? {
        Proof::Password(password) => with_password(state, request, call, name, password).await,
        Proof::Code(verification) => with_code(state, request, name, verification).await,
    }
}

/// Whom a login names.
enum Name {
    Username(String),
    Destination(Destination),
    Identifier(String, Identifier),
}

impl Name {
    fn of(state: &State, call: &Call) -> Result<Self, Problem> {
        let identifier =
            |text: &String| Self::Identifier(text.clone(), Identifier::classify(text, state.default_country));
        let phone = |phone: &_| Self::Destination(Destination::Phone(Clone::clone(phone)));
        let email = |email: &_| Self::Destination(Destination::Email(Clone::clone(email)));
        let mut given = [
            call.username.clone().map(Self::Username),
            call.phone.as_ref().map(phone),
            call.email.as_ref().map(email),
            call.identifier.as_ref().map(identifier),
        ]
        .into_iter()
        .flatten();
        match (given.next(), given.next()) {
            (Some(name), None) => Ok(name),
            (None, _) => Err(Problem::malformed("username, phone, email or identifier is missing")),
            (Some(_), Some(_)) => {
                Err(Problem::malformed("give one of username, phone, email and identifier"))
            }
        }
    }

    fn find(&self, connection: &rusqlite::Connection) -> rusqlite::Result<Option<AccountRow>> {
        match self {
            Self::Username(username) => accounts::by_username(connection, username),
            Self::Destination(destination) => accounts::by_destination(connection, destination),
            Self::Identifier(text, identifier) => {
                accounts::by_identifier(connection, text, identifier.clone())
            }
        }
    }

    /// The names that it may mean, in the form in which accounts are kept.
    fn keys(&self) -> Vec<String> {
        let username = |text: &str| accounts::username_name(text);
        match self {
            Self::Username(text) => vec![username(text)],
            Self::Destination(destination) => vec![destination.key()],
            Self::Identifier(text, identifier) => match identifier.clone() {
                Identifier::Phone(phone) => vec![Destination::Phone(phone).key(), username(text)],
                Identifier::Email(email) => vec![Destination::Email(email).key(), username(text)],
                Identifier::Username(_) => vec![username(text)],
            },
        }
    }

    /// Where the code went that a login presents.
    fn destination(self) -> Result<Destination, Problem> {
        match self {
            Self::Destination(destination) => Ok(destination),
            Self::Identifier(_, Identifier::Phone(phone)) => Ok(Destination::Phone(phone)),
            Self::Identifier(_, Identifier::Email(email)) => Ok(Destination::Email(email)),
            Self::Identifier(_, Identifier::Username(_)) => {
                Err(Problem::invalid("identifier", "must be a phone or an e-mail where a code is presented"))
            }
            Self::Username(_) => Err(Problem::invalid(
                "username",
                "can't be used with a code: give phone, email or identifier",
            )),
        }
    }
}

async fn with_password(
    state: &State,
    request: &Request<Bytes>,
    call: Call,
    name: Name,
    password: Secret,
) -> Result<Answer, Problem> {
    let residents = state.residents.clone();
    let account = state.database.read(move |connection| match name.find(connection)? {
        Some(account) => Ok(Ok(account)),
        None => residents.not_here(&name.keys()).map(Err),
    });
    let account = account.await?;
    let hash = account.as_ref().ok().map(|account| account.password.clone());
    let password = Md5Form::of(&password, call.password_form);
    let good = state.passwords.verify(password, hash).await?;
    let account = account?;
    if !good {
        return Err(ProblemCode::CredentialsInvalid.into());
    }
    account.check_usable()?;

    let now = state.now();
    let address = request::client_address(request.headers());
    let residents = state.residents.clone();
    let opened = state.database.write(move |transaction| {
        let current = accounts::by_id(transaction, account.id)?;
        // The password may have been changed since it was verified.
        let current = current
            .filter(|current| current.password == account.password)
            .ok_or(ProblemCode::CredentialsInvalid)?;
        if let Some(token) = &call.bind_token {
            let destination = bindings::find(transaction, token, now)?;
            bindings::spend(transaction, token)?;
            accounts::bind(transaction, &current, &destination, now)?;
            settle(transaction, &residents, current.id)?;
        }
        open_session(transaction, current.id, address, now)
    });
    Ok(Answer::created(session_json(state, Some(opened.await?))))
}

async fn with_code(
    state: &State,
    request: &Request<Bytes>,
    name: Name,
    verification: Verification,
) -> Result<Answer, Problem> {
    let destination = name.destination()?;
    let (now, key) = (state.now(), state.key.clone());
    let address = request::client_address(request.headers());
    let residents = state.residents.clone();
    let opened = state.database.write(move |transaction| {
        let to = std::slice::from_ref(&destination);
        let known = accounts::by_destination(transaction, &destination)?;
        if known.is_none()
            && let Some(region) = residents.elsewhere(&[destination.key()])?
        {
            // No code was sent from here for it, and no try is used up.
            return Err(Problem::new(ProblemCode::WrongRegion).region(region).into());
        }
        let spent = codes::spend(transaction, &key, to, Purpose::Login, &verification, now)?;
        if let Err(problem) = spent {
            return Ok(Err(problem));
        }
        let Some(account) = known else {
            let mut problem = Problem::new(ProblemCode::AccountNotFound);
            problem.bind_token = Some(bindings::issue(transaction, &destination, now)?);
            return Ok(Err(problem));
        };
        account.check_usable()?;
        open_session(transaction, account.id, address, now).map(Ok)
    });
    Ok(Answer::created(session_json(state, Some(opened.await??))))
}

pub(super) async fn refresh(state: &State, request: &Request<Bytes>) -> Result<Answer, Problem> {
    let call = request::read_call(Operation::Refresh, request)?;
    let token = required(call.refresh_token, "refresh_token")?;
    let now = state.now();
    let opened = state.database.write(move |transaction| {
        let rotated = sessions::rotate(transaction, &token, now)?;
        let (tokens, account) = rotated.ok_or(ProblemCode::TokenInvalid)?;
        let account = accounts::by_id(transaction, account)?.ok_or(StoreError::Lost)?;
        account.check_usable()?;
        Ok((account, tokens))
    });
    Ok(Answer::ok(session_json(state, Some(opened.await?))))
}

pub(super) async fn log_out(state: &State, request: &Request<Bytes>) -> Result<Answer, Problem> {
    let (opened, _) = authenticate(state, request).await?;
    let ended = state.database.write(move |transaction| Ok(sessions::end(transaction, opened.session)?));
    ended.await?;
    Ok(Answer::no_content())
}
