//! Third-party clients, installed as their users install them, and how their scripts are run.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::coolkit::App;
use super::tools::{source, tool};

/// One client: its name, and how its script is run.
pub struct ThirdParty {
    pub name: &'static str,
    command: fn() -> Command,
}

pub const EWELINK_API: ThirdParty = ThirdParty {
    name: "ewelink-api",
    command: || {
        let mut command = Command::new("node");
        command.env("NODE_PATH", tool("node/node_modules")).arg(source("tests/clients/ewelink.js"));
        command
    },
};

pub const SONOFF_PYTHON: ThirdParty = ThirdParty {
    name: "sonoff-python",
    command: || {
        let mut command = Command::new(tool("python/bin/python"));
        command.arg(source("tests/clients/sonoff_client.py"));
        command
    },
};

impl ThirdParty {
    /// The app that the client's package carries.
    pub fn app(&self) -> App {
        let directory = tempfile::tempdir().unwrap();
        let status = (self.command)().arg("credentials").arg(directory.path()).status().unwrap();
        assert!(status.success());
        let read = |kind: &str| read(directory.path(), &format!("{}.{kind}", self.name));
        App::new(&read("id"), &read("secret"))
    }

    /// Logs in, and returns what the script says about it.
    pub fn login(&self, input: &Value) -> Value {
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
