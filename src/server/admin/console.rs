//! The console: a page that draws the metrics and translates messages. It is made of the files beside this one, which
//! tell nothing; what it shows comes from `/figures.json` and `/translate.json`, which are guarded like every page.

use bytes::Bytes;
use http::Response;

use super::content;
use crate::account::Problem;

/// What the console shows, and does.
pub trait Console: Send + Sync {
    /// The metrics as JSON.
    fn figures(&self) -> String;

    /// What the translator's form offers, as JSON.
    fn choices(&self) -> String;

    /// Translates what was pasted, JSON to JSON; it is kept nowhere and logged nowhere.
    ///
    /// # Errors
    /// When there is nothing to translate.
    fn translate(&self, pasted: &[u8]) -> Result<String, Problem>;

    /// The settings that run, without secrets.
    fn config(&self) -> String;
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, media type and content of each file.
const FILES: [(&str, &str, &str); 8] = [
    ("/", "text/html; charset=utf-8", include_str!("console/index.html")),
    ("/console.css", "text/css; charset=utf-8", include_str!("console/console.css")),
    ("/console.js", JAVASCRIPT, include_str!("console/console.js")),
    ("/asking.js", JAVASCRIPT, include_str!("console/asking.js")),
    ("/figures.js", JAVASCRIPT, include_str!("console/figures.js")),
    ("/drawing.js", JAVASCRIPT, include_str!("console/drawing.js")),
    ("/translator.js", JAVASCRIPT, include_str!("console/translator.js")),
    ("/icon.svg", "image/svg+xml", include_str!("console/icon.svg")),
];

/// The file of a path.
pub(super) fn file(path: &str) -> Option<Response<Bytes>> {
    let (_, kind, text) = FILES.iter().find(|(known, ..)| *known == path)?;
    Some(content(kind, *text))
}

/// A console that shows nothing, for tests of what is around it.
#[cfg(test)]
pub(in crate::server) struct Blank;

#[cfg(test)]
impl Console for Blank {
    fn figures(&self) -> String {
        "{}".to_owned()
    }

    fn choices(&self) -> String {
        "{}".to_owned()
    }

    fn translate(&self, pasted: &[u8]) -> Result<String, Problem> {
        match pasted {
            b"{}" => Ok("translated".to_owned()),
            _ => Err(crate::account::ProblemCode::InvalidRequest.into()),
        }
    }

    fn config(&self) -> String {
        "settings".to_owned()
    }
}
