//! `dragoman dialects`: what each dialect has, lacks and can be set to.

mod forms;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::Failure;
use super::packs::Packs;
use crate::account::{Operation, Purpose};
use crate::dialect::{Dialect, Pack};

const EXAMPLES: &str = "Examples:
  $ dragoman dialects
  $ dragoman dialects -c dragoman.toml
  $ dragoman dialects --json";

/// List the dialects with their operations, capabilities and settings
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Dialects {
    #[command(flatten)]
    packs: Packs,
    /// As a JSON list
    #[arg(long)]
    json: bool,
}

impl Dialects {
    pub fn execute(&self, out: &mut impl Write) -> Result<ExitCode, Failure> {
        let (dialects, _) = self.packs.load()?;
        let packs: Vec<&Arc<Pack>> = dialects.iter().collect();
        if self.json {
            let all: Value = packs.iter().map(|pack| described(pack)).collect();
            writeln!(out, "{all:#}")?;
            return Ok(ExitCode::SUCCESS);
        }
        write_operations(out, &packs)?;
        for pack in packs {
            write_pack(out, pack)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn write_operations(out: &mut impl Write, packs: &[&Arc<Pack>]) -> Result<(), Failure> {
    const FIRST: usize = 16;
    write!(out, "{:FIRST$}", "operation")?;
    for pack in packs {
        write!(out, "  {}", pack.name())?;
    }
    writeln!(out)?;
    for operation in Operation::ALL {
        let mut row = format!("{:FIRST$}", operation.name());
        for pack in packs {
            let has = if pack.has(*operation) { "yes" } else { "–" };
            row.push_str(&format!("  {has:width$}", width = pack.name().len()));
        }
        writeln!(out, "{}", row.trim_end())?;
    }
    Ok(())
}

fn write_pack(out: &mut impl Write, pack: &Pack) -> Result<(), Failure> {
    writeln!(out, "\n{}: {}", pack.name(), pack.title())?;
    for (name, value) in capabilities(pack) {
        writeln!(out, "  {name}: {value}")?;
    }
    for (operation, names) in forms::names(pack) {
        writeln!(out, "  {} by: {}", operation.name(), names.join(", "))?;
    }
    for (purpose, to) in forms::codes(pack) {
        writeln!(out, "  code to {}: to a {}", purpose.name(), to.join(", "))?;
    }
    for (operation, why) in lacks(pack) {
        writeln!(out, "  no {}: {why}", operation.name())?;
    }
    for setting in pack.settings() {
        let values = setting.values.iter().map(|value| {
            if *value == setting.default { format!("{value} (default)") } else { value.clone() }
        });
        let values: Vec<String> = values.collect();
        writeln!(out, "  setting {}: {}; {}", setting.name, values.join(", "), setting.about)?;
    }
    for source in pack.sources() {
        writeln!(out, "  source: {source}")?;
    }
    Ok(())
}

/// What a dialect's clients and backends do besides carrying calls.
fn capabilities(pack: &Pack) -> Vec<(&'static str, String)> {
    let habits = pack.habits();
    let choose = |holds: bool, yes: &str, no: &str| if holds { yes.to_owned() } else { no.to_owned() };
    let mut all = vec![
        ("signature", choose(pack.signs(), "coolkit's Sign", "none")),
        (
            "challenge",
            match (habits.carries_challenge, habits.challenge_names_destination) {
                (true, true) => "carried, in the place of the phone".to_owned(),
                (carried, _) => choose(carried, "carried", "none"),
            },
        ),
        ("tokens", choose(habits.gateway_tokens, "issued by the gateway", "passed on")),
        (
            "session",
            choose(habits.needs_session, "needed after a register or reset", "as the backend has it"),
        ),
        ("wrong region", choose(habits.tells_region, "told to the client", "followed by the gateway")),
    ];
    if let Some(length) = habits.code_length {
        all.push(("code length", format!("{length} digits")));
    }
    if habits.binds_after_code_login.is_some() {
        all.push(("register by phone", "a login by code, then a call that binds the phone".to_owned()));
    }
    if habits.path_names_account {
        let whose = "names the account, so a backend that can't say whose a token is gets no change_password";
        all.push(("path", whose.to_owned()));
    }
    all
}

fn lacks(pack: &Pack) -> impl Iterator<Item = (Operation, &str)> {
    let missing = Operation::ALL.iter().copied().filter(|operation| !pack.has(*operation));
    missing.map(|operation| (operation, pack.lacks(operation).unwrap_or("the pack does not say why")))
}

fn described(pack: &Arc<Pack>) -> Value {
    let habits = pack.habits();
    let has = Operation::ALL.iter().filter(|operation| pack.has(**operation));
    let lacks: serde_json::Map<String, Value> =
        lacks(pack).map(|(operation, why)| (operation.name().to_owned(), why.into())).collect();
    let settings = pack.settings().iter().map(|setting| {
        json!({
            "name": setting.name,
            "values": setting.values,
            "default": setting.default,
            "about": setting.about,
        })
    });
    json!({
        "name": pack.name(),
        "title": pack.title(),
        "names": by_name(forms::names(pack), Operation::name),
        "codes": by_name(forms::codes(pack), Purpose::name),
        "operations": has.map(|operation| operation.name()).collect::<Vec<_>>(),
        "lacks": lacks,
        "signature": if pack.signs() { "coolkit" } else { "none" },
        "challenge": habits.carries_challenge,
        "challenge_names_destination": habits.challenge_names_destination,
        "gateway_tokens": habits.gateway_tokens,
        "needs_session": habits.needs_session,
        "tells_region": habits.tells_region,
        "code_length": habits.code_length,
        "binds_after_code_login": habits.binds_after_code_login.is_some(),
        "path_names_account": habits.path_names_account,
        "settings": settings.collect::<Vec<_>>(),
        "sources": pack.sources(),
    })
}

fn by_name<K>(lists: Vec<(K, Vec<&'static str>)>, name: impl Fn(K) -> &'static str) -> Value {
    lists
        .into_iter()
        .map(|(key, list)| (name(key).to_owned(), json!(list)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
