//! Which operation a request asks for, and one file for each resource.

mod accounts;
mod me;
mod password_resets;
mod region;
mod sessions;
mod verification_codes;

use bytes::Bytes;
use http::{Method, Request, Response};

use super::State;
use super::answer::{Answer, problem_response};
use super::error::StoreError;
use super::json::Json;
use super::request;
use super::store::Destination;
use super::store::accounts::{self as account_store, AccountRow};
use super::store::idempotency::Attempt;
use super::store::sessions::{self as session_store, Opened, Tokens};
use crate::account::{Call, Operation, Problem, ProblemCode, Secret, Verification};

/// The resources, the methods that each takes, and what they ask for.
pub(super) const ROUTES: &[(&str, &[(Method, Operation)])] = &[
    ("/v1/verification-codes", &[(Method::POST, Operation::SendCode)]),
    ("/v1/accounts", &[(Method::POST, Operation::Register)]),
    ("/v1/sessions", &[(Method::POST, Operation::Login)]),
    ("/v1/password-resets", &[(Method::POST, Operation::ResetPassword)]),
    ("/v1/accounts/me", &[(Method::GET, Operation::WhoAmI), (Method::PATCH, Operation::ChangeName)]),
    ("/v1/accounts/me/password", &[(Method::PUT, Operation::ChangePassword)]),
    ("/v1/sessions/refresh", &[(Method::POST, Operation::Refresh)]),
    ("/v1/sessions/current", &[(Method::DELETE, Operation::LogOut)]),
    ("/v1/region", &[(Method::GET, Operation::Region)]),
];

/// Answers a request, with a problem where it must be.
pub(super) async fn answer(state: &State, request: &Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path();
    let Some((_, methods)) = ROUTES.iter().find(|(route, _)| *route == path) else {
        return problem_response(&ProblemCode::NotFound.into(), None);
    };
    let Some((_, operation)) = methods.iter().find(|(method, _)| method == request.method()) else {
        let allow: Vec<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
        return problem_response(&ProblemCode::MethodNotAllowed.into(), Some(&allow.join(", ")));
    };
    match perform(state, *operation, request).await {
        Ok(answer) => answer.into(),
        Err(problem) => problem_response(&problem, None),
    }
}

async fn perform(state: &State, operation: Operation, request: &Request<Bytes>) -> Result<Answer, Problem> {
    match operation {
        Operation::SendCode => verification_codes::send(state, request).await,
        Operation::Register => accounts::register(state, request).await,
        Operation::Login | Operation::LoginCode => sessions::login(state, request).await,
        Operation::Refresh => sessions::refresh(state, request).await,
        Operation::LogOut => sessions::log_out(state, request).await,
        Operation::ResetPassword => password_resets::reset(state, request).await,
        Operation::WhoAmI => me::show(state, request).await,
        Operation::ChangePassword => me::change_password(state, request).await,
        Operation::ChangeName => me::change_name(state, request).await,
        Operation::Region => region::show(state, request),
    }
}

/// What a unit of work answers: what it says is done when it is `Ok`, also when it says a
/// [`Problem`] (a try of a code is used up); with a [`StoreError`] nothing is done.
type Outcome<T> = Result<Result<T, Problem>, StoreError>;

/// The session of a request's token, and its account, which may be used.
async fn authenticate(state: &State, request: &Request<Bytes>) -> Result<(Opened, AccountRow), Problem> {
    let token = request::access_token(request.headers())?;
    let now = state.now();
    let found = state.database.read(move |connection| {
        let Some(opened) = session_store::of_access_token(connection, &token, now)? else {
            return Ok(None);
        };
        let account = account_store::by_id(connection, opened.account)?;
        Ok(account.map(|account| (opened, account)))
    });
    let (opened, account) = found.await?.ok_or(ProblemCode::TokenInvalid)?;
    account.check_usable()?;
    Ok((opened, account))
}

/// The request's `Idempotency-Key`, tied to its operation and body.
fn attempt(state: &State, operation: Operation, request: &Request<Bytes>) -> Result<Attempt, Problem> {
    let key = request::idempotency_key(request.headers())?;
    Ok(Attempt::new(&state.key, operation.name(), key, request.body()))
}

/// The phone or e-mail of a call that must name one of them.
fn only_destination(call: &Call) -> Result<Destination, Problem> {
    match (&call.phone, &call.email) {
        (Some(phone), None) => Ok(Destination::Phone(phone.clone())),
        (None, Some(email)) => Ok(Destination::Email(email.clone())),
        (None, None) => Err(Problem::malformed("phone or email is missing")),
        (Some(_), Some(_)) => Err(Problem::malformed("give phone or email, not both")),
    }
}

fn required<T>(member: Option<T>, name: &'static str) -> Result<T, Problem> {
    member.ok_or_else(|| Problem::missing(name))
}

/// How a call proves that it may.
enum Proof {
    Password(Secret),
    Code(Verification),
}

/// The one proof of a call that must have one.
fn only_proof(
    password: Option<Secret>,
    verification: Option<Verification>,
    name: &'static str,
) -> Result<Proof, Problem> {
    match (password, verification) {
        (Some(password), None) => Ok(Proof::Password(password)),
        (None, Some(verification)) => Ok(Proof::Code(verification)),
        (None, None) => Err(Problem::missing(name)),
        (Some(_), Some(_)) => Err(Problem::malformed(format!("give {name} or verification, not both"))),
    }
}

/// The answer of calls that open a session. Both are null when a request is repeated.
fn session_json(state: &State, opened: Option<(AccountRow, Tokens)>) -> Json {
    let (account, session) = match opened {
        Some((account, tokens)) => (account.to_json(), tokens.to_json()),
        None => (Json::Null, Json::Null),
    };
    Json::object([
        ("account", account),
        ("session", session),
        ("region", Json::text(state.region.as_deref())),
    ])
}

/// The answer of calls that tell an account.
fn account_json(state: &State, account: &AccountRow) -> Json {
    Json::object([("account", account.to_json()), ("region", Json::text(state.region.as_deref()))])
}
