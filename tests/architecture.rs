//! The rules that keep the house in order, checked on its source.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and those below it that it may lean on; the order is top to bottom.
const ROOMS: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "handover",
            "server",
            "gateway",
            "guard",
            "backend",
            "observe",
            "dialect",
            "upstream",
            "config",
            "store",
            "seal",
            "account",
            "sign",
            "http_text",
            "clock",
        ],
    ),
    ("handover", &["server", "guard", "store", "config", "clock"]),
    (
        "server",
        &[
            "problem_details",
            "gateway",
            "backend",
            "upstream",
            "observe",
            "guard",
            "config",
            "account",
            "hexadecimal",
            "clock",
        ],
    ),
    (
        "gateway",
        &[
            "dialect",
            "guard",
            "region",
            "upstream",
            "store",
            "observe",
            "config",
            "seal",
            "account",
            "sign",
            "hexadecimal",
            "http_text",
            "clock",
        ],
    ),
    ("region", &["config", "account", "clock"]),
    ("observe", &["guard", "upstream", "config", "account", "clock"]),
    (
        "backend",
        &["problem_details", "upstream", "config", "account", "query", "json", "hexadecimal", "clock"],
    ),
    ("dialect", &["config", "account", "sign", "query", "json", "hexadecimal", "clock"]),
    ("guard", &["store", "config", "account", "sign", "hexadecimal", "clock"]),
    ("upstream", &["config", "account", "clock"]),
    ("store", &["config", "seal", "account", "clock"]),
    ("config", &["seal", "account", "hexadecimal", "clock"]),
    ("seal", &["account", "hexadecimal", "clock"]),
    ("sign", &["account", "query", "clock"]),
    ("problem_details", &["account", "json"]),
    ("account", &["clock"]),
    ("query", &[]),
    ("http_text", &[]),
    ("hexadecimal", &[]),
    ("json", &[]),
    ("clock", &[]),
];

/// Rooms that decide and translate, and never touch a socket.
const PURE: &[&str] = &[
    "account",
    "dialect",
    "guard",
    "region",
    "config",
    "gateway",
    "seal",
    "sign",
    "query",
    "http_text",
    "json",
    "problem_details",
    "clock",
];

const SOCKETS: &[&str] = &["pingora", "tokio::net", "redis::", "std::net::Tcp", "std::net::Udp"];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The room that a file belongs to: the first part of its path.
fn room(file: &Path) -> String {
    let inside = file.strip_prefix(source_folder()).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// Tests may lean on whatever they like: they are cut off.
fn code(file: &Path) -> String {
    let name = file.file_name().unwrap().to_string_lossy();
    let is_test = name == "tests.rs" || file.components().any(|part| part.as_os_str() == "tests");
    if is_test {
        return String::new();
    }
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

fn rooms_named_in(code: &str) -> BTreeSet<String> {
    let after = code.split("crate::").skip(1);
    let name =
        |rest: &str| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
    after.map(name).filter(|name| !name.is_empty()).collect()
}

#[test]
fn every_room_leans_only_on_rooms_below_it() {
    for file in sources(&source_folder()) {
        let room = room(&file);
        if matches!(room.as_str(), "lib" | "main") {
            continue;
        }
        let below = ROOMS.iter().find(|(name, _)| *name == room);
        let below = below.unwrap_or_else(|| panic!("{}: {room} has no place in ROOMS", file.display())).1;
        for other in rooms_named_in(&code(&file)) {
            let known = other == room || below.contains(&other.as_str());
            assert!(known, "{} leans on {other}, which is not below {room}", file.display());
        }
    }
}

#[test]
fn no_room_leans_on_one_above_it_in_the_table() {
    for (index, (room, below)) in ROOMS.iter().enumerate() {
        for other in *below {
            let place = ROOMS.iter().position(|(name, _)| name == other);
            let fine = place.is_none_or(|place| place > index);
            assert!(fine, "{room} stands below {other} and can't lean on it");
        }
    }
}

#[test]
fn rooms_that_decide_never_touch_a_socket() {
    for file in sources(&source_folder()).iter().filter(|file| PURE.contains(&room(file).as_str())) {
        let code = code(file);
        for socket in SOCKETS {
            assert!(!code.contains(socket), "{} names {socket}", file.display());
        }
    }
}

#[test]
fn only_the_store_speaks_to_redis() {
    for file in sources(&source_folder()).iter().filter(|file| room(file) != "store") {
        let code = code(file).replace("store::redis::", "");
        assert!(!code.contains("redis::"), "{} names the Redis client", file.display());
    }
}
