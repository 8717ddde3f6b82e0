//! Verification codes: five minutes, five tries, one use.

use rusqlite::{Connection, Transaction};

use super::{Destination, first};
use crate::account::{Problem, ProblemCode, Purpose, Secret, Verification};
use crate::backend::digest::{DigestKey, random_code, random_token, token_digest};
use crate::backend::error::StoreError;
use crate::clock::Moment;

/// Seconds for which a code is good.
pub(in crate::backend) const LIFETIME_SECONDS: u64 = 300;
/// Seconds between two codes for one purpose to one destination.
pub(in crate::backend) const RESEND_SECONDS: u64 = 120;
/// Digits of a code, where the caller does not say.
pub(in crate::backend) const DEFAULT_LENGTH: u8 = 6;
const TRIES: u32 = 5;

/// A code that was just made.
pub(in crate::backend) struct Issued {
    pub(in crate::backend) code: Secret,
    pub(in crate::backend) challenge: Secret,
}

/// Refuses a second code within the resend time.
pub(in crate::backend) fn check_pause(
    connection: &Connection,
    destination: &Destination,
    purpose: Purpose,
    now: Moment,
) -> Result<(), StoreError> {
    let sql = "SELECT sent_at FROM codes WHERE destination = ?1 AND purpose = ?2 ORDER BY id DESC LIMIT 1";
    let sent_at = first(connection, sql, (destination.key(), purpose.name()), |row| row.get::<_, i64>(0))?;
    let Some(sent_at) = sent_at else { return Ok(()) };
    // A clock that was set back must neither open the gate nor close it for longer.
    let since = now.millis().saturating_sub(sent_at).unsigned_abs();
    let pause = RESEND_SECONDS * 1000;
    if since >= pause {
        return Ok(());
    }
    let wait = (pause - since).div_ceil(1000);
    Err(Problem::new(ProblemCode::SendTooFrequent).retry_after(wait).into())
}

/// Makes a code and keeps its digest.
pub(in crate::backend) fn issue(
    transaction: &Transaction<'_>,
    key: &DigestKey,
    destination: &Destination,
    purpose: Purpose,
    length: u8,
    now: Moment,
) -> Result<Issued, StoreError> {
    let issued = Issued { code: random_code(length)?, challenge: random_token()? };
    let challenge = token_digest(&issued.challenge);
    let sql = "INSERT INTO codes (destination, purpose, challenge, code, sent_at, expires_at, tries_left)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    transaction.prepare_cached(sql)?.execute((
        destination.key(),
        purpose.name(),
        challenge,
        code_digest(key, &challenge, &issued.code),
        now.millis(),
        now.plus_seconds(LIFETIME_SECONDS as i64).millis(),
        TRIES,
    ))?;
    Ok(issued)
}

/// Takes back a code that did not reach anybody.
pub(in crate::backend) fn withdraw(
    transaction: &Transaction<'_>,
    challenge: &Secret,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM codes WHERE challenge = ?1")?
        .execute([token_digest(challenge)])
        .map(drop)
}

struct CodeRow {
    id: i64,
    challenge: Vec<u8>,
    code: Vec<u8>,
    expires_at: i64,
    tries_left: u32,
    used: bool,
}

/// Uses a code up, or a try of it. Without a challenge the newest code for that purpose to any
/// of the destinations counts. The refusal is an `Ok(Err(…))` where a try was used up: the
/// transaction must be committed then.
pub(in crate::backend) fn spend(
    transaction: &Transaction<'_>,
    key: &DigestKey,
    destinations: &[Destination],
    purpose: Purpose,
    verification: &Verification,
    now: Moment,
) -> Result<Result<(), Problem>, StoreError> {
    let Some(row) = newest(transaction, destinations, purpose, verification.challenge.as_ref())? else {
        return Ok(Err(ProblemCode::CodeInvalid.into()));
    };
    if row.used || row.tries_left == 0 || row.expires_at <= now.millis() {
        return Ok(Err(ProblemCode::CodeExpired.into()));
    }
    let good = code_digest(key, &row.challenge, &verification.code).as_slice() == row.code;
    transaction
        .prepare_cached("UPDATE codes SET tries_left = tries_left - 1, used = ?2 WHERE id = ?1")?
        .execute((row.id, good))?;
    Ok(match good {
        true => Ok(()),
        false => Err(ProblemCode::CodeInvalid.into()),
    })
}

fn newest(
    connection: &Connection,
    destinations: &[Destination],
    purpose: Purpose,
    challenge: Option<&Secret>,
) -> rusqlite::Result<Option<CodeRow>> {
    let sql = "SELECT id, challenge, code, expires_at, tries_left, used FROM codes
               WHERE destination IN (?1, ?2) AND purpose = ?3 AND (?4 IS NULL OR challenge = ?4)
               ORDER BY id DESC LIMIT 1";
    let mut keys = destinations.iter().map(Destination::key);
    let (one, other) = (keys.next(), keys.next());
    let challenge = challenge.map(token_digest);
    first(connection, sql, (one, other, purpose.name(), challenge), |row| {
        Ok(CodeRow {
            id: row.get(0)?,
            challenge: row.get(1)?,
            code: row.get(2)?,
            expires_at: row.get(3)?,
            tries_left: row.get(4)?,
            used: row.get(5)?,
        })
    })
}

/// Salted by the challenge and keyed: six digits alone are tried through at once.
fn code_digest(key: &DigestKey, challenge: &[u8], code: &Secret) -> [u8; 32] {
    key.digest(&[b"code", challenge, code.expose().as_bytes()])
}
