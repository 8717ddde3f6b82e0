//! `dragoman translate`: a message of one dialect in another one, by the code of the live path.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use clap::Args;
use http::{Request, Response};
use serde_json::Value;

use super::packs::{self, Packs};
use super::{Failure, variable};
use crate::account::{Problem, Reply};
use crate::clock::{Clock, Moment, SystemClock};
use crate::config::{UpstreamApp, resolve_secret};
use crate::dialect::{Dialect, Understood, call_form, problem_form, reply_form};
use crate::gateway::{Refused, Side, Translation, asked_for, chosen};
use crate::http_text::{self, Message};

const LIMIT: u64 = 64 * 1024 * 1024;

const EXAMPLES: &str = r#"Reads one HTTP/1.1 message from stdin and writes it as the other dialect has it. A request goes from the client's
dialect (--from) to the backend's (--to), an answer from the backend's dialect (--from) to the client's (--to); the
start line says which it is. No guard is asked, nothing is sent, nothing is logged.

A request that is no good call prints what the client is answered instead, and ends with 1.

Examples:
  $ cat login.http | dragoman translate --from coolkit --to canonical
  $ cat login.http | dragoman translate --from coolkit --to canonical --explain
  $ cat answer.http | dragoman translate --from canonical --to coolkit --operation login
  $ cat answer.http | dragoman translate --from canonical --to coolkit --answers login.http
  $ printf 'POST /v1/sessions\n\n{"phone":"+8613800138001","password":"a-fine-password"}' | dragoman translate --from canonical --to coolkit --app my-app:file:my-app.secret"#;

/// Translate a message from one dialect to another
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Translate {
    /// The dialect that the message is in
    #[arg(long, value_name = "DIALECT")]
    from: String,
    /// The dialect that it is wanted in
    #[arg(long, value_name = "DIALECT")]
    to: String,
    /// The message must be a client's request
    #[arg(long, conflicts_with_all = ["response", "operation", "answers"])]
    request: bool,
    /// The message must be a backend's answer
    #[arg(long)]
    response: bool,
    /// What was asked for, for an answer: `register`, `send_code/register/sms`
    #[arg(long, value_name = "OPERATION", conflicts_with = "answers")]
    operation: Option<String>,
    /// The request that is answered, in the client's dialect (--to)
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Also show the canonical form in between, and what is lost
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    packs: Packs,
    /// A setting of a dialect, such as shopxo.numbers=integer; may be repeated
    #[arg(long, value_name = "DIALECT.NAME=VALUE", value_parser = packs::setting)]
    set: Vec<(String, String, String)>,
    /// The time of the exchange, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    now: Option<Moment>,
    /// A number in the place of random bits, for nonces and request ids
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u128>,
    /// The app as which the gateway signs for a backend: its id, and env:NAME or file:PATH of its secret
    #[arg(long, value_name = "ID:WHERE")]
    app: Option<String>,
}

impl Translate {
    pub fn execute(&self, out: &mut impl Write) -> Result<ExitCode, Failure> {
        let mut text = Vec::new();
        io::stdin()
            .take(LIMIT)
            .read_to_end(&mut text)
            .map_err(|error| Failure::new("can't read the message from stdin").because(error))?;
        match message(&text, "stdin")? {
            Message::Request(_) if self.response || self.operation.is_some() || self.answers.is_some() => {
                Err(Failure::new("stdin has a request, not an answer")
                    .hint("an answer begins with a status: `HTTP/1.1 200 OK`"))
            }
            Message::Answer(_) if self.request => Err(Failure::new("stdin has an answer, not a request")
                .hint("a request begins with a method and a path: `POST /v1/sessions HTTP/1.1`")),
            Message::Request(request) => self.request(out, request),
            Message::Answer(answer) => self.answer(out, &answer),
        }
    }

    fn request(&self, out: &mut impl Write, request: Request<Bytes>) -> Result<ExitCode, Failure> {
        let translation = self.translation(&self.from, &self.to)?;
        let upstream = translation.upstream.name();
        if translation.upstream.signs() && translation.app.is_none() {
            return Err(Failure::new(format!("{upstream} signs its calls, and there is no app to sign as"))
                .hint("name one with its secret: --app my-app:env:MY_APP_SECRET"));
        }
        let translated = translation.request(request);
        if let (true, Some(understood)) = (self.explain, &translated.understood) {
            write_form(out, "canonical call", &call_form(understood))?;
            write_notes(out, &translated.notes)?;
        }
        match translated.outcome {
            Ok(request) => {
                self.write_message(out, &format!("request to {upstream}"), &http_text::request(&request))?;
                Ok(ExitCode::SUCCESS)
            }
            Err(refused) => self.refused(out, &translation, *refused),
        }
    }

    /// The request goes no further: the client gets its answer.
    fn refused(
        &self,
        out: &mut impl Write,
        translation: &Translation,
        refused: Refused,
    ) -> Result<ExitCode, Failure> {
        let (client, upstream) = (translation.client.name(), translation.upstream.name());
        if self.explain {
            write_told(out, &refused.told)?;
        }
        self.write_message(out, &format!("answer in {client}"), &http_text::answer(&refused.answer))?;
        let problem = match (refused.side, refused.told) {
            (Side::Gateway, _) | (_, Ok(_)) => {
                let _ = writeln!(
                    io::stderr(),
                    "note: the gateway answers this itself, from its table of regions"
                );
                return Ok(ExitCode::SUCCESS);
            }
            (_, Err(problem)) => problem,
        };
        let (what, hint) = match refused.side {
            Side::Client => (
                format!("the request is no good call of {client}"),
                "stdout has what the client is answered; `dragoman dialects` tells what each dialect has",
            ),
            Side::Upstream | Side::Gateway => (
                format!("{upstream} can't say this call"),
                "stdout has what the client is answered; --explain shows the call",
            ),
        };
        Err(Failure::new(what).because(cause(&problem)).hint(hint))
    }

    fn answer(&self, out: &mut impl Write, answer: &Response<Bytes>) -> Result<ExitCode, Failure> {
        let translation = self.translation(&self.to, &self.from)?;
        let understood = self.answered(&translation)?;
        let translated = translation.answer(&understood, answer);
        if self.explain {
            write_told(out, &translated.told)?;
            write_notes(out, &translated.notes)?;
        }
        let (client, upstream) = (translation.client.name(), translation.upstream.name());
        self.write_message(out, &format!("answer in {client}"), &http_text::answer(&translated.answer))?;
        let Some(problem) = translated.failed else { return Ok(ExitCode::SUCCESS) };
        let what = match &translated.told {
            Err(_) => format!("{upstream} gives no such answer to {}", understood.call.operation.name()),
            Ok(_) => format!("the answer lacks what {client} can't do without"),
        };
        Err(Failure::new(what)
            .because(cause(&problem))
            .hint("stdout has what the client is answered; is --operation what was asked for?"))
    }

    /// The call that the answer belongs to.
    fn answered(&self, translation: &Translation) -> Result<Understood, Failure> {
        match (&self.operation, &self.answers) {
            (Some(operation), _) => Ok(translation.unasked(asked_for(operation)?)),
            (None, Some(file)) => request_of(file, translation),
            (None, None) => Err(Failure::new("nothing tells what was asked for")
                .hint("add --operation register, or --answers FILE with the request")),
        }
    }

    fn translation(&self, client: &str, upstream: &str) -> Result<Translation, Failure> {
        let (dialects, settings) = self.packs.load()?;
        let [of_client, of_upstream] = chosen(settings.as_ref(), Some(upstream), &self.set);
        let client = packs::pack(&dialects, client, &of_client)?;
        let upstream = packs::pack(&dialects, upstream, &of_upstream)?;
        let now = self.now.unwrap_or_else(|| SystemClock.now());
        let mut translation = Translation::new(client, Arc::clone(&upstream), now);
        translation.random = match self.seed {
            Some(seed) => seed,
            None => random()?,
        };
        translation.app = self.app()?;
        if let Some(settings) = settings {
            let configured = settings.upstream.http().filter(|http| http.dialect == upstream.name());
            let configured = configured.and_then(|http| http.app.clone());
            translation.app = translation.app.or(configured);
            translation.country = settings.default_country;
            translation.json_depth = settings.limits.json_depth;
            translation.regions = settings.regions;
        }
        Ok(translation)
    }

    fn app(&self) -> Result<Option<UpstreamApp>, Failure> {
        let Some(text) = &self.app else { return Ok(None) };
        let hint = "write it as --app my-app:env:MY_APP_SECRET or --app my-app:file:PATH";
        let places = ["env:", "file:"];
        let (id, place) = text
            .split_once(':')
            .filter(|(id, place)| !id.is_empty() && places.iter().any(|known| place.starts_with(known)))
            .ok_or_else(|| Failure::new("--app names no id with a place of its secret").hint(hint))?;
        let secret = resolve_secret(place, &variable)
            .map_err(|cause| Failure::new("there is no secret").because(cause).hint(hint))?;
        Ok(Some(UpstreamApp { id: id.to_owned(), secret }))
    }

    fn write_message(&self, out: &mut impl Write, title: &str, text: &[u8]) -> Result<(), Failure> {
        if self.explain {
            writeln!(out, "# {title}")?;
        }
        out.write_all(text)?;
        // A prompt should not stand behind the body.
        if self.explain || io::stdout().is_terminal() {
            writeln!(out)?;
        }
        Ok(())
    }
}

fn message(text: &[u8], place: &str) -> Result<Message, Failure> {
    http_text::parse(text).map_err(|error| {
        Failure::new(format!("{place} has no HTTP message"))
            .because(error)
            .hint("a message is a start line, header fields, an empty line and a body; `curl -i` saves an answer so")
    })
}

fn request_of(file: &Path, translation: &Translation) -> Result<Understood, Failure> {
    let place = file.display().to_string();
    let text = fs::read(file).map_err(|error| Failure::new(format!("can't read {place}")).because(error))?;
    let Message::Request(request) = message(&text, &place)? else {
        return Err(Failure::new(format!("{place} has an answer, not a request"))
            .hint("--answers names the request that stdin answers"));
    };
    let (head, body) = request.into_parts();
    translation.read(&head, &body).map_err(|refused| {
        let client = translation.client.name();
        let failure = Failure::new(format!("{place} is no good call of {client}"));
        match refused.told {
            Err(problem) => failure.because(cause(&problem)),
            Ok(_) => failure,
        }
    })
}

fn moment(text: &str) -> Result<Moment, String> {
    Moment::from_rfc3339(text).ok_or_else(|| "write it as 2019-05-16T10:57:29Z".to_owned())
}

fn random() -> Result<u128, Failure> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| Failure::new("the system gave no random bytes").because(error).hint("use --seed"))?;
    Ok(u128::from_le_bytes(random))
}

/// What is wrong, where, and what the model calls it.
fn cause(problem: &Problem) -> String {
    format!("{} ({})", problem.detail(), problem.code.name())
}

fn write_told<T: Write>(out: &mut T, told: &Result<Reply, Problem>) -> Result<(), Failure> {
    match told {
        Ok(reply) => write_form(out, "canonical reply", &reply_form(reply)),
        Err(problem) => write_form(out, "canonical problem", &problem_form(problem)),
    }
}

fn write_form(out: &mut impl Write, title: &str, form: &Value) -> Result<(), Failure> {
    writeln!(out, "# {title}\n{form:#}")?;
    Ok(())
}

fn write_notes(out: &mut impl Write, notes: &[String]) -> Result<(), Failure> {
    for note in notes {
        writeln!(out, "# note: {note}")?;
    }
    Ok(())
}
