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

/// An `Idempotency-Key` together with what it was used for.
#[derive(Clone, Copy)]
pub(in crate::backend) struct Attempt {
    key: Digest256,
    fingerprint: Digest256,
}

impl Attempt {
    pub(in crate::backend) fn new(key: &DigestKey, operation: &str, header: &[u8], body: &[u8]) -> Self {
        Self {
            key: key.digest(&[b"idempotency", operation.as_bytes(), header]),
            fingerprint: key.digest(&[b"fingerprint", body]),
        }
    }

    /// Whether the request was done before.
    pub(in crate::backend) fn done_before(
        &self,
        connection: &Connection,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT fingerprint FROM idempotency WHERE key = ?1 AND expires_at > ?2";
        let seen: Option<Digest256> = first(connection, sql, (self.key, now.millis()), |row| row.get(0))?;
        match seen {
            Some(fingerprint) if fingerprint != self.fingerprint => {
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
        let expires_at = now.plus_seconds(LIFETIME_SECONDS).millis();
        transaction
            .prepare_cached("INSERT OR REPLACE INTO idempotency VALUES (?1, ?2, ?3)")?
            .execute((self.key, self.fingerprint, expires_at))
            .map(drop)
    }

    /// Forgets a request that could not be done after all.
    pub(in crate::backend) fn forget(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction
            .prepare_cached("DELETE FROM idempotency WHERE key = ?1")?
            .execute([self.key])
            .map(drop)
    }
}
