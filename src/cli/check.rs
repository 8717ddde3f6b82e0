//! `dragoman check`: what is wrong with a config file and its packs, and what it opens.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

mod pairs;
mod surroundings;

use super::{Failure, settings, variable};
use crate::config::{App, Finding, Listener, Locator, Mode, Settings, Severity, Upstream};
use crate::dialect::{Dialect, Dialects};

const EXAMPLES: &str =
    "Every finding comes with its place and a hint. Exit code 1 means that `run` would refuse the file. Whether
its addresses are free, and its backend and store answer, is tried from here and only warned of.

Examples:
  $ dragoman check -c dragoman.toml
  $ dragoman check -c dragoman.toml --verbose
  $ dragoman check -c dragoman.toml --offline
  $ dragoman check -c new.toml --against dragoman.toml";

/// Check a config file and the packs of its `dialects_dir`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Check {
    /// The config file; the demo's settings without one
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The config that runs now: also tell what a reload would change, and what needs a restart
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Look at the files alone: bind no address, and connect to nothing
    #[arg(long)]
    offline: bool,
    /// Also tell what is open to whom, what the backend can't be asked, and which problems packs tell by
    /// their `*` row
    #[arg(short, long)]
    verbose: bool,
}

impl Check {
    pub fn execute(&self, out: &mut impl Write) -> Result<ExitCode, Failure> {
        match settings(self.config.as_deref()) {
            Ok((settings, mut warnings)) => {
                let dialects = match packs(&settings) {
                    Ok((dialects, of_packs)) => {
                        warnings.extend(of_packs);
                        dialects
                    }
                    Err(findings) => return refuse(out, &[warnings, findings].concat()),
                };
                let locator = Locator::new(self.config.as_deref(), &variable);
                warnings.extend(pairs::findings(&settings, &dialects, &locator));
                if !self.offline {
                    warnings.extend(surroundings::findings(&settings, &locator));
                }
                if warnings.iter().any(|finding| finding.severity == Severity::Error) {
                    return refuse(out, &warnings);
                }
                write_findings(out, &warnings)?;
                if self.verbose {
                    write_settings(out, &settings)?;
                    write_packs(out, &settings, &dialects)?;
                    pairs::write(out, &settings, &dialects)?;
                }
                if let Some(running) = &self.against
                    && !write_changes(out, running, &settings)?
                {
                    return Ok(ExitCode::FAILURE);
                }
                writeln!(out, "{}", verdict(&warnings))?;
                Ok(ExitCode::SUCCESS)
            }
            Err(findings) => refuse(out, &findings),
        }
    }
}

/// The packs of the settings, proven with the options that the settings choose.
fn packs(settings: &Settings) -> Result<(Dialects, Vec<Finding>), Vec<Finding>> {
    let (dialects, warnings) = Dialects::load(settings.dialects_dir.as_deref())?;
    let of_listeners = settings.listeners.iter().flat_map(|listener| &listener.settings);
    let of_upstreams = settings.upstreams().filter_map(|(_, upstream)| upstream.http());
    let of_upstreams = of_upstreams.map(|http| (&http.dialect, &http.settings));
    for (name, chosen) in of_listeners.chain(of_upstreams) {
        dialects.with_settings(name, chosen)?;
    }
    Ok((dialects, warnings))
}

fn refuse(out: &mut impl Write, findings: &[Finding]) -> Result<ExitCode, Failure> {
    write_findings(out, findings)?;
    writeln!(out, "{}", verdict(findings))?;
    Ok(ExitCode::FAILURE)
}

/// What a process that runs `running` makes of the settings; false when that file is refused itself.
fn write_changes(out: &mut impl Write, running: &Path, new: &Settings) -> Result<bool, Failure> {
    let (running, _warnings) = match settings(Some(running)) {
        Ok(good) => good,
        Err(findings) => {
            write_findings(out, &findings)?;
            return Ok(false);
        }
    };
    let changes = running.changes(new);
    if changes.is_empty() {
        writeln!(out, "nothing changes")?;
    }
    for change in &changes {
        let how = if change.needs_restart { "restart" } else { "reload" };
        let weaker = if change.weakens { " (a guard gets weaker)" } else { "" };
        writeln!(out, "{how}: {change}{weaker}")?;
    }
    Ok(true)
}

fn write_findings(out: &mut impl Write, findings: &[Finding]) -> Result<(), Failure> {
    for finding in findings {
        writeln!(out, "{finding}")?;
    }
    Ok(())
}

fn verdict(findings: &[Finding]) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let plural = |count, word| match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let verdict = if errors == 0 { "good" } else { "refused" };
    format!("{verdict}: {}, {}", plural(errors, "error"), plural(warnings, "warning"))
}

fn write_settings(out: &mut impl Write, settings: &Settings) -> Result<(), Failure> {
    for listener in &settings.listeners {
        let region = listener.region.iter().map(|region| format!(", region {region}")).collect::<String>();
        writeln!(out, "listener {}{region}", listener.address)?;
        for dialect in &listener.dialects {
            writeln!(out, "  {dialect}: {}", openness(listener, dialect, settings))?;
        }
    }
    match &settings.admin {
        Some(admin) if admin.token.is_some() => writeln!(out, "admin {}: with a token", admin.address)?,
        Some(admin) => writeln!(out, "admin {}: open to this machine", admin.address)?,
        None => writeln!(out, "admin: off")?,
    }
    for (region, upstream) in settings.upstreams() {
        let own = region == settings.regions.own;
        let of = if own { String::new() } else { format!(" of {region}") };
        match upstream {
            Upstream::Embedded => writeln!(out, "upstream{of}: embedded")?,
            Upstream::Http(http) => {
                let tls = if http.tls { "with TLS" } else { "in the clear" };
                writeln!(out, "upstream{of}: {} at {}, {tls}", http.dialect, http.addresses.join(", "))?;
            }
        }
    }
    for app in &settings.apps {
        writeln!(out, "app {}: {}", app.id, policy(app))?;
    }
    Ok(())
}

/// Which problems a pack has no row of its own for.
fn write_packs(out: &mut impl Write, settings: &Settings, dialects: &Dialects) -> Result<(), Failure> {
    let offered = |name: &str| {
        let mut upstreams = settings.upstreams().filter_map(|(_, upstream)| upstream.http());
        upstreams.any(|http| http.dialect == name)
            || settings.listeners.iter().any(|listener| listener.dialects.iter().any(|of| of == name))
    };
    for pack in dialects.iter().filter(|pack| offered(pack.name())) {
        let left = pack.left_to_star();
        if !left.is_empty() {
            let names: Vec<&str> = left.iter().map(|code| code.name()).collect();
            writeln!(out, "{}: its `*` row tells {}", pack.name(), names.join(", "))?;
        }
    }
    Ok(())
}

fn openness(listener: &Listener, dialect: &str, settings: &Settings) -> &'static str {
    let enforced = settings.apps.iter().any(|app| app.signature == Mode::Enforce);
    let signs = settings.dialects.iter().any(|known| known.name == dialect && known.signs);
    match (signs, settings.apps.is_empty()) {
        (true, true) => "closed, no app may sign",
        (true, false) => "open to the apps below",
        (false, _) if enforced && !listener.unsigned.iter().any(|open| open == dialect) => {
            "closed, it has no signature (`unsigned` would open it)"
        }
        (false, _) => "open to everybody, it has no signature",
    }
}

fn policy(app: &App) -> String {
    let operations = match &app.operations {
        Some(operations) => {
            let names: Vec<&str> = operations.iter().map(|operation| operation.name()).collect();
            names.join(" ")
        }
        None => "all operations".to_owned(),
    };
    let (signature, replay) = (app.signature.name(), app.replay.name());
    let (past, future) = (app.past, app.future);
    let secrets = app.secrets.len();
    format!(
        "signature {signature}, replay {replay}, clock -{past:?} +{future:?}, live secrets {secrets}, {operations}"
    )
}
