//! From the model into a message, line by line. Writing, never pasting: no value breaks out of its place.

use http::header::HeaderValue;

use super::presence::{has_value, is_bound, lacks_required};
use super::{BodyWriter, Line, Outgoing, Piece, ValueLine, What, join};
use crate::account::{Country, Extensions, Problem, ProblemCode};
use crate::dialect::pack::codec::{CantWrite, Codec, Writing};
use crate::dialect::pack::field::{Datum, Field};
use crate::dialect::pack::literal::{Literal, Written};
use crate::dialect::pack::message::Place;
use crate::dialect::pack::source::Source;

/// How a pack's messages are written.
#[derive(Debug, Clone, Copy)]
pub(in crate::dialect::pack) struct WriteRules<'a> {
    pub dialect: &'static str,
    /// Where a member without a named place goes.
    pub usual: &'a Place,
    pub country: Country,
    pub zone_minutes: i32,
    /// Fields that another one beats, so that they have no place in this message.
    pub beaten: &'a [Field],
    /// Unknown members go only within this path; `None` writes them where they were.
    pub keep_within: Option<&'a str>,
}

/// Writes the lines of a message, and this dialect's extensions at their places.
pub(in crate::dialect::pack) fn write<'w, S: Source>(
    lines: &'w [Line],
    source: &'w S,
    rules: WriteRules<'w>,
    body: &mut BodyWriter<'_>,
    outgoing: &'w mut Outgoing,
) -> Result<(), Problem> {
    let writing = Writing {
        country: rules.country,
        password_form: source.password_form(),
        zone_minutes: rules.zone_minutes,
    };
    let extensions = source.extensions().filter(|extensions| !extensions.is_empty());
    let mut writer = Writer { source, rules, writing, extensions, outgoing, outermost: true };
    writer.level(lines, "", body)
}

struct Writer<'w, S> {
    source: &'w S,
    rules: WriteRules<'w>,
    writing: Writing,
    /// What the model does not name, where there is any of it: most messages have none, and need no paths.
    extensions: Option<&'w Extensions>,
    outgoing: &'w mut Outgoing,
    outermost: bool,
}

impl<'w, S: Source> Writer<'w, S> {
    fn level(&mut self, lines: &'w [Line], path: &str, body: &mut BodyWriter<'_>) -> Result<(), Problem> {
        for line in lines.iter().filter(|line| line.writes()) {
            self.line(line, path, body)?;
        }
        if let Some(extensions) = self.extensions {
            self.unknown(extensions, lines, path, body);
        }
        Ok(())
    }

    fn line(&mut self, line: &'w Line, path: &str, body: &mut BodyWriter<'_>) -> Result<(), Problem> {
        let written = match &line.what {
            What::Value(value) => self.value(line, value, path)?,
            What::Constant { literal, .. } => Some(literal.written()),
            What::Extension { default } => {
                let extension = self.extension(path, &line.name);
                extension.or_else(|| default.as_ref().map(Literal::written))
            }
            What::Template(pieces) => Some(Written::Text(self.template(pieces).into())),
            What::Object(lines) => return self.object(line, lines, path, body),
            What::AllExtensions => {
                self.all_extensions(line, body);
                return Ok(());
            }
            What::Dropped => None,
        };
        match written.or_else(|| line.absent.as_ref().map(Literal::written)) {
            Some(written) => {
                self.put(line, &written, body);
                Ok(())
            }
            None if line.required && S::STRICT => Err(Problem::missing(line_name(line))),
            None => Ok(()),
        }
    }

    fn put(&mut self, line: &Line, written: &Written<'_>, body: &mut BodyWriter<'_>) {
        let place = if line.place == Place::Usual { self.rules.usual } else { &line.place };
        let text = || written.plain().to_owned();
        if !self.outermost {
            return body.value(line, written);
        }
        match place {
            Place::Usual | Place::Body => body.value(line, written),
            // Written where both ways of reading it look.
            Place::Query | Place::Form => _ = self.outgoing.query.pair(&line.name, written.plain()),
            Place::Header(name) => {
                // A text that no field can hold has no place here.
                let value = HeaderValue::from_str(written.plain()).ok();
                self.outgoing.headers.extend(value.map(|value| (name.clone(), value)));
            }
            Place::Path => self.outgoing.path.push((line.name.clone(), text())),
            Place::BasicUser => self.outgoing.basic_user = Some(text()),
            Place::BasicPassword => self.outgoing.basic_password = Some(text()),
        }
    }

    fn value(&self, line: &Line, value: &'w ValueLine, path: &str) -> Result<Option<Written<'w>>, Problem> {
        if value.extension
            && let Some(written) = self.extension(path, &line.name)
        {
            return Ok(Some(written));
        }
        if let Codec::Identity(..) = &value.codec {
            return self.identity(value);
        }
        let Some(datum) = datum_of(self.source, value, self.rules.beaten) else { return Ok(None) };
        match value.codec.write(&datum, self.writing) {
            Ok(written) => Ok(Some(written)),
            Err(cant) if S::STRICT => Err(problem_of(cant, field_of(&datum, value))),
            Err(_) => Ok(None),
        }
    }

    /// Of the names that the account goes by the first that has a form here.
    fn identity(&self, value: &'w ValueLine) -> Result<Option<Written<'w>>, Problem> {
        let mut refused = None;
        for datum in self.source.identities(self.rules.dialect) {
            match value.codec.write(&datum, self.writing) {
                Ok(written) => return Ok(Some(written)),
                Err(cant) => refused = refused.or(Some((cant, field_of(&datum, value)))),
            }
        }
        match refused {
            Some((cant, field)) if S::STRICT => Err(problem_of(cant, field)),
            _ => Ok(None),
        }
    }

    fn extension(&self, path: &str, name: &str) -> Option<Written<'w>> {
        let extensions = self.extensions?;
        let json = if path.is_empty() {
            extensions.get(self.rules.dialect, name)
        } else {
            extensions.member(self.rules.dialect, path, name)
        };
        json.map(|json| Written::Raw(json.into()))
    }

    fn template(&self, pieces: &[Piece]) -> String {
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => text.to_string(),
            Piece::Field(field) => match self.source.get(*field) {
                Some(Datum::Moment(moment)) => moment.seconds().to_string(),
                Some(datum) => datum.to_text().into_owned(),
                None => String::new(),
            },
        };
        pieces.iter().map(text).collect()
    }

    fn object(
        &mut self,
        line: &'w Line,
        lines: &'w [Line],
        path: &str,
        body: &mut BodyWriter<'_>,
    ) -> Result<(), Problem> {
        let path = self.extensions.map(|_| join(path, &line.name)).unwrap_or_default();
        // What must be there, and stands for nothing when it has no value, is written whatever there is.
        let matters = line.absent.is_some() || !line.required;
        let lacks = line.absent.is_some() && lacks_required(lines, self.source);
        if matters && (lacks || !has_value(lines, self.source) && !self.has_extension_within(&path)) {
            if let Some(absent) = &line.absent {
                body.value(line, &absent.written());
                return Ok(());
            }
            // An object of constants is always there; one of values only with a value.
            if lines.iter().any(is_bound) {
                return Ok(());
            }
        }
        let outermost = std::mem::replace(&mut self.outermost, false);
        let result = body.object(line, |body| self.level(lines, &path, body));
        self.outermost = outermost;
        result.unwrap_or(Ok(()))
    }

    fn has_extension_within(&self, path: &str) -> bool {
        let within = |place: &str| place.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        self.extensions.is_some_and(|all| all.of(self.rules.dialect).any(|one| within(&one.path)))
    }

    fn all_extensions(&self, line: &Line, body: &mut BodyWriter<'_>) {
        let Some(extensions) = self.extensions else { return };
        _ = body.object(line, |body| {
            for (dialect, group) in extensions.by_dialect() {
                body.object_of(dialect, |body| {
                    for extension in group {
                        body.raw(&extension.path, &extension.json);
                    }
                });
            }
        });
    }

    /// What came from this dialect and has no line goes back to where it was.
    fn unknown(&self, extensions: &Extensions, lines: &[Line], path: &str, body: &mut BodyWriter<'_>) {
        if self.rules.keep_within.is_some_and(|within| within != path) {
            return;
        }
        let knows_all = lines.iter().any(|line| matches!(line.what, What::AllExtensions));
        if knows_all {
            return;
        }
        let mut written: Vec<&str> = Vec::new();
        for extension in extensions.of(self.rules.dialect) {
            let Some(name) = within(&extension.path, path) else { continue };
            if !name.contains('.')
                && !lines.iter().any(|line| line.is_named(name))
                && !written.contains(&name)
            {
                written.push(name);
                body.raw(name, &extension.json);
            }
        }
    }
}

fn within<'e>(place: &'e str, path: &str) -> Option<&'e str> {
    if path.is_empty() { Some(place) } else { place.strip_prefix(path)?.strip_prefix('.') }
}

/// The value that a line writes: the first of its fields that has one.
fn datum_of<'s, S: Source>(source: &'s S, value: &ValueLine, beaten: &[Field]) -> Option<Datum<'s>> {
    let fits =
        |(field, name): &(Field, Box<str>)| source.get(*field).is_none_or(|datum| datum.to_text() == **name);
    // What a backend's answer leaves open is filled on reading; what is known is written as it is.
    if S::STRICT && !value.sets.iter().all(fits) {
        return None;
    }
    value.fields.iter().filter(|field| !beaten.contains(field)).find_map(|field| source.get(*field))
}

fn field_of(datum: &Datum<'_>, value: &ValueLine) -> Field {
    match datum {
        Datum::Phone(_) => Field::Phone,
        Datum::Email(_) => Field::Email,
        _ => match value.field() {
            Some(Field::Identifier) | None => Field::Username,
            Some(field) => field,
        },
    }
}

fn problem_of(cant: CantWrite, field: Field) -> Problem {
    match cant {
        // One that says nothing of its account where all do is none of the other side's.
        CantWrite::NoForm if field == Field::Token => ProblemCode::TokenInvalid.into(),
        CantWrite::NoForm => Problem::new(ProblemCode::NotSupported).field(field.name()),
        CantWrite::Value(reason) => Problem::invalid(field.name(), reason),
    }
}

fn line_name(line: &Line) -> &'static str {
    match &line.what {
        What::Value(value) => value.field().map_or("", Field::name),
        _ => "",
    }
}
