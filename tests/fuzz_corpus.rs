//! The fuzz targets without a fuzzer: the corpus is replayed, and mutated a little, the same way each time.
//! `FUZZ_ROUNDS` sets how many mutations each target gets; `make fuzz` does it properly.

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use targets::TARGETS;

/// What is in the tree anyway and is a corpus too.
const MORE: [(&str, &str); 4] =
    [("config", "config"), ("config", "config/examples"), ("pack", "dialects"), ("pack", "tests/packs")];

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = files(&root.join("fuzz/corpus").join(target));
    for (_, folder) in MORE.iter().filter(|(of, _)| *of == target) {
        all.extend(files(&root.join(folder)));
    }
    all
}

/// Marsaglia's xorshift: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % bound.max(1)
    }
}

/// What breaks parsers: ends of numbers, escapes, brackets, halves of characters.
const SPICES: [&[u8]; 24] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b"null",
    b"-1",
    b"9223372036854775808",
    b"1e999",
    b"\\ud800",
    b"%",
    b"%00",
    b"&",
    b"=",
    b";",
    b"\0",
    b"\xff",
    b"\xe7\x88",
    b"\r\n",
    b"\xf0\x9f\x90\x87",
    b":",
    b",",
    b"\"a\":",
];

fn mutate(random: &mut Random, all: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = all[random.below(all.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(24)).min(bytes.len());
        match random.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, SPICES[random.below(SPICES.len())].iter().copied())),
            3 => {
                let piece = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, piece));
            }
            4 => {
                let other = &all[random.below(all.len())];
                let from = random.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn rounds(target: &str) -> usize {
    let asked = std::env::var("FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    // A pack or a config takes a millisecond or ten to load without optimisation.
    asked.unwrap_or(if matches!(target, "pack" | "config") { 100 } else { 2_000 })
}

fn replay(name: &str) {
    let (_, target) = TARGETS.iter().find(|(of, _)| *of == name).unwrap();
    let all = corpus(name);
    assert!(!all.is_empty(), "{name} has no corpus");
    let mut random = Random(0x5eed_0001);
    let mutants = (0..rounds(name)).map(|_| mutate(&mut random, &all));
    for bytes in all.iter().cloned().chain(mutants) {
        if catch_unwind(AssertUnwindSafe(|| target(&bytes))).is_err() {
            panic!("{name} fails at {:?}", String::from_utf8_lossy(&bytes));
        }
    }
}

/// A test for each target, so that they run side by side.
macro_rules! replays {
    ($($name:ident)+) => {
        const REPLAYED: &[&str] = &[$(stringify!($name),)+];

        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )+
    };
}

replays! {
    call_coolkit call_qingzhenyun call_discuzq call_shopxo call_canonical
    answer_coolkit answer_qingzhenyun answer_discuzq answer_shopxo answer_canonical
    sign config pack seal json
}

#[test]
fn every_target_is_replayed_and_is_a_target_of_the_fuzzer() {
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, REPLAYED);
    for name in names {
        targets::run(name, b"");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/fuzz_targets/{name}.rs"));
        assert!(fs::read_to_string(file).unwrap().contains(&format!("run(\"{name}\", data)")), "{name}");
    }
}
