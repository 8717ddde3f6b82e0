//! Who lives in which region: a file that the embedded backends of several regions share, so that each
//! can say where an account is that it has not. Names are in it as keyed digests. An account's own
//! database has the last word: each start writes the accounts of its region anew.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::digest::DigestKey;
use super::error::{BackendError, StoreError};
use super::schema::{self, sqlite_error};
use super::store;
use super::store::accounts::{self, AccountRow, USERNAME};
use crate::account::{Problem, ProblemCode};

/// Step N leads from schema N to N+1, as in the accounts' database.
const MIGRATIONS: &[&str] = &[include_str!("schema/residents-1.sql")];

/// What a backend knows of other regions' accounts; nothing where it is alone. Clones share one file.
#[derive(Clone, Default)]
pub(super) struct Residents(Option<Arc<Register>>);

struct Register {
    connection: Mutex<Connection>,
    key: DigestKey,
    region: String,
}

impl Residents {
    /// Opens or creates the file, and writes the accounts of this region into it.
    pub(super) fn open(path: &Path, region: &str, accounts: &Connection) -> Result<Self, BackendError> {
        let failed = |source| sqlite_error(path, source);
        let connection = schema::open_writer(path, MIGRATIONS)?;
        let key = store::digest_key(&connection).map_err(failed)?;
        let register = Register { connection: Mutex::new(connection), key, region: region.to_owned() };
        register.write_all(accounts).map_err(failed)?;
        Ok(Self(Some(Arc::new(register))))
    }

    /// The problem of a call for an account of these names that is not here: where it lives, if that is
    /// known.
    pub(super) fn not_here(&self, names: &[String]) -> Result<Problem, StoreError> {
        Ok(match self.elsewhere(names)? {
            Some(region) => Problem::new(ProblemCode::WrongRegion).region(region),
            None => ProblemCode::AccountNotFound.into(),
        })
    }

    /// The other region that has an account of one of these names.
    pub(super) fn elsewhere(&self, names: &[String]) -> Result<Option<String>, StoreError> {
        let Some(register) = &self.0 else { return Ok(None) };
        let connection = register.connection();
        for name in names {
            if let Some(region) = register.other_region(&connection, name)? {
                return Ok(Some(region));
            }
        }
        Ok(None)
    }

    /// Writes down an account's names in the place of those that it had.
    pub(super) fn settle(&self, account: &AccountRow) -> Result<(), StoreError> {
        let Some(register) = &self.0 else { return Ok(()) };
        let mut connection = register.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for name in account.names() {
            if register.other_region(&transaction, &name)?.is_some() {
                return Err(Problem::new(ProblemCode::AccountExists).field(field_of(&name)).into());
            }
        }
        transaction
            .prepare_cached("DELETE FROM residents WHERE region = ?1 AND account = ?2")?
            .execute((&register.region, account.id))?;
        register.insert(&transaction, account)?;
        Ok(transaction.commit()?)
    }
}

/// The member of the canonical model that holds a name.
fn field_of(name: &str) -> &'static str {
    match name {
        name if name.starts_with('+') => "phone",
        name if name.contains('@') && !name.starts_with(USERNAME) => "email",
        _ => "username",
    }
}

impl Register {
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, from: &Connection) -> rusqlite::Result<()> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute("DELETE FROM residents WHERE region = ?1", [&self.region])?;
        accounts::for_each(from, |account| self.insert(&transaction, &account))?;
        transaction.commit()
    }

    /// A name that another region had first stays its.
    fn insert(&self, connection: &Connection, account: &AccountRow) -> rusqlite::Result<()> {
        let sql = "INSERT OR IGNORE INTO residents (digest, region, account) VALUES (?1, ?2, ?3)";
        let mut insert = connection.prepare_cached(sql)?;
        account
            .names()
            .iter()
            .try_for_each(|name| insert.execute((self.digest(name), &self.region, account.id)).map(drop))
    }

    fn other_region(&self, connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
        let sql = "SELECT region FROM residents WHERE digest = ?1 AND region <> ?2";
        let mut select = connection.prepare_cached(sql)?;
        select.query_row((self.digest(name), &self.region), |row| row.get(0)).optional()
    }

    fn digest(&self, name: &str) -> Vec<u8> {
        self.key.digest(&[name.as_bytes()]).to_vec()
    }
}
