//! What a pack compiles to: everything that a message needs, looked up once.

use http::header::{HeaderName, HeaderValue};

use super::challenge::ChallengeForm;
use super::field::Field;
use super::literal::Literal;
use super::members::Line;
use super::message::{BodyRules, Message, Place};
use super::problems::Problems;
use super::routes::Routes;
use super::template::Texts;
use crate::account::Operation;
use crate::dialect::{Asked, Habits, Language};
use crate::json::{Object, Value};

/// A dialect, ready to run.
#[derive(Debug)]
pub(super) struct Plan {
    pub name: &'static str,
    pub title: Box<str>,
    /// The languages of texts for people; the first is the default.
    pub languages: Vec<Language>,
    pub zone_minutes: i32,
    pub habits: Habits,
    pub requests: Requests,
    pub answers: Answers,
    pub routes: Routes,
    pub operations: Vec<OperationPlan>,
    pub lacks: Vec<Lack>,
    pub token: TokenPlan,
    /// What the dialect's own challenges are made of, where they name the phone.
    pub challenge: Option<ChallengeForm>,
    /// Whether callers sign with coolkit's `Sign`.
    pub signs: bool,
    pub problems: Problems,
    /// Whether requests to a backend hold something random.
    pub needs_randomness: bool,
}

impl Plan {
    pub fn operation(&self, operation: Operation) -> Option<&OperationPlan> {
        self.operations.iter().find(|plan| plan.operation == operation)
    }

    /// The language of texts for a caller that names none.
    pub fn default_language(&self) -> Language {
        self.languages.first().copied().unwrap_or_default()
    }

    /// The language of an answer: what the call itself says beats the header field that an HTTP library
    /// adds by itself.
    pub fn language(&self, asked: &Asked<'_>) -> Language {
        let said = asked.call.and_then(|call| Language::of_tag(call.client.locale.as_deref()?));
        said.into_iter()
            .chain(asked.language)
            .find(|language| self.languages.contains(language))
            .unwrap_or_else(|| self.default_language())
    }
}

/// An operation that the dialect has not.
#[derive(Debug)]
pub(super) struct Lack {
    pub operation: Operation,
    pub why: Box<str>,
    /// Where the pack's file has it.
    pub offset: usize,
}

/// How requests look.
#[derive(Debug)]
pub(super) struct Requests {
    pub body: BodyRules,
    pub content_type: HeaderValue,
    pub accept: Option<HeaderValue>,
    pub empty_is_absent: bool,
    /// Where members without a named place are looked for; the first is where they are written.
    pub usual: Vec<Place>,
    pub keep_within: Option<Box<str>>,
    /// Header fields and other members of every request to a backend.
    pub always: Vec<Line>,
}

/// How answers look.
#[derive(Debug)]
pub(super) struct Answers {
    pub body: BodyRules,
    pub content_type: HeaderValue,
    pub problem_content_type: HeaderValue,
    pub empty_is_absent: bool,
    /// An answer is good when all conditions of one of these hold.
    pub good: Vec<Vec<Condition>>,
    pub problem: Vec<Line>,
    pub problem_status: ProblemStatus,
}

/// Which HTTP status a problem has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProblemStatus {
    OfRow,
    Fixed(u16),
    /// 200, but for these.
    OkExcept(Vec<u16>),
}

impl ProblemStatus {
    /// The status of a problem whose row says `status`.
    pub fn of(&self, status: u16) -> u16 {
        match self {
            Self::OfRow => status,
            Self::Fixed(fixed) => *fixed,
            Self::OkExcept(kept) if kept.contains(&status) => status,
            Self::OkExcept(_) => 200,
        }
    }
}

/// One operation.
#[derive(Debug)]
pub(super) struct OperationPlan {
    pub operation: Operation,
    /// Where members without a named place are read and written, if not where they usually are.
    pub usual: Option<Vec<Place>>,
    pub cases: Vec<Case>,
    /// The members of a good answer, with the envelope around them.
    pub reply: Vec<Line>,
    /// Whether some member of the answer belongs to an account.
    pub keeps: bool,
    /// Of each of these lists a good answer must have one.
    pub required: Vec<Vec<Field>>,
    pub status: u16,
    pub message: Texts,
    /// Whether requests have a body.
    pub has_body: bool,
    /// Where the pack's file has its name.
    pub offset: usize,
}

/// How a caller shows who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    None,
    Token,
    /// With a token if it has one: what a code is for decides whether a backend wants it.
    TokenIfSent,
    Signature,
}

/// One form that a call can take.
#[derive(Debug)]
pub(super) struct Case {
    /// Which routes lead here; the first that fits is written.
    pub routes: Vec<CaseRoute>,
    pub proof: Proof,
    pub when: Vec<Condition>,
    /// Fields that being this case sets, and that must not be otherwise for it to be written.
    pub sets: Vec<(Field, Box<str>)>,
    pub lines: Vec<Line>,
    /// Of these fields one must be there; the first wins.
    pub one_of: Vec<Vec<Field>>,
    /// Of each of these lists one must be there; others may be there too.
    pub any_of: Vec<Vec<Field>>,
    /// Whether a second of them is an error.
    pub exclusive: bool,
    /// Fields without which it can't be written.
    pub needs: Vec<Vec<Field>>,
    /// Where the pack's file has it and its parts.
    pub at: CasePlaces,
}

/// Where the pack's file has a case, or where it has what the case takes over from its operation.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CasePlaces {
    pub case: usize,
    pub one_of: usize,
    pub any_of: usize,
    pub sets: usize,
}

/// A way to a case.
#[derive(Debug, Clone)]
pub(super) struct CaseRoute {
    /// Its place within [`Routes`].
    pub route: usize,
    pub sets: Vec<(Field, Box<str>)>,
    /// Where the pack's file has it.
    pub offset: usize,
}

/// Where the token stands.
#[derive(Debug, Default)]
pub(super) struct TokenPlan {
    pub read: Vec<TokenPlace>,
    pub write: Option<TokenPlace>,
    /// Where a fresh one is delivered beside the body.
    pub fresh: Option<TokenPlace>,
}

/// One place for a token.
#[derive(Debug, Clone)]
pub(super) struct TokenPlace {
    pub place: Place,
    pub name: Box<str>,
    /// What stands before it, such as `Bearer `.
    pub scheme: Option<Box<str>>,
    /// Whether the scheme may be left out.
    pub scheme_optional: bool,
}

impl TokenPlace {
    pub fn header(&self) -> Option<&HeaderName> {
        match &self.place {
            Place::Header(name) => Some(name),
            _ => None,
        }
    }
}

/// Something that must hold of a message.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub subject: Subject,
    pub test: Test,
    pub offset: usize,
}

/// What a condition looks at.
#[derive(Debug, Clone)]
pub(super) enum Subject {
    HttpStatus,
    Member { place: Place, path: Vec<Box<str>> },
}

/// What must hold of it.
#[derive(Debug, Clone)]
pub(super) enum Test {
    Is(Vec<Literal>),
    /// HTTP status 200 to 299.
    Successful,
    Present,
    Missing,
}

impl Condition {
    pub fn holds(&self, message: &Message<'_>, status: u16, usual: &[Place]) -> bool {
        match &self.subject {
            Subject::HttpStatus => match &self.test {
                Test::Successful => (200..300).contains(&status),
                Test::Is(literals) => literals.iter().any(|literal| *literal.text == *status.to_string()),
                Test::Present => true,
                Test::Missing => false,
            },
            Subject::Member { place, path } => {
                let Some((first, rest)) = path.split_first() else { return false };
                match message.top(place, first, usual) {
                    Some(value) => self.test.holds(descend(&value, rest)),
                    None => self.test.holds(None),
                }
            }
        }
    }
}

impl Test {
    fn holds(&self, value: Option<&Value<'_>>) -> bool {
        let present = value.is_some_and(|value| !value.is_blank());
        match self {
            Self::Is(literals) => value.is_some_and(|value| literals.iter().any(|literal| literal.is(value))),
            Self::Present | Self::Successful => present,
            Self::Missing => !present,
        }
    }
}

fn descend<'v, 'a>(value: &'v Value<'a>, path: &[Box<str>]) -> Option<&'v Value<'a>> {
    path.iter()
        .try_fold(value, |value, name| value.as_object().and_then(|object: &Object<'a>| object.value(name)))
}
