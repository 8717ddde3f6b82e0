//! How codes reach people. The outbox is the default way: a local file that its owner reads,
//! bounded, for development and demos.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::Value;
use thiserror::Error;
use tokio::task::spawn_blocking;

use super::error::BackendError;
use super::json::Json;
use crate::account::{Channel, Purpose, Secret};
use crate::clock::Moment;

/// Messages that are kept.
const KEPT: usize = 1_000;

/// A code on its way to a person. `Debug` shows neither code nor destination.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// When it was sent.
    pub time: Moment,
    /// By which way.
    pub channel: Channel,
    /// The phone in E.164, or the e-mail address.
    pub to: String,
    /// What the code is for.
    pub purpose: Purpose,
    /// The digits.
    pub code: Secret,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("time", &self.time)
            .field("channel", &self.channel)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}

impl Message {
    /// The message as one JSON object: `{time, channel, to, purpose, code}`.
    pub fn to_json(&self) -> String {
        Json::object([
            ("time", Json::String(self.time.to_rfc3339())),
            ("channel", Json::String(self.channel.name().to_owned())),
            ("to", Json::String(self.to.clone())),
            ("purpose", Json::String(self.purpose.name().to_owned())),
            ("code", Json::String(self.code.expose().to_owned())),
        ])
        .to_text()
    }

    fn from_json(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |name| value.get(name).and_then(Value::as_str);
        Some(Self {
            time: Moment::from_rfc3339(text("time")?)?,
            channel: Channel::from_name(text("channel")?)?,
            to: text("to")?.to_owned(),
            purpose: Purpose::from_name(text("purpose")?)?,
            code: text("code")?.into(),
        })
    }
}

/// The message did not leave the house. The text goes to the log: it must say nothing of the message.
#[derive(Debug, Error)]
#[error("the message was not sent: {0}")]
pub struct SendFailed(pub String);

/// A way by which codes reach people.
#[async_trait]
pub trait Sender: Send + Sync {
    /// Sends one message, once.
    ///
    /// # Errors
    /// When the message certainly did not leave.
    async fn send(&self, message: Message) -> Result<(), SendFailed>;
}

/// A file of the last messages, one JSON object a line, that only its owner may read.
#[derive(Clone)]
pub struct Outbox(Arc<Mutex<State>>);

struct State {
    path: PathBuf,
    /// Of the file, as far as this process knows: another may write to it during an upgrade.
    lines: usize,
}

impl Outbox {
    /// Opens the file, creates it when it is missing, and reads what it holds.
    ///
    /// # Errors
    /// When the file can't be used.
    pub fn open(path: &Path) -> Result<Self, BackendError> {
        let load = || {
            open_private(path, OpenOptions::new().append(true))?;
            let mut state = State { path: path.to_owned(), lines: 0 };
            state.lines = state.read()?.lines().count();
            state.forget_old()?;
            Ok(state)
        };
        let state =
            load().map_err(|source: io::Error| BackendError::File { path: path.to_owned(), source })?;
        Ok(Self(Arc::new(Mutex::new(state))))
    }

    /// The last messages, newest first.
    pub fn messages(&self) -> Vec<Message> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = state.read().unwrap_or_else(|error| {
            tracing::warn!(%error, "the outbox can't be read");
            String::new()
        });
        text.lines().rev().filter_map(Message::from_json).take(KEPT).collect()
    }
}

#[async_trait]
impl Sender for Outbox {
    async fn send(&self, message: Message) -> Result<(), SendFailed> {
        let state = self.0.clone();
        let written = spawn_blocking(move || {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.append(&message)
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(SendFailed(error.to_string())),
            Err(error) => Err(SendFailed(error.to_string())),
        }
    }
}

impl State {
    fn read(&self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.path)?).into_owned())
    }

    fn append(&mut self, message: &Message) -> io::Result<()> {
        // Opened anew each time: another process may have put a shorter file in its place.
        let mut file = open_private(&self.path, OpenOptions::new().append(true))?;
        file.write_all((message.to_json() + "\n").as_bytes())?;
        self.lines += 1;
        self.forget_old()
    }

    /// The file may grow to twice what is kept before it is written anew.
    fn forget_old(&mut self) -> io::Result<()> {
        if self.lines < 2 * KEPT {
            return Ok(());
        }
        let text = self.read()?;
        let surplus = text.lines().count().saturating_sub(KEPT);
        let partial = self.path.with_extension("partial");
        let mut file = open_private(&partial, OpenOptions::new().write(true).truncate(true))?;
        let kept: String = text.lines().skip(surplus).map(|line| format!("{line}\n")).collect();
        file.write_all(kept.as_bytes())?;
        fs::rename(&partial, &self.path)?;
        self.lines = KEPT.min(self.lines);
        Ok(())
    }
}

fn open_private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn message(number: i64) -> Message {
        Message {
            time: Moment::from_seconds(number),
            channel: Channel::Sms,
            to: "+8613800138001".to_owned(),
            purpose: Purpose::Login,
            code: format!("{number:06}").into(),
        }
    }

    #[tokio::test]
    async fn the_outbox_is_private_bounded_and_survives_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("outbox.jsonl");
        let outbox = Outbox::open(&path).unwrap();
        for number in 0..2_500 {
            outbox.send(message(number)).await.unwrap();
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(fs::read_to_string(&path).unwrap().lines().count() < 2 * KEPT);
        for outbox in [outbox, Outbox::open(&path).unwrap()] {
            let messages = outbox.messages();
            assert_eq!(messages.len(), KEPT);
            assert_eq!(messages[0], message(2_499));
            assert_eq!(messages[999], message(1_500));
        }
    }

    #[test]
    fn a_message_has_the_members_that_the_outbox_page_shows_and_debug_hides_them() {
        assert_eq!(
            message(7).to_json(),
            r#"{"time":"1970-01-01T00:00:07.000Z","channel":"sms","to":"+8613800138001","purpose":"login","code":"000007"}"#
        );
        let debug = format!("{:?}", message(7));
        assert!(!debug.contains("138") && !debug.contains("000007"), "{debug}");
    }
}
