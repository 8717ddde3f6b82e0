//! The shipped file, the environment and the demo.

use std::time::Duration;

use super::*;

#[test]
fn the_shipped_file_loads_without_a_finding_and_says_the_defaults() {
    let text = include_str!("../../../config/dragoman.toml");
    let quiet = text.replace("# unsigned = [\"canonical\"]", "unsigned = [\"canonical\"]");
    let findings = findings(&quiet);
    let only_apps = |finding: &Finding| finding.message.contains("no app may sign");
    assert!(findings.iter().all(only_apps), "{}", lines(&findings));
    let shipped = settings(text);
    let shortest = settings(OPEN);
    assert_eq!(shipped, shortest);
    assert_eq!(shipped.limits, Limits::default());
    assert_eq!(shipped.replay, Replay::default());
    assert_eq!(shipped.throttle, Throttle::default());
    assert_eq!(shipped.clients, Clients::default());
    assert_eq!(shipped.shutdown, Shutdown::default());
    assert_eq!(shipped.regions, Regions::default());
    assert_eq!(shipped.seal, Seal::default());
}

#[test]
fn the_examples_in_the_shipped_file_load_when_they_are_uncommented() {
    let text = include_str!("../../../config/dragoman.toml");
    let start = text.find("# [upstream]\n").expect("the example");
    let end = text.find("# What one client, one call").expect("the next section");
    let key = |line: &str| {
        let line = line.strip_prefix("# ").unwrap_or(line);
        let is_toml = line.starts_with('[') || line.split(' ').nth(1) == Some("=");
        is_toml.then(|| line.to_owned())
    };
    let example: Vec<String> = text[start..end].lines().filter_map(key).collect();
    // The files are not there, but the keys are known.
    let (files, example): (Vec<String>, Vec<String>) =
        example.into_iter().partition(|line| line.contains("certificate"));
    assert_eq!(files.len(), 2);
    for file in files {
        let found = findings(&upstream(&format!("addresses = [\"127.0.0.1:1\"]\ntls = true\n{file}\n")));
        let found = lines(&found);
        assert!(found.contains("can't read /etc/dragoman/") && !found.contains("unknown key"), "{found}");
    }
    let example = example
        .join("\n")
        .replace("file:/etc/dragoman/my-app.old", "env:APP_SECRET")
        .replace("env:MY_APP_SECRET", "env:APP_SECRET")
        .replace("env:BACKEND_SECRET", "env:APP_SECRET")
        .replace("env:BACKEND_APP_SECRET", "env:APP_SECRET")
        .replace("dialect = \"canonical\"", "dialect = \"coolkit\"")
        // Coolkit leaves nothing open.
        .replace("settings = { password_form = \"plain\" }\n", "");
    let listener =
        text.lines().find_map(|line| line.strip_prefix("# settings = { shopxo")).expect("an example");
    let listener = format!("[[listener]]\naddress = \"127.0.0.1:8080\"\nsettings = {{ shopxo{listener}\n");
    let settings = settings(&format!("{listener}{example}"));
    assert_eq!(settings.listeners[0].settings["qingzhenyun"]["http_status"], "ok");
    let Upstream::Http(upstream) = &settings.upstream else { panic!("an HTTP upstream") };
    assert_eq!(upstream.host, "accounts.internal");
    let health_check = HealthCheck {
        path: "/livez".to_owned(),
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(2),
        unhealthy: 3,
        healthy: 2,
    };
    let expected = HttpUpstream {
        balancing: Balancing { health_check: Some(health_check), ..Balancing::default() },
        secret: Some(("x-gateway-secret".to_owned(), "from the environment".into())),
        app: upstream.app.clone(),
        ..HttpUpstream::new("coolkit", &["accounts.internal:443"], "accounts.internal")
    };
    assert_eq!(upstream, &expected, "the defaults are as the file says");
    assert!(settings.pass_through[0].covers(&http::Method::GET, "/api/devices/1"));
    let expected = App {
        operations: Some(vec![crate::account::Operation::Register, crate::account::Operation::Login]),
        secrets: vec!["from the environment".into(), "from the environment".into()],
        ..App::new("my-app", "")
    };
    assert_eq!(settings.apps, [expected]);
}

fn overridden(text: &str, variable: &str, value: &str) -> Result<(Settings, Vec<Finding>), Vec<Finding>> {
    let env = |name: &str| (name == variable).then(|| value.to_owned()).or_else(|| environment(name));
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
        settings.backends.first().map(|backend| backend.database.clone()),
        Some("/elsewhere/accounts.db".into())
    );
}

#[test]
fn wrong_overrides_are_told_by_the_variables_name() {
    for (variable, value, message) in [
        ("DRAGOMAN_LISTEN", "here", "\"here\" is no address"),
        ("DRAGOMAN_LISTEN", "127.0.0.1:1,127.0.0.1:2", "it names 2 of 1 addresses"),
        ("DRAGOMAN_ADMIN_LISTEN", "0.0.0.0:9090", "open to everybody"),
        ("DRAGOMAN_ADMIN_LISTEN", "127.0.0.1:8080", "is taken by"),
        ("DRAGOMAN_ADMIN_LISTEN", "127.0.0.1:1,127.0.0.1:2", "there is one admin listener"),
    ] {
        let findings = overridden(OPEN, variable, value).unwrap_err();
        let start = format!("{variable}: error: ");
        let found = findings.iter().find(|finding| {
            let line = finding.to_string();
            line.starts_with(&start) && line.contains(message)
        });
        let Some(found) = found else { panic!("{}", lines(&findings)) };
        sites::proven(found);
    }
}

#[test]
fn the_demo_opens_all_dialects_on_loopback_only() {
    let demo = Settings::demo(&|_| None).expect("the demo");
    assert!(demo.demo);
    assert_eq!(demo.listeners[0].dialects.len(), DIALECTS.len());
    assert_eq!(demo.listeners[0].unsigned, ["qingzhenyun", "discuzq", "shopxo", "canonical"]);
    assert_eq!(demo.apps, [App::new(SAMPLE_ID, SAMPLE_SECRET)]);
    assert_eq!(demo.limits.connections_per_address, None);
    let throttle = &demo.throttle;
    assert_eq!((throttle.address_per_hour, throttle.budget_per_hour), (None, None));
    assert_eq!(throttle.destination_interval, Throttle::default().destination_interval);
    assert_eq!(throttle.wrong_logins, Throttle::default().wrong_logins);
    assert!(demo.backends.len() == 1);
    for variable in ["DRAGOMAN_LISTEN", "DRAGOMAN_ADMIN_LISTEN"] {
        let env = |name: &str| (name == variable).then(|| "0.0.0.0:8080".to_owned());
        let findings = Settings::demo(&env).unwrap_err();
        let expected = format!("{variable}: error: the demo does not listen on 0.0.0.0:8080");
        assert!(lines(&findings).starts_with(&expected), "{}", lines(&findings));
        sites::proven(&findings[0]);
    }
    let env = |name: &str| (name == "DRAGOMAN_LISTEN").then(|| "127.0.0.1:0".to_owned());
    assert_eq!(Settings::demo(&env).expect("moved").listeners[0].address.port(), 0);
}

#[test]
fn secrets_come_from_the_environment_a_file_or_the_text() {
    error(&with("[admin]\ntoken = «\"env:NOT_SET\"\n"), "\"NOT_SET\" is not set");
    error(&with("[admin]\ntoken = «\"file:/nowhere/to/be/found\"\n"), "can't read \"/nowhere/to/be/found\"");
    error(&with("[admin]\ntoken = «\"env:EMPTY\"\n"), "the secret is empty");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("token");
    std::fs::write(&path, "from a file\n").expect("written");
    let text = with(&format!("[admin]\ntoken = \"file:{}\"\n", path.display()));
    assert_eq!(settings(&text).admin.and_then(|admin| admin.token), Some("from a file".into()));
    warning(
        "[[listener]]\naddress = \"0.0.0.0:8080\"\n[upstream]\nkind = \"embedded\"\n[admin]\ntoken = «\"letmein\"\n",
        "a secret stands in the config file",
    );
    assert!(!lines(&findings(&with("[admin]\ntoken = \"letmein\"\n"))).contains("letmein"));
}

#[test]
fn the_dialects_that_a_config_may_name_are_those_that_are_built_in() {
    let built_in = crate::dialect::Dialects::built_in();
    let built_in: Vec<_> = built_in
        .iter()
        .map(|dialect| {
            (crate::dialect::Dialect::name(&**dialect), crate::dialect::Dialect::signs(&**dialect))
        })
        .collect();
    let named: Vec<_> = DIALECTS.iter().map(|dialect| (dialect.name, dialect.signs)).collect();
    assert_eq!(named, built_in);
}
