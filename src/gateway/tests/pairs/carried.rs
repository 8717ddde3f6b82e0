//! What of a reply must come through a pair: what both dialects have a place for, written down
//! from the dialects' documents and not taken from their packs.

use std::collections::BTreeMap;

use super::*;
use crate::account::{Email, Phone, Reply, Secret};
use crate::dialect::Dialect;

/// The members of an account's session, as far as a client reads them.
const USER_OF_QINGZHENYUN: &[&str] = &["id", "username", "email", "phone", "created_at", "last_login_at"];
const USER_OF_DISCUZQ: &[&str] = &[
    "id",
    "username",
    "phone",
    "avatar_url",
    "status",
    "created_at",
    "updated_at",
    "last_login_at",
    "last_login_ip",
];
const USER_OF_SHOPXO: &[&str] = &[
    "id",
    "username",
    "nickname",
    "phone",
    "email",
    "gender",
    "avatar_url",
    "status",
    "created_at",
    "updated_at",
];
const USER_OF_COOLKIT: &[&str] =
    &["id", "phone", "email", "nickname", "created_at", "last_login_at", "last_login_ip", "locale"];
const EVERYTHING: &[&str] = &[
    "id",
    "username",
    "phone",
    "email",
    "nickname",
    "avatar_url",
    "gender",
    "status",
    "created_at",
    "updated_at",
    "last_login_at",
    "last_login_ip",
    "locale",
];

/// What the answer to an operation has a place for in a dialect.
fn carried(dialect: &str, operation: Operation) -> Vec<&'static str> {
    use Operation::*;
    let session = &["access_token"][..];
    let renewable = &["access_token", "refresh_token"][..];
    let parts: &[&[&str]] = match (dialect, operation) {
        ("coolkit", Register | Login | ResetPassword | Refresh) => &[USER_OF_COOLKIT, renewable, &["region"]],
        ("coolkit", Region) => &[&["region"]],
        ("qingzhenyun", SendCode) => &[&["challenge"]],
        ("qingzhenyun", Register | Login | LoginCode) => &[USER_OF_QINGZHENYUN, session],
        ("qingzhenyun", ResetPassword) => &[session],
        ("qingzhenyun", WhoAmI) => &[USER_OF_QINGZHENYUN],
        ("discuzq", SendCode) => &[&["resend_in"]],
        ("discuzq", Register | Refresh) => &[&["id"], renewable],
        ("discuzq", Login | LoginCode) => &[USER_OF_DISCUZQ, renewable],
        ("discuzq", ResetPassword | WhoAmI | ChangePassword) => &[USER_OF_DISCUZQ],
        ("shopxo", Register | Login | LoginCode) => &[USER_OF_SHOPXO, session],
        ("shopxo", WhoAmI | ChangePassword) => &[USER_OF_SHOPXO],
        ("canonical", SendCode) => &[&["challenge", "expires_in", "resend_in"]],
        ("canonical", Region) => &[&["region", "base_url"]],
        ("canonical", WhoAmI | ChangeName) => &[EVERYTHING, &["region"]],
        ("canonical", Register | Login | LoginCode | ResetPassword | Refresh) => {
            &[EVERYTHING, renewable, &["region"]]
        }
        _ => &[],
    };
    parts.concat()
}

/// What must come through a pair. Where the client needs a session that the backend's answer lacks, the
/// gateway logs in, and what that answer carries fills the first one.
pub(super) fn must_carry(pair: &Pair, operation: Operation) -> Vec<&'static str> {
    let upstream = pair.backend.pack.name();
    let mut given = carried(upstream, operation);
    let opens = operation.opens_session() && !given.contains(&"access_token");
    if opens && pair.client.habits().needs_session {
        given.push("access_token");
        if given.len() == 1 {
            given = carried(upstream, Operation::Login);
        }
    }
    let taken = carried(pair.client.name(), operation);
    given.into_iter().filter(|name| taken.contains(name)).collect()
}

/// What a reply says, by the model's names.
pub(super) fn facts(reply: &Reply) -> BTreeMap<&'static str, String> {
    let account = reply.account.clone().unwrap_or_default();
    let session = reply.session.as_ref();
    let secret = |secret: Option<&Secret>| secret.map(|secret| secret.expose().to_owned());
    let moment = |moment: Option<Moment>| moment.map(Moment::to_rfc3339);
    let all = [
        ("id", account.id),
        ("username", account.username),
        ("phone", account.phone.as_ref().map(Phone::e164).map(str::to_owned)),
        ("email", account.email.as_ref().map(Email::as_str).map(str::to_owned)),
        ("nickname", account.nickname),
        ("avatar_url", account.avatar_url),
        ("gender", account.gender.map(|gender| gender.name().to_owned())),
        ("status", account.status.map(|status| status.name().to_owned())),
        ("created_at", moment(account.created_at)),
        ("updated_at", moment(account.updated_at)),
        ("last_login_at", moment(account.last_login_at)),
        ("last_login_ip", account.last_login_ip),
        ("locale", account.locale),
        ("access_token", secret(session.map(|session| &session.access_token))),
        ("refresh_token", secret(session.and_then(|session| session.refresh_token.as_ref()))),
        ("region", reply.region.clone()),
        ("base_url", reply.base_url.clone()),
        ("challenge", secret(reply.challenge.as_ref())),
        ("expires_in", reply.expires_in.map(|seconds| seconds.to_string())),
        ("resend_in", reply.resend_in.map(|seconds| seconds.to_string())),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// What is wrong with what a client was told, where the backend had said `whole`.
pub(super) fn wrong_in(pair: &Pair, operation: Operation, whole: &Reply, told: &Reply) -> Option<String> {
    let (whole, told) = (facts(whole), facts(told));
    let same = pair.client.name() == pair.backend.pack.name();
    // The gateway's own, in place of the backend's.
    let replaced = |name: &str| match name {
        "access_token" => !same && pair.client.habits().gateway_tokens,
        "challenge" => !same,
        _ => false,
    };
    // What a dialect writes where it must have something and was told nothing.
    let default = |name: &str, value: &str| {
        matches!(
            (name, value),
            ("status", "active") | ("locale", "en") | ("expires_in", "300") | ("region", "cn")
        ) || (name == "resend_in" && ["60", "120"].contains(&value))
            || (name == "refresh_token" && value.is_empty())
    };
    for name in must_carry(pair, operation) {
        let (Some(expected), got) = (whole.get(name), told.get(name)) else { continue };
        match got {
            None => return Some(format!("{name} is lost")),
            Some(got) if replaced(name) && (got == expected || got.is_empty()) => {
                return Some(format!("{name} is the backend's own"));
            }
            Some(got) if got != expected && !replaced(name) => {
                return Some(format!("{name} is {got}, not {expected}"));
            }
            Some(_) => {}
        }
    }
    told.iter().find_map(|(name, value)| {
        let known = whole.get(name) == Some(value) || replaced(name) || default(name, value);
        (!known).then(|| format!("{name} = {value} comes from nowhere"))
    })
}
