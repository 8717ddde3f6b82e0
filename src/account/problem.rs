//! The closed list of bad answers. A dialect must be able to say every one of them.

use std::borrow::Cow;

use super::{Operation, Secret};

/// Declares the problem codes with their wire name, HTTP status and title in one table.
macro_rules! problem_codes {
    ($($variant:ident $name:literal $status:literal $title:literal;)+) => {
        /// What went wrong, as the canonical model names it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ProblemCode {
            $(#[doc = concat!($title, " (HTTP ", stringify!($status), ")")] $variant,)+
        }

        impl ProblemCode {
            /// Every code, in the order of the specification.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable name, such as `code_invalid`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The HTTP status of the canonical dialect.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// A short text for people, in English.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }
        }
    };
}

problem_codes! {
    InvalidRequest "invalid_request" 400 "The request is malformed";
    InvalidField "invalid_field" 422 "A field has a value that is not accepted";
    SignatureInvalid "signature_invalid" 401 "The signature is not valid";
    RequestExpired "request_expired" 401 "The request's time is outside the accepted window";
    RequestReplayed "request_replayed" 401 "The request was already used";
    CredentialsInvalid "credentials_invalid" 401 "Wrong account or password";
    TokenInvalid "token_invalid" 401 "The token is missing, expired or not valid";
    AccountNotFound "account_not_found" 404 "There is no such account";
    AccountExists "account_exists" 409 "The account exists already";
    AccountInactive "account_inactive" 403 "The account is not activated";
    AccountPendingReview "account_pending_review" 403 "The account was created and waits for review";
    AccountBlocked "account_blocked" 403 "The account is blocked";
    AccountLocked "account_locked" 429 "Too many failed attempts";
    CodeInvalid "code_invalid" 422 "The verification code is wrong";
    CodeExpired "code_expired" 422 "The verification code has expired";
    CaptchaRequired "captcha_required" 422 "A captcha is required";
    CaptchaInvalid "captcha_invalid" 422 "The captcha is wrong";
    SendTooFrequent "send_too_frequent" 429 "A code was sent a short while ago";
    SendFailed "send_failed" 502 "The code could not be sent";
    RateLimited "rate_limited" 429 "Too many requests";
    WrongRegion "wrong_region" 421 "The account lives in another region";
    RegistrationClosed "registration_closed" 403 "Registration is closed";
    IdentityAlreadyBound "identity_already_bound" 409 "The identity is bound to another account";
    NotPermitted "not_permitted" 403 "Not permitted";
    NotSupported "not_supported" 501 "The operation is not supported here";
    PayloadTooLarge "payload_too_large" 413 "The request is too large";
    NotFound "not_found" 404 "There is nothing at this path";
    MethodNotAllowed "method_not_allowed" 405 "The path does not take this method";
    UnsupportedMediaType "unsupported_media_type" 415 "The body's form is not supported";
    Overloaded "overloaded" 503 "The service is busy";
    UpstreamUnavailable "upstream_unavailable" 502 "The service behind the gateway is not available";
    UpstreamTimeout "upstream_timeout" 504 "The service behind the gateway did not answer in time";
    UpstreamUnintelligible "upstream_unintelligible" 502 "The service behind the gateway gave an answer that can't be understood";
    Internal "internal" 500 "Internal error";
}

impl ProblemCode {
    /// Whether it is about one field, which callers may be told.
    pub const fn names_field(self) -> bool {
        matches!(
            self,
            Self::InvalidRequest | Self::InvalidField | Self::AccountExists | Self::IdentityAlreadyBound
        )
    }

    /// The code of a stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }
}

/// A bad answer: a code and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What went wrong.
    pub code: ProblemCode,
    /// The field of the canonical model that is wrong, such as `phone` or `verification.code`.
    pub field: Option<Cow<'static, str>>,
    /// What is wrong with it, for people; never the value itself.
    pub reason: Option<Cow<'static, str>>,
    /// Seconds until a new try makes sense.
    pub retry_after: Option<u64>,
    /// How many tries are left before the account is locked.
    pub attempts_left: Option<u32>,
    /// The region where the account lives, with [`ProblemCode::WrongRegion`].
    pub region: Option<Box<str>>,
    /// A single-use token to bind a proven phone or e-mail at register, with [`ProblemCode::AccountNotFound`].
    pub bind_token: Option<Secret>,
    /// What is not supported, with [`ProblemCode::NotSupported`].
    pub operation: Option<Operation>,
}

impl Problem {
    /// The reason of a member that is not there; texts in other languages know it by this.
    pub const MISSING: &'static str = "is missing";

    /// The reason of a password that is a hash where the other side takes plain ones, or the other way round.
    pub const WRONG_FORM: &'static str = "is in the wrong form";

    /// The reason of a member that must repeat another one and does not.
    pub const DIFFERS: &'static str = "differs from what it must repeat";

    /// A problem of which nothing more is known.
    pub const fn new(code: ProblemCode) -> Self {
        Self {
            code,
            field: None,
            reason: None,
            retry_after: None,
            attempts_left: None,
            region: None,
            bind_token: None,
            operation: None,
        }
    }

    /// A required member that is not there.
    pub fn missing(field: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemCode::InvalidRequest).field(field).reason(Self::MISSING)
    }

    /// A member whose value can't be accepted.
    pub fn invalid(field: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemCode::InvalidField).field(field).reason(reason)
    }

    /// A message that is malformed as a whole.
    pub fn malformed(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemCode::InvalidRequest).reason(reason)
    }

    /// An operation that the other side has no form for.
    pub fn not_supported(operation: Operation) -> Self {
        let mut problem = Self::new(ProblemCode::NotSupported);
        problem.operation = Some(operation);
        problem
    }

    /// The same, with the field named.
    pub fn field(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same, with a reason for people.
    pub fn reason(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// The same, with the seconds to wait.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The same, with the region named.
    pub fn region(mut self, region: impl Into<Box<str>>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// One English sentence for people: the reason with its field, else the code's title.
    pub fn detail(&self) -> String {
        match (&self.field, &self.reason) {
            (Some(field), Some(reason)) => format!("{field} {reason}"),
            (None, Some(reason)) => reason.clone().into_owned(),
            (Some(field), None) => format!("{}: {field}", self.code.title()),
            (None, None) => self.code.title().to_owned(),
        }
    }
}

impl From<ProblemCode> for Problem {
    fn from(code: ProblemCode) -> Self {
        Self::new(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_codes() {
        for code in ProblemCode::ALL {
            assert_eq!(ProblemCode::from_name(code.name()), Some(*code));
        }
        assert_eq!(ProblemCode::from_name("nonsense"), None);
    }
}
