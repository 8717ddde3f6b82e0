//! Settings of dialects, and what the config knows of packs.

use std::fs;

use super::*;
use crate::dialect::{Dialect as _, Dialects};

const UPSTREAM: &str = "[upstream]\nkind = \"http\"\ndialect = \"shopxo\"\naddresses = [\"127.0.0.1:1\"]\n";

fn offering(settings: &str) -> String {
    format!("[[listener]]\naddress = \"127.0.0.1:1\"\n{settings}\n[upstream]\nkind = \"embedded\"\n")
}

#[test]
fn a_setting_that_no_pack_has_is_told_at_its_place() {
    error(&offering("settings.shopxo = { «numbrs = \"integer\" }"), "\"shopxo\" has no setting `numbrs`");
    error(&offering("settings.shopxo.numbers = «\"roman\""), "has no value \"roman\"");
    error(&offering("settings.coolkit = { «numbers = \"text\" }"), "\"coolkit\" has no setting `numbers`");
    error(&offering("settings.«shopxi = { numbers = \"text\" }"), "\"shopxi\" is not offered here");
    let upstream = format!("[[listener]]\naddress = \"127.0.0.1:1\"\n{UPSTREAM}");
    error(&format!("{upstream}settings = {{ «sort = \"up\" }}\n"), "\"shopxo\" has no setting `sort`");
    error(&format!("{upstream}settings.numbers = «\"roman\"\n"), "has no value \"roman\"");
    let good = settings(&offering("settings.shopxo = { numbers = \"integer\" }"));
    assert_eq!(good.listeners[0].settings["shopxo"]["numbers"], "integer");
}

#[test]
fn settings_of_an_operators_own_pack_are_known() {
    let directory = tempfile::tempdir().unwrap();
    let pack = "[dialect]\nname = \"mine\"\n[settings.tone]\nvalues = { loud = 1, quiet = 0 }\n";
    fs::write(directory.path().join("mine.toml"), pack).unwrap();
    let dialects = format!("dialects_dir = \"{}\"\n", directory.path().display());
    let with =
        |tone: &str| format!("{dialects}{}", offering(&format!("settings.mine = {{ tone = {tone} }}")));
    assert_eq!(settings(&with("\"loud\"")).listeners[0].settings["mine"]["tone"], "loud");
    error(&with("«\"shrill\""), "the setting `tone` of \"mine\" has no value \"shrill\"");
}

#[test]
fn the_config_knows_the_settings_of_the_built_in_packs_as_they_are() {
    let packs = Dialects::built_in();
    for known in super::super::dialects::known(None) {
        let pack = packs.get(&known.name).unwrap();
        assert_eq!(known.signs, pack.signs());
        let sorted = |mut values: Vec<String>| {
            values.sort_unstable();
            values
        };
        let told = pack.settings().iter();
        let mut told: Vec<_> =
            told.map(|setting| (setting.name.clone(), sorted(setting.values.clone()))).collect();
        told.sort_unstable();
        let mut read: Vec<_> =
            known.settings.into_iter().map(|(name, values)| (name, sorted(values))).collect();
        read.sort_unstable();
        assert_eq!(read, told, "{}", known.name);
    }
}
