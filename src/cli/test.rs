//! `dragoman test`: golden files, compared with what is.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use clap::Args;

use super::Failure;
use super::golden::{Case, write_difference};
use super::packs::Packs;
use crate::dialect::Dialects;

const EXAMPLES: &str = "A golden file is one exchange: a client's request, the canonical call, the backend's request; the backend's
answer, the canonical reply or problem, the client's answer. docs/golden.md has the form.
Lines with - are expected and missing, lines with + are there instead. Exit code 1 means that something differs.

Examples:
  $ dragoman test golden
  $ dragoman test golden --dialects-dir packs
  $ dragoman test golden --bless";

/// Run golden files
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Test {
    /// The directory; every *.json in it and below is a case
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Write what is into the files, as what is expected from now on
    #[arg(long)]
    bless: bool,
    #[command(flatten)]
    packs: Packs,
}

/// How a case ended.
enum Ended {
    Good,
    Blessed,
    Differs,
}

impl Test {
    pub fn execute(&self, out: &mut impl Write) -> Result<ExitCode, Failure> {
        let (dialects, _) = self.packs.load()?;
        let mut files = Vec::new();
        collect(&self.directory, &mut files)?;
        if files.is_empty() {
            return Err(Failure::new(format!("no case in {}", self.directory.display()))
                .hint("name a directory with golden files: *.json"));
        }
        files.sort();
        let colour = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        let (mut differ, mut blessed) = (0, 0);
        for file in &files {
            match self.run(out, file, &dialects, colour) {
                Ok(Ended::Good) => {}
                Ok(Ended::Blessed) => blessed += 1,
                Ok(Ended::Differs) => differ += 1,
                Err(failure) => {
                    differ += 1;
                    writeln!(out, "{}: {failure}", file.display())?;
                }
            }
        }
        let cases = if files.len() == 1 { "case" } else { "cases" };
        let written = if self.bless { format!(", {blessed} written") } else { String::new() };
        writeln!(out, "{} {cases}: {} good, {differ} not{written}", files.len(), files.len() - differ)?;
        Ok(if differ == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn run(
        &self,
        out: &mut impl Write,
        file: &Path,
        dialects: &Dialects,
        colour: bool,
    ) -> Result<Ended, Failure> {
        let text = fs::read_to_string(file).map_err(|error| Failure::new("can't read it").because(error))?;
        let case: Case = serde_json::from_str(&text).map_err(|error| {
            Failure::new("no golden file").because(error).hint("docs/golden.md has the form")
        })?;
        let actual = case.run(dialects)?;
        if self.bless {
            let written = serde_json::to_string_pretty(&actual)
                .map_err(|error| Failure::new("can't write it").because(error))?;
            if format!("{written}\n") == text {
                return Ok(Ended::Good);
            }
            fs::write(file, format!("{written}\n"))
                .map_err(|error| Failure::new("can't write it").because(error))?;
            return Ok(Ended::Blessed);
        }
        let differences = case.differences(&actual)?;
        for difference in &differences {
            writeln!(out, "{}: {}", file.display(), difference.member)?;
            write_difference(out, difference, colour)?;
        }
        Ok(if differences.is_empty() { Ended::Good } else { Ended::Differs })
    }
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let unreadable = |error: io::Error| {
        Failure::new(format!("can't read {}", directory.display()))
            .because(error)
            .hint("name a directory with golden files")
    };
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(())
}
