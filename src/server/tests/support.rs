//! An application to serve, a raw client, and an edge between them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::account::{Problem, ProblemCode};
use crate::config::{Limits, Listener};
use crate::gateway::Arrival;
use crate::observe::{CallRecord, Outcome, Refusal};
use crate::server::{
    Application, Bound, Entrance, Entrances, Lifecycle, Load, PassTarget, RecordSink, Role, Service, Step,
    problem_json,
};

/// No test waits longer than this for anything.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Answers with method, target and body of the request. `/held` waits to be let go, `/missing` is
/// refused, `/pass/…` passes through, `/none` has no content.
pub struct Probe {
    pub held: Semaphore,
}

impl Application for Probe {
    type Route = Step;

    fn route(&self, _arrival: &Arrival, head: &request::Parts) -> Step {
        match head.uri.path() {
            "/missing" => Step::Refuse(ProblemCode::NotFound),
            path if path.starts_with("/pass/") => Step::PassThrough,
            _ => Step::Answer,
        }
    }

    fn step(&self, route: Step) -> Step {
        route
    }

    async fn answer(
        &self,
        _arrival: &Arrival,
        _route: Step,
        request: Request<Bytes>,
        _record: &mut CallRecord,
    ) -> Response<Bytes> {
        match request.uri().path() {
            "/held" => self.held.acquire().await.unwrap().forget(),
            "/panic" => panic!("asked to"),
            "/none" => return Response::builder().status(204).body(Bytes::new()).unwrap(),
            _ => {}
        }
        let body = String::from_utf8_lossy(request.body());
        Response::new(format!("{} {} {body}", request.method(), request.uri()).into())
    }

    fn refuse(
        &self,
        _arrival: &Arrival,
        _route: Step,
        problem: &Problem,
        refusal: Refusal,
        record: &mut CallRecord,
    ) -> Response<Bytes> {
        record.outcome = Outcome::Problem(problem.code);
        record.refusal = Some(refusal);
        problem_json(problem)
    }
}

/// Keeps every record.
#[derive(Default)]
pub struct Kept(pub Mutex<Vec<CallRecord>>);

impl RecordSink for Kept {
    fn record(&self, record: &CallRecord) {
        self.0.lock().unwrap().push(record.clone());
    }
}

/// A served [`Probe`].
pub struct Edge {
    pub address: SocketAddr,
    pub probe: Arc<Probe>,
    pub load: Arc<Load>,
    pub records: Arc<Kept>,
    pub lifecycle: Lifecycle,
}

impl Edge {
    pub fn start(limits: Limits) -> Self {
        Self::start_passing(limits, None)
    }

    pub fn start_passing(limits: Limits, target: Option<PassTarget>) -> Self {
        Self::start_entered(limits, target, Entrances::default())
    }

    /// That speaks HTTP/2 to whoever begins with it.
    pub fn start_http2(limits: Limits, target: Option<PassTarget>) -> Self {
        let address = "127.0.0.1:0".parse().unwrap();
        let listener = Listener { http2: true, ..Listener::with_all_dialects(address) };
        Self::start_entered(limits, target, Entrance::of(&[listener]).unwrap())
    }

    fn start_entered(limits: Limits, target: Option<PassTarget>, entrances: Entrances) -> Self {
        let probe = Arc::new(Probe { held: Semaphore::new(0) });
        let load = Load::new(&limits);
        let records = Arc::new(Kept::default());
        let sink: Arc<dyn RecordSink> = records.clone();
        let mut service =
            Service::new(Arc::clone(&probe), limits, Arc::clone(&load), sink).entered_by(entrances);
        if let Some(target) = target {
            service = service.passing_to([(String::new(), target)].into());
        }
        let bound = Bound::bind("127.0.0.1:0".parse().unwrap(), Role::Clients).unwrap();
        let address = bound.address();
        let mut lifecycle = Lifecycle::default();
        lifecycle.serve(bound, 0, Arc::new(service));
        Self { address, probe, load, records, lifecycle }
    }

    pub async fn client(&self) -> Client {
        Client::over(TcpStream::connect(self.address).await.unwrap())
    }

    /// Sends bytes over a connection of their own and reads one answer.
    pub async fn ask(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut client = self.client().await;
        client.send(request).await;
        client.answer().await
    }

    /// Waits until something holds of the load.
    pub async fn until(&self, holds: impl Fn(&Load) -> bool) {
        let waited = async {
            while !holds(&self.load) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, waited).await.expect("the load did not come to that");
    }

    pub fn reasons(&self) -> Vec<&'static str> {
        let records = self.records.0.lock().unwrap();
        records.iter().filter_map(|record| record.refusal.map(|refusal| refusal.reason)).collect()
    }
}

/// One answer as a client sees it.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        let line = |line: &'_ str| {
            let (field, _) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(field.len() + 2)
        };
        self.head.lines().find_map(|text| line(text).map(|start| &text[start..]))
    }
}

/// A client that sends bytes as they are.
pub struct Client {
    pub stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub const fn over(stream: TcpStream) -> Self {
        Self { stream, unread: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // An edge that refuses early may be gone before everything is written.
        let _ =
            timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.expect("sending took too long");
    }

    /// Reads one answer that has a length.
    pub async fn answer(&mut self) -> Answer {
        self.read_answer(true).await
    }

    /// Reads the head of one answer.
    pub async fn head(&mut self) -> Answer {
        self.read_answer(false).await
    }

    async fn read_answer(&mut self, with_body: bool) -> Answer {
        let end = loop {
            if let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(self.read_more().await, "no answer: {:?}", String::from_utf8_lossy(&self.unread));
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: String::new() };
        let length: usize = answer.field("content-length").map_or(0, |length| length.parse().unwrap());
        if with_body {
            while self.unread.len() < length {
                assert!(self.read_more().await, "the answer ended early");
            }
            answer.body = String::from_utf8(self.unread.drain(..length).collect()).unwrap();
        }
        answer
    }

    /// Reads until some text was there, and forgets everything up to it.
    pub async fn until(&mut self, text: &str) {
        loop {
            let unread = String::from_utf8_lossy(&self.unread).into_owned();
            if let Some(start) = unread.find(text) {
                self.unread.drain(..start + text.len());
                return;
            }
            assert!(self.read_more().await, "{text:?} did not come, only {unread:?}");
        }
    }

    /// Whether the edge closed the connection, with nothing more said.
    pub async fn is_closed(&mut self) -> bool {
        !self.read_more().await
    }

    async fn read_more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match timeout(PATIENCE, self.stream.read(&mut buffer)).await.expect("reading took too long") {
            Ok(read @ 1..) => {
                self.unread.extend_from_slice(&buffer[..read]);
                true
            }
            _ => false,
        }
    }
}

pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

pub fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
