//! How a backend knows the gateway: a secret in a header field, an app that signs.

use http::{HeaderName, HeaderValue};

use crate::account::Secret;
use crate::config::reader::{Node, Table};
use crate::config::value::{name, secret};

/// The app as which the gateway signs calls to a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamApp {
    /// The app's public id.
    pub id: String,
    /// What it signs with.
    pub secret: Secret,
}

/// Fields that the gateway writes itself.
const OWN_FIELDS: [&str; 7] =
    ["host", "connection", "content-length", "content-type", "transfer-encoding", "authorization", "upgrade"];

/// A header field and its value.
pub(super) fn header_secret(table: &mut Table<'_>) -> Option<(String, Secret)> {
    let header = table.need("header", header_name);
    let value = table.need("value", header_value);
    Some((header?, value?))
}

fn header_name(node: Node<'_>) -> Option<String> {
    let text = node.text()?;
    let field = HeaderName::from_bytes(text.as_bytes()).ok();
    let reserved = OWN_FIELDS.iter().any(|own| own.eq_ignore_ascii_case(text));
    match field {
        Some(field) if !reserved => Some(field.as_str().to_owned()),
        _ => node.fail(
            format!("{text:?} can't be the header field of a secret"),
            "choose a field of your own, such as \"X-Gateway-Secret\"",
        ),
    }
}

fn header_value(node: Node<'_>) -> Option<Secret> {
    let value = secret(node)?;
    if HeaderValue::from_str(value.expose()).is_ok() {
        return Some(value);
    }
    node.fail(
        "the secret holds characters that no header field can carry",
        "use letters, digits and punctuation on one line",
    )
}

/// The app as which calls are signed.
pub(super) fn upstream_app(table: &mut Table<'_>) -> Option<UpstreamApp> {
    let id = table.need("id", name);
    let secret = table.need("secret", secret);
    Some(UpstreamApp { id: id?, secret: secret? })
}
