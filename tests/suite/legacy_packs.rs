//! Packs as dialects of backends: what they write is taken by strict servers that were written without this
//! crate's code, and what those answer is understood.

mod discuzq;
mod qingzhenyun;

use std::sync::Arc;

use bytes::Bytes;
use dragoman::account::{Call, Country, Operation, Phone, Problem, Purpose, Reply, Secret, Verification};
use dragoman::clock::Moment;
use dragoman::dialect::{Dialect, Dialects, Pack, Reading, Sending};
use http::Response;

use crate::support::legacy::LegacyServer;
use crate::support::now;

const PASSWORD: &str = "a-fine-password";
const PHONE: &str = "+8613800138001";

/// A server, and the pack of its dialect.
struct Backend {
    server: LegacyServer,
    pack: Arc<Pack>,
}

impl Backend {
    fn start(dialect: &str, options: &[&str]) -> Self {
        let pack = Dialects::built_in().get(dialect).unwrap().clone();
        Self { server: LegacyServer::start(dialect, options), pack }
    }

    /// Sends a call to the server, as the pack writes it, and reads the answer.
    fn ask(&self, call: &Call) -> Result<Reply, Problem> {
        let sending = Sending {
            random: 7,
            client_address: Some(std::net::IpAddr::from([192, 0, 2, 7])),
            ..Sending::new(Moment::from_seconds(now()), Country::CHINA, "r")
        };
        let request = self.pack.write_call(call, &sending)?;
        let fields: Vec<(&str, &str)> =
            request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let body = std::str::from_utf8(request.body()).unwrap();
        let target = request.uri().to_string();
        let answer = self.server.send(request.method().as_str(), &target, &fields, body);
        let mut response = Response::builder().status(answer.status);
        for line in answer.head.lines().skip(1).filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap();
            response = response.header(name, value.trim());
        }
        let response = response.body(Bytes::from(answer.body)).unwrap();
        let reading = Reading { default_country: Country::CHINA, json_depth: 64 };
        self.pack.read_answer(call, &response, reading)
    }

    /// The code that was last sent to a phone, with what the sending call answered.
    fn verification(&self, phone: &Phone, challenge: Option<Secret>) -> Option<Verification> {
        Some(Verification { code: self.server.code(phone.e164()).into(), challenge })
    }

    /// Has a code sent.
    fn send(&self, phone: &Phone, purpose: Purpose) -> Result<Option<Verification>, Problem> {
        let mut call = Call::new(Operation::SendCode);
        call.phone = Some(phone.clone());
        call.purpose = Some(purpose);
        let reply = self.ask(&call)?;
        Ok(self.verification(phone, reply.challenge))
    }

    fn login(&self, phone: &Phone, password: &str) -> Result<Reply, Problem> {
        let mut call = Call::new(Operation::Login);
        call.phone = Some(phone.clone());
        call.password = Some(password.into());
        self.ask(&call)
    }
}

fn phone() -> Phone {
    Phone::from_e164(PHONE).unwrap()
}

fn token(reply: &Reply) -> Option<Secret> {
    reply.session.as_ref().map(|session| session.access_token.clone())
}
