//! Passwords: argon2id over the lower-case hexadecimal MD5 of the password, so that clients that
//! send the one form and clients that send the other log in to one account. At most one hash per
//! core is computed at once, off the async threads, and the line in front of them is bounded.

use std::sync::Arc;
use std::thread;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use md5::{Digest, Md5};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::error::BackendError;
use crate::account::{PasswordForm, Problem, ProblemCode, Secret};
use crate::hexadecimal;

/// Calls that may wait for a core; more are told to come back.
const LONGEST_LINE: usize = 1_000;
/// Seconds after which the line should be shorter.
const LINE_RETRY: u64 = 5;

/// What one argon2id hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for PasswordCost {
    /// OWASP's recommendation for argon2id: 19 MiB, two passes.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2 }
    }
}

/// The MD5 form of a password.
#[derive(Clone)]
pub(super) struct Md5Form(String);

impl Md5Form {
    pub(super) fn of(password: &Secret, form: PasswordForm) -> Self {
        Self(match form {
            PasswordForm::Plain => hexadecimal::encode(&Md5::digest(password.expose().as_bytes())),
            PasswordForm::Md5Hex => password.expose().to_owned(),
        })
    }
}

/// Hashes and checks passwords.
pub(super) struct Passwords {
    argon2: Argon2<'static>,
    line: Arc<Semaphore>,
    cores: Arc<Semaphore>,
    /// Checked where there is no account, so that the answer takes as long.
    dummy: String,
}

impl Passwords {
    pub(super) fn new(cost: PasswordCost) -> Result<Self, BackendError> {
        let params = Params::new(cost.memory_kib, cost.passes, 1, None)
            .map_err(|error| BackendError::PasswordCost(error.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let dummy = hash_with(&argon2, b"").map_err(|error| BackendError::PasswordCost(error.to_string()))?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            argon2,
            line: Arc::new(Semaphore::new(LONGEST_LINE)),
            cores: Arc::new(Semaphore::new(cores)),
            dummy,
        })
    }

    /// The hash to store, a PHC string with its salt and cost.
    pub(super) async fn hash(&self, password: Md5Form) -> Result<String, Problem> {
        let argon2 = self.argon2.clone();
        let hash = self.in_turn(move || hash_with(&argon2, password.0.as_bytes())).await?;
        hash.map_err(|error| {
            tracing::error!(%error, "the embedded backend could not hash a password");
            Problem::new(ProblemCode::Internal)
        })
    }

    /// Whether the password is the hashed one; `None`, no account, costs the same and is false.
    pub(super) async fn verify(&self, password: Md5Form, hash: Option<String>) -> Result<bool, Problem> {
        let argon2 = self.argon2.clone();
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.dummy.clone());
        let matches = move || match PasswordHash::new(&hash) {
            Ok(hash) => argon2.verify_password(password.0.as_bytes(), &hash).is_ok(),
            Err(_) => false,
        };
        Ok(self.in_turn(matches).await? && known)
    }

    async fn in_turn<T, F>(&self, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let place = self.line.clone().try_acquire_owned();
        let place = place.map_err(|_| Problem::new(ProblemCode::Overloaded).retry_after(LINE_RETRY))?;
        let core = self.cores.clone().acquire_owned().await;
        let done = spawn_blocking(move || {
            let result = work();
            drop((core, place));
            result
        });
        done.await.map_err(|_| Problem::new(ProblemCode::Internal))
    }
}

fn hash_with(argon2: &Argon2<'_>, password: &[u8]) -> Result<String, argon2::password_hash::Error> {
    let hash: PasswordHash = argon2.hash_password(password)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_forms_of_a_password_verify_against_one_hash() {
        let cheap = PasswordCost { memory_kib: 8, passes: 1 };
        let passwords = Passwords::new(cheap).unwrap();
        let plain = Md5Form::of(&"123456".into(), PasswordForm::Plain);
        let md5 = Md5Form::of(&"e10adc3949ba59abbe56e057f20f883e".into(), PasswordForm::Md5Hex);
        let wrong = Md5Form::of(&"1234567".into(), PasswordForm::Plain);
        let hash = passwords.hash(plain.clone()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"));
        assert!(passwords.verify(plain, Some(hash.clone())).await.unwrap());
        assert!(passwords.verify(md5.clone(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(wrong, Some(hash)).await.unwrap());
        assert!(!passwords.verify(md5, None).await.unwrap());
        assert!(passwords.dummy.starts_with("$argon2id$v=19$m=8,t=1,p=1$"));
    }

    #[test]
    fn an_unusable_cost_is_refused() {
        let cost = PasswordCost { memory_kib: 0, passes: 1 };
        assert!(matches!(Passwords::new(cost), Err(BackendError::PasswordCost(_))));
    }
}
