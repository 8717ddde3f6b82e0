//! Apps that sign their calls, and how strictly each is checked.

use std::time::Duration;

use super::reader::{Located, Node, Table, suggestion};
use super::value::{duration, name, secret};
use crate::account::{Operation, Secret};

/// Whether a check refuses, only counts, or is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// What fails is refused.
    #[default]
    Enforce,
    /// What fails passes, and is counted as a would-be refusal.
    Report,
    /// Nothing is checked.
    Off,
}

/// What makes two signed requests the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReplayKey {
    /// App, time and nonce.
    #[default]
    Nonce,
    /// App and signature, for apps whose clients use one nonce for many requests.
    Signature,
}

/// Which nonces are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NonceFormat {
    /// Any text of 1 to 64 bytes.
    #[default]
    Any,
    /// Eight letters or digits, as the vendor documents.
    Alnum8,
}

/// One app that signs its calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The public id.
    pub id: String,
    /// The live secrets, the present one first, at most one old one behind it.
    pub secrets: Vec<Secret>,
    /// The operations that it may call; all when `None`.
    pub operations: Option<Vec<Operation>>,
    /// How the signature is checked.
    pub signature: Mode,
    /// How old a request may be; checked as strictly as the signature.
    pub past: Duration,
    /// How far in the future a request's time may lie.
    pub future: Duration,
    /// How replays are checked.
    pub replay: Mode,
    /// What makes two requests the same one.
    pub replay_key: ReplayKey,
    /// Which nonces are accepted.
    pub nonce_format: NonceFormat,
}

impl App {
    /// An app with one secret and the defaults: everything enforced, 300 s past, 30 s future.
    pub fn new(id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self {
            id: id.into(),
            secrets: vec![secret.into()],
            operations: None,
            signature: Mode::Enforce,
            past: Duration::from_secs(300),
            future: Duration::from_secs(30),
            replay: Mode::Enforce,
            replay_key: ReplayKey::Nonce,
            nonce_format: NonceFormat::Any,
        }
    }
}

const DAY: Duration = Duration::from_secs(86_400);
const MODES: &[(&str, Mode)] = &[("enforce", Mode::Enforce), ("report", Mode::Report), ("off", Mode::Off)];

impl Mode {
    /// The name in the config file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Report => "report",
            Self::Off => "off",
        }
    }
}

impl App {
    /// Reads one `[[app]]`. The place is that of its id.
    pub(super) fn read(table: &mut Table<'_>) -> Option<Located<Self>> {
        let id = table.need("id", name);
        let secrets = table.need("secrets", secrets);
        let signature = table.read("signature", |node| node.choice(MODES)).unwrap_or_default();
        let (past, future) = table
            .read("clock_window", |node| node.table("clock_window", clock_window))
            .unwrap_or(DEFAULT_WINDOW);
        let replay = table.read("replay", |node| node.choice(MODES));
        let replay_key = table.read("replay_key", |node| {
            node.choice(&[("nonce", ReplayKey::Nonce), ("signature", ReplayKey::Signature)])
        });
        let nonce_format = table.read("nonce_format", |node| {
            node.choice(&[("any", NonceFormat::Any), ("alnum8", NonceFormat::Alnum8)])
        });
        let operations = table.read("operations", operations);
        // What no signature vouches for can't be told from a forgery, so it is never remembered.
        let replay = replay.unwrap_or(signature);
        check_replay(table, signature, replay);
        check_signature(table, signature);
        let place = table.place("id");
        let value = Self {
            id: id?,
            secrets: secrets?,
            operations,
            signature,
            past,
            future,
            replay,
            replay_key: replay_key.unwrap_or_default(),
            nonce_format: nonce_format.unwrap_or_default(),
        };
        Some(Located { value, place })
    }
}

const DEFAULT_WINDOW: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(30));

fn clock_window(table: &mut Table<'_>) -> (Duration, Duration) {
    let second = Duration::from_secs(1);
    let past = table.read("past", |node| duration(node, second..=7 * DAY));
    let future = table.read("future", |node| duration(node, Duration::ZERO..=DAY));
    (past.unwrap_or(DEFAULT_WINDOW.0), future.unwrap_or(DEFAULT_WINDOW.1))
}

fn secrets(node: Node<'_>) -> Option<Vec<Secret>> {
    let count = node.value().as_array().map(|secrets| secrets.len());
    let secrets = node.list(secret)?;
    match count {
        Some(0) => node.fail("an app needs a secret", "add one: `secrets = [\"env:NAME\"]`"),
        Some(1 | 2) => Some(secrets),
        _ => node.fail("an app has at most two live secrets", "keep the present one, first, and one old one"),
    }
}

fn operations(node: Node<'_>) -> Option<Vec<Operation>> {
    if node.value().as_array().is_some_and(|names| names.is_empty()) {
        return node
            .fail("the app may call nothing", "name operations, or leave `operations` out to allow all");
    }
    node.list(operation)
}

fn operation(node: Node<'_>) -> Option<Operation> {
    let text = node.text()?;
    if let Some(operation) = Operation::from_name(text) {
        return Some(operation);
    }
    let names: Vec<&str> = Operation::ALL.iter().map(|operation| operation.name()).collect();
    node.fail(format!("unknown operation {text:?}"), suggestion(text, &names))
}

fn check_replay(table: &Table<'_>, signature: Mode, replay: Mode) {
    if replay == Mode::Enforce && signature != Mode::Enforce {
        table.error(
            "replay",
            format!(
                "`replay = \"enforce\"` needs an enforced signature and clock, but the signature is {:?}",
                signature.name()
            ),
            "set `signature = \"enforce\"`, or lower `replay` to the same",
        );
    }
    if replay == Mode::Report && signature == Mode::Off {
        table.error(
            "replay",
            "`replay = \"report\"` needs a checked signature, but the signature is \"off\"",
            "set `signature = \"report\"`, or `replay = \"off\"`",
        );
    }
}

fn check_signature(table: &Table<'_>, signature: Mode) {
    if signature != Mode::Enforce {
        table.warning(
            "signature",
            format!("anybody may call as this app: its signature is {:?}", signature.name()),
            "set `signature = \"enforce\"` once its clients sign well",
        );
    }
}
