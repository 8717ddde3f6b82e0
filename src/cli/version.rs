//! `dragoman version`.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use crate::config::DIALECTS;

const EXAMPLES: &str = "Examples:
  $ dragoman version
  $ dragoman version --json";

/// Tell which version this is
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Version {
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

impl Version {
    pub fn execute(&self, out: &mut impl Write) -> Result<ExitCode, Failure> {
        let version = env!("CARGO_PKG_VERSION");
        if self.json {
            let dialects: Vec<&str> = DIALECTS.iter().map(|dialect| dialect.name).collect();
            let about = serde_json::json!({
                "name": env!("CARGO_PKG_NAME"),
                "version": version,
                "dialects": dialects,
                "target": format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            });
            writeln!(out, "{about}")?;
        } else {
            writeln!(out, "dragoman {version}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
