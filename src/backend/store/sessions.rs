//! Sessions: an access token of thirty days, a refresh token of sixty, both stored as digests. An
//! account may have several; a refresh replaces both tokens at once.

use rusqlite::{Connection, Transaction};

use super::first;
use crate::account::Secret;
use crate::backend::digest::{random_token, token_digest};
use crate::backend::error::StoreError;
use crate::backend::json::Json;
use crate::clock::Moment;

const ACCESS_SECONDS: i64 = 30 * 86_400;
const REFRESH_SECONDS: i64 = 60 * 86_400;
/// Sessions that one account keeps; a new one ends the oldest.
const SESSIONS_PER_ACCOUNT: i64 = 100;

/// The tokens of a session, which exist in clear only in the answer.
pub(in crate::backend) struct Tokens {
    access: Secret,
    refresh: Secret,
}

impl Tokens {
    fn random() -> Result<Self, StoreError> {
        Ok(Self { access: random_token()?, refresh: random_token()? })
    }

    /// The session in canonical form.
    pub(in crate::backend) fn to_json(&self) -> Json {
        Json::object([
            ("access_token", Json::String(self.access.expose().to_owned())),
            ("token_type", Json::String("Bearer".to_owned())),
            ("expires_in", Json::number(Some(ACCESS_SECONDS as u64))),
            ("refresh_token", Json::String(self.refresh.expose().to_owned())),
            ("refresh_expires_in", Json::number(Some(REFRESH_SECONDS as u64))),
        ])
    }
}

/// A session that is open.
#[derive(Clone, Copy)]
pub(in crate::backend) struct Opened {
    pub(in crate::backend) session: i64,
    pub(in crate::backend) account: i64,
}

/// Opens a session.
pub(in crate::backend) fn open(
    transaction: &Transaction<'_>,
    account: i64,
    now: Moment,
) -> Result<Tokens, StoreError> {
    let tokens = Tokens::random()?;
    let sql = "INSERT INTO sessions (account, access, access_expires, refresh, refresh_expires)
               VALUES (?1, ?2, ?3, ?4, ?5)";
    transaction.prepare_cached(sql)?.execute((
        account,
        token_digest(&tokens.access),
        now.plus_seconds(ACCESS_SECONDS).millis(),
        token_digest(&tokens.refresh),
        now.plus_seconds(REFRESH_SECONDS).millis(),
    ))?;
    let sql = "DELETE FROM sessions WHERE account = ?1 AND id NOT IN
               (SELECT id FROM sessions WHERE account = ?1 ORDER BY id DESC LIMIT ?2)";
    transaction.prepare_cached(sql)?.execute((account, SESSIONS_PER_ACCOUNT))?;
    Ok(tokens)
}

/// The session that an access token opens.
pub(in crate::backend) fn of_access_token(
    connection: &Connection,
    token: &Secret,
    now: Moment,
) -> rusqlite::Result<Option<Opened>> {
    let sql = "SELECT id, account FROM sessions WHERE access = ?1 AND access_expires > ?2";
    first(connection, sql, (token_digest(token), now.millis()), |row| {
        Ok(Opened { session: row.get(0)?, account: row.get(1)? })
    })
}

/// Replaces both tokens of the session that a refresh token belongs to. Of two callers with one
/// refresh token the first wins; for the other there is no such session any more.
pub(in crate::backend) fn rotate(
    transaction: &Transaction<'_>,
    refresh: &Secret,
    now: Moment,
) -> Result<Option<(Tokens, i64)>, StoreError> {
    let tokens = Tokens::random()?;
    let sql = "UPDATE sessions SET access = ?3, access_expires = ?4, refresh = ?5, refresh_expires = ?6
               WHERE refresh = ?1 AND refresh_expires > ?2 RETURNING account";
    let parameters = (
        token_digest(refresh),
        now.millis(),
        token_digest(&tokens.access),
        now.plus_seconds(ACCESS_SECONDS).millis(),
        token_digest(&tokens.refresh),
        now.plus_seconds(REFRESH_SECONDS).millis(),
    );
    let account = first(transaction, sql, parameters, |row| row.get(0))?;
    Ok(account.map(|account| (tokens, account)))
}

/// Ends one session.
pub(in crate::backend) fn end(transaction: &Transaction<'_>, session: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM sessions WHERE id = ?1")?.execute([session]).map(drop)
}

/// Ends all sessions of an account but the one that is kept.
pub(in crate::backend) fn end_others(
    transaction: &Transaction<'_>,
    account: i64,
    kept: Option<i64>,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM sessions WHERE account = ?1 AND id IS NOT ?2")?
        .execute((account, kept))
        .map(drop)
}
