//! The command line: one file a command. What a command says goes to stdout, why it failed to
//! stderr. Exit codes: 0 good, 1 failed or "no", 2 wrong usage.

mod backend;
mod banner;
mod check;
mod completions;
mod dialects;
mod failure;
mod golden;
mod healthcheck;
mod man;
mod message;
mod packs;
mod pages;
mod reload;
mod remembering;
mod renewal;
mod run;
mod serve;
mod serve_backend;
mod sign;
mod test;
mod translate;
mod upgrade;
mod upstreams;
mod verify;
mod version;

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use banner::reachable;
pub use banner::{Bound, banner};
pub use failure::Failure;

use crate::config::{Finding, Settings};

const EXAMPLES: &str = "Examples:
  dragoman                             the embedded default on 127.0.0.1:8080, no config file
  dragoman run -c dragoman.toml
  dragoman check -c dragoman.toml
  dragoman sign --help                 every command has examples of its own

Exit codes: 0 good, 1 failed or \"no\", 2 wrong usage.";

/// Lets clients of any supported account dialect use any user-account backend.
#[derive(Debug, Parser)]
#[command(
    name = "dragoman",
    version,
    args_conflicts_with_subcommands = true,
    after_help = EXAMPLES
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Run,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Check(check::Check),
    Translate(translate::Translate),
    Test(test::Test),
    Dialects(dialects::Dialects),
    Sign(sign::Sign),
    Verify(verify::Verify),
    Backend(backend::Backend),
    Healthcheck(healthcheck::Healthcheck),
    Version(version::Version),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Cli {
    /// Does what was asked for, and tells on stderr when that failed.
    pub fn execute(self) -> ExitCode {
        let out = &mut io::stdout();
        let command = self.command.unwrap_or(Command::Run(self.run));
        let done = match command {
            Command::Run(run) => run.execute(),
            Command::Check(check) => check.execute(out),
            Command::Translate(translate) => translate.execute(out),
            Command::Test(test) => test.execute(out),
            Command::Dialects(dialects) => dialects.execute(out),
            Command::Sign(sign) => sign.execute(out),
            Command::Verify(verify) => verify.execute(out),
            Command::Backend(backend) => backend.execute(out),
            Command::Healthcheck(healthcheck) => healthcheck.execute(out),
            Command::Version(version) => version.execute(out),
            Command::Completions(completions) => completions.execute(out),
            Command::Man(man) => man.execute(out),
        };
        done.unwrap_or_else(|failure| {
            // With stderr gone as well, the exit code is all that is left to tell.
            let _ = writeln!(io::stderr(), "{failure}");
            ExitCode::FAILURE
        })
    }
}

/// The value of an environment variable, where it is text.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// The settings of a file, or of the demo, with their warnings.
fn settings(config: Option<&Path>) -> Result<(Settings, Vec<Finding>), Vec<Finding>> {
    match config {
        Some(path) => Settings::load(path, &variable),
        None => Settings::demo(&variable).map(|settings| (settings, Vec::new())),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_is_what_happens_without_a_command() {
        for line in [&["dragoman"][..], &["dragoman", "-c", "x.toml"]] {
            let cli = Cli::try_parse_from(line).expect("good");
            assert!(cli.command.is_none());
            assert_eq!(cli.run.config.is_some(), line.len() == 3);
        }
    }

    #[test]
    fn every_command_has_examples_that_parse() {
        let cli = Cli::command();
        let nested = cli.get_subcommands().flat_map(|command| command.get_subcommands());
        for command in cli.get_subcommands().chain(nested).filter(|command| command.get_name() != "help") {
            let help = command.get_after_help().expect("examples").to_string();
            let examples: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  $ ")).collect();
            assert!(!examples.is_empty(), "{}", command.get_name());
            for example in examples {
                let call = example.rsplit(" | ").next().unwrap_or(example);
                let words = call.split(" > ").next().unwrap_or(call).split('\'').enumerate();
                let words = words.flat_map(|(index, part)| {
                    let quoted = index % 2 == 1;
                    let split: Vec<&str> =
                        if quoted { vec![part] } else { part.split_whitespace().collect() };
                    split
                });
                assert!(Cli::try_parse_from(words).is_ok(), "{example}");
            }
        }
    }
}
