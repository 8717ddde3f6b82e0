//! The forms that a call can take: what all cases of an operation share, and what follows from what each says.

use crate::dialect::pack::codec::Codec;
use crate::dialect::pack::field::Field;
use crate::dialect::pack::literal::Literal;
use crate::dialect::pack::members::{Line, What};
use crate::dialect::pack::message::Place;
use crate::dialect::pack::plan::{Case, CasePlaces, CaseRoute, Condition, Proof, Subject, Test};

/// What an operation says for all of its cases.
pub(super) struct Common {
    pub proof: Proof,
    pub lines: Vec<Line>,
    pub one_of: Vec<Vec<Field>>,
    pub any_of: Vec<Vec<Field>>,
    pub exclusive: bool,
    pub when: Vec<Condition>,
    pub sets: Vec<(Field, Box<str>)>,
    pub routes: Vec<CaseRoute>,
    pub at: CasePlaces,
}

impl Common {
    /// One case of the operation, with what it says itself.
    pub fn case(&self, when: Vec<Condition>, sets: Vec<(Field, Box<str>)>, own: Vec<Line>) -> Case {
        // A case's own line stands in the place of the common one with its name.
        let replaced = |line: &&Line| !own.iter().any(|of| of.name == line.name && of.place == line.place);
        let mut lines: Vec<Line> = own.clone();
        lines.extend(self.lines.iter().filter(replaced).cloned());
        let when: Vec<Condition> = self.when.iter().cloned().chain(when).collect();
        Case {
            routes: self.routes.clone(),
            proof: self.proof,
            when,
            sets,
            needs: Vec::new(),
            lines,
            one_of: self.one_of.clone(),
            any_of: self.any_of.clone(),
            exclusive: self.exclusive,
            at: self.at,
        }
    }
}

/// What tells a case apart when read must be written too; and what it can't be written without.
pub(super) fn with_constants(mut case: Case) -> Case {
    for condition in &case.when {
        let (Subject::Member { place, path }, Test::Is(literals)) = (&condition.subject, &condition.test)
        else {
            continue;
        };
        if let Some(literal) = literals.first() {
            insert(&mut case.lines, place, path, literal, condition.offset);
        }
    }
    let mut needs: Vec<Vec<Field>> = case.one_of.iter().chain(&case.any_of).cloned().collect();
    case.lines.iter().for_each(|line| collect_needs(line, &mut needs));
    case.needs = needs;
    case
}

fn insert(lines: &mut Vec<Line>, place: &Place, path: &[Box<str>], literal: &Literal, offset: usize) {
    let Some((name, rest)) = path.split_first() else { return };
    let known =
        lines.iter_mut().find(|line| line.name == *name && (line.place == *place || !rest.is_empty()));
    match (known, rest.is_empty()) {
        (Some(_), true) => {}
        (Some(Line { what: What::Object(inner), .. }), false) => insert(inner, place, rest, literal, offset),
        (Some(_), false) => {}
        (None, true) => {
            let what = What::Constant { literal: literal.clone(), checked: false };
            lines.push(Line { what, place: place.clone(), ..Line::bare(name, offset) });
        }
        (None, false) => {
            let mut inner = Vec::new();
            insert(&mut inner, place, rest, literal, offset);
            lines.push(Line { what: What::Object(inner), place: place.clone(), ..Line::bare(name, offset) });
        }
    }
}

fn collect_needs(line: &Line, needs: &mut Vec<Vec<Field>>) {
    match &line.what {
        What::Value(value) if line.required && line.writes() && line.absent.is_none() => {
            if let Codec::Identity(identities, _) = &value.codec {
                let kinds = [
                    (identities.username, Field::Username),
                    // Of what kind it is, and whether there is a form for it, writing finds out.
                    (identities.username, Field::Identifier),
                    (identities.phone || identities.digits_are_phones, Field::Phone),
                    (identities.email, Field::Email),
                ];
                needs.push(kinds.into_iter().filter(|(takes, _)| *takes).map(|(_, field)| field).collect());
            } else if !value.fields.iter().any(|field| field.is_of_gateway()) {
                needs.push(value.fields.clone());
            }
        }
        // What an object can't do without is only needed where the object is.
        What::Object(lines) if line.required => lines.iter().for_each(|line| collect_needs(line, needs)),
        _ => {}
    }
}
