//! The apps that sign, and whether a signature is one of theirs.

use std::borrow::Cow;
use std::collections::HashMap;

use super::SignedRequest;
use crate::account::{Operation, Secret};
use crate::config::{App, Mode};
use crate::sign::{Signature, SigningKey, messages};

/// What became of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The app's present secret made it.
    Holds,
    /// The app's old secret made it.
    OldSecret,
    /// The request carries none, or none that can be read.
    Unreadable,
    /// None of the app's secrets made it.
    Wrong,
    /// The app's signature is not checked.
    Unchecked,
}

impl Verdict {
    /// Whether one of the app's secrets made the signature.
    pub fn holds(self) -> bool {
        matches!(self, Self::Holds | Self::OldSecret)
    }

    /// Why it does not hold, as a stable name for metrics.
    pub fn failure(self) -> Option<&'static str> {
        match self {
            Self::Holds | Self::OldSecret | Self::Unchecked => None,
            Self::Unreadable => Some("unreadable"),
            Self::Wrong => Some("wrong"),
        }
    }
}

struct Keyed {
    app: App,
    keys: Vec<SigningKey>,
}

/// The table of apps.
pub struct Apps {
    apps: HashMap<String, Keyed>,
    /// Signs for unknown apps, so that they cost what a wrong signature costs.
    nobody: SigningKey,
    /// How many keys every wrong signature is tried with: as many as the app with the most has.
    tries: usize,
}

impl Apps {
    /// A table of these apps.
    pub fn new(apps: impl IntoIterator<Item = App>) -> Self {
        let keyed = |app: App| {
            let keys = app.secrets.iter().map(SigningKey::new).collect();
            (app.id.clone(), Keyed { app, keys })
        };
        let apps: HashMap<String, Keyed> = apps.into_iter().map(keyed).collect();
        let tries = apps.values().map(|keyed| keyed.keys.len()).max().unwrap_or(1);
        Self { apps, nobody: SigningKey::new(&Secret::default()), tries }
    }

    /// All apps, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &App> {
        self.apps.values().map(|keyed| &keyed.app)
    }

    /// Tries the keys that an app lacks, so that the time does not tell whether there is one and how
    /// many secrets it has.
    fn waste(&self, signature: &Signature, messages: &[Cow<'_, [u8]>], tried: usize) {
        for _ in tried..self.tries {
            for message in messages {
                std::hint::black_box(self.nobody.sign(message) == *signature);
            }
        }
    }

    /// Checks a request's signature against every form of the message that clients sign.
    pub fn verify(
        &self,
        request: &SignedRequest<'_>,
        signature: Option<&Signature>,
    ) -> (Option<&App>, Verdict) {
        let keyed = self.apps.get(&request.signed.app_id);
        if keyed.is_some_and(|keyed| keyed.app.signature == Mode::Off) {
            return (keyed.map(|keyed| &keyed.app), Verdict::Unchecked);
        }
        let keys = keyed.map_or(&[][..], |keyed| keyed.keys.as_slice());
        let refresh = request.operation == Operation::Refresh;
        let messages = messages(request.signed.carrier, request.query, request.body, refresh);
        let maker = signature.map(|signature| {
            keys.iter().position(|key| messages.iter().any(|message| key.sign(message) == *signature))
        });
        if let (Some(signature), Some(None)) = (signature, maker) {
            self.waste(signature, &messages, keys.len());
        }
        let verdict = match maker {
            None => Verdict::Unreadable,
            Some(None) => Verdict::Wrong,
            Some(Some(0)) => Verdict::Holds,
            Some(Some(_)) => Verdict::OldSecret,
        };
        match keyed {
            Some(keyed) => (Some(&keyed.app), verdict),
            None => (None, Verdict::Wrong),
        }
    }
}
