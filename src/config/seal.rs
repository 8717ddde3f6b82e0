//! What the gateway seals its own tokens with.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::reader::{Node, Place, Table};
use super::value::secret;
use crate::account::Secret;
use crate::seal::{NotAKey, SealKey};

/// The most keys at once: a rotation has two.
const MOST_KEYS: usize = 8;
const MOST_ID_BYTES: usize = 32;

/// What the gateway seals its own tokens with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seal {
    /// The first seals, all open. None: the gateway makes one for itself.
    pub keys: Vec<SealKey>,
}

impl Seal {
    /// Reads `[seal]`.
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let keys = table.read("keys", |node| node.list(|item| item.table("`keys`", read_key).flatten()));
        let located = keys.unwrap_or_default();
        if located.len() > MOST_KEYS {
            table.error(
                "keys",
                format!("more than {MOST_KEYS} keys"),
                "keep those alone whose tokens may still be under way",
            );
        }
        for (index, (key, place)) in located.iter().enumerate() {
            let mut earlier = located.iter().take(index).map(|(key, _)| key);
            if let Some(same) = earlier.find(|earlier| earlier.id() == key.id() || earlier.has_bytes_of(key))
            {
                let what = if same.id() == key.id() { "id" } else { "key" };
                table.reader.error(
                    place,
                    format!("the {what} of {:?} is that of {:?}, too", key.id(), same.id()),
                    "give every key an id of its own, and make it with `openssl rand -base64 32`",
                );
            }
        }
        Self { keys: located.into_iter().map(|(key, _)| key).collect() }
    }
}

fn read_key(table: &mut Table<'_>) -> Option<(SealKey, Place)> {
    let id = table.need("id", key_id);
    let place = table.place("id");
    // A key whose id is wrong is looked at all the same.
    let key = table.need("secret", |node| key(node, id.clone().unwrap_or_default()));
    id.and(key).map(|key| (key, place))
}

/// An id: it is a label of metrics.
fn key_id(node: Node<'_>) -> Option<String> {
    let text = node.text()?;
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=MOST_ID_BYTES).contains(&text.len()) && text.bytes().all(fit) {
        return Some(text.to_owned());
    }
    node.fail(
        format!("{text:?} is no id of a key"),
        format!(
            "take 1 to {MOST_ID_BYTES} letters, digits, \"-\", \"_\" or \".\", such as the month \"2026-11\""
        ),
    )
}

fn key(node: Node<'_>, id: String) -> Option<SealKey> {
    check_file(node)?;
    let found: Secret = secret(node)?;
    match SealKey::parse(id, &found) {
        Ok(key) => Some(key),
        Err(error) => node.fail(error.to_string(), hint(error)),
    }
}

fn hint(error: NotAKey) -> &'static str {
    match error {
        NotAKey::Encoding => "a pass phrase is no key: make one with `openssl rand -base64 32`",
        NotAKey::TooShort(_) => "make one with `openssl rand -base64 32`",
    }
}

/// A key's file is its owner's alone. systemd gives a credential to its service by an access control
/// list, whose mask shows up as the rights of a group, in a directory where nobody else gets to.
fn check_file(node: Node<'_>) -> Option<()> {
    let Some(path) = node.text()?.strip_prefix("file:") else {
        return Some(());
    };
    // What can't be looked at can't be read either, which is told when it is tried.
    let Ok(metadata) = fs::metadata(path) else {
        return Some(());
    };
    let credentials = (node.reader.env)("CREDENTIALS_DIRECTORY");
    let is_credential = credentials.is_some_and(|directory| Path::new(path).starts_with(directory));
    let mode = metadata.permissions().mode() & 0o777;
    let forbidden = if is_credential { 0o007 } else { 0o077 };
    if mode & forbidden == 0 {
        return Some(());
    }
    node.fail(
        format!("{path:?} is open to others than its owner (mode {mode:03o})"),
        "`chmod 600` it; who may have read it can forge tokens, so better make a new key",
    )
}
