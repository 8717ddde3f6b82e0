//! Requests that were done, by the digest of their `Idempotency-Key`, for a day. Only what was
//! done is remembered: a refused request did nothing and may be tried again. No session and no
//! challenge is kept, so a repeated request is told that it succeeded and nothing more.

use rusqlite::{Connection, Transaction};

use super::first;
use crate::account::Problem;
use crate::backend::digest::{Digest256, DigestKey};
use crate::backend::error::StoreError;
use crate::clock::Moment;

const LIFETIME_SECONDS: i64 = 86_400;

/// An `Idempotency-Key` together with what it was used for; nothing where the request has none.
#[derive(Clone, Copy)]
pub(in crate::backend) struct Attempt(Option<Keyed>);

#[derive(Clone, Copy)]
struct Keyed {
    key: Digest256,
    fingerprint: Digest256,
}

impl Attempt {
    pub(in crate::backend) fn new(
        key: &DigestKey,
        operation: &str,
        header: Option<&[u8]>,
        body: &[u8],
    ) -> Self {
        Self(header.map(|header| Keyed {
            key: key.digest(&[b"idempotency", operation.as_bytes(), header]),
            fingerprint: key.digest(&[b"fingerprint", body]),
        }))
    }

    /// Whether the request was done before.
    pub(in crate::backend) fn done_before(
        &self,
        connection: &Connection,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let Some(keyed) = self.0 else { return Ok(false) };
        let sql = "SELECT fingerprint FROM idempotency WHERE key = ?1 AND expires_at > ?2";
        let seen: Option<Digest256> = first(connection, sql, (keyed.key, now.millis()), |row| row.get(0))?;
        match seen {
            Some(fingerprint) if fingerprint != keyed.fingerprint => {
                Err(Problem::invalid("Idempotency-Key", "was used with a different request").into())
            }
            seen => Ok(seen.is_some()),
        }
    }

    /// Notes, in the transaction that does the request, that it is done.
    pub(in crate::backend) fn remember(
        &self,
        transaction: &Transaction<'_>,
        now: Moment,
    ) -> rusqlite::Result<()> {
        let Some(keyed) = self.0 else { return Ok(()) };
        let expires_at = now.plus_seconds(LIFETIME_SECONDS).millis();
        transaction
            .prepare_cached("INSERT OR REPLACE INTO idempotency VALUES (?1, ?2, ?3)")?
            .execute((keyed.key, keyed.fingerprint, expires_at))
            .map(drop)
    }

    /// Forgets a request that could not be done after all.
    pub(in crate::backend) fn forget(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let Some(keyed) = self.0 else { return Ok(()) };
        transaction.prepare_cached("DELETE FROM idempotency WHERE key = ?1")?.execute([keyed.key]).map(drop)
    }
}
