//! What a sealed token is for. It is bound to the token and does not travel in it.

use super::SealingError;
use super::binary::Writer;
use crate::account::{Operation, Purpose};

/// What a token proves. One kind never opens as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// That a code was asked for (qingzhenyun's `phoneInfo`).
    PhoneInfo,
    /// The same, in dialects whose clients carry a challenge.
    Challenge,
    /// That the upstream accepted a code for a phone (Discuz! Q's `mobileToken`).
    MobileToken,
    /// That the upstream accepted a code, for an account that is yet to be bound.
    BindToken,
    /// An upstream's session.
    Session,
}

impl Kind {
    /// Every kind.
    pub const ALL: &[Self] =
        &[Self::PhoneInfo, Self::Challenge, Self::MobileToken, Self::BindToken, Self::Session];

    /// A stable name, for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PhoneInfo => "phone_info",
            Self::Challenge => "challenge",
            Self::MobileToken => "mobile_token",
            Self::BindToken => "bind_token",
            Self::Session => "session",
        }
    }

    /// The byte that stands for it; never given to another.
    const fn byte(self) -> u8 {
        match self {
            Self::PhoneInfo => 1,
            Self::Challenge => 2,
            Self::MobileToken => 3,
            Self::BindToken => 4,
            Self::Session => 5,
        }
    }
}

/// The client to whom a token is given, and from whom it is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audience<'a> {
    /// The client's dialect.
    pub dialect: &'a str,
    /// The app that signed, where one did.
    pub app: Option<&'a str>,
    /// The region of this gateway.
    pub region: &'a str,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context<'a> {
    /// What it proves.
    pub kind: Kind,
    /// The operation whose answer hands it out, where it is always the same one.
    pub operation: Option<Operation>,
    /// What its code is for.
    pub purpose: Option<Purpose>,
    /// Whose it is.
    pub audience: Audience<'a>,
}

impl Context<'_> {
    pub(super) fn to_bytes(self) -> Result<Vec<u8>, SealingError> {
        let mut writer = Writer::default();
        writer.byte(self.kind.byte());
        writer.text(self.audience.dialect)?;
        writer.optional(self.operation.map(Operation::name))?;
        writer.optional(self.purpose.map(Purpose::name))?;
        writer.optional(self.audience.app)?;
        writer.text(self.audience.region)?;
        Ok(writer.into_bytes())
    }
}
