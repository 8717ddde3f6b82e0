//! The certificates of TLS to a backend: whom the gateway believes, and how it shows who it is.

use std::fs;
use std::path::PathBuf;

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::account::Secret;
use crate::config::reader::{Node, Table};
use crate::config::value::name;

/// The certificates of TLS to a backend. Its own is always checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificates {
    /// Those of the authorities that are believed, instead of the system's.
    pub authorities: Option<PemFile>,
    /// What the gateway shows of itself.
    pub client: Option<ClientCertificate>,
}

/// What the gateway shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Its certificate first, then those that lead to the authority.
    pub certificate: PemFile,
    /// The private key.
    pub key: PemFile,
}

/// A PEM file. What was in it is kept, so that a renewed file is a changed setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemFile {
    /// Where it is.
    pub path: PathBuf,
    content: Secret,
}

impl Certificates {
    /// Reads `certificates` and `client_certificate` of `[upstream]`.
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            authorities: table.read("certificates", |node| checked(node, PemFile::check_authorities)),
            client: table
                .read("client_certificate", |node| node.table("client_certificate", ClientCertificate::read))
                .flatten(),
        }
    }

    /// Reads the files again and tells whether they can be used.
    ///
    /// # Errors
    /// Which file is of no use, and why.
    pub fn check(&self) -> Result<(), String> {
        if let Some(authorities) = &self.authorities {
            PemFile::load(authorities.path.clone())?.check_authorities()?;
        }
        let Some(client) = &self.client else { return Ok(()) };
        let certificate = PemFile::load(client.certificate.path.clone())?;
        let key = PemFile::load(client.key.path.clone())?;
        ClientCertificate { certificate, key }.check()
    }
}

impl ClientCertificate {
    fn read(table: &mut Table<'_>) -> Option<Self> {
        let certificate =
            table.need("certificate", |node| checked(node, |file| file.certificates().map(drop)));
        let key = table.need("key", |node| checked(node, |file| file.private_key().map(drop)));
        let read = Self { certificate: certificate?, key: key? };
        if let Err(message) = read.check() {
            table.error("key", message, "name the key that this certificate was made for");
        }
        Some(read)
    }

    /// The certificates and the key in DER form, once they were found to belong together.
    fn check(&self) -> Result<(), String> {
        let (certificates, key) = (self.certificate.certificates()?, self.key.private_key()?);
        match CertifiedKey::from_der(certificates, key, &ring::default_provider()) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("the key does not fit the certificate: {error}")),
        }
    }

    /// The certificates and the key in DER form.
    ///
    /// # Errors
    /// When one of the files holds none.
    pub fn der(&self) -> Result<(Vec<Vec<u8>>, Vec<u8>), String> {
        self.check()?;
        let certificates = self.certificate.certificates()?.iter().map(|der| der.to_vec()).collect();
        Ok((certificates, self.key.private_key()?.secret_der().to_vec()))
    }
}

impl PemFile {
    fn load(path: PathBuf) -> Result<Self, String> {
        match fs::read_to_string(&path) {
            Ok(content) => Ok(Self { path, content: Secret::new(content) }),
            Err(error) => Err(format!("can't read {}: {error}", path.display())),
        }
    }

    fn check_authorities(&self) -> Result<(), String> {
        let blocks = <(SectionKind, Vec<u8>)>::pem_slice_iter(self.content.expose().as_bytes());
        for block in blocks.map_while(Result::ok) {
            if block.0 != SectionKind::Certificate {
                return Err(format!("{} holds more than certificates", self.path.display()));
            }
        }
        for certificate in self.certificates()? {
            let added = RootCertStore::empty().add(certificate);
            added.map_err(|error| format!("{} is of no use: {error}", self.path.display()))?;
        }
        Ok(())
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let found = CertificateDer::pem_slice_iter(self.content.expose().as_bytes());
        match found.collect::<Result<Vec<_>, _>>() {
            Ok(found) if found.is_empty() => Err(format!("{} holds no certificate", self.path.display())),
            Ok(found) => Ok(found),
            Err(error) => Err(format!("{} is no PEM file: {error}", self.path.display())),
        }
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, String> {
        PrivateKeyDer::from_pem_slice(self.content.expose().as_bytes())
            .map_err(|_| format!("{} holds no private key", self.path.display()))
    }
}

fn checked(node: Node<'_>, check: impl FnOnce(&PemFile) -> Result<(), String>) -> Option<PemFile> {
    let path = PathBuf::from(name(node)?);
    match PemFile::load(path).and_then(|file| check(&file).map(|()| file)) {
        Ok(file) => Some(file),
        Err(message) => node.fail(message, "name a PEM file: -----BEGIN CERTIFICATE-----, or the key"),
    }
}
