//! Bind tokens: a phone or e-mail that was proven by a code and belongs to no account yet. Good
//! for an hour, once.

use rusqlite::{Connection, Transaction};

use super::{Destination, first};
use crate::account::{Email, Phone, Problem, Secret};
use crate::backend::digest::{random_token, token_digest};
use crate::backend::error::StoreError;
use crate::clock::Moment;

const LIFETIME_SECONDS: i64 = 3_600;

/// Remembers that a phone or e-mail was proven.
pub(in crate::backend) fn issue(
    transaction: &Transaction<'_>,
    destination: &Destination,
    now: Moment,
) -> Result<Secret, StoreError> {
    let token = random_token()?;
    let expires_at = now.plus_seconds(LIFETIME_SECONDS).millis();
    transaction.prepare_cached("INSERT INTO bindings VALUES (?1, ?2, ?3)")?.execute((
        token_digest(&token),
        destination.text(),
        expires_at,
    ))?;
    Ok(token)
}

/// What a token proves.
pub(in crate::backend) fn find(
    connection: &Connection,
    token: &Secret,
    now: Moment,
) -> Result<Destination, StoreError> {
    let sql = "SELECT destination FROM bindings WHERE token = ?1 AND expires_at > ?2";
    let parameters = (token_digest(token), now.millis());
    let text: Option<String> = first(connection, sql, parameters, |row| row.get(0))?;
    let destination = text.and_then(|text| match Phone::from_e164(&text) {
        Ok(phone) => Some(Destination::Phone(phone)),
        Err(_) => Email::parse(&text).ok().map(Destination::Email),
    });
    destination.ok_or_else(|| Problem::invalid("bind_token", "is unknown, used or expired").into())
}

/// Uses a token up.
pub(in crate::backend) fn spend(transaction: &Transaction<'_>, token: &Secret) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM bindings WHERE token = ?1")?
        .execute([token_digest(token)])
        .map(drop)
}
