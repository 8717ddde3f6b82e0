//! What messages call the model's fields, for texts and codes that name one.

use std::borrow::Cow;

use super::codec::Codec;
use super::field::Field;
use super::members::{Line, What};
use super::plan::OperationPlan;

/// Where a field's name is looked up: in the operation at hand, then in all of the dialect.
#[derive(Debug, Clone, Copy)]
pub(super) struct WireNames<'p> {
    pub own: Option<&'p OperationPlan>,
    pub all: &'p [OperationPlan],
}

/// One member that stands for a field.
struct Named<'p> {
    name: &'p str,
    field: Field,
    /// Whether it takes any of an account's names.
    any_identity: bool,
}

impl<'p> WireNames<'p> {
    /// What clients call a field of the model.
    pub fn of(self, field: &'p str) -> Cow<'p, str> {
        let of_client = |line: &Line| line.reads();
        let own = named(self.own, of_client);
        let all = || named(self.all, of_client);
        let is = |one: &&Named<'_>| one.field.name() == field;
        let identity = Field::from_name(field).is_some_and(Field::is_identity);
        let is_any = |one: &&Named<'_>| identity && one.any_identity;
        let is_identity = |one: &&Named<'_>| identity && one.field.is_identity();
        let exact = own.iter().find(is).or_else(|| own.iter().find(is_any)).map(|one| one.name);
        let elsewhere = || all().iter().find(is).map(|one| one.name);
        match exact.or_else(elsewhere).or_else(|| own.iter().find(is_identity).map(|one| one.name)) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Borrowed(field.rsplit('.').next().unwrap_or(field)),
        }
    }

    /// The same as `PHONE_INFO`.
    pub fn upper(self, field: &'p str) -> String {
        upper_snake(&self.of(field))
    }

    /// The field that a backend calls by a name.
    pub fn field(self, wire: &str) -> Option<&'static str> {
        self.field_where(|name| name == wire)
    }

    /// The field that a backend calls by a name such as `PHONE_INFO`.
    pub fn field_of_upper(self, wire: &str) -> Option<&'static str> {
        self.field_where(|name| upper_snake(name) == wire)
    }

    fn field_where(self, fits: impl Fn(&str) -> bool) -> Option<&'static str> {
        let find =
            |named: Vec<Named<'_>>| named.iter().find(|one| fits(one.name)).map(|one| one.field.name());
        find(named(self.own, Line::writes)).or_else(|| find(named(self.all, Line::writes)))
    }
}

fn named<'p>(
    plans: impl IntoIterator<Item = &'p OperationPlan>,
    counts: impl Fn(&Line) -> bool + Copy,
) -> Vec<Named<'p>> {
    let mut all = Vec::new();
    let cases = plans.into_iter().flat_map(|plan| &plan.cases);
    cases.flat_map(|case| &case.lines).for_each(|line| collect(line, counts, &mut all));
    all
}

fn collect<'l>(line: &'l Line, counts: impl Fn(&Line) -> bool + Copy, into: &mut Vec<Named<'l>>) {
    match &line.what {
        What::Value(value) if counts(line) => into.extend(value.field().map(|field| Named {
            name: &line.name,
            field,
            any_identity: matches!(value.codec, Codec::Identity(..)),
        })),
        What::Object(lines) => lines.iter().for_each(|line| collect(line, counts, into)),
        _ => {}
    }
}

/// `phoneInfo` as `PHONE_INFO`.
fn upper_snake(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(character.to_uppercase());
    }
    text
}
