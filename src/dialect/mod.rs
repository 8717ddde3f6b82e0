//! Dialects: each translates between its wire and the canonical model, as a client's dialect and
//! as a backend's, and knows nothing of the others.

mod built_in;
mod language;
mod pack;
mod set;

use std::borrow::Cow;

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Request, Response, StatusCode, request};

use crate::account::{Call, Country, Operation, Phone, Problem, ProblemCode, Reply, Secret};
use crate::clock::Moment;
use crate::config::UpstreamApp;
use crate::query;

pub use crate::sign::Signed;
pub use built_in::CANONICAL;
pub use language::Language;
pub use pack::{
    MovedToken, Pack, Setting, Target, bare_call_form, call_form, integer_of, problem_form, reply_form,
};
pub use set::Dialects;

/// What a dialect says of a request whose head it sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Not one of its paths.
    Foreign,
    /// One of its operations. The body may still tell a login by code from one by password.
    Operation(Operation),
    /// One of its routes that sends a code, creates an account or takes a credential, and that no
    /// operation stands for.
    NoOperation,
    /// Two of its routes at once: nobody could say which one a backend would take.
    Ambiguous,
    /// One of its paths, with a method that it does not take there.
    WrongMethod,
}

/// How the caller shows who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Not at all.
    None,
    /// With a session's token, which the backend checks.
    Token,
    /// With an app's signature over the message, which the gateway checks.
    Signature(Signed),
}

/// A client's request, understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Understood {
    /// What it asks for.
    pub call: Call,
    /// How it shows who asks.
    pub proof: Proof,
}

/// What reading a message needs besides its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// The country of phones without a country code.
    pub default_country: Country,
    /// How deep JSON may nest.
    pub json_depth: usize,
}

/// What answering a client needs besides the answer.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What was asked for, as far as it was understood.
    pub operation: Option<Operation>,
    /// The call, if it was understood.
    pub call: Option<&'a Call>,
    /// What the client signed.
    pub signed: Option<&'a Signed>,
    /// The language of texts for people, where the caller names one; else the dialect's own.
    pub language: Option<Language>,
    /// The country whose phones are national.
    pub country: Country,
    /// The time now.
    pub now: Moment,
    /// The region that this gateway serves.
    pub region: &'a str,
}

impl<'a> Asked<'a> {
    /// Where nothing is known of the caller but what was asked for, where and when.
    pub fn new(operation: Option<Operation>, country: Country, now: Moment, region: &'a str) -> Self {
        Self { operation, call: None, signed: None, language: None, country, now, region }
    }
}

/// What writing a request to a backend needs besides the call.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// The time now.
    pub now: Moment,
    /// The country whose phones are national.
    pub default_country: Country,
    /// The app as which the gateway signs.
    pub app: Option<&'a UpstreamApp>,
    /// Fresh random bits for a nonce.
    pub random: u128,
    /// The id of the client's request.
    pub request_id: &'a str,
    /// The key under which the backend may recognise a repeated request.
    pub idempotency_key: Option<&'a str>,
    /// The client's address.
    pub client_address: Option<std::net::IpAddr>,
    /// The client's `Accept-Language`, where it sent one.
    pub accept_language: Option<&'a HeaderValue>,
    /// The client's `traceparent`, where it sent one.
    pub traceparent: Option<&'a HeaderValue>,
}

impl<'a> Sending<'a> {
    /// For a backend that is asked without a signature, about a client of which nothing is known.
    pub fn new(now: Moment, default_country: Country, request_id: &'a str) -> Self {
        Self {
            now,
            default_country,
            app: None,
            random: 0,
            request_id,
            idempotency_key: None,
            client_address: None,
            accept_language: None,
            traceparent: None,
        }
    }
}

/// What a dialect's clients and backends need of the gateway besides translation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Habits {
    /// Whether a client can do nothing with an answer that opens a session and has none.
    pub needs_session: bool,
    /// Whether clients know what to do when told that their account lives in another region.
    pub tells_region: bool,
    /// Whether clients present what a sent code was answered with.
    pub carries_challenge: bool,
    /// Whether that stands for the phone too, which the later call then does not name.
    pub challenge_names_destination: bool,
    /// Whether clients read tokens that the gateway must therefore issue itself.
    pub gateway_tokens: bool,
    /// How accounts are named that a backend binds after a code login: registering by phone is two calls there.
    pub binds_after_code_login: Option<Box<str>>,
    /// Whether paths name the account, which must be the token's own.
    pub path_names_account: bool,
    /// How many digits of a code the clients take.
    pub code_length: Option<u8>,
}

/// One wire protocol for accounts, both ways and on both sides.
pub trait Dialect: Send + Sync {
    /// The name, as configs and metrics have it.
    fn name(&self) -> &'static str;

    /// Whether its calls are signed by apps.
    fn signs(&self) -> bool;

    /// What its clients and backends need.
    fn habits(&self) -> &Habits;

    /// Whether requests to a backend hold something random, which [`Sending::random`] gives.
    fn needs_randomness(&self) -> bool;

    /// The phone that one of its own challenges names; `None` where they name none.
    ///
    /// # Errors
    /// `invalid_field` when the text is no such challenge.
    fn challenged_phone(&self, challenge: &Secret) -> Result<Option<Phone>, Problem>;

    /// Whether it has a form for an operation.
    fn has(&self, operation: Operation) -> bool;

    /// Whether a request is one of this dialect's.
    fn claim(&self, target: Target<'_>) -> Claim;

    /// Reads a client's request.
    ///
    /// # Errors
    /// A problem for the client when something is missing, wrong or malformed.
    fn read_call(
        &self,
        operation: Operation,
        head: &request::Parts,
        body: &Bytes,
        reading: Reading,
    ) -> Result<Understood, Problem>;

    /// Writes the good answer to a client.
    ///
    /// # Errors
    /// When the reply lacks what the dialect can't do without.
    fn write_reply(&self, asked: &Asked<'_>, reply: &Reply) -> Result<Response<Bytes>, Problem>;

    /// Writes the bad answer to a client: total, every problem has a form.
    fn write_problem(&self, asked: &Asked<'_>, problem: &Problem) -> Response<Bytes>;

    /// Writes a request to a backend.
    ///
    /// # Errors
    /// `not_supported` when the dialect has no form for it, `invalid_field` when it can't hold a value.
    fn write_call(&self, call: &Call, sending: &Sending<'_>) -> Result<Request<Bytes>, Problem>;

    /// Reads a backend's answer.
    ///
    /// # Errors
    /// The problem that the answer tells; `upstream_unintelligible` when it tells nothing known.
    fn read_answer(&self, call: &Call, answer: &Response<Bytes>, reading: Reading) -> Result<Reply, Problem>;

    /// Reads a backend's bad answer once more: whether its code is one of `codes`, which an operator says
    /// mean that the account lives in another region.
    fn wrong_region(&self, codes: &[String], answer: &Response<Bytes>, reading: Reading) -> Option<Problem>;

    /// Every text that may be a session's token, of a request whose body is not read.
    fn tokens_of_head(&self, head: &request::Parts) -> Vec<Secret>;
}

/// Brings a path to the one form that routes are compared with: percent-encoding undone, empty
/// and dot segments and path parameters removed, no slash at the end. `None` when it hides
/// something (an encoded slash, a control character, a climb above the root, no UTF-8).
pub fn normalise_path(path: &str) -> Option<Cow<'_, str>> {
    if is_normal(path) {
        return Some(Cow::Borrowed(path));
    }
    let decoded = query::percent_decode(path, false)?;
    let hides =
        path.to_ascii_lowercase().contains("%2f") || decoded.chars().any(|c| c.is_control() || c == '\\');
    if hides || !decoded.starts_with('/') {
        return None;
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split('/') {
        let segment = segment.split(';').next().unwrap_or_default();
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop()?;
            }
            _ => segments.push(segment),
        }
    }
    Some(Cow::Owned(format!("/{}", segments.join("/"))))
}

/// Whether a path is in its normal form as it stands: the rule, and so worth one look first.
fn is_normal(path: &str) -> bool {
    let mut after_slash = false;
    for (index, byte) in path.bytes().enumerate() {
        match byte {
            b'/' if after_slash => return false,
            b'/' => after_slash = true,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' if index > 0 => after_slash = false,
            _ => return false,
        }
    }
    path == "/" || (!path.is_empty() && !after_slash)
}

/// What a careless server could take a normalised path for: it may undo escapes twice, end the path at
/// an escaped question mark, drop dots and spaces at the end of a name, and ignore case.
pub fn careless_path(path: &str) -> String {
    let again = query::percent_decode(path, false).unwrap_or(path.into());
    let names = again.split('?').next().unwrap_or_default().split('/');
    let names = names.map(|name| name.trim_end_matches(['.', ' '])).filter(|name| !name.is_empty());
    names.fold(String::new(), |path, name| path + "/" + name).to_ascii_lowercase()
}

/// What an answer means that no rule of the dialect understands, by its status alone.
fn unreadable(status: StatusCode) -> Problem {
    Problem::new(match status.as_u16() {
        502 | 503 => ProblemCode::UpstreamUnavailable,
        504 => ProblemCode::UpstreamTimeout,
        _ => ProblemCode::UpstreamUnintelligible,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_path_are_one_route() {
        for path in [
            "/api/user/login",
            "//api/user/login",
            "/api/./user/login/",
            "/api/x/../user/login",
            "/api/user/%6Cogin",
            "/api/user/login;jsessionid=1",
        ] {
            assert_eq!(normalise_path(path).as_deref(), Some("/api/user/login"), "{path}");
        }
    }

    #[test]
    fn a_path_that_needs_no_change_is_borrowed() {
        for path in ["/", "/api/user/login", "/v1/verification-codes", "/a_b"] {
            assert!(matches!(normalise_path(path), Some(Cow::Borrowed(same)) if same == path), "{path}");
        }
        assert_eq!(normalise_path("").as_deref(), None);
        assert_eq!(normalise_path("/a/").as_deref(), Some("/a"));
    }

    #[test]
    fn paths_that_hide_something_have_no_form() {
        for path in ["/api%2fuser", "/../x", "/a\\b", "/a%00b", "/%ff", "relative", "/%zz"] {
            assert_eq!(normalise_path(path), None, "{path}");
        }
    }
}
