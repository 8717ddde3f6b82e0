//! A TLS client over a plain socket.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::authority::Authority;

/// A connection that is encrypted.
pub type Encrypted = StreamOwned<ClientConnection, TcpStream>;

/// What a client that believes this authority alone would say, offering these protocols by ALPN.
pub fn config(authority: &Authority, protocols: &[&str]) -> Arc<ClientConfig> {
    believing(&authority.file("ca.pem"), protocols)
}

/// The same for the certificate of an authority in a file.
pub fn believing(file: &Path, protocols: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// Connects, asks for this name and shakes hands.
///
/// # Errors
/// When the other side does not shake hands, or shows another's certificate.
pub fn connect(address: SocketAddr, name: &str, config: &Arc<ClientConfig>) -> std::io::Result<Encrypted> {
    over(TcpStream::connect(address)?, name, config)
}

/// The same over a connection that is there.
///
/// # Errors
/// When the other side does not shake hands, or shows another's certificate.
pub fn over(mut socket: TcpStream, name: &str, config: &Arc<ClientConfig>) -> std::io::Result<Encrypted> {
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(connection, socket))
}
