//! What a sealed token carries.

use super::SealingError;
use super::binary::{Reader, Writer};
use crate::account::{Email, Phone, Secret};
use crate::clock::Moment;

/// What a sealed token carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The phone that it is about.
    pub phone: Option<Phone>,
    /// The e-mail address that it is about.
    pub email: Option<Email>,
    /// What the upstream issued, where it did.
    pub challenge: Option<Secret>,
    /// When it was sealed.
    pub issued: Moment,
    /// From when on it no longer holds.
    pub expires: Moment,
}

impl Content {
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, SealingError> {
        let mut writer = Writer::default();
        writer.moment(self.issued);
        writer.moment(self.expires);
        writer.optional(self.phone.as_ref().map(Phone::e164))?;
        writer.optional(self.email.as_ref().map(Email::as_str))?;
        writer.optional(self.challenge.as_ref().map(Secret::expose))?;
        Ok(writer.into_bytes())
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let issued = reader.moment()?;
        let expires = reader.moment()?;
        let phone = reader.optional()?.map(Phone::from_e164).transpose().ok()?;
        let email = reader.optional()?.map(Email::parse).transpose().ok()?;
        let challenge = reader.optional()?.map(Secret::from);
        reader.is_at_end().then_some(Self { phone, email, challenge, issued, expires })
    }
}
