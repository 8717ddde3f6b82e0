//! A good answer, understood.

use super::{Email, Extensions, Phone, Secret};
use crate::clock::Moment;

/// Declares an enumeration with its wire names in one table.
macro_rules! named_values {
    ($(#[$doc:meta])* $type:ident { $($variant:ident $name:literal $variant_doc:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $type {
            $(#[doc = $variant_doc] $variant,)+
        }

        impl $type {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The wire name of the canonical dialect.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The value of a wire name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }
    };
}

named_values! {
    /// Where a verification code is sent.
    Channel {
        Sms "sms" "To a phone.";
        Email "email" "To an e-mail address.";
    }
}

named_values! {
    /// What a verification code is for.
    Purpose {
        Register "register" "To create an account.";
        Login "login" "To log in without a password.";
        ResetPassword "reset_password" "To set a forgotten password anew.";
        ChangePassword "change_password" "To change the password, logged in.";
        Bind "bind" "To bind a phone or e-mail to an account.";
        DeleteAccount "delete_account" "To delete an account.";
    }
}

named_values! {
    /// Whether an account may be used.
    AccountStatus {
        Active "active" "It may.";
        PendingReview "pending_review" "A moderator has yet to look.";
        Blocked "blocked" "It is shut out.";
        Rejected "rejected" "A moderator said no.";
        Inactive "inactive" "It was never activated.";
    }
}

named_values! {
    /// A person's gender, as the account tells it.
    Gender {
        Female "female" "Female.";
        Male "male" "Male.";
        Other "other" "Another.";
    }
}

/// An account as an answer tells it. Absent is `None`; it may be partial.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Account {
    /// The backend's own id.
    pub id: Option<String>,
    /// The name to log in with.
    pub username: Option<String>,
    /// The phone to log in with.
    pub phone: Option<Phone>,
    /// The e-mail address to log in with.
    pub email: Option<Email>,
    /// The name to show.
    pub nickname: Option<String>,
    /// The picture to show.
    pub avatar_url: Option<String>,
    /// The person's gender.
    pub gender: Option<Gender>,
    /// Whether it may be used.
    pub status: Option<AccountStatus>,
    /// When it was created.
    pub created_at: Option<Moment>,
    /// When it was last changed.
    pub updated_at: Option<Moment>,
    /// When somebody last logged in.
    pub last_login_at: Option<Moment>,
    /// From which address.
    pub last_login_ip: Option<String>,
    /// The person's language, BCP 47.
    pub locale: Option<String>,
    /// Members that the model does not name.
    pub extensions: Extensions,
}

/// A session: what a logged-in caller holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Opens calls that need a login.
    pub access_token: Secret,
    /// Seconds until it ends, where the backend says.
    pub expires_in: Option<u64>,
    /// Trades for a new session, where the backend has such a thing.
    pub refresh_token: Option<Secret>,
    /// Seconds until that one ends.
    pub refresh_expires_in: Option<u64>,
}

impl Session {
    /// A session of which nothing but its token is known.
    pub fn of_access_token(access_token: Secret) -> Self {
        Self { access_token, expires_in: None, refresh_token: None, refresh_expires_in: None }
    }

    /// When it ends, if it was opened at `now`.
    pub fn ends(&self, now: Moment) -> Option<Moment> {
        let seconds = self.expires_in?.try_into().ok()?;
        Some(now.plus_seconds(seconds))
    }
}

/// One good answer in the canonical model. Which members are there depends on the operation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reply {
    /// The account that the call was about.
    pub account: Option<Account>,
    /// The new session.
    pub session: Option<Session>,
    /// The region where the account lives, or that was asked for.
    pub region: Option<String>,
    /// The public address of that region.
    pub base_url: Option<String>,
    /// What a sent code must be presented with.
    pub challenge: Option<Secret>,
    /// Seconds until a sent code ends.
    pub expires_in: Option<u64>,
    /// Seconds until another code may be asked for.
    pub resend_in: Option<u64>,
}
