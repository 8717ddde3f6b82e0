//! The diagnostic log on stderr, for what operators must know and no request tells.

use std::env;
use std::io::{self, IsTerminal};

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};

/// Pingora tells every lost connection at a level that would drown the rest.
const QUIET: &str = "pingora=warn,pingora_core=warn,pingora_proxy=warn,pingora_pool=warn";

/// Below this level Pingora tells whole request heads, tokens and the backend's secret among them: no
/// `RUST_LOG` goes there.
const DISCREET: &str = "pingora=info,pingora_core=info,pingora_proxy=info,pingora_pool=info";

/// Why the diagnostic log can't start.
#[derive(Debug, Error)]
pub enum StartLogError {
    /// `RUST_LOG` can't be read.
    #[error("RUST_LOG: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// There is one already.
    #[error("the log was started before: {0}")]
    Started(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts the process's diagnostic log. What crates tell through `log` comes along.
///
/// # Errors
/// When `RUST_LOG` is no filter, or the process has a log already.
pub fn start_log(log: &Log, rust_log: Option<&str>) -> Result<(), StartLogError> {
    let filter = EnvFilter::try_new(directives(log, rust_log))?;
    let colour = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colour);
    match log.format {
        LogFormat::Text => subscriber.finish().try_init()?,
        LogFormat::Json => subscriber.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}

fn directives(log: &Log, rust_log: Option<&str>) -> String {
    match rust_log.filter(|filter| !filter.trim().is_empty()) {
        Some(filter) => {
            let own = filter.split(',').filter(|directive| !directive.trim_start().starts_with("pingora"));
            own.chain([DISCREET]).collect::<Vec<_>>().join(",")
        }
        None => format!("{},{QUIET}", log.level.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogLevel;

    #[test]
    fn the_config_sets_the_level_unless_rust_log_does() {
        let log = Log { level: LogLevel::Debug, format: LogFormat::Text };
        assert_eq!(directives(&log, None), format!("debug,{QUIET}"));
        assert_eq!(directives(&log, Some(" ")), format!("debug,{QUIET}"));
        assert_eq!(directives(&log, Some("dragoman=trace")), format!("dragoman=trace,{DISCREET}"));
    }

    #[test]
    fn no_filter_makes_pingora_tell_request_heads() {
        let log = Log::default();
        for filter in ["pingora=trace", " pingora_core::protocols=debug", "pingora_proxy[span]=trace"] {
            assert_eq!(directives(&log, Some(filter)), DISCREET);
        }
        assert_eq!(directives(&log, Some("trace,pingora=trace")), format!("trace,{DISCREET}"));
    }

    #[test]
    fn a_filter_that_can_not_be_read_is_told() {
        let error = start_log(&Log::default(), Some("dragoman=loud")).unwrap_err();
        assert!(error.to_string().starts_with("RUST_LOG: "), "{error}");
    }
}
