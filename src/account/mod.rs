//! The canonical model: what every dialect translates to and from. Knows nothing of the rest of
//! the house but the time.
//!
//! A [`Call`] is one request, understood; a [`Reply`] its good answer; a [`Problem`] its bad one.

mod call;
mod client;
mod identity;
mod problem;
mod reply;
mod secret;

pub use call::{Call, Captcha, Federated, Operation, PasswordForm, Verification};
pub use client::{Client, Extension, Extensions};
pub use identity::{
    Country, Email, Identifier, NotAPhone, NotAnEmail, Phone, UnknownCountry, compared, folded,
};
pub use problem::{Problem, ProblemCode};
pub use reply::{Account, AccountStatus, Channel, Gender, Purpose, Reply, Session};
pub use secret::Secret;
