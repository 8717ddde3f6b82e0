//! Why a command failed, told to a person.

use std::error::Error;
use std::fmt;
use std::io;

use crate::gateway::AskedForError;

/// A command that failed: what, because of what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    message: String,
    cause: Option<String>,
    hint: Option<String>,
}

impl Failure {
    /// What failed.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), cause: None, hint: None }
    }

    /// Because of what.
    #[must_use]
    pub fn because(self, cause: impl fmt::Display) -> Self {
        Self { cause: Some(cause.to_string()), ..self }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if let Some(cause) = &self.cause {
            write!(f, "\n  cause: {cause}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new("can't write the output").because(error)
    }
}

impl From<AskedForError> for Failure {
    fn from(error: AskedForError) -> Self {
        let hint =
            error.hint.unwrap_or_else(|| "give the request that it answers: --answers FILE".to_owned());
        Self::new(error.message).hint(hint)
    }
}
