//! `dragoman backend`: the embedded user backend alone, its backup and its restore.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Failure, serve_backend, variable};
use crate::config::{self, Log, Regions};
use crate::observe::start_log;

const EXAMPLES: &str =
    "The backend speaks the canonical dialect and checks no signature: put a gateway in front of it.
A backup may be made while it runs; stop it before a restore.

Examples:
  $ dragoman backend --listen 127.0.0.1:8090 --data-dir data
  $ dragoman backend backup accounts.backup
  $ dragoman backend restore accounts.backup --data-dir data";

/// Run the embedded user backend alone, back it up, or restore it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Backend {
    #[command(subcommand)]
    action: Option<Action>,
    /// Where it listens [default: DRAGOMAN_LISTEN, else 127.0.0.1:8090]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where its data are [default: DRAGOMAN_DATA_DIR, else data]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Copy the database to a file; it may be in use
    #[command(after_help = "Examples:\n  $ dragoman backend backup accounts.backup")]
    Backup {
        /// The file to write
        file: PathBuf,
    },
    /// Put a backup in the place of the database; stop the backend first
    #[command(after_help = "Examples:\n  $ dragoman backend restore accounts.backup --data-dir data")]
    Restore {
        /// The file to read
        file: PathBuf,
    },
}

impl Backend {
    pub fn execute(&self, out: &mut impl Write) -> Result<ExitCode, Failure> {
        let settings = self.settings();
        match &self.action {
            Some(Action::Backup { file }) => {
                serve_backend::backup(&settings.database, file)?;
                writeln!(out, "{} is copied to {}", settings.database.display(), file.display())?;
            }
            Some(Action::Restore { file }) => {
                serve_backend::restore(file, &settings.database)?;
                writeln!(out, "{} is restored from {}", settings.database.display(), file.display())?;
            }
            None => {
                start_log(&Log::default(), variable("RUST_LOG").as_deref())
                    .map_err(|error| Failure::new("can't start the log").because(error))?;
                serve_backend::serve(&settings, self.address()?, |address| {
                    // A backend without a terminal serves all the same.
                    let _ = writeln!(io::stderr(), "listening http {address}");
                })?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn settings(&self) -> config::Backend {
        let from_environment = || variable("DRAGOMAN_DATA_DIR").map(PathBuf::from);
        let directory = self.data_dir.clone().or_else(from_environment);
        let directory = directory.unwrap_or_else(|| PathBuf::from("data"));
        config::Backend::at(&directory, Some(Regions::default().own))
    }

    fn address(&self) -> Result<SocketAddr, Failure> {
        if let Some(address) = self.listen {
            return Ok(address);
        }
        let Some(text) = variable("DRAGOMAN_LISTEN") else {
            return Ok(SocketAddr::from(([127, 0, 0, 1], 8090)));
        };
        text.parse().map_err(|_| {
            Failure::new(format!("DRAGOMAN_LISTEN: {text:?} is no address to listen on"))
                .hint("write an IP address and a port: 127.0.0.1:8090")
        })
    }
}
