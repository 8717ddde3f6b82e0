//! `dragoman run`: the gateway.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::{Failure, banner, serve, settings, variable};
use crate::observe::{Labels, Observer, start_log};

const EXAMPLES: &str =
    "Without a config file this is the demo: every dialect on 127.0.0.1:8080, an embedded user
backend with its data in ./data, and one app that anybody may sign as. It stays on this machine.

DRAGOMAN_LISTEN, DRAGOMAN_ADMIN_LISTEN and DRAGOMAN_DATA_DIR override what they name.
stdout carries the access log, one JSON line a request; stderr everything else.
SIGHUP has the config read again. SIGUSR2 starts the program anew, which takes over with --upgrade.

Examples:
  $ dragoman run
  $ dragoman run -c dragoman.toml
  $ dragoman run -c dragoman.toml --upgrade";

/// Run the gateway (the default command)
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Run {
    /// The config file; the demo without one
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Take over from the gateway that runs with this data directory; no request is lost
    #[arg(short, long)]
    pub upgrade: bool,
}

impl Run {
    pub fn execute(&self) -> Result<ExitCode, Failure> {
        let err = &mut io::stderr();
        let (settings, warnings) = match settings(self.config.as_deref()) {
            Ok(good) => good,
            Err(findings) => {
                for finding in findings {
                    writeln!(err, "{finding}")?;
                }
                return Ok(ExitCode::FAILURE);
            }
        };
        start_log(&settings.log, variable("RUST_LOG").as_deref())
            .map_err(|error| Failure::new("can't start the log").because(error))?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let observer = Observer::new(Labels::of(&settings), io::stdout())
            .map_err(|error| Failure::new("can't start observing").because(error))?;
        let observer = Arc::new(observer);
        let run = serve::Run { config: self.config.as_deref(), settings: &settings, upgrade: self.upgrade };
        let served = serve::gateway(run, Arc::clone(&observer), |bound| {
            // A gateway without a terminal serves all the same.
            let _ = write!(io::stderr(), "{}", banner(&settings, bound, &program()));
        });
        observer.close();
        served.map(|()| ExitCode::SUCCESS)
    }
}

/// How this program is called again from a terminal.
fn program() -> String {
    let path = std::env::current_exe().ok();
    path.map_or_else(|| "dragoman".to_owned(), |path| path.display().to_string())
}
