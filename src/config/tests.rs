//! Every kind of finding, with the position that it points to.

use super::*;

const OPEN: &str = "[[listener]]\naddress = \"127.0.0.1:8080\"\n[upstream]\nkind = \"embedded\"\n";

fn environment(name: &str) -> Option<String> {
    match name {
        "APP_SECRET" => Some("from the environment".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn findings(text: &str) -> Vec<Finding> {
    match Settings::parse("test.toml", text, &environment) {
        Ok((_, warnings)) => warnings,
        Err(findings) => findings,
    }
}

fn settings(text: &str) -> Settings {
    match Settings::parse("test.toml", text, &environment) {
        Ok((settings, _)) => settings,
        Err(findings) => panic!("{}", lines(&findings)),
    }
}

fn lines(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

/// Proves that `text` has a finding of `message` that points at the mark `«` in it.
fn points_at(text: &str, severity: Severity, message: &str) {
    let (before, after) = text.split_once('«').expect("a mark");
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let findings = findings(&format!("{before}{after}"));
    let found = findings.iter().any(|finding| {
        finding.message.contains(message)
            && (finding.line, finding.column) == (line, column)
            && finding.severity == severity
            && !finding.hint.is_empty()
    });
    assert!(
        found,
        "no {message:?} at {line}:{column} among\n{}",
        lines(&findings)
    );
}

fn error(text: &str, message: &str) {
    points_at(text, Severity::Error, message);
}

fn warning(text: &str, message: &str) {
    points_at(text, Severity::Warning, message);
}

fn with(rest: &str) -> String {
    format!("{OPEN}{rest}")
}

fn app(rest: &str) -> String {
    with(&format!(
        "[[app]]\nid = \"one\"\nsecrets = [\"env:APP_SECRET\"]\n{rest}"
    ))
}

fn upstream(rest: &str) -> String {
    format!("[[listener]]\naddress = \"127.0.0.1:8080\"\n[upstream]\nkind = \"http\"\n{rest}")
}

#[test]
fn the_shipped_file_loads_without_a_finding_and_says_the_defaults() {
    let text = include_str!("../../config/dragoman.toml");
    let quiet = text.replace("# unsigned = [\"canonical\"]", "unsigned = [\"canonical\"]");
    let findings = findings(&quiet);
    let only_apps = |finding: &Finding| finding.message.contains("no app may sign");
    assert!(findings.iter().all(only_apps), "{}", lines(&findings));
    let shipped = settings(text);
    let shortest = settings(OPEN);
    assert_eq!(shipped, shortest);
    assert_eq!(shipped.limits, Limits::default());
    assert_eq!(shipped.replay, Replay::default());
    assert_eq!(shipped.shutdown, Shutdown::default());
    assert_eq!(shipped.regions, Regions::default());
}

#[test]
fn the_examples_in_the_shipped_file_load_when_they_are_uncommented() {
    let text = include_str!("../../config/dragoman.toml");
    let start = text.find("# [upstream]\n").expect("the example");
    let end = text
        .find("# What one client, one call")
        .expect("the next section");
    let key = |line: &str| {
        let line = line.strip_prefix("# ").unwrap_or(line);
        let is_toml = line.starts_with('[') || line.split(' ').nth(1) == Some("=");
        is_toml.then(|| line.to_owned())
    };
    let example: Vec<String> = text[start..end].lines().filter_map(key).collect();
    let example = example
        .join("\n")
        .replace("file:/etc/dragoman/my-app.old", "env:APP_SECRET")
        .replace("env:MY_APP_SECRET", "env:APP_SECRET")
        .replace("env:BACKEND_SECRET", "env:APP_SECRET")
        .replace("env:BACKEND_APP_SECRET", "env:APP_SECRET")
        .replace("dialect = \"canonical\"", "dialect = \"coolkit\"");
    let settings = settings(&format!("[[listener]]\naddress = \"127.0.0.1:8080\"\n{example}"));
    let Upstream::Http(upstream) = &settings.upstream else {
        panic!("an HTTP upstream")
    };
    assert_eq!(upstream.host, "accounts.internal");
    assert_eq!(upstream.answer_bytes, 1024 * 1024);
    let expected = App {
        operations: Some(vec![
            crate::account::Operation::Register,
            crate::account::Operation::Login,
        ]),
        secrets: vec!["from the environment".into(), "from the environment".into()],
        ..App::new("my-app", "")
    };
    assert_eq!(settings.apps, [expected]);
}

#[test]
fn every_finding_of_a_file_is_told_at_once_in_the_order_of_its_lines() {
    let text = "data_dirr = \"x\"\ndefault_country = \"ZZ\"\n[[listener]]\naddress = \"localhost\"\n\
                dialects = [\"coolkitt\", \"canonical\"]\n[upstream]\nkind = \"embeded\"\n[limits]\nin_flight = \"many\"\n";
    let found: Vec<(usize, usize)> = findings(text)
        .iter()
        .map(|finding| (finding.line, finding.column))
        .collect();
    assert_eq!(found, [(1, 1), (2, 19), (4, 11), (5, 13), (7, 8), (9, 13)]);
}

#[test]
fn a_finding_reads_like_a_compilers() {
    let text = format!("{OPEN}[log]\nlevle = \"info\"\n");
    let finding = findings(&text).pop().expect("a finding");
    assert_eq!(
        finding.to_string(),
        "test.toml:6:1: error: unknown key `levle` in [log]\n  hint: did you mean `level`?"
    );
}

#[test]
fn columns_count_characters() {
    error(
        "data_dir = \"数据\"\n[limits]\n\"说明\" = 1\nin_flight = «\"x\"\n",
        "whole number",
    );
    error(
        "[upstream]\n kind = \"embedded\"\n[[app]]\nid = \"数\"\nsecrets = [\"env:APP_SECRET\", «1]\n",
        "must be a string",
    );
}

#[test]
fn what_is_no_toml_is_told_at_its_place() {
    error("data_dir = «\n", "not TOML");
    error("data_dir = \"a\"\n«data_dir = \"b\"\n", "duplicate key");
}

#[test]
fn unknown_keys_are_told_in_every_table() {
    for (table, key) in [
        ("admin", "adress"),
        ("limits", "connection"),
        ("replay", "entires"),
        ("region", "owm"),
        ("shutdown", "grase"),
        ("log", "fromat"),
    ] {
        error(
            &with(&format!("[{table}]\n«{key} = 1\n")),
            &format!("unknown key `{key}` in [{table}]"),
        );
    }
    error(&app("«signatur = \"off\"\n"), "unknown key `signatur` in [[app]]");
    error(
        &app("clock_window = { «passt = \"1s\" }\n"),
        "unknown key `passt`",
    );
    error(&with("«kinds = \"http\"\n"), "unknown key `kinds` in [upstream]");
    error(
        "[[listener]]\n«adress = \"127.0.0.1:1\"\n",
        "unknown key `adress` in [[listener]]",
    );
    error(
        "[[region.table]]\n«nam = \"cn\"\n",
        "unknown key `nam` in [[region.table]]",
    );
}

#[test]
fn missing_keys_are_told_at_their_table() {
    error(
        "«[[listener]]\ndialects = [\"canonical\"]\n",
        "`address` is missing",
    );
    error(
        &with("«[[app]]\nsecrets = [\"env:APP_SECRET\"]\n"),
        "`id` is missing",
    );
    error(&with("«[[app]]\nid = \"one\"\n"), "`secrets` is missing");
    error(
        "[[listener]]\naddress = \"127.0.0.1:1\"\n«[upstream]\n",
        "`kind` is missing",
    );
    error(
        "[[listener]]\naddress = \"127.0.0.1:1\"\n«[upstream]\nkind = \"http\"\n",
        "`addresses` is missing",
    );
    let nothing = findings("");
    let said = |message: &str| nothing.iter().any(|finding| finding.message.contains(message));
    assert!(said("nothing to listen on") && said("`upstream` is missing"));
}

#[test]
fn wrong_types_are_told_without_the_value() {
    error("data_dir = «1\n", "`data_dir` must be a string, not integer");
    error("listener = «1\n", "`listener` must be a list, not integer");
    error("listener = [«1]\n", "`listener` must be a table, not integer");
    error(&with("[admin]\nenabled = «\"yes\"\n"), "must be true or false");
    error(&with("[admin]\ntoken = «4711\n"), "`token` must be a string");
    assert!(!lines(&findings(&with("[admin]\ntoken = 4711\n"))).contains("4711"));
    error(
        &with("[limits]\ncall_timeout = «30\n"),
        "must be a duration in quotes",
    );
    error(&with("[limits]\nin_flight = «1.5\n"), "must be a whole number");
}

#[test]
fn values_out_of_their_form_or_bounds_are_told() {
    error(
        &with("[limits]\ncall_timeout = «\"30 fortnights\"\n"),
        "is no duration",
    );
    error(&with("[limits]\ncall_timeout = «\"2d\"\n"), "out of bounds");
    error(&with("[limits]\nbody_size = «\"64 Kilo\"\n"), "is no size");
    error(&with("[limits]\nheader_size = «\"2MiB\"\n"), "out of bounds");
    error(&with("[limits]\nin_flight = «0\n"), "0 is out of bounds");
    error(&with("[limits]\nin_flight = «-1\n"), "-1 is out of bounds");
    error(
        &with("[limits]\nconnections_per_address = «\"none\"\n"),
        "or \"off\"",
    );
    error("default_country = «\"China\"\n", "unknown country");
    error(
        "[[listener]]\naddress = «\"localhost:8080\"\n",
        "no address to listen on",
    );
    error(
        &with("[log]\nlevel = «\"loud\"\n"),
        "`level` has no value \"loud\"",
    );
    error(&app("clock_window = { past = «\"30d\" }\n"), "out of bounds");
}

#[test]
fn limits_that_contradict_each_other_are_told() {
    error(
        &with("[limits]\nbody_size_in_all = «\"1KiB\"\n"),
        "smaller than one body",
    );
    error(&with("[limits]\ncall_timeout = «\"5s\"\n"), "shorter than");
    error(
        &with("[replay]\nentries = 10\nentries_per_app = «20\n"),
        "more entries than all",
    );
}

#[test]
fn limits_by_address_can_be_switched_off() {
    let limits = settings(&with("[limits]\nconnections_per_address = \"off\"\ncalls_per_second_per_address = \"off\"\nburst_per_address = 7\n")).limits;
    assert_eq!(
        (
            limits.connections_per_address,
            limits.calls_per_second_per_address,
            limits.burst_per_address
        ),
        (None, None, 7)
    );
}

#[test]
fn listeners_offer_what_exists_and_once() {
    let listener = |rest: &str| format!("[[listener]]\naddress = \"127.0.0.1:8080\"\n{rest}");
    error(&listener("dialects = [«\"cool\"]\n"), "unknown dialect \"cool\"");
    error(&listener("dialects = «[]\n"), "must offer a dialect");
    error(
        &listener("dialects = [\"coolkit\"]\ndefault_dialect = «\"canonical\"\n"),
        "is not offered here",
    );
    error(&listener("unsigned = [«\"coolkit\"]\n"), "signs its calls");
    error(
        "[[listener]]\naddress = \"127.0.0.1:8080\"\n[[listener]]\naddress = «\"127.0.0.1:8080\"\n",
        "127.0.0.1:8080 is taken by 127.0.0.1:8080",
    );
    error(
        "[[listener]]\naddress = \"127.0.0.1:8080\"\n[[listener]]\naddress = «\"0.0.0.0:8080\"\n",
        "is taken by",
    );
    error(
        "[[listener]]\naddress = \"127.0.0.1:8080\"\n[admin]\naddress = «\"127.0.0.1:8080\"\n",
        "is taken by",
    );
    let two_free_ports = "[[listener]]\naddress = \"127.0.0.1:0\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n[upstream]\nkind = \"embedded\"\n";
    assert_eq!(settings(two_free_ports).listeners.len(), 2);
}

#[test]
fn dialects_that_nobody_can_use_are_warned_about() {
    warning(
        "[[listener]]\naddress = «\"127.0.0.1:8080\"\n[upstream]\nkind = \"embedded\"\n",
        "\"coolkit\" is offered here, but no app may sign",
    );
    warning(
        "[[listener]]\naddress = «\"127.0.0.1:8080\"\n[upstream]\nkind = \"embedded\"\n[[app]]\nid = \"one\"\nsecrets = [\"env:APP_SECRET\"]\n",
        "\"canonical\" is closed here",
    );
}

#[test]
fn the_admin_listener_off_loopback_needs_a_token() {
    error(
        &with("[admin]\naddress = «\"0.0.0.0:9090\"\n"),
        "open to everybody",
    );
    let guarded = settings(&with(
        "[admin]\naddress = \"0.0.0.0:9090\"\ntoken = \"env:APP_SECRET\"\n",
    ));
    assert_eq!(
        guarded.admin.and_then(|admin| admin.token),
        Some("from the environment".into())
    );
    assert_eq!(settings(&with("[admin]\nenabled = false\n")).admin, None);
}

#[test]
fn secrets_come_from_the_environment_a_file_or_the_text() {
    error(
        &with("[admin]\ntoken = «\"env:NOT_SET\"\n"),
        "\"NOT_SET\" is not set",
    );
    error(
        &with("[admin]\ntoken = «\"file:/nowhere/to/be/found\"\n"),
        "can't read \"/nowhere/to/be/found\"",
    );
    error(&with("[admin]\ntoken = «\"env:EMPTY\"\n"), "the secret is empty");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("token");
    std::fs::write(&path, "from a file\n").expect("written");
    let text = with(&format!("[admin]\ntoken = \"file:{}\"\n", path.display()));
    assert_eq!(
        settings(&text).admin.and_then(|admin| admin.token),
        Some("from a file".into())
    );
    warning(
        "[[listener]]\naddress = \"0.0.0.0:8080\"\n[upstream]\nkind = \"embedded\"\n[admin]\ntoken = «\"letmein\"\n",
        "a secret stands in the config file",
    );
    assert!(!lines(&findings(&with("[admin]\ntoken = \"letmein\"\n"))).contains("letmein"));
}

#[test]
fn apps_are_told_apart_and_have_one_or_two_secrets() {
    error(
        &app("[[app]]\nid = «\"one\"\nsecrets = [\"env:APP_SECRET\"]\n"),
        "\"one\" is there twice",
    );
    error(
        &with("[[app]]\nid = «\"\"\nsecrets = [\"env:APP_SECRET\"]\n"),
        "must not be empty",
    );
    error(&with("[[app]]\nid = \"a\"\nsecrets = «[]\n"), "needs a secret");
    error(
        &with(
            "[[app]]\nid = \"a\"\nsecrets = «[\"env:APP_SECRET\", \"env:APP_SECRET\", \"env:APP_SECRET\"]\n",
        ),
        "at most two live secrets",
    );
    error(
        &app("operations = [\"login\", «\"logn\"]\n"),
        "unknown operation \"logn\"",
    );
    error(
        &app("nonce_format = «\"alnum9\"\n"),
        "`nonce_format` has no value",
    );
}

#[test]
fn replay_is_only_enforced_behind_an_enforced_signature() {
    error(
        &app("signature = \"report\"\nreplay = «\"enforce\"\n"),
        "needs an enforced signature and clock",
    );
    error(
        &app("signature = \"off\"\nreplay = «\"report\"\n"),
        "needs a checked signature",
    );
    warning(&app("signature = «\"report\"\n"), "anybody may call as this app");
    let relaxed = settings(&app("signature = \"report\"\n"));
    assert_eq!(relaxed.apps.first().map(|app| app.replay), Some(Mode::Report));
}

#[test]
fn an_upstream_must_be_reachable_and_trustworthy() {
    let canonical = |rest: &str| upstream(&format!("dialect = \"canonical\"\n{rest}"));
    error(&canonical("addresses = «[]\n"), "has no address");
    for wrong in [
        "https://a.example",
        "a.example",
        "a.example:0",
        "a b:80",
        ":80",
        "[::1:80",
    ] {
        error(
            &canonical(&format!("addresses = [«\"{wrong}\"]\n")),
            "is no address of a backend",
        );
    }
    error(
        &canonical("addresses = [\"10.0.0.5:443\"]\ntls = true\nhost = «\"\"\n"),
        "`host` must be the name",
    );
    error(
        &canonical("addresses = [\"10.0.0.5:443\"]\ntls = true\nhost = «\"10.0.0.5\"\n"),
        "`host` must be the name",
    );
    warning(&canonical("addresses = «[\"10.0.0.5:80\"]\n"), "in the clear");
    let local = |rest: &str| canonical(&format!("addresses = [\"127.0.0.1:9000\"]\n{rest}"));
    error(&local("base_path = «\"v1\"\n"), "no path to put in front");
    error(&local("total_timeout = «\"1s\"\n"), "shorter than");
    error(
        &local("secret = { header = «\"Host\", value = \"env:APP_SECRET\" }\n"),
        "can't be the header field",
    );
    error(
        &local("secret = { header = \"X-Key\", value = «\"a\\nb\" }\n"),
        "no header field can carry",
    );
    error(
        &local("app = «{ id = \"a\", secret = \"env:APP_SECRET\" }\n"),
        "has no signature",
    );
    error(
        &upstream("dialect = «\"coolkit\"\naddresses = [\"127.0.0.1:9000\"]\n"),
        "needs an app to sign as",
    );
    error(
        &with("tls = «true\n"),
        "`tls` has no meaning for the embedded backend",
    );
    let Upstream::Http(read) = settings(&local("base_path = \"/api/\"\n")).upstream else {
        panic!("an HTTP upstream")
    };
    assert_eq!(
        (read.base_path.as_str(), read.host.as_str()),
        ("/api", "127.0.0.1")
    );
}

#[test]
fn regions_are_named_once_and_the_own_one_among_them() {
    error(
        &with("[region]\nown = «\"eu\"\n[[region.table]]\nname = \"cn\"\n"),
        "not in the table",
    );
    error(&with("[region]\nown = «\"e u\"\n"), "no region name");
    error(
        &with("[region]\nown = \"cn\"\ntable = «[{ name = \"cn\" }, { name = \"cn\" }]\n"),
        "there twice",
    );
    error(
        &with(
            "[region]\ntable = «[{ name = \"cn\", calling_codes = [86] }, { name = \"as\", calling_codes = [86] }]\n",
        ),
        "two regions serve calling code 86",
    );
    error(
        &with("[[region.table]]\nname = \"cn\"\nbase_url = «\"example.cn\"\n"),
        "no base address",
    );
    assert_eq!(settings(&with("[region]\nown = \"eu\"\n")).regions.table.len(), 1);
}

#[test]
fn the_data_directory_may_be_nowhere_only_where_that_is_possible() {
    error(&format!("data_dir = «\"\"\n{OPEN}"), "needs a place for its data");
    let app = "[[app]]\nid = \"one\"\nsecrets = [\"env:APP_SECRET\"]\n";
    let http = upstream("dialect = \"canonical\"\naddresses = [\"127.0.0.1:9000\"]\n");
    warning(&format!("data_dir = «\"\"\n{http}{app}"), "refused for a while");
}

#[test]
fn the_published_sample_is_refused_off_loopback() {
    let sample = |address: &str, id: &str, secret: &str| {
        format!(
            "[[listener]]\naddress = \"{address}\"\n[upstream]\nkind = \"embedded\"\n[[app]]\nid = «\"{id}\"\nsecrets = [\"{secret}\"]\n"
        )
    };
    error(
        &sample("0.0.0.0:8080", SAMPLE_ID, "env:APP_SECRET"),
        "the vendor published",
    );
    error(
        &sample("0.0.0.0:8080", "mine", SAMPLE_SECRET),
        "the vendor published",
    );
    warning(
        &sample("127.0.0.1:8080", SAMPLE_ID, SAMPLE_SECRET),
        "the vendor published",
    );
    let app = format!("app = {{ id = \"{SAMPLE_ID}\", secret = \"env:APP_SECRET\" }}\n");
    let text = upstream(&format!(
        "dialect = \"coolkit\"\naddresses = [\"eu.example.com:443\"]\ntls = true\n{app}"
    ));
    assert!(lines(&findings(&text)).contains("error: this is the pair that the vendor published"));
}

#[test]
fn a_file_that_is_not_there_or_not_text_is_told_by_name() {
    let missing = Settings::load(std::path::Path::new("/nowhere.toml"), &environment).unwrap_err();
    assert!(lines(&missing).starts_with("/nowhere.toml: error: can't read it"));
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("latin1.toml");
    std::fs::write(&path, [0x64, 0xe9]).expect("written");
    let unreadable = Settings::load(&path, &environment).unwrap_err();
    assert!(lines(&unreadable).contains("not UTF-8 text"));
}

fn overridden(text: &str, variable: &str, value: &str) -> Result<(Settings, Vec<Finding>), Vec<Finding>> {
    let env = |name: &str| {
        (name == variable)
            .then(|| value.to_owned())
            .or_else(|| environment(name))
    };
    Settings::parse("test.toml", text, &env)
}

#[test]
fn environment_variables_override_what_they_name() {
    let (settings, _) = overridden(OPEN, "DRAGOMAN_LISTEN", "127.0.0.1:1234").expect("good");
    assert_eq!(settings.listeners[0].address.port(), 1234);
    let (settings, _) = overridden(OPEN, "DRAGOMAN_ADMIN_LISTEN", "127.0.0.1:1234").expect("good");
    assert_eq!(settings.admin.map(|admin| admin.address.port()), Some(1234));
    let (settings, _) = overridden(OPEN, "DRAGOMAN_DATA_DIR", "/elsewhere").expect("good");
    assert_eq!(settings.data_dir, Some("/elsewhere".into()));
    assert_eq!(
        settings.backend.map(|backend| backend.database),
        Some("/elsewhere/accounts.db".into())
    );
}

#[test]
fn wrong_overrides_are_told_by_the_variables_name() {
    for (variable, value, message) in [
        ("DRAGOMAN_LISTEN", "here", "\"here\" is no address"),
        (
            "DRAGOMAN_LISTEN",
            "127.0.0.1:1,127.0.0.1:2",
            "2 addresses for 1 listeners",
        ),
        ("DRAGOMAN_ADMIN_LISTEN", "0.0.0.0:9090", "open to everybody"),
        ("DRAGOMAN_ADMIN_LISTEN", "127.0.0.1:8080", "is taken by"),
    ] {
        let findings = overridden(OPEN, variable, value).unwrap_err();
        let start = format!("{variable}: error: ");
        assert!(
            findings.iter().any(|finding| {
                let line = finding.to_string();
                line.starts_with(&start) && line.contains(message)
            }),
            "{}",
            lines(&findings)
        );
    }
}

#[test]
fn the_demo_opens_all_dialects_on_loopback_only() {
    let demo = Settings::demo(&|_| None).expect("the demo");
    assert!(demo.demo);
    assert_eq!(demo.listeners[0].dialects.len(), DIALECTS.len());
    assert_eq!(demo.listeners[0].unsigned, ["canonical"]);
    assert_eq!(demo.apps, [App::new(SAMPLE_ID, SAMPLE_SECRET)]);
    assert_eq!(demo.limits.connections_per_address, None);
    assert!(demo.backend.is_some());
    for variable in ["DRAGOMAN_LISTEN", "DRAGOMAN_ADMIN_LISTEN"] {
        let env = |name: &str| (name == variable).then(|| "0.0.0.0:8080".to_owned());
        let findings = Settings::demo(&env).unwrap_err();
        let expected = format!("{variable}: error: the demo does not listen on 0.0.0.0:8080");
        assert!(lines(&findings).starts_with(&expected), "{}", lines(&findings));
    }
    let env = |name: &str| (name == "DRAGOMAN_LISTEN").then(|| "127.0.0.1:0".to_owned());
    assert_eq!(
        Settings::demo(&env).expect("moved").listeners[0].address.port(),
        0
    );
}
