//! `dragoman man`: the manual page, for packages.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, roman};

use super::{Cli, Failure};

const EXAMPLES: &str = "Examples:
  $ dragoman man > dragoman.1";

/// Print the manual page
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, hide = true)]
pub struct Man {}

impl Man {
    #[expect(clippy::unused_self, reason = "as every command")]
    pub fn execute(&self, out: &mut impl Write) -> Result<ExitCode, Failure> {
        // Into memory first: half a page is none.
        let mut page = Vec::new();
        let mut command = Cli::command();
        command.build();
        Page::new(command.clone()).render(&mut page)?;
        for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
            write_command(command, &mut page)?;
        }
        out.write_all(&page)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The options and examples of one command, on the page of all.
fn write_command(command: &Command, page: &mut Vec<u8>) -> Result<(), Failure> {
    let mut heading = Roff::default();
    heading.control("SH", [command.get_display_name().unwrap_or(command.get_name()).to_uppercase().as_str()]);
    heading.text([roman(command.get_about().map(ToString::to_string).unwrap_or_default())]);
    heading.to_writer(page)?;
    let man = Page::new(command.clone());
    man.render_options_section(page)?;
    man.render_extra_section(page)?;
    Ok(())
}
