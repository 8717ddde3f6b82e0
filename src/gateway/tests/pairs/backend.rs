//! A backend that speaks a dialect by its pack: strict about what it is asked, and answering
//! what a test wants.

use super::samples::reply;
use super::*;
use crate::account::{Call, Problem, Reply};
use crate::dialect::{Claim, Proof, Target, Understood};
use crate::upstream::Upstream;

/// What a backend was asked, and what its own dialect makes of its answer.
pub(super) struct Exchanged {
    pub call: Call,
    pub request: Request<Bytes>,
    pub told: Result<Reply, Problem>,
    /// What else the answer's row may be read as.
    pub reads_as: Vec<ProblemCode>,
}

/// The backend of a pair.
pub(super) struct Speaker {
    pub pack: Arc<Pack>,
    /// The operation that ends badly, and how.
    pub bad_end: Mutex<Option<(Operation, Problem)>>,
    /// Whether the person has no account yet, so that a login by code yields a token that binds.
    pub unknown: Mutex<bool>,
    pub exchanged: Mutex<Vec<Exchanged>>,
}

impl Speaker {
    pub fn new(pack: Arc<Pack>) -> Self {
        let exchanged = Mutex::default();
        Self { pack, bad_end: Mutex::new(None), unknown: Mutex::new(false), exchanged }
    }

    fn understand(&self, request: &Request<Bytes>) -> Understood {
        let (head, body) = request.clone().into_parts();
        let query = head.uri.query().unwrap_or_default();
        let target = Target { method: &head.method, path: head.uri.path(), query, pinned: true };
        let Claim::Operation(operation) = self.pack.claim(target) else {
            panic!("{} knows nothing at {} {}", self.pack.name(), head.method, head.uri)
        };
        let understood = self.pack.read_call(operation, &head, &body, READING);
        understood.unwrap_or_else(|problem| {
            panic!("{} does not take {} {body:?}: {problem:?}", self.pack.name(), head.uri)
        })
    }

    fn outcome(&self, call: &Call) -> Result<Reply, Problem> {
        if let Some((operation, problem)) = &*self.bad_end.lock().unwrap()
            && *operation == call.operation
        {
            return Err(problem.clone());
        }
        if call.operation == Operation::LoginCode && *self.unknown.lock().unwrap() {
            let mut problem = Problem::new(ProblemCode::AccountNotFound);
            problem.bind_token = Some("binds the phone".into());
            return Err(problem);
        }
        Ok(reply(call.operation))
    }
}

#[async_trait]
impl Upstream for Speaker {
    async fn send(&self, request: Request<Bytes>, _: Instant) -> Result<Response<Bytes>, Failure> {
        let Understood { call, proof } = self.understand(&request);
        let signed = match &proof {
            Proof::Signature(signed) => Some(signed),
            _ => None,
        };
        let asked = Asked { signed, ..asked(&call) };
        let (answer, reads_as) = match self.outcome(&call) {
            Ok(reply) => (self.pack.write_reply(&asked, &reply).unwrap(), Vec::new()),
            Err(problem) => (self.pack.write_problem(&asked, &problem), self.pack.reads_as(&asked, &problem)),
        };
        let told = self.pack.read_answer(&call, &answer, READING);
        self.exchanged.lock().unwrap().push(Exchanged { call, request, told, reads_as });
        Ok(answer)
    }
}
