//! Tests of packs.

use super::*;
use crate::dialect::BUILT_IN;

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
