//! Who calls, and what travels beside the model.

/// The caller, as the gateway knows it: what it verified or read from the wire, never a
/// member that the caller gave that name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Client {
    /// The dialect that the caller speaks.
    pub dialect: &'static str,
    /// The app that signed the call.
    pub app_id: Option<String>,
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
        let secret = |part: &str| SECRET_NAMES.iter().any(|name| part.eq_ignore_ascii_case(name));
        if !path.split('.').any(secret) {
            self.0.push(Extension { dialect: dialect.to_owned(), path, json: json.into() });
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Extension> {
        self.0.iter()
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

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
