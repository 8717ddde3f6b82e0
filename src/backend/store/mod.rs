//! What is kept, one file a topic. Functions take an open transaction (or, to read, any
//! connection), so that a route puts together what must happen as one.

pub(super) mod accounts;
pub(super) mod bindings;
pub(super) mod codes;
pub(super) mod idempotency;
pub(super) mod sessions;

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::digest::DigestKey;
use crate::account::{Email, Phone};
use crate::clock::Moment;

/// Rows of one table that one purge removes at most, so that no caller waits long for it.
const PURGED_AT_ONCE: i64 = 500;

/// A phone or e-mail to which codes go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Phone(Phone),
    Email(Email),
}

impl Destination {
    /// The form in which two spellings are equal; a phone's begins with `+` and has no `@`.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Phone(phone) => phone.e164().to_owned(),
            Self::Email(email) => email.comparison_key(),
        }
    }

    /// The phone in E.164 or the address, as it was given.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Phone(phone) => phone.e164(),
            Self::Email(email) => email.as_str(),
        }
    }

    /// The member of the canonical model that holds it.
    pub(super) fn field(&self) -> &'static str {
        match self {
            Self::Phone(_) => "phone",
            Self::Email(_) => "email",
        }
    }
}

/// Reads the key of the database's keyed digests.
pub(super) fn digest_key(connection: &Connection) -> rusqlite::Result<DigestKey> {
    let sql = "SELECT value FROM server WHERE name = 'digest_key'";
    connection.query_row(sql, (), |row| row.get(0)).map(DigestKey)
}

/// Removes what has expired, a bounded number of rows.
pub(super) fn purge(transaction: &Transaction<'_>, now: Moment) -> rusqlite::Result<()> {
    /// Codes are kept for a while, to tell one that is over from one that never was.
    const CODE_REMAINS_SECONDS: i64 = 3_600;
    let tables = [
        ("sessions", "id", "refresh_expires", now),
        ("codes", "id", "expires_at", now.plus_seconds(-CODE_REMAINS_SECONDS)),
        ("bindings", "token", "expires_at", now),
        ("idempotency", "key", "expires_at", now),
    ];
    for (table, key, expiry, before) in tables {
        let sql = format!(
            "DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {expiry} <= ?1 LIMIT ?2)"
        );
        transaction.prepare_cached(&sql)?.execute((before.millis(), PURGED_AT_ONCE))?;
    }
    Ok(())
}

/// The one row of a query, if there is one.
fn first<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    connection.prepare_cached(sql)?.query_row(parameters, read).optional()
}
