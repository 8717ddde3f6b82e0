//! Third-party clients, installed as their users install them, log in through the gateway.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::coolkit::{App, register};
use crate::support::gateway::House;
use crate::support::tools::{source, tool};

/// One client: its name, and how its script is run.
struct Client {
    name: &'static str,
    command: fn() -> Command,
}

const EWELINK_API: Client = Client {
    name: "ewelink-api",
    command: || {
        let mut command = Command::new("node");
        command.env("NODE_PATH", tool("node/node_modules")).arg(source("tests/clients/ewelink.js"));
        command
    },
};

const SONOFF_PYTHON: Client = Client {
    name: "sonoff-python",
    command: || {
        let mut command = Command::new(tool("python/bin/python"));
        command.arg(source("tests/clients/sonoff_client.py"));
        command
    },
};

impl Client {
    /// The app that the client's package carries.
    fn app(&self) -> App {
        let directory = tempfile::tempdir().unwrap();
        let status = (self.command)().arg("credentials").arg(directory.path()).status().unwrap();
        assert!(status.success());
        let read = |kind: &str| read(directory.path(), &format!("{}.{kind}", self.name));
        App::new(&read("id"), &read("secret"))
    }

    /// Logs in, and returns what the script says about it.
    fn login(&self, input: &Value) -> Value {
        let mut child =
            (self.command)().arg("login").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{} failed", self.name);
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn read(directory: &Path, name: &str) -> String {
    fs::read_to_string(directory.join(name)).unwrap()
}

fn logs_in_only_with_the_right_password(client: &Client) {
    let app = client.app();
    let gateway = House::embedded(&[&app]).start();
    let (right, wrong) = ("a-fine-password", "another-password");
    for (kind, identity) in [("phone", "+8613800138501"), ("email", "somebody@example.com")] {
        register(&gateway, &app, identity, right);
        let input = |password: &str| {
            let base_url = format!("http://{}", gateway.http);
            json!({"base_url": base_url, "region": "cn", kind: identity, "password": password})
        };
        let answer = client.login(&input(right));
        assert_eq!(answer["outcome"], "logged_in", "{kind}: {answer}");
        assert_eq!(answer["asked"], json!(["cn"]), "{kind}: {answer}");
        let answer = client.login(&input(wrong));
        assert_eq!(answer["outcome"], "refused", "{kind}: {answer}");
    }
}

#[test]
fn ewelink_api_from_npm_logs_in_as_users_registered_before() {
    logs_in_only_with_the_right_password(&EWELINK_API);
}

#[test]
fn sonoff_python_from_pypi_logs_in_as_users_registered_before() {
    logs_in_only_with_the_right_password(&SONOFF_PYTHON);
}
