//! Clients that speak HTTP/2 by libraries of their own: curl's and node's.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::authority::Authority;
use crate::support::coolkit::{App, is_session, login, register};
use crate::support::gateway::House;
use crate::support::tools::source;
use crate::support::upstream::{Fault, FaultyUpstream, signed_in};

const PHONE: &str = "+8613800138971";
const PASSWORD: &str = "a-fine-password";
const LOGIN: &str = "/api/user/login";

/// With a second listener, which has TLS.
fn secured(house: House, authority: &Authority) -> House {
    authority.sign("gateway.example");
    let (certificate, key) = (authority.file("gateway.example.pem"), authority.file("gateway.example.key"));
    house.with(&format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\ndialects = [\"coolkit\"]\n\
         tls = {{ certificate = {certificate:?}, key = {key:?} }}\n"
    ))
}

/// Runs a command with this input, and reads what it says as JSON.
fn ask(mut command: Command, input: &str) -> Value {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?} failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn curl_logs_in_over_either_version() {
    let (app, authority) = (App::sample(), Authority::new());
    let mut gateway = secured(House::embedded(&[&app]), &authority).start();
    register(&gateway, &app, PHONE, PASSWORD);
    let port = gateway.https().port();
    for (option, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let mut curl = Command::new("curl");
        let body = app.body(login(PHONE, PASSWORD));
        curl.args(["--silent", "--show-error", option, "--tlsv1.2", "--data-binary", "@-"])
            .arg("--cacert")
            .arg(authority.file("ca.pem"))
            .arg("--resolve")
            .arg(format!("gateway.example:{port}:127.0.0.1"))
            .arg("--header")
            .arg(format!("Authorization: {}", app.sign(body.as_bytes())))
            .args(["--header", "Content-Type: application/json"])
            .args(["--write-out", "%{stderr}%{http_version}"])
            .arg(format!("https://gateway.example:{port}{LOGIN}"))
            .stderr(Stdio::piped())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = curl.spawn().unwrap();
        child.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), version);
        assert!(is_session(&serde_json::from_slice(&output.stdout).unwrap()), "{option}: {output:?}");
    }
    gateway.interrupt();
}

#[test]
fn node_sends_a_hundred_signed_calls_at_once_over_one_connection() {
    let (app, authority) = (App::sample(), Authority::new());
    let backend = FaultyUpstream::start(Fault::Stalls(signed_in(PHONE)));
    let unthrottled = "[throttle]\nwrong_logins = \"off\"\nattempts_per_address = \"off\"\n\
                       slow_after = \"off\"\naccount_answers_per_hour = \"off\"\n";
    let house = House::in_front_of(backend.address, &[&app]).with(unthrottled);
    let gateway = secured(house, &authority).start();
    let request = |members| {
        let body = app.body(members);
        json!({"path": LOGIN, "authorization": app.sign(body.as_bytes()), "body": body})
    };
    let mut requests: Vec<Value> = (0..99).map(|_| request(login(PHONE, PASSWORD))).collect();
    // One of them is sent twice: the guards see streams as they see connections.
    requests.push(requests[0].clone());
    let input = json!({
        "port": gateway.https().port(),
        "name": "gateway.example",
        "authority": authority.file("ca.pem"),
        "requests": requests,
    });
    let mut node = Command::new("node");
    node.arg(source("tests/clients/http2.js"));
    let answers = ask(node, &input.to_string());
    let answers = answers.as_array().unwrap();
    assert!(answers.iter().all(|answer| answer["status"] == 200), "{answers:?}");
    let sessions = answers.iter().filter(|answer| is_session(&answer["body"])).count();
    assert_eq!((answers.len(), sessions), (100, 99), "a signed request passes once");
    assert_eq!(backend.requests(), 99);
    gateway.wait_for_metric("dragoman_connections", 0);
}
