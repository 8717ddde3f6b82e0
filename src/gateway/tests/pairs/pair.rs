//! A gateway between a client of one dialect and a backend of another.

use super::backend::{Exchanged, Speaker};
use super::samples::{PASSWORD, phone, purpose, send};
use super::*;
use crate::account::{Call, Problem, Reply};
use crate::config::UpstreamApp;
use crate::dialect::Sending;

pub(super) type Told = Result<Reply, Problem>;

/// A client, a gateway and a backend.
pub(super) struct Pair {
    pub client: Arc<Pack>,
    pub backend: Arc<Speaker>,
    gateway: Gateway,
    app: UpstreamApp,
    requests: u128,
    _directory: tempfile::TempDir,
}

/// How a call went.
pub(super) struct Went {
    pub told: Told,
    /// The call as the client's request says it.
    pub call: Call,
    pub asked: Vec<Exchanged>,
}

impl Pair {
    /// With settings of the packs.
    pub fn new(
        (client, of_client): (&str, &[(&str, &str)]),
        (upstream, of_upstream): (&str, &[(&str, &str)]),
    ) -> Self {
        let table = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let pack = |name, settings| Dialects::built_in().with_settings(name, settings).unwrap().unwrap();
        let (of_client, of_upstream) = (table(of_client), table(of_upstream));
        let backend = Arc::new(Speaker::new(pack(upstream, &of_upstream)));
        let directory = tempfile::tempdir().unwrap();
        let mut settings = settings(directory.path());
        settings.listeners = vec![Listener {
            dialects: vec![client.to_owned()],
            default_dialect: Some(client.to_owned()),
            unsigned: vec![client.to_owned()].into_iter().filter(|name| name != "coolkit").collect(),
            settings: [(client.to_owned(), of_client.clone())].into(),
            ..settings.listeners.remove(0)
        }];
        settings.throttle = without_bounds();
        settings.upstream = config::Upstream::Http(HttpUpstream {
            app: Some(UpstreamApp { id: "gate".to_owned(), secret: "gate-secret".into() })
                .filter(|_| backend.pack.signs()),
            settings: of_upstream.clone(),
            ..HttpUpstream::new(upstream, &[], "backend.example")
        });
        let clock = Arc::new(ManualClock::at(Moment::from_seconds(NOW)));
        Self {
            client: pack(client, &of_client),
            gateway: Gateway::new(&settings, backend.clone(), clock).unwrap(),
            backend,
            app: UpstreamApp { id: "app".to_owned(), secret: SECRET.into() },
            requests: 0,
            _directory: directory,
        }
    }

    /// The client's request for a call.
    fn write(&mut self, call: &Call) -> Result<Request<Bytes>, Problem> {
        self.requests += 1;
        let sending = Sending {
            app: Some(&self.app),
            random: self.requests.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
            ..Sending::new(Moment::from_seconds(NOW), READING.default_country, "r")
        };
        self.client.write_call(call, &sending)
    }

    /// Whether the client's dialect has a form for a call, given all that must be had first.
    pub fn client_says(&mut self, call: &Call) -> Result<(), Problem> {
        let mut call = call.clone();
        if let Some(verification) = &mut call.verification {
            verification.challenge = Some("some".into());
            // Whose code it is is said where it is asked for.
            if self.client.habits().challenge_names_destination {
                self.write(&code_for(&call))?;
            }
        }
        let (head, body) = self.write(&call)?.into_parts();
        let read = self.client.read_call(call.operation, &head, &body, READING)?.call;
        let same = read.bind_token == call.bind_token && read.purpose == call.purpose;
        if same { Ok(()) } else { Err(Problem::not_supported(call.operation)) }
    }

    /// Makes a call as it stands.
    pub async fn make(&mut self, call: Call) -> Result<Went, Problem> {
        let request = self.write(&call)?;
        self.backend.exchanged.lock().unwrap().clear();
        let arrival = Arrival {
            listener: 0,
            client: Some("192.0.2.7".parse().unwrap()),
            request_id: format!("{:032x}", self.requests),
            deadline: Instant::now() + Duration::from_secs(5),
        };
        let mut record = CallRecord::new(Moment::from_seconds(NOW), "id".to_owned(), None);
        let (head, body) = request.into_parts();
        let route = self.gateway.route(&arrival, &head);
        assert!(matches!(route, Route::Account { .. }), "{} {} is {route:?}", head.method, head.uri);
        let request = Request::from_parts(head, body);
        let response = self.gateway.exchange(&arrival, route, request, &mut record).await;
        let told = self.client.read_answer(&call, &response, READING);
        let asked = std::mem::take(&mut *self.backend.exchanged.lock().unwrap());
        Ok(Went { told, call, asked })
    }

    /// Makes a call after all that a real client had to do before it: logs in for a token that the
    /// gateway issues, asks for the code, gets the token that binds its phone.
    /// Only the call itself ends badly.
    pub async fn make_in_turn(&mut self, call: &Call, bad_end: Option<Problem>) -> Result<Went, Problem> {
        let mut call = call.clone();
        *self.backend.bad_end.lock().unwrap() = None;
        call.client.dialect = self.client.name();
        *self.backend.unknown.lock().unwrap() = false;
        if call.token.is_some() && self.client.habits().gateway_tokens {
            call.token = self.logged_in().await?.session.map(|session| session.access_token);
        }
        if call.bind_token.is_some() {
            call.bind_token = Some(self.bind_token().await?);
        }
        if call.verification.is_some()
            && let Err(problem) = self.ask_for_code(&mut call).await
            && (problem.code != ProblemCode::NotSupported || self.client.habits().challenge_names_destination)
        {
            return Err(problem);
        }
        let registers = call.operation == Operation::Register;
        *self.backend.unknown.lock().unwrap() = registers;
        *self.backend.bad_end.lock().unwrap() = bad_end.map(|problem| (call.operation, problem));
        self.make(call).await
    }

    async fn logged_in(&mut self) -> Told {
        let mut login = Call::new(Operation::Login);
        login.phone = Some(phone());
        login.password = Some(PASSWORD.into());
        self.make(login).await?.told
    }

    async fn bind_token(&mut self) -> Result<crate::account::Secret, Problem> {
        let mut login = Call::new(Operation::LoginCode);
        login.phone = Some(phone());
        login.verification = Some(crate::account::Verification { code: "1234".into(), challenge: None });
        login.client.dialect = self.client.name();
        self.ask_for_code(&mut login).await?;
        *self.backend.unknown.lock().unwrap() = true;
        match self.make(login).await?.told {
            Err(Problem { code: ProblemCode::AccountNotFound, bind_token: Some(token), .. }) => Ok(token),
            Err(problem) if problem.code == ProblemCode::AccountNotFound => {
                Err(Problem::not_supported(Operation::Register))
            }
            told => panic!("an unknown phone logs in with a code: {:?}", told.map_err(|_| ())),
        }
    }

    /// Has the code sent, where the client's dialect can ask for it, and takes its challenge.
    async fn ask_for_code(&mut self, call: &mut Call) -> Result<(), Problem> {
        let ask = code_for(call);
        if self.client_says(&ask).is_err() {
            return Ok(());
        }
        let sent = self.make(ask).await?.told?;
        if let Some(verification) = &mut call.verification {
            verification.challenge = sent.challenge;
        }
        Ok(())
    }
}

/// The call that asks for the code of another.
fn code_for(call: &Call) -> Call {
    let mut ask = send(purpose(call.operation).unwrap(), call.email.is_some());
    ask.client = call.client.clone();
    ask.token.clone_from(&call.token);
    ask
}

fn without_bounds() -> config::Throttle {
    config::Throttle {
        destination_interval: None,
        destination_per_hour: None,
        destination_per_day: None,
        address_per_hour: None,
        prefix_per_hour: None,
        budget_per_hour: None,
        account_answers_per_hour: None,
        code_tries: None,
        code_tries_per_day: None,
        wrong_logins: None,
        attempts_per_address: None,
        slow_after: None,
        ..config::Throttle::default()
    }
}
