//! What a message is written into: a body of JSON or a form, and what stands beside it.

use http::header::{HeaderName, HeaderValue};

use super::Line;
use crate::dialect::pack::literal::Written;
use crate::json::{MemberName, ObjectWriter};
use crate::query::QueryWriter;

/// What stands beside the body.
#[derive(Debug, Default)]
pub(in crate::dialect::pack) struct Outgoing {
    pub query: QueryWriter,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub path: Vec<(Box<str>, String)>,
    pub basic_user: Option<String>,
    pub basic_password: Option<String>,
}

/// A form under way, and the path of the object that is being written.
#[derive(Debug, Default)]
pub(in crate::dialect::pack) struct FormWriter {
    pub pairs: QueryWriter,
    path: Vec<String>,
}

impl FormWriter {
    fn pair(&mut self, name: &str, value: &str) {
        let mut full = String::new();
        for (depth, name) in self.path.iter().map(String::as_str).chain([name]).enumerate() {
            match depth {
                0 => full.push_str(name),
                _ => full.extend(["[", name, "]"]),
            }
        }
        self.pairs.pair(&full, value);
    }
}

/// A body under way.
#[derive(Debug)]
pub(in crate::dialect::pack) enum BodyWriter<'o> {
    Json(&'o mut ObjectWriter),
    Form(&'o mut FormWriter),
}

impl BodyWriter<'_> {
    /// Writes a line's value.
    pub fn value(&mut self, line: &Line, written: &Written<'_>) {
        let name = &line.json_name;
        match (self, written) {
            (Self::Json(object), Written::Text(text)) if line.list => _ = object.string_in_list(name, text),
            (Self::Json(object), Written::Text(text)) => _ = object.string(name, text),
            (Self::Json(object), Written::Raw(raw)) if line.list => _ = object.raw(name, &format!("[{raw}]")),
            (Self::Json(object), Written::Raw(raw)) => _ = object.raw(name, raw),
            (Self::Form(form), written) => form.pair(&line.name, written.plain()),
        }
    }

    /// Writes a member that no line stands for, as it was read.
    pub fn raw(&mut self, name: &str, json: &str) {
        match self {
            Self::Json(object) => _ = object.raw(name, json),
            Self::Form(form) => form.pair(name, Written::Raw(json.into()).plain()),
        }
    }

    /// Writes a line's object.
    pub fn object<R>(&mut self, line: &Line, write: impl FnOnce(&mut BodyWriter<'_>) -> R) -> Option<R> {
        self.open(&line.json_name, &line.name, line.list, write)
    }

    /// Writes an object that no line stands for.
    pub fn object_of(&mut self, name: &str, write: impl FnOnce(&mut BodyWriter<'_>)) {
        _ = self.open(name, name, false, write);
    }

    fn open<R>(
        &mut self,
        name: impl MemberName,
        plain: &str,
        list: bool,
        write: impl FnOnce(&mut BodyWriter<'_>) -> R,
    ) -> Option<R> {
        let mut result = None;
        match self {
            Self::Json(object) => {
                let inner = |object: &mut ObjectWriter| result = Some(write(&mut BodyWriter::Json(object)));
                if list {
                    object.object_in_list(name, inner)
                } else {
                    object.object(name, inner)
                };
            }
            Self::Form(form) => {
                form.path.push(plain.to_owned());
                result = Some(write(&mut BodyWriter::Form(form)));
                form.path.pop();
            }
        }
        result
    }
}
