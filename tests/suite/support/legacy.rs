//! A strict backend that speaks one of the legacy dialects, written in Python without this crate's code.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};

use serde::Deserialize;

use super::http::{self, Answer, Connection};
use super::tools::{source, tool};

/// A running server, killed when it is dropped. One that stumbled, and said so on its standard error, fails
/// the test.
pub struct LegacyServer {
    child: Child,
    errors: Option<JoinHandle<String>>,
    /// Where the gateway finds it.
    pub address: SocketAddr,
}

/// A code that the server would have sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SentCode {
    /// A phone in E.164 or an e-mail.
    pub to: String,
    /// As the canonical model calls it.
    pub purpose: String,
    pub code: String,
}

/// A request as the server got it.
#[derive(Debug, Clone, Deserialize)]
pub struct Received {
    pub method: String,
    pub target: String,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Received {
    /// All values of a header field, whatever the case of its name.
    pub fn header(&self, name: &str) -> Vec<&str> {
        let fields = self.headers.iter().filter(|(candidate, _)| candidate.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| value.as_str()).collect()
    }
}

impl LegacyServer {
    /// Starts the server of a dialect with its options and waits until it listens; `--help` of its file in
    /// `tests/clients/legacy` tells which there are.
    pub fn start(dialect: &str, options: &[&str]) -> Self {
        let script = source(&format!("tests/clients/legacy/{dialect}.py"));
        let mut child = Command::new(tool("python/bin/python"))
            .arg("-B")
            .arg(script)
            .args(options)
            // It ends when this does, so it never outlives a test that was killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let errors = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(address) = line.trim_end().strip_prefix("listening ") else {
            panic!("{dialect}.py said {line:?}: {}", errors.join().unwrap());
        };
        Self { address: address.parse().unwrap(), child, errors: Some(errors) }
    }

    /// Every code sent to a phone (E.164) or an e-mail, oldest first.
    pub fn codes_for(&self, to: &str) -> Vec<SentCode> {
        let target = format!("/_test/codes?to={}", to.replace('+', "%2B"));
        serde_json::from_str(&http::get(self.address, &target).body).unwrap()
    }

    /// The newest code sent to a phone (E.164) or an e-mail.
    pub fn code(&self, to: &str) -> String {
        self.codes_for(to).pop().unwrap_or_else(|| panic!("nothing was sent to {to}")).code
    }

    /// Everything that came in, oldest first.
    pub fn requests(&self) -> Vec<Received> {
        serde_json::from_str(&http::get(self.address, "/_test/requests").body).unwrap()
    }

    /// Sends one request without a gateway between, on a connection of its own.
    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: backend.example\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        Connection::open(self.address).exchange(request.as_bytes())
    }

    /// Closes the standard input and tells how the process ended.
    pub fn close(&mut self) -> ExitStatus {
        drop(self.child.stdin.take());
        self.child.wait().unwrap()
    }

    /// Sends SIGTERM and tells how the process ended.
    pub fn terminate(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status().unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for LegacyServer {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let errors = self.errors.take().map(|reader| reader.join().unwrap()).unwrap_or_default();
        if thread::panicking() {
            eprintln!("--- what the server printed\n{errors}---");
        } else {
            assert_eq!(errors, "");
        }
    }
}
