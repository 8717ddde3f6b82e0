//! TLS of a listener: 1.2 and later, and which certificate a client is shown.

use std::sync::Arc;

use pingora::listeners::tls::Acceptor;
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use crate::config::CertificateFiles;

/// Shows these certificates, and offers HTTP/2 or not.
///
/// # Errors
/// When one of them is of no use.
pub fn acceptor(files: &[CertificateFiles], http2: bool) -> Result<Acceptor, String> {
    let keys = files.iter().map(CertificateFiles::certified_key).collect::<Result<Vec<_>, _>>()?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| format!("no TLS: {error}"))?;
    let protocols: &[&[u8]] = if http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(Certificates(keys)));
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Acceptor::from_server_config(Arc::new(config)))
}

/// The certificates of a listener, in the order of its config.
#[derive(Debug)]
struct Certificates(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = match self.0.as_slice() {
            [_, _, ..] => hello.server_name().and_then(|name| ServerName::try_from(name).ok()),
            _ => None,
        };
        let fitting = named.and_then(|name| self.0.iter().find(|key| is_for(key, &name)));
        fitting.or_else(|| self.0.first()).cloned()
    }
}

fn is_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let certificate = key.end_entity_cert().and_then(ParsedCertificate::try_from);
    certificate.is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
}
