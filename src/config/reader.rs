//! Walks a TOML document and collects every finding on the way, instead of stopping at the
//! first as serde does. Keys that nobody asked for are unknown keys.

use std::cell::{Ref, RefCell};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::dialects::KnownDialect;
use super::finding::{Finding, Severity};

/// Looks up an environment variable.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Bytes of the file.
    Span(Range<usize>),
    /// The file as a whole; findings about it point to its start.
    File,
    /// An environment variable.
    Variable(&'static str),
}

/// A value and the place to which findings about it point.
#[derive(Debug, Clone)]
pub(crate) struct Located<T> {
    pub value: T,
    pub place: Place,
}

/// One config source under way: its text, its findings, and what secrets may refer to.
pub(crate) struct Reader<'a> {
    file: String,
    text: &'a str,
    pub env: Env<'a>,
    findings: RefCell<Vec<Finding>>,
    literal_secrets: RefCell<Vec<Place>>,
    dialects: RefCell<Vec<KnownDialect>>,
}

impl<'a> Reader<'a> {
    pub fn new(file: impl Into<String>, text: &'a str, env: Env<'a>) -> Self {
        Self {
            file: file.into(),
            text,
            env,
            findings: RefCell::default(),
            literal_secrets: RefCell::default(),
            dialects: RefCell::default(),
        }
    }

    /// Notes what makes the settings unusable.
    #[track_caller]
    pub fn error(&self, place: &Place, message: impl Into<String>, hint: impl Into<String>) {
        self.note(place, Severity::Error, message.into(), hint.into());
    }

    /// Notes what works but should be looked at.
    #[track_caller]
    pub fn warning(&self, place: &Place, message: impl Into<String>, hint: impl Into<String>) {
        self.note(place, Severity::Warning, message.into(), hint.into());
    }

    /// Sets which dialects the file may name.
    pub fn know_dialects(&self, dialects: Vec<KnownDialect>) {
        self.dialects.replace(dialects);
    }

    /// The dialects that the file may name.
    pub fn dialects(&self) -> Ref<'_, Vec<KnownDialect>> {
        self.dialects.borrow()
    }

    /// Whether calls of a dialect are signed by an app.
    pub fn signs(&self, name: &str) -> bool {
        self.dialects().iter().any(|dialect| dialect.name == name && dialect.signs)
    }

    /// Remembers a secret that stands in the file itself; whether that matters is known once
    /// all addresses are.
    pub fn note_literal_secret(&self, place: Place) {
        self.literal_secrets.borrow_mut().push(place);
    }

    /// The places of secrets that stand in the file itself.
    pub fn literal_secrets(&self) -> Vec<Place> {
        self.literal_secrets.borrow().clone()
    }

    /// Parses the text; syntax errors become findings.
    pub fn parse(&self) -> Option<Spanned<DeTable<'a>>> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let place = error.span().map_or(Place::File, Place::Span);
            self.error(
                &place,
                format!("not TOML: {}", error.message()),
                "strings stand in \"quotes\", and a key stands once in its table",
            );
        }
        errors.is_empty().then_some(document)
    }

    /// Whether anything was found by now that makes the file unusable.
    pub fn has_errors(&self) -> bool {
        self.findings.borrow().iter().any(|finding| finding.severity == Severity::Error)
    }

    /// All findings in the order of the file; those about environment variables come first.
    pub fn into_findings(self) -> Vec<Finding> {
        let mut findings = self.findings.into_inner();
        findings.sort_by_key(|finding| (finding.line, finding.column));
        findings
    }

    #[track_caller]
    fn note(&self, place: &Place, severity: Severity, message: String, hint: String) {
        #[cfg(test)]
        super::tests::sites::note(&message);
        let (file, line, column) = match place {
            Place::Span(span) => {
                let (line, column) = self.position(span.start);
                (self.file.clone(), line, column)
            }
            Place::File => (self.file.clone(), 1, 1),
            Place::Variable(name) => ((*name).to_owned(), 0, 0),
        };
        self.findings.borrow_mut().push(Finding { file, line, column, message, hint, severity });
    }

    /// Line and column of a byte, both from 1.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

/// One table of the document, and which of its keys were asked for.
pub(crate) struct Table<'a> {
    pub reader: &'a Reader<'a>,
    name: String,
    entries: &'a DeTable<'a>,
    place: Place,
    asked: Vec<&'a str>,
}

impl Place {
    /// The first byte, 0 where it is no place in the file.
    pub fn offset(&self) -> usize {
        match self {
            Self::Span(span) => span.start,
            Self::File | Self::Variable(_) => 0,
        }
    }
}

impl<'a> Table<'a> {
    /// Reads a table and then notes the keys that `read` did not ask for.
    pub fn walk<T>(
        reader: &'a Reader<'a>,
        name: impl Into<String>,
        entries: &'a DeTable<'a>,
        place: Place,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let mut table = Self { reader, name: name.into(), entries, place, asked: Vec::new() };
        let value = read(&mut table);
        table.note_unknown_keys();
        value
    }

    /// The value of a key; `None` when it is absent, or wrong and noted.
    pub fn read<T>(&mut self, key: &'static str, parse: impl FnOnce(Node<'a>) -> Option<T>) -> Option<T> {
        self.asked.push(key);
        let value = self.entries.get(key)?;
        parse(Node { reader: self.reader, key, value })
    }

    /// The same for a key that must be there.
    pub fn need<T>(&mut self, key: &'static str, parse: impl FnOnce(Node<'a>) -> Option<T>) -> Option<T> {
        if !self.has(key) {
            self.reader.error(
                &self.place,
                format!("`{key}` is missing in {}", self.name),
                format!("add `{key} = …`"),
            );
        }
        self.read(key, parse)
    }

    /// Every key with its value, in the order of the file: for tables whose keys are the file's own.
    pub fn entries(&mut self) -> Vec<(&'a str, Place, Node<'a>)> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let reader = self.reader;
        let entry = |(key, value): (&'a Spanned<toml::de::DeString<'a>>, &'a Spanned<DeValue<'a>>)| {
            let name: &'a str = key.get_ref();
            (name, Place::Span(key.span()), Node { reader, key: name, value })
        };
        let entries: Vec<_> = entries.into_iter().map(entry).collect();
        self.asked.extend(entries.iter().map(|(name, ..)| *name));
        entries
    }

    /// Where the table stands.
    pub fn own_place(&self) -> &Place {
        &self.place
    }

    /// Counts keys as asked for, whose values are of no use here.
    pub fn ignore(&mut self, keys: &[&'static str]) {
        self.asked.extend_from_slice(keys);
    }

    /// Whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Where the key's value stands, or else the table.
    pub fn place(&self, key: &str) -> Place {
        self.entries.get(key).map_or_else(|| self.place.clone(), |value| Place::Span(value.span()))
    }

    /// Notes an error at a key's value, or else at the table.
    #[track_caller]
    pub fn error(&self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.reader.note(&self.place(key), Severity::Error, message.into(), hint.into());
    }

    /// Notes a warning at a key's value, or else at the table.
    #[track_caller]
    pub fn warning(&self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.reader.note(&self.place(key), Severity::Warning, message.into(), hint.into());
    }

    fn note_unknown_keys(&self) {
        for key in self.entries.keys() {
            let name: &str = key.get_ref();
            if !self.asked.contains(&name) {
                self.reader.error(
                    &Place::Span(key.span()),
                    format!("unknown key `{name}` in {}", self.name),
                    suggestion(name, &self.asked),
                );
            }
        }
    }
}

/// One value of the document.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a> {
    pub reader: &'a Reader<'a>,
    key: &'a str,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Node<'a> {
    /// Where it stands.
    pub fn place(self) -> Place {
        Place::Span(self.value.span())
    }

    /// The value itself.
    pub fn value(self) -> &'a DeValue<'a> {
        self.value.get_ref()
    }

    /// Notes that the value is no good.
    #[track_caller]
    pub fn fail<T>(self, message: impl Into<String>, hint: impl Into<String>) -> Option<T> {
        self.reader.note(&self.place(), Severity::Error, message.into(), hint.into());
        None
    }

    /// Notes that the value has the wrong type. Never shows the value: it may be a secret.
    #[track_caller]
    pub fn wrong_type<T>(self, wanted: &str, hint: &str) -> Option<T> {
        let found = self.value().type_str();
        let message = format!("`{}` must be {wanted}, not {found}", self.key);
        self.reader.note(&self.place(), Severity::Error, message, hint.to_owned());
        None
    }

    /// A text.
    pub fn text(self) -> Option<&'a str> {
        match self.value().as_str() {
            Some(text) => Some(text),
            None => self.wrong_type("a string", "put it in \"quotes\""),
        }
    }

    /// True or false.
    pub fn boolean(self) -> Option<bool> {
        match self.value().as_bool() {
            Some(value) => Some(value),
            None => self.wrong_type("true or false", "write true or false, without quotes"),
        }
    }

    /// One of a closed list of names.
    pub fn choice<T: Copy>(self, choices: &[(&'static str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = choices.iter().find(|(name, _)| *name == text);
        if let Some((_, value)) = found {
            return Some(*value);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        self.fail(format!("`{}` has no value {text:?}", self.key), suggestion(text, &names))
    }

    /// A list; what is wrong in it is noted one by one and left out.
    pub fn list<T>(self, mut parse: impl FnMut(Self) -> Option<T>) -> Option<Vec<T>> {
        let Some(items) = self.value().as_array() else {
            return self.wrong_type("a list", "put it in [brackets]");
        };
        let node = |value| Self { value, ..self };
        Some(items.iter().filter_map(|item| parse(node(item))).collect())
    }

    /// A table under `name`, as findings call it.
    pub fn table<T>(self, name: &str, read: impl FnOnce(&mut Table<'a>) -> T) -> Option<T> {
        match self.value().as_table() {
            Some(entries) => Some(Table::walk(self.reader, name, entries, self.place(), read)),
            None => self.wrong_type("a table", &format!("write it as {name}")),
        }
    }
}

/// What a misspelt name was probably meant to be, or else all there is.
pub(crate) fn suggestion(found: &str, known: &[&str]) -> String {
    let distance = |name: &&&str| strsim::damerau_levenshtein(found, name);
    let nearest = known.iter().min_by_key(distance);
    match nearest {
        Some(name) if distance(&name) <= 1 + name.len() / 4 => format!("did you mean `{name}`?"),
        _ => format!("known here: {}", known.join(", ")),
    }
}
