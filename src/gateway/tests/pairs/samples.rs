//! One call of every form that an operation has in any dialect, all of one person.

use super::*;
use crate::account::{Account, AccountStatus, Call, Channel, Email, Gender, PasswordForm, Phone, Purpose};
use crate::account::{Reply, Session, Verification};

pub(super) const PASSWORD: &str = "correct horse 1";
pub(super) const OLD_PASSWORD: &str = "battery staple 2";
pub(super) const CODE: &str = "1234";
/// A token whose subject is account 7, which is how Discuz! Q's clients know their own path.
pub(super) const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiI3In0.c2ln";

/// A call, named by its operation and what sets it apart from the others of it.
pub(super) struct Sample {
    pub name: &'static str,
    pub call: Call,
}

/// By what name the person goes.
#[derive(Clone, Copy)]
enum By {
    Phone,
    Email,
    Username,
}

/// What a backend's code is known by, also where it names the phone.
const CHALLENGE: &str = concat!(
    "T0RZLnF6eS1zcC10b2tlbkA2Y3M5MmQtdG9rZW4uTVRNNE1EQXhNemd3TURFLnF6eS1zcC10b2tlbkA2Y3M5MmQtdG",
    "9rZW4uTVRBLnF6eS1zcC10b2tlbkA2Y3M5MmQtdG9rZW4uNGNmOWQ0ZjAwNjlmYzE4ZmIzZmNjMGE1MGRjZWI4NTI",
);

fn named(operation: Operation, by: By) -> Call {
    let mut call = Call::new(operation);
    match by {
        By::Phone => call.phone = Some(phone()),
        By::Email => call.email = Some(email()),
        By::Username => call.username = Some("alice".to_owned()),
    }
    call
}

pub(super) fn phone() -> Phone {
    Phone::from_e164("+8613800138001").unwrap()
}

fn email() -> Email {
    Email::parse("alice@example.com").unwrap()
}

/// A call that asks for a code; the person's phone or e-mail, or where the token's owner gets it.
pub(super) fn send(purpose: Purpose, by_email: bool) -> Call {
    let mut call = named(Operation::SendCode, if by_email { By::Email } else { By::Phone });
    call.purpose = Some(purpose);
    call.channel = Some(if by_email { Channel::Email } else { Channel::Sms });
    if matches!(purpose, Purpose::ChangePassword | Purpose::Bind) {
        call.token = Some(TOKEN.into());
    }
    call
}

fn with_code(mut call: Call) -> Call {
    call.verification = Some(Verification { code: CODE.into(), challenge: None });
    call
}

fn with_password(mut call: Call) -> Call {
    call.password = Some(PASSWORD.into());
    call
}

fn resetting(mut call: Call) -> Call {
    call.new_password = Some(PASSWORD.into());
    call
}

fn logged_in(operation: Operation) -> Call {
    let mut call = Call::new(operation);
    call.token = Some(TOKEN.into());
    call
}

/// Every form of every operation, with plain passwords.
pub(super) fn samples() -> Vec<Sample> {
    use Operation::*;
    let mut refresh = Call::new(Refresh);
    refresh.refresh_token = Some("rt-1".into());
    let mut by_old_password = resetting(logged_in(ChangePassword));
    by_old_password.old_password = Some(OLD_PASSWORD.into());
    let mut rename = logged_in(ChangeName);
    rename.username = Some("alice".to_owned());
    let mut nickname = logged_in(ChangeName);
    nickname.nickname = Some("Alice Liddell".to_owned());
    let mut bound = with_password(named(Register, By::Username));
    bound.bind_token = Some("to be had by a code login".into());
    let list = [
        ("send_code/register/phone", send(Purpose::Register, false)),
        ("send_code/register/email", send(Purpose::Register, true)),
        ("send_code/login/phone", send(Purpose::Login, false)),
        ("send_code/login/email", send(Purpose::Login, true)),
        ("send_code/reset_password/phone", send(Purpose::ResetPassword, false)),
        ("send_code/reset_password/email", send(Purpose::ResetPassword, true)),
        ("send_code/change_password", send(Purpose::ChangePassword, false)),
        ("send_code/bind", send(Purpose::Bind, false)),
        ("send_code/delete_account", send(Purpose::DeleteAccount, false)),
        ("register/phone", with_code(with_password(named(Register, By::Phone)))),
        ("register/email", with_code(with_password(named(Register, By::Email)))),
        ("register/username", with_password(named(Register, By::Username))),
        ("register/bound", bound),
        ("login/phone", with_password(named(Login, By::Phone))),
        ("login/email", with_password(named(Login, By::Email))),
        ("login/username", with_password(named(Login, By::Username))),
        ("login_code/phone", with_code(named(LoginCode, By::Phone))),
        ("login_code/email", with_code(named(LoginCode, By::Email))),
        ("reset_password/phone", resetting(with_code(named(ResetPassword, By::Phone)))),
        ("reset_password/email", resetting(with_code(named(ResetPassword, By::Email)))),
        ("refresh", refresh),
        ("logout", logged_in(LogOut)),
        ("me", logged_in(WhoAmI)),
        ("change_password/old", by_old_password),
        ("change_password/code", resetting(with_code(logged_in(ChangePassword)))),
        ("change_name/username", rename),
        ("change_name/nickname", nickname),
        ("region", named(Region, By::Phone)),
    ];
    list.map(|(name, call)| Sample { name, call: Call { password_form: PasswordForm::Plain, ..call } }).into()
}

/// For what the code of a call was sent.
pub(super) fn purpose(operation: Operation) -> Option<Purpose> {
    match operation {
        Operation::Register => Some(Purpose::Register),
        Operation::LoginCode => Some(Purpose::Login),
        Operation::ResetPassword => Some(Purpose::ResetPassword),
        Operation::ChangePassword => Some(Purpose::ChangePassword),
        _ => None,
    }
}

/// All that a backend could answer an operation with.
pub(super) fn reply(operation: Operation) -> Reply {
    let account = Account {
        id: Some("7".to_owned()),
        username: Some("alice".to_owned()),
        phone: Some(phone()),
        email: Some(email()),
        nickname: Some("爱丽丝 \"A\" 🐇".to_owned()),
        avatar_url: Some("https://img.example/a.png?x=1&y=2".to_owned()),
        gender: Some(Gender::Female),
        status: Some(AccountStatus::Active),
        created_at: Some(Moment::from_seconds(1_553_484_000)),
        updated_at: Some(Moment::from_seconds(1_600_000_000)),
        last_login_at: Some(Moment::from_seconds(1_690_000_000)),
        last_login_ip: Some("198.51.100.9".to_owned()),
        locale: Some("en".to_owned()),
        ..Account::default()
    };
    let session = Session {
        access_token: TOKEN.into(),
        expires_in: Some(2_592_000),
        refresh_token: Some("rt-1".into()),
        refresh_expires_in: Some(5_184_000),
    };
    let mut reply = Reply::default();
    match operation {
        Operation::SendCode => {
            reply.challenge = Some(CHALLENGE.into());
            reply.expires_in = Some(240);
            reply.resend_in = Some(90);
        }
        Operation::WhoAmI | Operation::ChangeName => {
            reply.account = Some(account);
            reply.region = Some("cn".to_owned());
        }
        Operation::ChangePassword => reply.account = Some(account),
        Operation::LogOut | Operation::Region => {}
        _ => {
            reply.account = Some(account);
            reply.session = Some(session);
            reply.region = Some("cn".to_owned());
        }
    }
    reply
}
