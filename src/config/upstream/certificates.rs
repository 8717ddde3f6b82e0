//! The certificates of TLS to a backend: whom the gateway believes, and how it shows who it is.

use crate::config::pem::{CertificateFiles, PemFile, checked};
use crate::config::reader::Table;

/// The certificates of TLS to a backend. Its own is always checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificates {
    /// Those of the authorities that are believed, instead of the system's.
    pub authorities: Option<PemFile>,
    /// What the gateway shows of itself.
    pub client: Option<CertificateFiles>,
}

impl Certificates {
    /// Reads `certificates` and `client_certificate` of `[upstream]`.
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            authorities: table.read("certificates", |node| checked(node, PemFile::check_authorities)),
            client: table
                .read("client_certificate", |node| node.table("client_certificate", CertificateFiles::read))
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
        match &self.client {
            Some(client) => client.again().map(drop),
            None => Ok(()),
        }
    }
}
