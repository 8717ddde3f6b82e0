//! What a memory of used requests vouches for, so that one that was kept for less is not believed.

use std::time::Duration;

use crate::config::{App, Mode};

/// The terms under which requests are remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Which apps are remembered, by which key, and how far their windows reach. One line an app.
    pub policy: String,
    /// The longest future window, in seconds: no later time can have been accepted.
    pub future: i64,
    /// The longest window, past and future together, in seconds.
    pub window: i64,
}

impl Terms {
    /// The terms for these apps.
    pub fn of(apps: &[App]) -> Self {
        let remembered = apps.iter().filter(|app| app.replay != Mode::Off);
        let mut lines: Vec<String> = remembered.map(line).collect();
        lines.sort_unstable();
        Self {
            policy: lines.concat(),
            future: longest(apps.iter().map(|app| app.future)),
            window: longest(apps.iter().map(|app| app.past.saturating_add(app.future))),
        }
    }
}

fn line(app: &App) -> String {
    format!("{} {} {} {:?}\n", app.id, app.past.as_secs(), app.future.as_secs(), app.replay_key)
}

/// In seconds, rounded up.
fn longest(spans: impl Iterator<Item = Duration>) -> i64 {
    let longest = spans.max().unwrap_or_default();
    i64::try_from(longest.as_millis().div_ceil(1000)).unwrap_or(i64::MAX)
}
