//! What passes through to the backend although it is no account operation.

use http::Method;

use super::reader::{Node, Table};
use super::upstream::base_path;

const METHODS: [(&str, Method); 7] = [
    ("GET", Method::GET),
    ("HEAD", Method::HEAD),
    ("POST", Method::POST),
    ("PUT", Method::PUT),
    ("PATCH", Method::PATCH),
    ("DELETE", Method::DELETE),
    ("OPTIONS", Method::OPTIONS),
];

/// Requests that pass as they are, but perhaps for their token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassThrough {
    /// The methods; GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS when empty. Others never pass: a TRACE
    /// shows the client what the gateway tells the backend, its secret too.
    pub methods: Vec<Method>,
    /// What the normalised path must begin with: whole segments, such as `/api/devices`.
    pub prefix: String,
    /// Whether the session's token is moved from where the client's dialect has it to where the backend's wants it.
    pub move_token: bool,
}

impl PassThrough {
    /// Whether a request is one of these.
    pub fn covers(&self, method: &Method, path: &str) -> bool {
        let prefix = self.prefix.trim_end_matches('/');
        let rest = path.strip_prefix(prefix);
        let within = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let known = METHODS.iter().any(|(_, known)| known == method);
        within && known && (self.methods.is_empty() || self.methods.contains(method))
    }

    /// Reads one `[[pass_through]]`.
    pub(super) fn read(table: &mut Table<'_>) -> Option<Self> {
        let methods = table.read("methods", |node| node.list(method)).unwrap_or_default();
        let prefix = table.need("prefix", base_path)?;
        if prefix.is_empty() {
            table.warning(
                "prefix",
                "every path that is no account call passes through",
                "name the paths that clients need, such as \"/api/devices\"",
            );
        }
        let move_token = table.read("move_token", Node::boolean).unwrap_or(false);
        Some(Self { methods, prefix, move_token })
    }
}

fn method(node: Node<'_>) -> Option<Method> {
    let names = METHODS.each_ref().map(|(name, method)| (*name, method));
    node.choice(&names).cloned()
}
