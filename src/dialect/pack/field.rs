//! The canonical model's fields by name: what a pack's lines refer to, with their types.

use std::borrow::Cow;

use crate::account::{Email, Phone};
use crate::clock::Moment;

/// What a field can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Secret,
    Password,
    Phone,
    Email,
    Moment,
    Integer,
    Bool,
    /// One of a closed list of names.
    Name(&'static [&'static str]),
}

/// A value on its way out of the model.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Datum<'a> {
    Text(Cow<'a, str>),
    Phone(&'a Phone),
    Email(&'a Email),
    Moment(Moment),
    Integer(i64),
    Bool(bool),
}

impl<'a> Datum<'a> {
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The value as plain text, as the canonical dialect has it.
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Phone(phone) => Cow::Borrowed(phone.e164()),
            Self::Email(email) => Cow::Borrowed(email.as_str()),
            Self::Moment(moment) => Cow::Owned(moment.to_rfc3339()),
            Self::Integer(number) => Cow::Owned(number.to_string()),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
        }
    }
}

/// A value on its way into the model.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Given<'a> {
    Text(Cow<'a, str>),
    Phone(Phone),
    Email(Email),
    Moment(Moment),
    Integer(i64),
    Bool(bool),
    /// A password with the form that its codec saw.
    Password(Cow<'a, str>, crate::account::PasswordForm),
}

const CHANNELS: &[&str] = &["sms", "email"];
/// `other` is a purpose of one dialect that the model has no name for: counted as a send, never sent.
const PURPOSES: &[&str] =
    &["register", "login", "reset_password", "change_password", "bind", "delete_account", "other"];
const GENDERS: &[&str] = &["female", "male", "other"];
const STATUSES: &[&str] = &["active", "pending_review", "blocked", "rejected", "inactive"];
const FORMS: &[&str] = &["plain", "md5_hex"];

/// Declares the fields with their names and kinds in one table.
macro_rules! fields {
    ($($variant:ident $name:literal $kind:expr;)+) => {
        /// One field of the model, of what surrounds it, or of a problem's row.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(clippy::enum_variant_names, reason = "some of the model's own names hold the word")]
        pub(super) enum Field {
            $($variant,)+
        }

        impl Field {
            /// Every field, in the order of the specification.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name that packs use.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it holds.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$variant => $kind,)+ }
            }
        }
    };
}

fields! {
    Username "username" Kind::Text;
    Phone "phone" Kind::Phone;
    Email "email" Kind::Email;
    Identifier "identifier" Kind::Text;
    Password "password" Kind::Password;
    NewPassword "new_password" Kind::Password;
    OldPassword "old_password" Kind::Password;
    PasswordForm "password_form" Kind::Name(FORMS);
    VerificationCode "verification.code" Kind::Secret;
    VerificationChallenge "verification.challenge" Kind::Secret;
    CaptchaKind "captcha.kind" Kind::Text;
    CaptchaAnswer "captcha.answer" Kind::Text;
    CaptchaTicket "captcha.ticket" Kind::Text;
    CaptchaRandStr "captcha.rand_str" Kind::Text;
    CaptchaDevice "captcha.device" Kind::Text;
    Channel "channel" Kind::Name(CHANNELS);
    Purpose "purpose" Kind::Name(PURPOSES);
    CodeLength "code_length" Kind::Integer;
    BindToken "bind_token" Kind::Secret;
    FederatedProvider "federated.provider" Kind::Text;
    FederatedToken "federated.token" Kind::Secret;
    FederatedCode "federated.code" Kind::Secret;
    FederatedIv "federated.iv" Kind::Text;
    FederatedEncryptedData "federated.encrypted_data" Kind::Secret;
    FederatedRebind "federated.rebind" Kind::Bool;
    Nickname "nickname" Kind::Text;
    AvatarUrl "avatar_url" Kind::Text;
    InviteCode "invite_code" Kind::Text;
    Reason "reason" Kind::Text;
    Token "token" Kind::Secret;
    RefreshToken "refresh_token" Kind::Secret;
    CountryCallingCode "country_calling_code" Kind::Integer;
    AccountOfPath "account_of_path" Kind::Text;
    ClientDialect "client.dialect" Kind::Text;
    ClientAppId "client.app_id" Kind::Text;
    ClientPlatform "client.platform" Kind::Text;
    ClientLocale "client.locale" Kind::Text;
    ClientDevice "client.device" Kind::Text;
    GuardNonce "guard.nonce" Kind::Text;
    GuardTime "guard.time" Kind::Moment;
    AccountId "account.id" Kind::Text;
    AccountUsername "account.username" Kind::Text;
    AccountPhone "account.phone" Kind::Phone;
    AccountEmail "account.email" Kind::Email;
    AccountNickname "account.nickname" Kind::Text;
    AccountAvatarUrl "account.avatar_url" Kind::Text;
    AccountGender "account.gender" Kind::Name(GENDERS);
    AccountStatus "account.status" Kind::Name(STATUSES);
    AccountCreatedAt "account.created_at" Kind::Moment;
    AccountUpdatedAt "account.updated_at" Kind::Moment;
    AccountLastLoginAt "account.last_login_at" Kind::Moment;
    AccountLastLoginIp "account.last_login_ip" Kind::Text;
    AccountLocale "account.locale" Kind::Text;
    SessionAccessToken "session.access_token" Kind::Secret;
    SessionExpiresIn "session.expires_in" Kind::Integer;
    SessionRefreshToken "session.refresh_token" Kind::Secret;
    SessionRefreshExpiresIn "session.refresh_expires_in" Kind::Integer;
    ReplyRegion "region" Kind::Text;
    ReplyBaseUrl "base_url" Kind::Text;
    ReplyChallenge "challenge" Kind::Secret;
    ReplyExpiresIn "expires_in" Kind::Integer;
    ReplyResendIn "resend_in" Kind::Integer;
    ReplyMessage "message" Kind::Text;
    ProblemCode "problem.code" Kind::Text;
    ProblemTitle "problem.title" Kind::Text;
    ProblemDetail "problem.detail" Kind::Text;
    ProblemField "problem.field" Kind::Text;
    ProblemWireField "problem.wire_field" Kind::Text;
    ProblemReason "problem.reason" Kind::Text;
    ProblemRetryAfter "problem.retry_after" Kind::Integer;
    ProblemAttemptsLeft "problem.attempts_left" Kind::Integer;
    ProblemRegion "problem.region" Kind::Text;
    ProblemBindToken "problem.bind_token" Kind::Secret;
    ProblemOperation "problem.operation" Kind::Text;
    RowCode "row.code" Kind::Text;
    RowStatus "row.status" Kind::Integer;
    RowText "row.text" Kind::Text;
    GatewayRegion "gateway.region" Kind::Text;
    GatewayAppId "gateway.app_id" Kind::Text;
    GatewayTime "gateway.time" Kind::Moment;
    GatewayNonce "gateway.nonce" Kind::Text;
    GatewayUuid "gateway.uuid" Kind::Text;
    GatewayRequestId "gateway.request_id" Kind::Text;
    GatewayIdempotencyKey "gateway.idempotency_key" Kind::Text;
    GatewayClientAddress "gateway.client_address" Kind::Text;
    GatewayForwarded "gateway.forwarded" Kind::Text;
    GatewayTraceparent "gateway.traceparent" Kind::Text;
    GatewayAcceptLanguage "gateway.accept_language" Kind::Text;
}

impl Field {
    /// The purpose that the model has no name for: read, and never written.
    pub const OTHER_PURPOSE: &'static str = "other";

    /// The field of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.name() == name)
    }

    /// Whether it is a name that an account goes by.
    pub const fn is_identity(self) -> bool {
        matches!(self, Self::Username | Self::Phone | Self::Email | Self::Identifier)
    }

    /// Whether only the gateway knows it.
    pub const fn is_of_gateway(self) -> bool {
        self as usize >= Self::GatewayRegion as usize
    }

    /// Whether a backend's answer may set it: an account, a session, a region and the like.
    pub const fn is_of_reply(self) -> bool {
        let first = Self::AccountId as usize;
        let last = Self::ReplyMessage as usize;
        self as usize >= first && self as usize <= last
    }

    /// Whether a client's request may set it.
    pub const fn is_of_call(self) -> bool {
        (self as usize) < Self::AccountId as usize && !matches!(self, Self::ClientDialect)
    }

    /// Whether it belongs to a problem or to the row that says how it is written.
    pub const fn is_of_problem(self) -> bool {
        let first = Self::ProblemCode as usize;
        let last = Self::RowText as usize;
        self as usize >= first && self as usize <= last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_fields_and_no_name_stands_twice() {
        for field in Field::ALL {
            assert_eq!(Field::from_name(field.name()), Some(*field));
        }
        assert_eq!(Field::from_name("nonsense"), None);
    }

    #[test]
    fn a_field_belongs_to_a_call_to_a_reply_to_a_problem_or_to_the_gateway() {
        for field in Field::ALL {
            let groups = [field.is_of_call(), field.is_of_reply(), field.is_of_problem()];
            let outside = field.is_of_gateway() || *field == Field::ClientDialect;
            assert_eq!(groups.iter().filter(|group| **group).count(), usize::from(!outside), "{field:?}");
        }
    }
}
