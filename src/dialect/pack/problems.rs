//! How problems are written and read: one table of rows, the first that fits wins, each way.

use std::borrow::Cow;

use super::target::ProblemTarget;
use super::template::{Template, Texts};
use super::wire_names::WireNames;
use crate::account::{Call, Operation, Problem, ProblemCode};
use crate::dialect::{Asked, Language};

/// Rows and what fills their holes.
#[derive(Debug, Default)]
pub(super) struct Problems {
    pub rows: Vec<Row>,
    /// What people call a field, by its name in the model, and where the pack's file says it.
    pub labels: Vec<(Box<str>, Texts, usize)>,
    /// Where the pack's file has them.
    pub offset: usize,
}

/// One row.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    /// The problems that it writes; `None` is all that no row before it takes.
    pub problems: Option<Vec<ProblemCode>>,
    /// Where it counts; empty is everywhere.
    pub on: Vec<Scope>,
    /// The fields with which it counts; empty is any.
    pub fields: Vec<Box<str>>,
    pub reason: Option<Reason>,
    /// What the dialect calls it, and whether that is written as a string.
    pub code: Option<(Template, bool)>,
    pub status: Option<u16>,
    /// What is written for people.
    pub text: Texts,
    /// What the text must hold to be read by this row; `Some(empty)` is: no text at all.
    pub matches: Option<Vec<Template>>,
    pub reads: bool,
    pub writes: bool,
    /// The field that it is about where the problem, or the answer, names none.
    pub names: Option<Box<str>>,
    /// What else it may be read as, since many problems are one here.
    pub reads_as: Vec<ProblemCode>,
    pub offset: usize,
}

/// An operation, or one form of it: `send_code/register`, `register/sms`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    pub operation: Operation,
    pub form: Option<Box<str>>,
}

impl Scope {
    fn covers(&self, operation: Operation, call: Option<&Call>) -> bool {
        let form = |form: &str| call.is_some_and(|call| is_of_form(call, form));
        self.operation == operation && self.form.as_deref().is_none_or(form)
    }
}

/// Whether a call is of a form: its purpose's name, or the kind of name that it goes by.
fn is_of_form(call: &Call, form: &str) -> bool {
    match form {
        "sms" => call.phone.is_some(),
        "email" => call.email.is_some() && call.phone.is_none(),
        "username" => call.phone.is_none() && call.email.is_none(),
        purpose => call.purpose.is_some_and(|of| of.name() == purpose),
    }
}

/// What is wrong with a field, as far as rows tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Missing,
    /// A password in the wrong form.
    Form,
    /// Not what it must repeat.
    Differs,
}

impl Reason {
    pub fn text(self) -> &'static str {
        match self {
            Self::Missing => Problem::MISSING,
            Self::Form => Problem::WRONG_FORM,
            Self::Differs => Problem::DIFFERS,
        }
    }
}

impl Row {
    /// Whether the row says this problem.
    pub fn says(&self, problem: &Problem, operation: Option<Operation>, call: Option<&Call>) -> bool {
        let code = self.problems.as_ref().is_none_or(|codes| codes.contains(&problem.code));
        let on = self.on.is_empty()
            || operation.is_some_and(|operation| self.on.iter().any(|scope| scope.covers(operation, call)));
        let field = self.fields.is_empty()
            || problem.field.as_deref().is_some_and(|field| self.fields.iter().any(|of| **of == *field));
        let reason = self.reason.is_none_or(|reason| problem.reason.as_deref() == Some(reason.text()));
        let known = |hole: &str| match hole {
            "attempts_left" => problem.attempts_left.is_some(),
            "field" | "FIELD" if self.code.is_some() => problem.field.is_some(),
            _ => true,
        };
        let holes = self.code.iter().flat_map(|(code, _)| code.holes());
        let texts =
            self.text.0.iter().flat_map(|(_, text)| text.holes()).filter(|hole| *hole == "attempts_left");
        self.writes && code && on && field && reason && holes.chain(texts).all(known)
    }

    /// Whether the row reads this code and text, and what it finds in them.
    pub fn hears<'t>(
        &self,
        told: &'t ProblemTarget,
        status: u16,
        call: &Call,
    ) -> Option<Vec<(&str, &'t str)>> {
        let on = self.on.is_empty() || self.on.iter().any(|scope| scope.covers(call.operation, Some(call)));
        let status = self.status.is_none_or(|of| of == status || self.code.is_some());
        if !(self.reads && on && status) {
            return None;
        }
        let mut found = match (&self.code, &told.code) {
            (Some((template, _)), Some(code)) => template.matches(code)?,
            (Some(_), None) => return None,
            (None, _) => Vec::new(),
        };
        let text = told.text.as_deref().unwrap_or_default();
        match self.matches.as_deref() {
            None => {}
            Some([]) if text.is_empty() => {}
            Some(templates) => {
                found.extend(templates.iter().find_map(|template| template.matches_within(text))?);
            }
        }
        Some(found)
    }
}

impl Problems {
    /// The row that writes a problem. Loading has proved that there is one for each.
    pub fn row(&self, problem: &Problem, asked: &Asked<'_>) -> Option<&Row> {
        self.rows.iter().find(|row| row.says(problem, asked.operation, asked.call))
    }

    /// Fills a text's holes with what is known of the problem.
    pub fn fill(
        &self,
        template: &Template,
        asked: &Asked<'_>,
        problem: &Problem,
        (field, names): (Option<&str>, WireNames<'_>),
        language: Language,
    ) -> String {
        template
            .fill(|hole| match hole {
                "field" => field.map_or("".into(), |field| names.of(field)),
                "FIELD" => field.map_or("".into(), |field| Cow::Owned(names.upper(field))),
                "label" => field.map_or("".into(), |field| self.label(field, names, language)),
                "reason" => Cow::Owned(reason(problem, language).to_owned()),
                "retry_after" => Cow::Owned(problem.retry_after.unwrap_or(60).to_string()),
                "attempts_left" => {
                    problem.attempts_left.map_or("".into(), |left| Cow::Owned(left.to_string()))
                }
                "operation" => problem.operation.or(asked.operation).map_or("this", Operation::name).into(),
                "problem" => problem.code.name().into(),
                "title" => problem.code.title().into(),
                "identifier" => Cow::Owned(asked.call.map(identifier).unwrap_or_default()),
                _ => "".into(),
            })
            .trim()
            .to_owned()
    }

    fn label<'p>(&'p self, field: &'p str, names: WireNames<'p>, language: Language) -> Cow<'p, str> {
        let named = self.labels.iter().find(|(of, ..)| **of == *field);
        match named.and_then(|(_, texts, _)| texts.of(language)).and_then(Template::fixed) {
            Some(label) => Cow::Borrowed(label),
            None => names.of(field),
        }
    }

    /// The problem that an answer tells; `None` when no row knows it.
    pub fn read(
        &self,
        told: ProblemTarget,
        status: u16,
        call: &Call,
        names: WireNames<'_>,
    ) -> Option<Problem> {
        let (code, row, found) = match told.named {
            Some(code) => (code, None, Vec::new()),
            None => {
                let (row, found) =
                    self.rows.iter().find_map(|row| Some((row, row.hears(&told, status, call)?)))?;
                let code = row.reads_as.first().or(row.problems.as_ref().and_then(|codes| codes.first()));
                (code.copied().unwrap_or(ProblemCode::Internal), Some(row), found)
            }
        };
        let mut problem = Problem::new(code);
        let captured = |name: &str| found.iter().find(|(hole, _)| *hole == name).map(|(_, text)| *text);
        let wire = told.wire_field.as_deref().or(captured("field")).and_then(|wire| names.field(wire));
        let upper = captured("FIELD").and_then(|wire| names.field_of_upper(wire));
        let only = row.and_then(|row| row.fields.first().filter(|_| row.fields.len() == 1));
        let named = only.or(row.and_then(|row| row.names.as_ref()).filter(|_| told.wire_field.is_none()));
        let field = told.field.as_deref().or(wire).or(upper).or(named.map(|field| &**field));
        problem.field = field.map(|field| Cow::Owned(field.to_owned()));
        problem.reason = told.reason.clone().map(Cow::Owned);
        if let Some(reason) = row.and_then(|row| row.reason) {
            problem.reason = Some(Cow::Borrowed(reason.text()));
        }
        problem.retry_after = told.retry_after.or(captured("retry_after").and_then(|text| text.parse().ok()));
        problem.attempts_left =
            told.attempts_left.or(captured("attempts_left").and_then(|text| text.parse().ok()));
        if code == ProblemCode::WrongRegion {
            problem.region = told.region.as_deref().map(Box::from);
        }
        problem.bind_token = told.bind_token;
        problem.operation = told.operation.or((code == ProblemCode::NotSupported).then_some(call.operation));
        Some(problem)
    }
}

fn reason(problem: &Problem, language: Language) -> &str {
    match (language, problem.reason.as_deref()) {
        (Language::English, reason) => reason.unwrap_or("is not valid"),
        (Language::Chinese, Some(Problem::MISSING)) => "不能为空",
        (Language::Chinese, Some(Problem::DIFFERS)) => "与重复输入的不一致",
        (Language::Chinese, _) => "格式不正确",
    }
}

fn identifier(call: &Call) -> String {
    let phone = || call.phone.as_ref().map(|phone| phone.national().to_owned());
    let email = || call.email.as_ref().map(|email| email.as_str().to_owned());
    call.username
        .clone()
        .or_else(|| call.identifier.clone())
        .or_else(phone)
        .or_else(email)
        .unwrap_or_default()
}
