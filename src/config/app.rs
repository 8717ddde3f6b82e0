//! Apps that sign their calls, and how strictly each is checked.

use std::time::Duration;

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
