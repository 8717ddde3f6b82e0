//! A request, understood.

use super::identity::compared;
use super::{Channel, Client, Country, Email, Extensions, Phone, Purpose, Secret};

/// Declares the operations with their stable names in one table.
macro_rules! operations {
    ($($variant:ident $name:literal $doc:literal;)+) => {
        /// What a caller wants done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Operation {
            $(#[doc = $doc] $variant,)+
        }

        impl Operation {
            /// Every operation, in the order of the specification.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable name, for metrics, logs and files.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

operations! {
    SendCode "send_code" "Send a verification code by SMS or e-mail.";
    Register "register" "Create an account.";
    Login "login" "Log in with a password.";
    LoginCode "login_code" "Log in with a verification code.";
    ResetPassword "reset_password" "Set a new password with a verification code.";
    Refresh "refresh" "Trade a refresh token for a new session.";
    LogOut "logout" "End the session.";
    WhoAmI "me" "Tell whose session it is.";
    ChangePassword "change_password" "Set a new password with the old one or a code, logged in.";
    ChangeName "change_name" "Set the username or nickname, logged in.";
    Region "region" "Tell which region serves a phone, an e-mail or a country.";
}

impl Operation {
    /// Whether the call needs an access token.
    pub const fn needs_token(self) -> bool {
        matches!(self, Self::LogOut | Self::WhoAmI | Self::ChangePassword | Self::ChangeName)
    }

    /// Whether a good answer carries a new session.
    pub const fn opens_session(self) -> bool {
        matches!(self, Self::Register | Self::Login | Self::LoginCode | Self::ResetPassword | Self::Refresh)
    }

    /// For what a code is that this operation presents.
    pub const fn purpose_of_code(self) -> Option<Purpose> {
        match self {
            Self::Register => Some(Purpose::Register),
            Self::LoginCode => Some(Purpose::Login),
            Self::ResetPassword => Some(Purpose::ResetPassword),
            Self::ChangePassword => Some(Purpose::ChangePassword),
            _ => None,
        }
    }

    /// The operation of a stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operation| operation.name() == name)
    }
}

/// In which form a password travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PasswordForm {
    /// As the person typed it.
    #[default]
    Plain,
    /// Lower-case hexadecimal MD5 of it (qingzhenyun clients since 2018-09).
    Md5Hex,
}

impl PasswordForm {
    /// The wire name of the canonical dialect.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Md5Hex => "md5_hex",
        }
    }

    /// The form of a wire name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Plain, Self::Md5Hex].into_iter().find(|form| form.name() == name)
    }
}

/// Proof of a phone or e-mail: the code that was sent to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verification {
    /// The digits that the person typed.
    pub code: Secret,
    /// What the sending call answered, for dialects that carry it.
    pub challenge: Option<Secret>,
}

/// Proof that a person sits there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captcha {
    /// `picture` or `tencent`.
    pub kind: String,
    /// What the person read in a picture.
    pub answer: Option<String>,
    /// The vendor's ticket.
    pub ticket: Option<String>,
    /// The vendor's random string.
    pub rand_str: Option<String>,
    /// The device or page that a picture belongs to.
    pub device: Option<String>,
}

/// A login by another provider (WeChat mini programs and the like).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Federated {
    /// The provider's name.
    pub provider: String,
    /// The provider's token.
    pub token: Option<Secret>,
    /// The provider's one-time code.
    pub code: Option<Secret>,
    /// Initialisation vector of `encrypted_data`.
    pub iv: Option<String>,
    /// Data that the provider encrypted for the backend.
    pub encrypted_data: Option<Secret>,
    /// Whether an existing binding is replaced.
    pub rebind: Option<bool>,
}

/// One request in the canonical model. Which members are there depends on the operation;
/// the dialect that decoded it has checked that the required ones are.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What is asked for.
    pub operation: Operation,
    /// The account's name.
    pub username: Option<String>,
    /// The account's phone.
    pub phone: Option<Phone>,
    /// The account's e-mail address.
    pub email: Option<Email>,
    /// The account, where the dialect does not say which kind of name it is.
    pub identifier: Option<String>,
    /// The password that proves the caller, or that a register sets.
    pub password: Option<Secret>,
    /// The password to set, at reset and change.
    pub new_password: Option<Secret>,
    /// The present password, at change.
    pub old_password: Option<Secret>,
    /// The form of all passwords of this call.
    pub password_form: PasswordForm,
    /// Proof of the phone or e-mail.
    pub verification: Option<Verification>,
    /// Proof that a person sits there.
    pub captcha: Option<Captcha>,
    /// Where a code is sent.
    pub channel: Option<Channel>,
    /// What a code is for.
    pub purpose: Option<Purpose>,
    /// How many digits the client's app can take.
    pub code_length: Option<u8>,
    /// A proven phone or e-mail from an earlier code login.
    pub bind_token: Option<Secret>,
    /// A login by another provider.
    pub federated: Option<Federated>,
    /// The name to show.
    pub nickname: Option<String>,
    /// The picture to show.
    pub avatar_url: Option<String>,
    /// An invitation.
    pub invite_code: Option<String>,
    /// Why the person wants an account, where a moderator reads it.
    pub reason: Option<String>,
    /// The session's access token, from whatever place the client's dialect keeps it in.
    pub token: Option<Secret>,
    /// The token that a refresh trades in.
    pub refresh_token: Option<Secret>,
    /// A country, for the region query, as a calling code such as 86.
    pub country_calling_code: Option<u16>,
    /// Whose account the path names, where the dialect's paths name one.
    pub account_of_path: Option<String>,
    /// Who calls; set by the gateway, never by the caller.
    pub client: Client,
    /// Members that the model does not name.
    pub extensions: Extensions,
}

impl Call {
    /// A call of which only the operation is known yet.
    pub fn new(operation: Operation) -> Self {
        Self {
            operation,
            username: None,
            phone: None,
            email: None,
            identifier: None,
            password: None,
            new_password: None,
            old_password: None,
            password_form: PasswordForm::Plain,
            verification: None,
            captcha: None,
            channel: None,
            purpose: None,
            code_length: None,
            bind_token: None,
            federated: None,
            nickname: None,
            avatar_url: None,
            invite_code: None,
            reason: None,
            token: None,
            refresh_token: None,
            country_calling_code: None,
            account_of_path: None,
            client: Client::default(),
            extensions: Extensions::default(),
        }
    }

    /// Every name under which the call means an account, each in the one form in which it is compared.
    pub fn names(&self, country: Country) -> Vec<String> {
        let phone = self.phone.as_ref().map(|phone| phone.e164().to_owned());
        let email = self.email.as_ref().map(|email| compared(email.as_str(), country));
        let names = [&self.identifier, &self.username].into_iter().flatten();
        let names = names.map(|name| compared(name, country));
        let mut all: Vec<String> = phone.into_iter().chain(email).chain(names).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}
