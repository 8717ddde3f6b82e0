//! `dragoman healthcheck`: asks a running gateway whether it is ready, for container runtimes
//! and scripts on machines without curl.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::{Failure, reachable, variable};

const TIMEOUT: Duration = Duration::from_secs(3);
const HINT: &str = "is it running, and is its admin listener there? See [admin] in the config";
const EXAMPLES: &str = "Exit code 0 means that the answer was 200.

Examples:
  $ dragoman healthcheck
  $ dragoman healthcheck --url http://127.0.0.1:9091/livez";

/// Ask a running gateway whether it is ready
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Healthcheck {
    /// What to ask; plain HTTP only [default: /readyz at DRAGOMAN_ADMIN_LISTEN, else at 127.0.0.1:9090]
    #[arg(long)]
    url: Option<String>,
}

impl Healthcheck {
    pub fn execute(&self, out: &mut impl Write) -> Result<ExitCode, Failure> {
        let url = self.url.clone().unwrap_or_else(|| admin_url(variable("DRAGOMAN_ADMIN_LISTEN")));
        let (authority, path) = split(&url).ok_or_else(|| {
            Failure::new(format!("{url:?} is no address that can be asked"))
                .hint("write it as http://127.0.0.1:9090/readyz")
        })?;
        let status = status(&authority, &path)
            .map_err(|error| Failure::new(format!("no answer from {authority}")).because(error).hint(HINT))?;
        if status == 200 {
            writeln!(out, "ready")?;
            return Ok(ExitCode::SUCCESS);
        }
        Err(Failure::new("not ready").because(format!("{url} answered {status}")))
    }
}

/// Where a gateway on this machine tells whether it is ready; `listen` is its admin address.
fn admin_url(listen: Option<String>) -> String {
    let default = SocketAddr::from(([127, 0, 0, 1], 9090));
    match listen.map(|text| text.parse().map_err(|_| text)) {
        None => format!("http://{default}/readyz"),
        Some(Ok(address)) => format!("http://{}/readyz", reachable(address)),
        // Asked as it stands, so that the refusal shows it.
        Some(Err(text)) => text,
    }
}

/// Splits an address into `host:port` and path.
fn split(url: &str) -> Option<(String, String)> {
    let rest = url.strip_prefix("http://")?;
    let (authority, path) = match rest.split_once('/') {
        Some((authority, path)) => (authority, format!("/{path}")),
        None => (rest, "/".to_owned()),
    };
    let plain = |c: char| c.is_ascii_graphic() && c != '@';
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let authority = match has_port {
        true => authority.to_owned(),
        false => format!("{authority}:80"),
    };
    (!authority.starts_with(':') && authority.chars().all(plain) && path.chars().all(plain))
        .then_some((authority, path))
}

fn status(authority: &str, path: &str) -> io::Result<u16> {
    let mut stream = connect(authority)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // In one write: an answer that comes early must not meet half a request.
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut line = [0; 12];
    stream.read_exact(&mut line)?;
    let status = line.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..));
    let status = status.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is no HTTP"))
}

fn connect(authority: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Asks a server that gives `answer` to whatever it is asked.
    fn ask(answer: &'static [u8]) -> (Result<ExitCode, Failure>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/readyz", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let answer = Healthcheck { url: Some(url) }.execute(&mut io::sink());
        (answer, server.join().unwrap())
    }

    #[test]
    fn only_200_is_ready() {
        let (answer, request) = ask(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(answer, Ok(ExitCode::SUCCESS));
        assert!(request.starts_with("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:"));
        for answer in [&b"HTTP/1.1 503 Draining\r\n\r\n"[..], b"HTTP/1.1 2", b"SSH-2.0-OpenSSH_9"] {
            assert!(ask(answer).0.is_err());
        }
    }

    #[test]
    fn a_gateway_whose_admin_address_is_overridden_is_asked_there() {
        let url = |listen: &str| admin_url(Some(listen.to_owned()));
        assert_eq!(admin_url(None), "http://127.0.0.1:9090/readyz");
        assert_eq!(url("127.0.0.1:9191"), "http://127.0.0.1:9191/readyz");
        assert_eq!(url("0.0.0.0:9191"), "http://127.0.0.1:9191/readyz");
        assert_eq!(url("[::]:9191"), "http://[::1]:9191/readyz");
        assert_eq!(split(&url("here")), None);
    }

    #[test]
    fn addresses_are_split_or_refused() {
        let split = |url| split(url).map(|(authority, path)| format!("{authority} {path}"));
        assert_eq!(split("http://127.0.0.1:9090/readyz?x").as_deref(), Some("127.0.0.1:9090 /readyz?x"));
        assert_eq!(split("http://gateway").as_deref(), Some("gateway:80 /"));
        assert_eq!(split("http://[::1]:9090/livez").as_deref(), Some("[::1]:9090 /livez"));
        for url in [
            "https://127.0.0.1/",
            "127.0.0.1:9090",
            "http://a b/",
            "http:///x",
            "http://u@h/",
            "http://h/\r\nX: y",
        ] {
            assert_eq!(split(url), None, "{url}");
        }
    }
}
