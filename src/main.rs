//! The `dragoman` program.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use dragoman::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().execute()
}
