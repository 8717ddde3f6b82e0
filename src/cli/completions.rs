//! `dragoman completions`: what a shell needs to complete the command line.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::{Cli, Failure};

const EXAMPLES: &str = "Examples:
  $ dragoman completions bash > dragoman.bash
  $ dragoman completions zsh > _dragoman";

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub fn execute(&self, out: &mut impl Write) -> Result<ExitCode, Failure> {
        // Into memory first: the generator panics on a closed pipe.
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "dragoman", &mut script);
        out.write_all(&script)?;
        Ok(ExitCode::SUCCESS)
    }
}
