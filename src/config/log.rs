//! What the diagnostic log on stderr tells. The access log on stdout is another thing.

use super::reader::Table;

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what should be looked at.
    Warn,
    /// And what happened.
    #[default]
    Info,
    /// And why.
    Debug,
    /// And each step.
    Trace,
}

impl LogLevel {
    /// The name, in the config and in filters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// In which form it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The diagnostic log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Log {
    /// How much is told; `RUST_LOG` overrides it.
    pub level: LogLevel,
    /// In which form.
    pub format: LogFormat,
}

impl Log {
    /// Reads `[log]`.
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let levels = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace]
            .map(|level| (level.name(), level));
        let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        Self {
            level: table.read("level", |node| node.choice(&levels)).unwrap_or_default(),
            format: table.read("format", |node| node.choice(&formats)).unwrap_or_default(),
        }
    }
}
