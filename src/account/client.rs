//! Who calls, and what travels beside the model.

use std::collections::{HashMap, HashSet};

/// The caller, as the gateway knows it: what it verified or read from the wire, never a
/// member that the caller gave that name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Client {
    /// The dialect that the caller speaks.
    pub dialect: &'static str,
    /// The app that signed the call.
    pub app_id: Option<String>,
    /// The account of the session that the gateway issued and the call brought: its region, and the id in its token.
    pub account: Option<(Box<str>, u64)>,
    /// The app's platform, such as `android`.
    pub platform: Option<String>,
    /// The person's language, BCP 47.
    pub locale: Option<String>,
    /// The device or page.
    pub device: Option<String>,
}

/// One member that the model does not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The dialect that it was read in; it goes out only there, or whole to a canonical peer.
    pub dialect: String,
    /// Where it stood: dotted path within the object that it belongs to.
    pub path: String,
    /// Its value, as JSON text exactly as it was read: numbers keep all their digits.
    pub json: String,
}

/// Members that the model does not name, in the order in which they were read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extensions(Vec<Extension>);

/// Names that never travel as an extension, at any depth of a path.
const SECRET_NAMES: [&str; 5] = ["password", "pwd", "salt", "secret", "token"];

impl Extensions {
    /// Keeps a member, unless its name says that it is a secret.
    pub fn keep(&mut self, dialect: &str, path: impl Into<String>, json: impl Into<String>) {
        let path = path.into();
        if !path.split('.').any(Self::is_secret) {
            self.0.push(Extension { dialect: dialect.to_owned(), path, json: json.into() });
        }
    }

    /// Whether a member of that name never travels, however deep it stands.
    pub fn is_secret(name: &str) -> bool {
        SECRET_NAMES.iter().any(|secret| name.eq_ignore_ascii_case(secret))
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Extension> {
        self.0.iter()
    }

    /// All of them by dialect, in the order in which the dialects came first; of two at one place the
    /// first. Linear, however many dialects a caller makes up.
    pub fn by_dialect(&self) -> Vec<(&str, Vec<&Extension>)> {
        let mut groups: Vec<(&str, Vec<&Extension>)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut seen: HashSet<(&str, &str)> = HashSet::new();
        for extension in &self.0 {
            let dialect = extension.dialect.as_str();
            if !seen.insert((dialect, extension.path.as_str())) {
                continue;
            }
            let place = *places.entry(dialect).or_insert(groups.len());
            match groups.get_mut(place) {
                Some((_, group)) => group.push(extension),
                None => groups.push((dialect, vec![extension])),
            }
        }
        groups
    }

    /// Those of one dialect, in order.
    pub fn of(&self, dialect: &str) -> impl Iterator<Item = &Extension> {
        self.0.iter().filter(move |extension| extension.dialect == dialect)
    }

    /// The JSON text of one member.
    pub fn get(&self, dialect: &str, path: &str) -> Option<&str> {
        self.of(dialect).find(|extension| extension.path == path).map(|extension| extension.json.as_str())
    }

    /// The JSON text of a member of an object, such as `online` of `user`.
    pub fn member(&self, dialect: &str, object: &str, name: &str) -> Option<&str> {
        let names = |path: &str| {
            let rest = path.strip_prefix(object).and_then(|rest| rest.strip_prefix('.'));
            rest == Some(name)
        };
        self.of(dialect).find(|extension| names(&extension.path)).map(|extension| extension.json.as_str())
    }

    /// How many have no place in messages of a dialect, since they are another's.
    pub fn foreign_to(&self, dialect: &str) -> usize {
        self.0.iter().filter(|extension| extension.dialect != dialect).count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_keep_their_order_and_hold_no_place_twice() {
        let mut extensions = Extensions::default();
        for (dialect, path, json) in [("b", "x", "1"), ("a", "x", "2"), ("b", "y", "3"), ("b", "x", "4")] {
            extensions.keep(dialect, path, json);
        }
        let groups: Vec<(&str, Vec<&str>)> = extensions
            .by_dialect()
            .into_iter()
            .map(|(dialect, group)| (dialect, group.iter().map(|one| one.json.as_str()).collect()))
            .collect();
        assert_eq!(groups, [("b", vec!["1", "3"]), ("a", vec!["2"])]);
    }

    #[test]
    fn secrets_are_never_kept() {
        let mut extensions = Extensions::default();
        for path in ["password", "user.Pwd", "salt", "a.secret.b", "token"] {
            extensions.keep("shopxo", path, "\"x\"");
        }
        extensions.keep("shopxo", "integral", "12345678901234567890.10");
        assert_eq!(extensions.iter().count(), 1);
        assert_eq!(extensions.get("shopxo", "integral"), Some("12345678901234567890.10"));
        assert_eq!(extensions.get("coolkit", "integral"), None);
    }
}
