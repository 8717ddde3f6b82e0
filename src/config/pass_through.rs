//! What passes through to the backend although it is no account operation.

use http::Method;

/// Requests that pass as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassThrough {
    /// The methods; all when empty.
    pub methods: Vec<Method>,
    /// What the normalised path must begin with: whole segments, such as `/api/devices`.
    pub prefix: String,
}

impl PassThrough {
    /// Whether a request is one of these.
    pub fn covers(&self, method: &Method, path: &str) -> bool {
        let prefix = self.prefix.trim_end_matches('/');
        let rest = path.strip_prefix(prefix);
        let within = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        within && (self.methods.is_empty() || self.methods.contains(method))
    }
}
