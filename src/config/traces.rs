//! Where traces are sent, if they are.

use std::time::Duration;

use http::Uri;

use super::reader::{Node, Table};
use super::upstream::{Balancing, Certificates, Concurrency, HttpUpstream, HttpVersion};
use super::value::name;

/// The path at which a collector takes traces, where the endpoint has none.
const USUAL_PATH: &str = "/v1/traces";
const HINT: &str = "write where the collector takes OTLP over HTTP: \"http://127.0.0.1:4318/v1/traces\"";

/// Traces, and where they go.
#[derive(Debug, Clone, PartialEq)]
pub struct Traces {
    /// Whether the collector speaks TLS.
    pub tls: bool,
    /// `host:port` of the collector.
    pub address: String,
    /// Its name, for the `Host` field and its certificate.
    pub host: String,
    /// Where it takes traces.
    pub path: String,
    /// The share of calls that are traced, 0 to 1.
    pub sample_ratio: f64,
    /// What the gateway is called in traces.
    pub service_name: String,
}

impl Traces {
    /// Reads `[traces]`; `None` without an endpoint.
    pub(super) fn read(table: &mut Table<'_>) -> Option<Self> {
        let endpoint = table.read("endpoint", endpoint);
        let sample_ratio = table.read("sample_ratio", ratio);
        let service_name = table.read("service_name", name);
        let endpoint = endpoint?;
        Some(Self {
            sample_ratio: sample_ratio.unwrap_or(endpoint.sample_ratio),
            service_name: service_name.unwrap_or(endpoint.service_name.clone()),
            ..endpoint
        })
    }

    /// The collector, as something to send requests to.
    pub fn collector(&self) -> HttpUpstream {
        HttpUpstream {
            dialect: String::new(),
            addresses: vec![self.address.clone()],
            tls: self.tls,
            host: self.host.clone(),
            certificates: Certificates::default(),
            http_version: HttpVersion::One,
            balancing: Balancing { ejection: None, ..Balancing::default() },
            concurrency: Concurrency::default(),
            base_path: String::new(),
            connect_timeout: Duration::from_secs(2),
            first_byte_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(5),
            answer_bytes: 64 * 1024,
            secret: None,
            app: None,
            settings: std::collections::BTreeMap::new(),
        }
    }
}

fn endpoint(node: Node<'_>) -> Option<Traces> {
    let text = node.text()?;
    let no_endpoint = || node.fail(format!("{text:?} is no endpoint"), HINT);
    let Ok(uri) = text.parse::<Uri>() else { return no_endpoint() };
    let (tls, usual_port) = match uri.scheme_str() {
        Some("http") => (false, 80),
        Some("https") => (true, 443),
        _ => return no_endpoint(),
    };
    let Some(authority) = uri.authority().filter(|authority| !authority.as_str().contains('@')) else {
        return no_endpoint();
    };
    let path = match uri.path() {
        "" | "/" => USUAL_PATH,
        path => path,
    };
    Some(Traces {
        tls,
        address: format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(usual_port)),
        host: authority.host().to_owned(),
        path: path.to_owned(),
        sample_ratio: 1.0,
        service_name: "dragoman".to_owned(),
    })
}

fn ratio(node: Node<'_>) -> Option<f64> {
    const HINT: &str = "write a share of the calls from 0 to 1, such as 0.05";
    let value = node.value();
    let number = value
        .as_float()
        .map(|float| float.as_str())
        .or_else(|| value.as_integer().map(|whole| whole.as_str()));
    let Some(number) = number.and_then(|number| number.parse::<f64>().ok()) else {
        return node.wrong_type("a number", HINT);
    };
    if (0.0..=1.0).contains(&number) {
        return Some(number);
    }
    node.fail(format!("{number} is out of bounds"), HINT)
}
