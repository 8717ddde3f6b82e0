//! How connections of a listener begin: TLS, the PROXY protocol.

use super::*;

/// A directory of certificates: `one` and `two` are good, `old` has expired.
fn certificates() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for name in ["one", "two"] {
        let files = format!("-keyout {name}.key -out {name}.pem");
        openssl(&directory, &format!("req -x509 {key} -days 2 -subj /CN={name} {files}"));
    }
    // Only `ca` lets dates lie in the past.
    for (name, text) in [("index", ""), ("serial", "01\n"), ("ca.cnf", AUTHORITY)] {
        std::fs::write(directory.path().join(name), text).expect("written");
    }
    openssl(&directory, &format!("req {key} -subj /CN=old -keyout old.key -out old.csr"));
    let dates = "-startdate 20200101000000Z -enddate 20200102000000Z";
    let files = "-keyfile old.key -in old.csr -out old.pem -outdir .";
    openssl(&directory, &format!("ca -batch -selfsign -config ca.cnf -notext {dates} {files}"));
    directory
}

const AUTHORITY: &str = "[ca]\ndefault_ca = a\n[a]\ndatabase = index\nserial = serial\ndefault_md = sha256\npolicy = p\n[p]\ncommonName = supplied\n";

fn openssl(directory: &tempfile::TempDir, arguments: &str) {
    let mut command = std::process::Command::new("openssl");
    let output = command.args(arguments.split(' ')).current_dir(directory.path()).output().expect("openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn listener(keys: &str) -> String {
    format!("[[listener]]\naddress = \"127.0.0.1:8443\"\n{keys}\n[upstream]\nkind = \"embedded\"\n")
}

#[test]
fn certificates_of_a_listener_are_read_and_fit() {
    let directory = certificates();
    let path = |name: &str| format!("{:?}", directory.path().join(name));
    let tls = |certificate: &str, key: &str| {
        listener(&format!("tls = {{ certificate = {certificate}, key = {key} }}"))
    };
    let pair = |name: &str| {
        format!(
            "{{ certificate = {}, key = {} }}",
            path(&format!("{name}.pem")),
            path(&format!("{name}.key"))
        )
    };
    std::fs::write(
        directory.path().join("noise.pem"),
        "-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n",
    )
    .expect("written");
    error(&tls(&path("one.pem"), &format!("«{}", path("two.key"))), "does not fit the certificate");
    error(&tls(&format!("«{}", path("gone.pem")), &path("one.key")), "can't read");
    error(&tls(&path("one.pem"), &format!("«{}", path("one.pem"))), "holds no private key");
    error(&tls(&format!("«{}", path("noise.pem")), &path("one.key")), "is no X.509 certificate");
    warning(&tls(&format!("«{}", path("old.pem")), &path("old.key")), "expired at 2020-01-02T00:00:00");
    error(&listener("tls = «[]"), "TLS needs a certificate");
    error(&listener(&format!("tls = «{}", path("one.pem"))), "`tls` must be a table");
    error(
        &listener(&format!(
            "tls = [{}, {{ certificate = «{}, key = {} }}]",
            pair("one"),
            path("no"),
            path("one.key")
        )),
        "can't read",
    );
    let several = settings(&listener(&format!("tls = [{}, {}]", pair("one"), pair("two"))));
    assert_eq!(several.listeners[0].tls.len(), 2);
    assert!(!format!("{several:?}").contains("PRIVATE"));

    let before = settings(&listener(&format!("tls = {}", pair("one"))));
    let marked = |after: &Settings| {
        before
            .changes(after)
            .iter()
            .map(|change| (change.key.clone(), change.needs_restart, change.weakens))
            .collect::<Vec<_>>()
    };
    let key = || "listener 127.0.0.1:8443.tls".to_owned();
    let http2 = "listener 127.0.0.1:8443.http2".to_owned();
    assert_eq!(marked(&settings(&listener(""))), [(key(), false, true), (http2, false, false)]);
    assert!(before.listeners[0].http2, "with TLS it is spoken");
    assert!(!settings(&listener("")).listeners[0].http2, "in the clear only if wished");
    assert!(settings(&listener("http2 = true")).listeners[0].http2);
    error(&listener("http2 = «\"on\""), "`http2` must be true or false");
    for kind in ["key", "pem"] {
        let file = |name: &str| directory.path().join(format!("{name}.{kind}"));
        std::fs::copy(file("two"), file("one")).expect("copied");
    }
    let renewed = settings(&listener(&format!("tls = {}", pair("one"))));
    assert_eq!(marked(&renewed), [(key(), false, false)], "a renewed file is a change");
}

#[test]
fn origins_of_pages_are_as_browsers_write_them() {
    for wrong in ["*", "shop.example", "https://", "https://shop.example/", "https://Shop.example", "null"] {
        error(&listener(&format!("cors_origins = [«{wrong:?}]")), "is no origin of web pages");
    }
    let read = settings(&listener("cors_origins = [\"https://shop.example\", \"http://[::1]:3000\"]"));
    assert_eq!(read.listeners[0].cors_origins, ["https://shop.example", "http://[::1]:3000"]);
    let before = settings(&listener(""));
    let changes = before.changes(&read);
    assert!(changes.iter().any(|change| change.key.ends_with("cors_origins") && change.weakens));
}

#[test]
fn the_proxy_protocol_needs_somebody_who_is_trusted() {
    let required = "proxy_protocol = \"required\"";
    let unmarked = listener(required).replace("\"127", "«\"127");
    error(&unmarked, "nobody is trusted to speak it");
    error(&listener("proxy_protocol = «\"on\""), "`proxy_protocol` has no value \"on\"");
    let trusting = |keys: &str| format!("trusted_proxies = [\"10.0.0.0/8\"]\n{}", listener(keys));
    let (off, on) = (settings(&trusting("")), settings(&trusting(required)));
    assert!(on.listeners[0].proxy_protocol);
    assert!(
        off.changes(&on).iter().all(|change| change.needs_restart),
        "who is trusted is known at the start"
    );
    assert_eq!(off.reloaded(on).listeners, off.listeners);
}
