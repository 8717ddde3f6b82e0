//! What each section of the file demands.

use super::*;

#[test]
fn limits_that_contradict_each_other_are_told() {
    error(&with("[limits]\nbody_size_in_all = «\"1KiB\"\n"), "smaller than one body");
    error(&with("[limits]\ncall_timeout = «\"5s\"\n"), "shorter than");
    error(&with("[replay]\nentries = 10\nentries_per_app = «20\n"), "more entries than all");
}

#[test]
fn traces_go_to_an_endpoint_that_can_be_one() {
    for wrong in ["localhost:4318", "ftp://127.0.0.1/", "http://user@127.0.0.1/", "http://", "http://a b/"] {
        error(&with(&format!("[traces]\nendpoint = «{wrong:?}\n")), "is no endpoint");
    }
    let endpoint = "endpoint = \"https://collector.example/\"\n";
    error(&with(&format!("[traces]\n{endpoint}sample_ratio = «1.5\n")), "1.5 is out of bounds");
    error(&with(&format!("[traces]\n{endpoint}sample_ratio = «\"half\"\n")), "must be a number");
    let traces = settings(&with(&format!("[traces]\n{endpoint}sample_ratio = 0.25\n"))).traces.unwrap();
    assert_eq!((traces.address.as_str(), traces.path.as_str()), ("collector.example:443", "/v1/traces"));
    assert!((traces.tls, traces.sample_ratio) == (true, 0.25));
    assert_eq!(settings(&with("[traces]\nservice_name = \"one\"\n")).traces, None);
}

#[test]
fn limits_by_address_can_be_switched_off() {
    let limits = settings(&with("[limits]\nconnections_per_address = \"off\"\ncalls_per_second_per_address = \"off\"\nburst_per_address = 7\n")).limits;
    assert_eq!(
        (limits.connections_per_address, limits.calls_per_second_per_address, limits.burst_per_address),
        (None, None, 7)
    );
}

#[test]
fn listeners_offer_what_exists_and_once() {
    let listener = |rest: &str| format!("[[listener]]\naddress = \"127.0.0.1:8080\"\n{rest}");
    error(&listener("dialects = [«\"cool\"]\n"), "unknown dialect \"cool\"");
    error(&listener("dialects = «[]\n"), "must offer a dialect");
    error(&listener("dialects = [\"coolkit\"]\ndefault_dialect = «\"canonical\"\n"), "is not offered here");
    error(&listener("unsigned = [«\"coolkit\"]\n"), "signs its calls");
    error(&listener("hosts = { «\"shop example\" = \"shopxo\" }\n"), "\"shop example\" is no host name");
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
    error(&with("[admin]\naddress = «\"0.0.0.0:9090\"\n"), "open to everybody");
    let guarded = settings(&with("[admin]\naddress = \"0.0.0.0:9090\"\ntoken = \"env:APP_SECRET\"\n"));
    assert_eq!(guarded.admin.and_then(|admin| admin.token), Some("from the environment".into()));
    assert_eq!(settings(&with("[admin]\nenabled = false\n")).admin, None);
}

#[test]
fn apps_are_told_apart_and_have_one_or_two_secrets() {
    error(&app("[[app]]\nid = «\"one\"\nsecrets = [\"env:APP_SECRET\"]\n"), "\"one\" is there twice");
    error(&with("[[app]]\nid = «\"\"\nsecrets = [\"env:APP_SECRET\"]\n"), "must not be empty");
    error(&with("[[app]]\nid = \"a\"\nsecrets = «[]\n"), "needs a secret");
    error(
        &with(
            "[[app]]\nid = \"a\"\nsecrets = «[\"env:APP_SECRET\", \"env:APP_SECRET\", \"env:APP_SECRET\"]\n",
        ),
        "at most two live secrets",
    );
    error(&app("operations = [\"login\", «\"logn\"]\n"), "unknown operation \"logn\"");
    error(&app("operations = «[]\n"), "may call nothing");
    error(&app("nonce_format = «\"alnum9\"\n"), "`nonce_format` has no value");
}

#[test]
fn replay_is_only_enforced_behind_an_enforced_signature() {
    error(&app("signature = \"report\"\nreplay = «\"enforce\"\n"), "needs an enforced signature and clock");
    error(&app("signature = \"off\"\nreplay = «\"report\"\n"), "needs a checked signature");
    warning(&app("signature = «\"report\"\n"), "anybody may call as this app");
    let relaxed = settings(&app("signature = \"report\"\n"));
    assert_eq!(relaxed.apps.first().map(|app| app.replay), Some(Mode::Report));
}

#[test]
fn an_upstream_must_be_reachable_and_trustworthy() {
    let canonical = |rest: &str| upstream(&format!("dialect = \"canonical\"\n{rest}"));
    error(&canonical("addresses = «[]\n"), "has no address");
    for wrong in ["https://a.example", "a.example", "a.example:0", "a b:80", ":80", "[::1:80"] {
        error(&canonical(&format!("addresses = [«\"{wrong}\"]\n")), "is no address of a backend");
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
    error(&local("secret = { header = \"X-Key\", value = «\"a\\nb\" }\n"), "no header field can carry");
    error(&local("app = «{ id = \"a\", secret = \"env:APP_SECRET\" }\n"), "has no signature");
    error(&upstream("dialect = «\"coolkit\"\naddresses = [\"127.0.0.1:9000\"]\n"), "needs an app to sign as");
    error(&with("tls = «true\n"), "`tls` has no meaning for the embedded backend");
    let Upstream::Http(read) = settings(&local("base_path = \"/api/\"\n")).upstream else {
        panic!("an HTTP upstream")
    };
    assert_eq!((read.base_path.as_str(), read.host.as_str()), ("/api", "127.0.0.1"));
}

#[test]
fn how_an_upstream_is_reached_is_checked_key_by_key() {
    let local =
        |rest: &str| upstream(&format!("dialect = \"canonical\"\naddresses = [\"127.0.0.1:9000\"]\n{rest}"));
    let twice = "dialect = \"canonical\"\naddresses = «[\"127.0.0.1:9000\", \"127.0.0.1:9000\"]\n";
    error(&upstream(twice), "is there twice");
    error(&local("http_version = «\"3\"\n"), "`http_version` has no value \"3\"");
    error(&local("http_version = «\"auto\"\n"), "nothing tells which version");
    error(&local("balance = «\"random\"\n"), "`balance` has no value");
    error(&local("in_flight = «0\n"), "0 is out of bounds");
    error(&local("queue_timeout = «\"2m\"\n"), "out of bounds");
    error(&local("ejection = «\"on\"\n"), "`ejection` must be a table");
    error(&local("ejection = { «failure = 3 }\n"), "unknown key `failure` in ejection");
    error(&local("ejection = { failures = «0 }\n"), "0 is out of bounds");
    error(&local("ejection = { first = \"1m\", longest = «\"1s\" }\n"), "shorter than `first`");
    error(&local("health_check = «{ interval = \"5s\" }\n"), "`path` is missing in health_check");
    error(&local("health_check = { path = «\"livez\" }\n"), "is no path");
    error(
        &local("health_check = { path = \"/livez\", interval = \"1s\", timeout = «\"2s\" }\n"),
        "longer than `interval`",
    );
    error(&with("balance = «\"round_robin\"\n"), "`balance` has no meaning for the embedded backend");
    let Upstream::Http(read) = settings(&local("ejection = \"off\"\nqueue = 0\n")).upstream else {
        panic!("an HTTP upstream")
    };
    assert_eq!((read.balancing.ejection, read.concurrency.queue), (None, 0));
}

#[test]
fn certificates_of_an_upstream_are_read_and_fit() {
    let directory = tempfile::tempdir().expect("a directory");
    let openssl = |arguments: &str| {
        let output = std::process::Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(directory.path())
            .output()
            .expect("openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    for name in ["one", "two"] {
        openssl(&format!(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem"
        ));
    }
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("written");
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).expect("read");
    write("empty.pem", "");
    write("broken.pem", &read("one.pem").replace('M', "!"));
    write("both.pem", &(read("one.pem") + &read("one.key")));
    let path = |name: &str| directory.path().join(name).display().to_string();
    let tls = |rest: &str| {
        upstream(&format!(
            "dialect = \"canonical\"\naddresses = [\"127.0.0.1:9000\"]\ntls = true\nhost = \"a.example\"\n{rest}"
        ))
    };
    let authorities = |name: &str| tls(&format!("certificates = «{:?}\n", path(name)));
    error(&authorities("missing.pem"), "can't read");
    error(&authorities("empty.pem"), "holds no certificate");
    error(&authorities("one.key"), "holds more than certificates");
    error(&authorities("both.pem"), "holds more than certificates");
    error(&authorities("broken.pem"), "is no PEM file");
    let client = |certificate: &str, key: &str| {
        tls(&format!("client_certificate = {{ certificate = {certificate}, key = {key} }}\n"))
    };
    let quoted = |name: &str| format!("{:?}", path(name));
    error(&client(&quoted("one.pem"), &format!("«{}", quoted("two.key"))), "does not fit the certificate");
    error(&client(&quoted("one.pem"), &format!("«{}", quoted("one.pem"))), "holds no private key");
    error(&client(&format!("«{}", quoted("empty.pem")), &quoted("one.key")), "holds no certificate");
    let plain =
        |rest: &str| upstream(&format!("dialect = \"canonical\"\naddresses = [\"127.0.0.1:9000\"]\n{rest}"));
    error(&plain(&format!("certificates = «{}\n", quoted("one.pem"))), "no meaning without TLS");
    let own = format!("{{ certificate = {}, key = {} }}", quoted("one.pem"), quoted("one.key"));
    error(&plain(&format!("client_certificate = «{own}\n")), "no meaning without TLS");
    let good = tls(&format!("certificates = {}\nclient_certificate = {own}\n", quoted("two.pem")));
    let before = settings(&good);
    assert!(!format!("{before:?}").contains("PRIVATE"));
    write("two.pem", &read("one.pem"));
    let keys: Vec<String> = before.changes(&settings(&good)).iter().map(ToString::to_string).collect();
    assert_eq!(keys, ["upstream.certificates"], "a renewed file is a change");
}

#[test]
fn the_socket_of_upgrades_is_in_the_data_directory_unless_it_is_named() {
    error(&format!("upgrade_socket = «{:?}\n{OPEN}", "s".repeat(101)), "101 bytes are too many");
    let socket = |text: &str| settings(&format!("{text}\n{OPEN}")).upgrade_socket();
    assert_eq!(socket("data_dir = \"d\""), Some("d/upgrade.sock".into()));
    assert_eq!(socket("data_dir = \"d\"\nupgrade_socket = \"/run/s\""), Some("/run/s".into()));
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
    error(&sample("0.0.0.0:8080", SAMPLE_ID, "env:APP_SECRET"), "the vendor published");
    error(&sample("0.0.0.0:8080", "mine", SAMPLE_SECRET), "the vendor published");
    warning(&sample("127.0.0.1:8080", SAMPLE_ID, SAMPLE_SECRET), "the vendor published");
    let app = format!("app = {{ id = \"{SAMPLE_ID}\", secret = \"env:APP_SECRET\" }}\n");
    let text =
        upstream(&format!("dialect = \"coolkit\"\naddresses = [\"eu.example.com:443\"]\ntls = true\n{app}"));
    assert!(lines(&findings(&text)).contains("error: this is the pair that the vendor published"));
}

#[test]
fn only_what_is_listed_passes_through_and_only_to_a_backend_elsewhere() {
    let http = |rest: &str| {
        let canonical = upstream("dialect = \"canonical\"\naddresses = [\"127.0.0.1:9000\"]\n");
        format!("{canonical}[[pass_through]]\n{rest}")
    };
    let read = settings(&http("methods = [\"GET\"]\nprefix = \"/api/devices/\"\n")).pass_through;
    let expected = PassThrough {
        methods: vec![http::Method::GET],
        prefix: "/api/devices".to_owned(),
        move_token: false,
    };
    assert_eq!(read, [expected]);
    error(&http("prefix = «\"api\"\n"), "no path to put in front");
    error(&http("prefix = \"/a\"\nmethods = [«\"GETS\"]\n"), "no value \"GETS\"");
    warning(&http("prefix = «\"/\"\n"), "every path that is no account call");
    error(&with("«[[pass_through]]\nprefix = \"/a\"\n"), "nothing to pass through to");
}

#[test]
fn limits_of_the_throttle_are_numbers_or_off() {
    let read = settings(&with(
        "[throttle]\ndestination_interval = \"off\"\ndestination_per_hour = 3\naddress_per_hour = \"off\"\n\
         calling_codes = [86, 44]\nbudget_by_purpose = { register = 7 }\nper_purpose = true\n",
    ))
    .throttle;
    let expected = Throttle {
        destination_interval: None,
        destination_per_hour: Some(3),
        address_per_hour: None,
        calling_codes: Some(vec![86, 44]),
        budget_by_purpose: vec![(crate::account::Purpose::Register, 7)],
        per_purpose: true,
        ..Throttle::default()
    };
    assert_eq!(read, expected);
}

#[test]
fn a_throttle_that_contradicts_itself_is_told() {
    error(&with("[throttle]\ndestination_per_hour = «11\n"), "more sends than a day");
    error(&with("[throttle]\ncode_tries = «21\n"), "more tries than all codes");
    error(&with("[throttle]\naddress_per_hour = «0\n"), "0 is out of bounds");
    error(&with("[throttle]\naddress_per_hour = «\"none\"\n"), "a whole number or \"off\"");
    error(&with("[throttle]\ndestination_interval = «120\n"), "a duration in quotes");
    error(&with("[throttle]\ncalling_codes = «[]\n"), "no phone of any country");
    error(&with("[throttle]\nbudget_by_purpose = { «regster = 7 }\n"), "unknown key `regster`");
    error(&with("[throttle]\n«destination_intervall = \"1s\"\n"), "unknown key");
    warning(
        &with(
            "[throttle]\ndestination_interval = «\"off\"\ndestination_per_hour = \"off\"\ndestination_per_day = \"off\"\n",
        ),
        "without end",
    );
}

#[test]
fn trusted_proxies_are_ranges_of_addresses_and_not_everybody() {
    let top = |rest: &str| format!("{rest}{OPEN}");
    let read = settings(&top("trusted_proxies = [\"10.0.0.0/8\"]\nclient_address_header = \"X-Real-IP\"\n"));
    assert!(read.clients.trusted_proxies[0].contains("10.1.2.3".parse().unwrap()));
    assert_eq!(read.clients.header, "x-real-ip");
    error(&top("trusted_proxies = [«\"10.0.0.1/8\"]\n"), "no range of addresses");
    error(&top("trusted_proxies = «[\"0.0.0.0/0\"]\n"), "trusts everybody");
    for name in ["X_Forwarded_For", "Forwarded", ""] {
        error(&top(&format!("client_address_header = «\"{name}\"\n")), "no header field that lists");
    }
}
