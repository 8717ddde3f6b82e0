//! Tests of packs.

mod recorded;
mod seeds;
mod shopxo;

use std::sync::Arc;

use super::*;
use crate::account::Country;
use crate::dialect::{BUILT_IN, Dialects, Reading};

const READING: Reading = Reading { default_country: Country::CHINA, json_depth: 64 };

fn pack(name: &str) -> Arc<Pack> {
    Dialects::built_in().get(name).unwrap().clone()
}

#[test]
fn every_built_in_pack_loads_without_a_finding() {
    for (name, text) in BUILT_IN {
        match Pack::load(&format!("{name}.toml"), text, &Default::default()) {
            Ok((_, findings)) => assert!(findings.is_empty(), "{findings:?}"),
            Err(findings) => {
                let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
                panic!("{}", findings.join("\n"));
            }
        }
    }
}
