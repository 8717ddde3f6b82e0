//! What differs between two configs, and what a running process makes of it.

use super::*;

const FULL: &str = r#"
data_dir = "data"
default_country = "CN"
[[listener]]
address = "127.0.0.1:8080"
dialects = ["coolkit"]
[admin]
address = "127.0.0.1:9090"
[upstream]
kind = "http"
dialect = "canonical"
addresses = ["127.0.0.1:8000"]
[[pass_through]]
prefix = "/a"
[[app]]
id = "one"
secrets = ["first"]
[limits]
body_size = "64KiB"
calls_per_second_per_address = 50
[replay]
entries = 1000
[region]
own = "cn"
[shutdown]
drain_delay = "5s"
[log]
level = "info"
"#;

/// The marks of each change: `!` needs a restart, `<` is weaker.
fn changes(from: &str, to: &str) -> Vec<String> {
    assert!(FULL.contains(from), "{from}");
    let changes = settings(FULL).changes(&settings(&FULL.replace(from, to)));
    let mark = |change: &Change| {
        let restart = if change.needs_restart { "!" } else { "" };
        let weaker = if change.weakens { "<" } else { "" };
        format!("{change}{restart}{weaker}")
    };
    changes.iter().map(mark).collect()
}

#[test]
fn the_same_config_has_no_changes() {
    assert!(changes("[log]", "[log]").is_empty());
    assert_eq!(settings(FULL).hash(), settings(FULL).hash());
}

#[test]
fn changes_are_named_by_their_keys_and_marked() {
    let cases: &[(&str, &str, &[&str])] = &[
        (r#"data_dir = "data""#, r#"data_dir = "other""#, &["data_dir!"]),
        (r#"data_dir = "data""#, "data_dir = \"data\"\nupgrade_socket = \"s\"", &["upgrade_socket!"]),
        (r#"default_country = "CN""#, r#"default_country = "DE""#, &["default_country"]),
        ("127.0.0.1:8080", "127.0.0.1:8081", &["listener.address!"]),
        (r#"["coolkit"]"#, r#"["coolkit", "canonical"]"#, &["listener 127.0.0.1:8080.dialects<"]),
        ("127.0.0.1:9090", "127.0.0.1:9091", &["admin.address!"]),
        ("[admin]", "[admin]\ntoken = \"t\"", &["admin.token!"]),
        ("[admin]", "[admin]\nenabled = false", &["admin.enabled!"]),
        ("127.0.0.1:8000", "127.0.0.1:8001", &["upstream.addresses"]),
        (
            "[[pass_through]]",
            "balance = \"least_connections\"\n[[pass_through]]",
            &["upstream.balance, ejection, health_check"],
        ),
        ("[[pass_through]]", "http_version = \"2\"\n[[pass_through]]", &["upstream.http_version"]),
        ("[[pass_through]]", "queue = 1\n[[pass_through]]", &["upstream.in_flight, queue, queue_timeout"]),
        (r#"prefix = "/a""#, r#"prefix = "/b""#, &["pass_through<"]),
        (r#"["first"]"#, r#"["second", "first"]"#, &["app \"one\".secrets"]),
        ("[limits]", "signature = \"report\"\n[limits]", &["app \"one\".signature<", "app \"one\".replay<"]),
        ("[limits]", "clock_window = { past = \"9s\" }\n[limits]", &["app \"one\".clock_window.past"]),
        ("[limits]", "clock_window = { past = \"999s\" }\n[limits]", &["app \"one\".clock_window.past<"]),
        ("[limits]", "[[app]]\nid = \"two\"\nsecrets = [\"s\"]\n[limits]", &["app \"two\" (added)"]),
        ("64KiB", "32KiB", &["limits.body_size"]),
        ("per_address = 50", "per_address = \"off\"", &["limits.calls_per_second_per_address<"]),
        ("entries = 1000", "entries = 1001", &["replay.entries!", "replay.entries_per_app!"]),
        (
            "[region]",
            "[seal]\nkeys = [{ id = \"one\", secret = \"env:SEAL_KEY\" }]\n[region]",
            &["seal.keys"],
        ),
        (r#"own = "cn""#, r#"own = "eu""#, &["region.own", "region.table"]),
        (r#"own = "cn""#, "own = \"cn\"\nmode = \"tell\"", &["region.mode"]),
        (
            "[shutdown]",
            "[[region.table]]\nname = \"cn\"\nbase_url = \"https://a\"\ncalling_codes = [86]\n[shutdown]",
            &["region \"cn\".base_url"],
        ),
        ("5s", "6s", &["shutdown!"]),
        ("info", "debug", &["log!"]),
    ];
    for (from, to, expected) in cases {
        assert_eq!(changes(from, to), *expected, "{from} -> {to}");
    }
}

#[test]
fn a_reload_takes_what_it_can_and_keeps_the_rest() {
    let old = settings(FULL);
    let everything = FULL
        .replace("\"data\"", "\"other\"")
        .replace("127.0.0.1:8080", "127.0.0.1:8081")
        .replace("127.0.0.1:9090", "127.0.0.1:9091")
        .replace("127.0.0.1:8000", "127.0.0.1:8001")
        .replace("\"one\"", "\"two\"")
        .replace("64KiB", "32KiB")
        .replace("1000", "999");
    let new = settings(&everything);
    let reloaded = old.reloaded(new.clone());
    assert!(old.changes(&reloaded).iter().all(|change| !change.needs_restart));
    assert!(reloaded.changes(&new).iter().all(|change| change.needs_restart));
    assert_eq!(
        (&reloaded.apps, &reloaded.limits, &reloaded.upstream),
        (&new.apps, &new.limits, &new.upstream)
    );
    assert_eq!((&reloaded.listeners, &reloaded.data_dir), (&old.listeners, &old.data_dir));
    assert_ne!(reloaded.hash(), old.hash());
}

#[test]
fn no_secret_has_a_part_in_the_hash() {
    assert_eq!(settings(FULL).hash(), settings(&FULL.replace("first", "other")).hash());
}

#[test]
fn another_kind_of_upstream_needs_a_restart() {
    let embedded = settings(OPEN);
    let http = settings(&FULL.replace("\"coolkit\"", "\"coolkit\", \"canonical\""));
    let kind: Vec<_> =
        embedded.changes(&http).into_iter().filter(|change| change.key == "upstream.kind").collect();
    assert!(matches!(kind.as_slice(), [Change { needs_restart: true, .. }]), "{kind:?}");
    let reloaded = embedded.reloaded(http);
    assert_eq!((reloaded.upstream, reloaded.pass_through), (Upstream::Embedded, Vec::new()));
}

#[test]
fn the_backend_of_another_region_is_replaced_like_the_own_one() {
    let region = |address: &str| {
        let upstream = format!("{{ kind = \"http\", dialect = \"canonical\", addresses = [{address:?}] }}");
        format!(
            "{FULL}[[region.table]]\nname = \"cn\"\n[[region.table]]\nname = \"eu\"\nupstream = {upstream}\n"
        )
    };
    let (old, new) = (settings(&region("127.0.0.1:8001")), settings(&region("127.0.0.1:8002")));
    let keys: Vec<String> = old.changes(&new).iter().map(ToString::to_string).collect();
    assert_eq!(keys, ["region \"eu\".upstream.addresses"]);
    assert_eq!(old.reloaded(new.clone()).regions, new.regions);
}

#[test]
fn another_set_of_embedded_backends_needs_a_restart() {
    let regions = "[[region.table]]\nname = \"cn\"\n[[region.table]]\nname = \"eu\"\n";
    let one = settings(&with(regions));
    let two = settings(&with(&format!("{regions}upstream = {{ kind = \"embedded\" }}\n")));
    let changes = one.changes(&two);
    let keys: Vec<&str> = changes.iter().map(|change| change.key.as_str()).collect();
    assert_eq!(keys, ["region \"eu\".upstream"]);
    assert!(changes.iter().all(|change| change.needs_restart));
    assert_eq!(one.reloaded(two).regions, one.regions);
}
