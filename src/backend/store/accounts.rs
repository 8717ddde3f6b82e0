//! Accounts: unique by name, phone and e-mail.

use std::net::IpAddr;

use rusqlite::{Connection, Row, Transaction, named_params};
use unicode_normalization::UnicodeNormalization;

use super::{Destination, first};
use crate::account::{AccountStatus, Email, Identifier, Phone, Problem, ProblemCode};
use crate::backend::error::StoreError;
use crate::backend::json::Json;
use crate::clock::Moment;

/// An account, as it is kept.
pub(in crate::backend) struct AccountRow {
    pub(in crate::backend) id: i64,
    username: Option<String>,
    phone: Option<String>,
    email: Option<String>,
    pub(in crate::backend) password: String,
    nickname: Option<String>,
    avatar_url: Option<String>,
    gender: Option<String>,
    status: String,
    created_at: i64,
    updated_at: i64,
    last_login_at: Option<i64>,
    last_login_ip: Option<String>,
    locale: Option<String>,
    extensions: String,
}

/// What a new account starts with.
#[derive(Default)]
pub(in crate::backend) struct NewAccount {
    pub(in crate::backend) username: Option<String>,
    pub(in crate::backend) phone: Option<Phone>,
    pub(in crate::backend) email: Option<Email>,
    pub(in crate::backend) password: String,
    pub(in crate::backend) nickname: Option<String>,
    pub(in crate::backend) avatar_url: Option<String>,
    pub(in crate::backend) locale: Option<String>,
    pub(in crate::backend) extensions: Option<String>,
}

/// How a username begins among names of all kinds: no phone and no e-mail does.
pub(in crate::backend) const USERNAME: &str = "name ";

/// The form of a username among names of all kinds.
pub(in crate::backend) fn username_name(username: &str) -> String {
    format!("{USERNAME}{}", username_key(username))
}

/// The form in which two spellings of one name are equal: NFKC, lower case, trimmed.
pub(in crate::backend) fn username_key(username: &str) -> String {
    let lower: String = username.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    lower.trim().to_owned()
}

impl AccountRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            username: row.get("username")?,
            phone: row.get("phone")?,
            email: row.get("email")?,
            password: row.get("password")?,
            nickname: row.get("nickname")?,
            avatar_url: row.get("avatar_url")?,
            gender: row.get("gender")?,
            status: row.get("status")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            last_login_at: row.get("last_login_at")?,
            last_login_ip: row.get("last_login_ip")?,
            locale: row.get("locale")?,
            extensions: row.get("extensions")?,
        })
    }

    /// Where codes for this account go, the phone first.
    pub(in crate::backend) fn destinations(&self) -> Vec<Destination> {
        let phone = self.phone.as_deref().and_then(|phone| Phone::from_e164(phone).ok());
        let email = self.email.as_deref().and_then(|email| Email::parse(email).ok());
        let phone = phone.map(Destination::Phone);
        phone.into_iter().chain(email.map(Destination::Email)).collect()
    }

    /// Every name that the account goes by, in the form in which two spellings are equal.
    pub(in crate::backend) fn names(&self) -> Vec<String> {
        let destinations = self.destinations();
        let destinations = destinations.iter().map(Destination::key);
        destinations.chain(self.username.as_deref().map(username_name)).collect()
    }

    /// Refuses an account that may not be used.
    pub(in crate::backend) fn check_usable(&self) -> Result<(), Problem> {
        match AccountStatus::from_name(&self.status) {
            Some(AccountStatus::Active) => Ok(()),
            Some(AccountStatus::PendingReview) => Err(ProblemCode::AccountPendingReview.into()),
            Some(AccountStatus::Inactive) => Err(ProblemCode::AccountInactive.into()),
            Some(AccountStatus::Blocked | AccountStatus::Rejected) | None => {
                Err(ProblemCode::AccountBlocked.into())
            }
        }
    }

    /// The account in canonical form.
    pub(in crate::backend) fn to_json(&self) -> Json {
        let time = |millis| Moment::from_millis(millis).to_rfc3339();
        let extensions = Json::parse(self.extensions.as_bytes()).unwrap_or_else(|_| Json::Object(Vec::new()));
        Json::object([
            ("id", Json::String(self.id.to_string())),
            ("username", Json::text(self.username.as_deref())),
            ("phone", Json::text(self.phone.as_deref())),
            ("email", Json::text(self.email.as_deref())),
            ("nickname", Json::text(self.nickname.as_deref())),
            ("avatar_url", Json::text(self.avatar_url.as_deref())),
            ("gender", Json::text(self.gender.as_deref())),
            ("status", Json::String(self.status.clone())),
            ("created_at", Json::String(time(self.created_at))),
            ("updated_at", Json::String(time(self.updated_at))),
            ("last_login_at", Json::text(self.last_login_at.map(time))),
            ("last_login_ip", Json::text(self.last_login_ip.as_deref())),
            ("locale", Json::text(self.locale.as_deref())),
            ("extensions", extensions),
        ])
    }
}

/// Does something with every account.
pub(in crate::backend) fn for_each(
    connection: &Connection,
    mut act: impl FnMut(AccountRow) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut select = connection.prepare("SELECT * FROM accounts")?;
    let mut rows = select.query(())?;
    while let Some(row) = rows.next()? {
        act(AccountRow::read(row)?)?;
    }
    Ok(())
}

/// The account of an id.
pub(in crate::backend) fn by_id(connection: &Connection, id: i64) -> rusqlite::Result<Option<AccountRow>> {
    let sql = "SELECT * FROM accounts WHERE id = ?1";
    first(connection, sql, [id], AccountRow::read)
}

/// The account of a phone or e-mail.
pub(in crate::backend) fn by_destination(
    connection: &Connection,
    destination: &Destination,
) -> rusqlite::Result<Option<AccountRow>> {
    let sql = match destination {
        Destination::Phone(_) => "SELECT * FROM accounts WHERE phone = ?1",
        Destination::Email(_) => "SELECT * FROM accounts WHERE email_key = ?1",
    };
    first(connection, sql, [destination.key()], AccountRow::read)
}

/// The account of a name.
pub(in crate::backend) fn by_username(
    connection: &Connection,
    username: &str,
) -> rusqlite::Result<Option<AccountRow>> {
    let sql = "SELECT * FROM accounts WHERE username_key = ?1";
    first(connection, sql, [username_key(username)], AccountRow::read)
}

/// The account that `text` names, read as `identifier`. A name that looks like a phone or an
/// e-mail is found only where nobody has that phone or e-mail.
pub(in crate::backend) fn by_identifier(
    connection: &Connection,
    text: &str,
    identifier: Identifier,
) -> rusqlite::Result<Option<AccountRow>> {
    let owner = match identifier {
        Identifier::Phone(phone) => by_destination(connection, &Destination::Phone(phone))?,
        Identifier::Email(email) => by_destination(connection, &Destination::Email(email))?,
        Identifier::Username(_) => None,
    };
    match owner {
        Some(account) => Ok(Some(account)),
        None => by_username(connection, text),
    }
}

/// Refuses names that an account has already, and says which member it is.
pub(in crate::backend) fn check_free(
    connection: &Connection,
    username: Option<&str>,
    destinations: &[Destination],
) -> Result<(), StoreError> {
    let exists = |field| Err(Problem::new(ProblemCode::AccountExists).field(field).into());
    for destination in destinations {
        if by_destination(connection, destination)?.is_some() {
            return exists(destination.field());
        }
    }
    match username {
        Some(username) if by_username(connection, username)?.is_some() => exists("username"),
        _ => Ok(()),
    }
}

/// Creates an account whose names are free, and answers its id.
pub(in crate::backend) fn create(
    transaction: &Transaction<'_>,
    account: &NewAccount,
    now: Moment,
) -> rusqlite::Result<i64> {
    let sql = "INSERT INTO accounts (username, username_key, phone, email, email_key, password, nickname,
                   avatar_url, created_at, updated_at, locale, extensions)
               VALUES (:username, :username_key, :phone, :email, :email_key, :password, :nickname,
                   :avatar_url, :now, :now, :locale, :extensions)";
    transaction.prepare_cached(sql)?.execute(named_params! {
        ":username": account.username,
        ":username_key": account.username.as_deref().map(username_key),
        ":phone": account.phone.as_ref().map(Phone::e164),
        ":email": account.email.as_ref().map(Email::as_str),
        ":email_key": account.email.as_ref().map(Email::comparison_key),
        ":password": account.password,
        ":nickname": account.nickname,
        ":avatar_url": account.avatar_url,
        ":now": now.millis(),
        ":locale": account.locale,
        ":extensions": account.extensions.as_deref().unwrap_or("{}"),
    })?;
    Ok(transaction.last_insert_rowid())
}

/// Notes a login.
pub(in crate::backend) fn logged_in(
    transaction: &Transaction<'_>,
    id: i64,
    address: Option<IpAddr>,
    now: Moment,
) -> rusqlite::Result<()> {
    let sql = "UPDATE accounts SET last_login_at = ?2, last_login_ip = ?3 WHERE id = ?1";
    let address = address.map(|address| address.to_string());
    transaction.prepare_cached(sql)?.execute((id, now.millis(), address)).map(drop)
}

/// Sets the password's hash.
pub(in crate::backend) fn set_password(
    transaction: &Transaction<'_>,
    id: i64,
    hash: &str,
    now: Moment,
) -> rusqlite::Result<()> {
    let sql = "UPDATE accounts SET password = ?2, updated_at = ?3 WHERE id = ?1";
    transaction.prepare_cached(sql)?.execute((id, hash, now.millis())).map(drop)
}

/// Sets what is given of the names, the username being free.
pub(in crate::backend) fn rename(
    transaction: &Transaction<'_>,
    id: i64,
    username: Option<&str>,
    nickname: Option<&str>,
    now: Moment,
) -> rusqlite::Result<()> {
    let sql =
        "UPDATE accounts SET username = coalesce(?2, username), username_key = coalesce(?3, username_key),
                   nickname = coalesce(?4, nickname), updated_at = ?5 WHERE id = ?1";
    let key = username.map(username_key);
    transaction.prepare_cached(sql)?.execute((id, username, key, nickname, now.millis())).map(drop)
}

/// Gives an account a proven phone or e-mail that nobody has yet.
pub(in crate::backend) fn bind(
    transaction: &Transaction<'_>,
    account: &AccountRow,
    destination: &Destination,
    now: Moment,
) -> Result<(), StoreError> {
    let bound = || Problem::new(ProblemCode::IdentityAlreadyBound).field(destination.field());
    let has_one = match destination {
        Destination::Phone(_) => account.phone.is_some(),
        Destination::Email(_) => account.email.is_some(),
    };
    if has_one || by_destination(transaction, destination)?.is_some() {
        return Err(bound().into());
    }
    match destination {
        Destination::Phone(phone) => transaction
            .prepare_cached("UPDATE accounts SET phone = ?2, updated_at = ?3 WHERE id = ?1")?
            .execute((account.id, phone.e164(), now.millis()))?,
        Destination::Email(email) => transaction
            .prepare_cached("UPDATE accounts SET email = ?2, email_key = ?3, updated_at = ?4 WHERE id = ?1")?
            .execute((account.id, email.as_str(), email.comparison_key(), now.millis()))?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_have_one_key() {
        for name in ["Alice", " alice ", "ＡＬＩＣＥ", "aLICE"] {
            assert_eq!(username_key(name), "alice");
        }
        assert_ne!(username_key("alice"), username_key("al ice"));
    }
}
