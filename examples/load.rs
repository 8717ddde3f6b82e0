//! Both ends of a measurement, each its own process so that neither is counted: a backend that
//! always gives the same answer, and a client that sends signed logins over one connection.
//!
//! `load answer` serves a canonical answer; it prints `listening http ADDRESS`.
//! `load send ADDRESS COUNT APP SECRET_FILE EXPECTED` sends COUNT logins, one after another,
//! each with its own nonce, and fails unless every answer is a success that holds EXPECTED.
//! `load start COUNT APP SECRET_FILE EXPECTED DIRECTORY PROGRAM…` starts a gateway COUNT times, each with a data
//! directory of its own in DIRECTORY, and tells how long it took from there to the answer to a first login.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What a canonical backend says to a login, 350 bytes.
const ANSWER: &str = concat!(
    r#"{"account":{"id":"1024","phone":"+8613800138001","email":null,"nickname":"Li","#,
    r#""gender":null,"status":"active","created_at":"2026-01-02T03:04:05Z"},"#,
    r#""session":{"access_token":"0123456789abcdef0123456789abcdef0123","token_type":"Bearer","#,
    r#""expires_in":2592000,"refresh_token":"89abcdef0123456789abcdef01234567","refresh_expires_in":5184000},"#,
    r#""region":"cn"}"#
);

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["answer"] => answer(),
        ["send", address, count, app, secret, expected] => {
            let secret = std::fs::read_to_string(secret)?;
            send(address, count.parse()?, app, secret.trim_end(), expected)
        }
        ["start", count, app, secret, expected, directory, program @ ..] => {
            let secret = std::fs::read_to_string(secret)?;
            start(count.parse()?, (app, secret.trim_end()), expected, Path::new(directory), program)
        }
        _ => {
            Err("usage: load answer | load send … | load start …: the head of the source has the rest".into())
        }
    }
}

fn answer() -> Outcome<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    eprintln!("listening http {}", listener.local_addr()?);
    let response = format!(
        "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{ANSWER}",
        ANSWER.len()
    );
    for stream in listener.incoming() {
        let (stream, response) = (stream?, response.clone());
        // A client that goes away ends its thread, and that is all.
        std::thread::spawn(move || serve(stream, response.as_bytes()).is_ok());
    }
    Ok(())
}

fn serve(stream: TcpStream, response: &[u8]) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while read_message(&mut reader)?.is_some() {
        reader.get_mut().write_all(response)?;
    }
    Ok(())
}

fn send(address: &str, count: u64, app: &str, secret: &str, expected: &str) -> Outcome<()> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(stream);
    let start = Instant::now();
    let run = u64::from(std::process::id()) % 10_000;
    for number in 0..count {
        let request = signed_login(address, app, secret, run * 10_000_000 + number)?;
        reader.get_mut().write_all(&request)?;
        let (head, body) = read_message(&mut reader)?.ok_or("the connection ended")?;
        if !head.starts_with("HTTP/1.1 20") || !body.contains(expected) {
            return Err(format!("request {number} was answered with\n{head}{body}").into());
        }
    }
    println!("{count} requests in {:.3} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn start(
    count: u64,
    (app, secret): (&str, &str),
    expected: &str,
    directory: &Path,
    program: &[&str],
) -> Outcome<()> {
    let [program, arguments @ ..] = program else { return Err("no program to start".into()) };
    let mut times = Vec::new();
    for number in 0..count {
        let data = directory.join(number.to_string());
        let begin = Instant::now();
        let mut child = Command::new(program)
            .args(arguments)
            .env("DRAGOMAN_DATA_DIR", data)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let answered = first_answer(&mut child, app, secret, expected);
        times.push(begin.elapsed());
        child.kill()?;
        child.wait()?;
        answered?;
    }
    times.sort_unstable();
    let milliseconds = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1000.0);
    let (median, slowest) = (times.get(times.len() / 2), times.last());
    println!(
        "cold start to the first answer: median {:.1} ms, slowest {:.1} ms of {count}",
        milliseconds(median),
        milliseconds(slowest)
    );
    Ok(())
}

/// Waits until a process says where it listens, and asks it at once.
fn first_answer(child: &mut Child, app: &str, secret: &str, expected: &str) -> Outcome<()> {
    let mut said = BufReader::new(child.stderr.take().ok_or("no stderr")?);
    let mut text = String::new();
    let address = loop {
        text.clear();
        if said.read_line(&mut text)? == 0 {
            return Err("it ended".into());
        }
        if let Some((_, rest)) = text.split_once("listening http ") {
            break rest.split_whitespace().next().unwrap_or_default();
        }
    };
    let mut reader = BufReader::new(TcpStream::connect(address)?);
    reader.get_mut().write_all(&signed_login(address, app, secret, 1)?)?;
    match read_message(&mut reader)? {
        Some((head, body)) if head.starts_with("HTTP/1.1 20") && body.contains(expected) => Ok(()),
        other => Err(format!("the first request was answered with {other:?}").into()),
    }
}

fn signed_login(address: &str, app: &str, secret: &str, nonce: u64) -> Outcome<Vec<u8>> {
    let ts = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let body = format!(
        r#"{{"appid":"{app}","nonce":"{nonce:024}","password":"12345678","phoneNumber":"+8613800138001","ts":{ts},"version":8}}"#
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
    mac.update(body.as_bytes());
    let sign = STANDARD.encode(mac.finalize().into_bytes());
    Ok(format!(
        "POST /api/user/login HTTP/1.1\r\nHost: {address}\r\nAuthorization: Sign {sign}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes())
}

/// One HTTP message with a Content-Length: its head and its body; `None` at a clean end.
fn read_message(reader: &mut impl BufRead) -> Outcome<Option<(String, String)>> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let before = head.len();
        if reader.read_line(&mut head)? == 0 {
            return if head.is_empty() { Ok(None) } else { Err("cut off".into()) };
        }
        let line = head[before..].trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((head, String::from_utf8(body)?)))
}
