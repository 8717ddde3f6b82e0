//! Texts with holes, such as `{label}不能为空`: filled when written, matched when read.

use crate::dialect::Language;

/// A text with holes. `{{` and `}}` stand for braces of the text itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Hole(Box<str>),
}

impl Template {
    /// Reads a text; the error says what is wrong with its braces.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '{' if rest.next_if_eq(&'{').is_some() => literal.push('{'),
                '}' if rest.next_if_eq(&'}').is_some() => literal.push('}'),
                '}' => return Err("a `}` without its `{`: write `}}` for a brace of the text"),
                '{' => {
                    let mut name = String::new();
                    loop {
                        match rest.next() {
                            Some('}') => break,
                            Some(character) if character != '{' => name.push(character),
                            _ => return Err("a `{` without its `}`: write `{{` for a brace of the text"),
                        }
                    }
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal).into()));
                    }
                    parts.push(Part::Hole(name.into()));
                }
                other => literal.push(other),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal.into()));
        }
        Ok(Self(parts))
    }

    /// The names of its holes.
    pub fn holes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Hole(name) => Some(name.as_ref()),
            Part::Text(_) => None,
        })
    }

    /// The text, if it has no holes.
    pub fn fixed(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Its parts, each turned into something else.
    pub fn pieces<T>(&self, mut hole: impl FnMut(&str) -> T, mut text: impl FnMut(&str) -> T) -> Vec<T> {
        let piece = |part: &Part| match part {
            Part::Text(literal) => text(literal),
            Part::Hole(name) => hole(name),
        };
        self.0.iter().map(piece).collect()
    }

    /// Fills the holes.
    pub fn fill<'v>(&self, value: impl Fn(&str) -> std::borrow::Cow<'v, str>) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Hole(name) => text.push_str(&value(name)),
            }
        }
        text
    }

    /// Whether a whole text has this form, and what stands in its holes.
    pub fn matches<'t>(&self, text: &'t str) -> Option<Vec<(&str, &'t str)>> {
        let found = self.matches_at_start(text, true)?;
        Some(found)
    }

    /// The same anywhere within a text.
    pub fn matches_within<'t>(&self, text: &'t str) -> Option<Vec<(&str, &'t str)>> {
        let Some(Part::Text(first)) = self.0.first() else { return self.matches_at_start(text, false) };
        let mut rest = text;
        loop {
            let start = rest.find(&**first)?;
            rest = rest.get(start..)?;
            if let Some(found) = self.matches_at_start(rest, false) {
                return Some(found);
            }
            rest = rest.get(first.chars().next()?.len_utf8()..)?;
        }
    }

    fn matches_at_start<'t>(&self, text: &'t str, to_the_end: bool) -> Option<Vec<(&str, &'t str)>> {
        let mut found = Vec::new();
        let mut rest = text;
        for (index, part) in self.0.iter().enumerate() {
            match part {
                Part::Text(literal) => rest = rest.strip_prefix(&**literal)?,
                Part::Hole(name) => {
                    let end = match self.0.get(index + 1) {
                        Some(Part::Text(next)) => rest.find(&**next)?,
                        _ => rest.len(),
                    };
                    found.push((name.as_ref(), rest.get(..end)?));
                    rest = rest.get(end..)?;
                }
            }
        }
        (!to_the_end || rest.is_empty()).then_some(found)
    }
}

/// A text in each of a pack's languages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Texts(pub Vec<(Language, Template)>);

impl Texts {
    /// The text in a language, or else in the first that there is.
    pub fn of(&self, language: Language) -> Option<&Template> {
        let exact = self.0.iter().find(|(of, _)| *of == language);
        exact.or(self.0.first()).map(|(_, template)| template)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template::parse(text).unwrap()
    }

    #[test]
    fn holes_are_filled_and_found_again() {
        let code = template("{{{FIELD}}}_REQUIRED");
        assert_eq!(code.fill(|_| "PHONE".into()), "{PHONE}_REQUIRED");
        assert_eq!(code.matches("{PHONE}_REQUIRED"), Some(vec![("FIELD", "PHONE")]));
        assert_eq!(code.matches("PHONE_REQUIRED"), None);
        let tries = template("还可以尝试{attempts_left}次");
        assert_eq!(tries.matches_within("登录失败，您还可以尝试4次"), Some(vec![("attempts_left", "4")]));
        assert_eq!(tries.matches_within("登录失败"), None);
    }

    #[test]
    fn a_text_without_holes_is_fixed() {
        assert_eq!(template("OK").fixed(), Some("OK"));
        assert_eq!(template("{a}").fixed(), None);
        assert_eq!(template("").fixed(), Some(""));
        assert!(Template::parse("a}").is_err() && Template::parse("{a").is_err());
    }
}
