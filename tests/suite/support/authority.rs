//! A certificate authority of a test's own, and what it signed, in files.

use std::path::PathBuf;
use std::process::Command;

/// An authority in a directory that goes with it.
pub struct Authority(tempfile::TempDir);

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

impl Authority {
    pub fn new() -> Self {
        let authority = Self(tempfile::tempdir().unwrap());
        authority.openssl(&format!("req -x509 {NEW_KEY} -days 2 -subj /CN=ours -keyout ca.key -out ca.pem"));
        authority
    }

    /// Runs openssl in the authority's directory.
    pub fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(self.0.path()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// A certificate for this name: `NAME.pem`, `NAME.key`.
    pub fn sign(&self, name: &str) {
        self.sign_for(name, name, 2);
    }

    /// One in these files, for this name, for so many days.
    pub fn sign_for(&self, file: &str, name: &str, days: u32) {
        let subject = format!("-subj /CN=subject -addext subjectAltName=DNS:{name}");
        self.openssl(&format!("req {NEW_KEY} {subject} -keyout {file}.key -out {file}.csr"));
        let authority =
            format!("-CA ca.pem -CAkey ca.key -CAcreateserial -days {days} -copy_extensions copy");
        self.openssl(&format!("x509 -req -in {file}.csr {authority} -out {file}.pem"));
    }

    /// A file of the authority's directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
