//! PEM files: certificates and the keys that belong to them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::parse_x509_certificate;

use super::reader::{Node, Table};
use super::value::name;
use crate::account::Secret;
use crate::clock::{Clock, Moment, SystemClock};

/// A PEM file. What was in it is kept, so that a renewed file is a changed setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemFile {
    /// Where it is.
    pub path: PathBuf,
    content: Secret,
}

/// A certificate and its key: how somebody shows who he is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate first, then those that lead to the authority.
    pub certificate: PemFile,
    /// The private key.
    pub key: PemFile,
}

impl CertificateFiles {
    /// Reads `{ certificate, key }`.
    pub(super) fn read(table: &mut Table<'_>) -> Option<Self> {
        let certificate =
            table.need("certificate", |node| checked(node, |file| file.certificates().map(drop)));
        let key = table.need("key", |node| checked(node, |file| file.private_key().map(drop)));
        let read = Self { certificate: certificate?, key: key? };
        if let Err(message) = read.certified_key() {
            table.error("key", message, "name the key that this certificate was made for");
        }
        match read.not_after() {
            Err(message) => table.error("certificate", message, "name an X.509 certificate"),
            Ok(end) if end <= SystemClock.now() => {
                let message = format!("the certificate expired at {}", end.to_rfc3339());
                table.warning("certificate", message, "renew it: nobody believes it any more");
            }
            Ok(_) => {}
        }
        Some(read)
    }

    /// Reads both files again.
    ///
    /// # Errors
    /// Which of them can't be used, and why, also when they do not belong together.
    pub fn again(&self) -> Result<Self, String> {
        let certificate = PemFile::load(self.certificate.path.clone())?;
        let again = Self { certificate, key: PemFile::load(self.key.path.clone())? };
        again.certified_key()?;
        again.not_after()?;
        Ok(again)
    }

    /// The certificates and the key, once they were found to belong together.
    ///
    /// # Errors
    /// When one of the files holds none, or the key fits another certificate.
    pub fn certified_key(&self) -> Result<Arc<CertifiedKey>, String> {
        let (certificates, key) = (self.certificate.certificates()?, self.key.private_key()?);
        match CertifiedKey::from_der(certificates, key, &ring::default_provider()) {
            Ok(key) => Ok(Arc::new(key)),
            Err(error) => Err(format!("the key does not fit the certificate: {error}")),
        }
    }

    /// When the certificate ends.
    ///
    /// # Errors
    /// When it is no X.509 certificate.
    pub fn not_after(&self) -> Result<Moment, String> {
        let certificates = self.certificate.certificates()?;
        let first = certificates.first().and_then(|der| parse_x509_certificate(der).ok());
        match first {
            Some((_, certificate)) => Ok(Moment::from_seconds(certificate.validity().not_after.timestamp())),
            None => Err(format!("{} is no X.509 certificate", self.certificate.path.display())),
        }
    }

    /// The certificates and the key in DER form.
    ///
    /// # Errors
    /// When one of the files holds none, or they do not belong together.
    pub fn der(&self) -> Result<(Vec<Vec<u8>>, Vec<u8>), String> {
        let certified = self.certified_key()?;
        let certificates = certified.cert.iter().map(|der| der.to_vec()).collect();
        Ok((certificates, self.key.private_key()?.secret_der().to_vec()))
    }
}

impl PemFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When there is none, or it is no text.
    pub(super) fn load(path: PathBuf) -> Result<Self, String> {
        match fs::read_to_string(&path) {
            Ok(content) => Ok(Self { path, content: Secret::new(content) }),
            Err(error) => Err(format!("can't read {}: {error}", path.display())),
        }
    }

    /// Whether it holds certificates of authorities, and nothing else.
    ///
    /// # Errors
    /// What else it holds, or that it holds none.
    pub(super) fn check_authorities(&self) -> Result<(), String> {
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

/// The file that a path names, if it holds what it should.
pub(super) fn checked(node: Node<'_>, check: impl FnOnce(&PemFile) -> Result<(), String>) -> Option<PemFile> {
    let path = PathBuf::from(name(node)?);
    match PemFile::load(path).and_then(|file| check(&file).map(|()| file)) {
        Ok(file) => Some(file),
        Err(message) => node.fail(message, "name a PEM file: -----BEGIN CERTIFICATE-----, or the key"),
    }
}
