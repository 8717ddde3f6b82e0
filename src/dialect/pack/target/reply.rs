//! A backend's good answer under way.

use super::{Target, WRONG_KIND, WRONG_NAME};
use crate::account::{Account, AccountStatus, Extensions, Gender, Reply, Secret, Session};
use crate::dialect::pack::field::{Field, Given, Kind};

/// A backend's good answer under way.
#[derive(Default)]
pub(in crate::dialect::pack) struct ReplyTarget {
    pub reply: Reply,
    /// Whether the operation is about an account, so that unknown members are the account's.
    pub keeps: bool,
}

impl ReplyTarget {
    fn account(&mut self) -> &mut Account {
        self.reply.account.get_or_insert_with(Account::default)
    }

    fn session(&mut self) -> &mut Session {
        self.reply.session.get_or_insert_with(|| Session::of_access_token(Secret::default()))
    }

    /// What was read; a session without a token is none.
    pub fn into_reply(self) -> Reply {
        let mut reply = self.reply;
        reply.session = reply.session.filter(|session| !session.access_token.is_empty());
        reply
    }

    fn set_integer(&mut self, field: Field, number: i64) -> Result<(), &'static str> {
        let seconds = Some(number.try_into().map_err(|_| WRONG_KIND)?);
        match field {
            Field::SessionExpiresIn => self.session().expires_in = seconds,
            Field::SessionRefreshExpiresIn => self.session().refresh_expires_in = seconds,
            Field::ReplyExpiresIn => self.reply.expires_in = seconds,
            Field::ReplyResendIn => self.reply.resend_in = seconds,
            _ => return Err(WRONG_KIND),
        }
        Ok(())
    }

    fn set_text(&mut self, field: Field, text: String) -> Result<(), &'static str> {
        match field {
            Field::AccountId => self.account().id = Some(text),
            Field::AccountUsername => self.account().username = Some(text),
            Field::AccountNickname => self.account().nickname = Some(text),
            Field::AccountAvatarUrl => self.account().avatar_url = Some(text),
            Field::AccountGender => self.account().gender = Some(Gender::from_name(&text).ok_or(WRONG_NAME)?),
            Field::AccountStatus => {
                self.account().status = Some(AccountStatus::from_name(&text).ok_or(WRONG_NAME)?)
            }
            Field::AccountLastLoginIp => self.account().last_login_ip = Some(text),
            Field::AccountLocale => self.account().locale = Some(text),
            Field::SessionAccessToken => self.session().access_token = text.into(),
            Field::SessionRefreshToken => self.session().refresh_token = Some(text.into()),
            Field::ReplyRegion => self.reply.region = Some(text),
            Field::ReplyBaseUrl => self.reply.base_url = Some(text),
            Field::ReplyChallenge => self.reply.challenge = Some(text.into()),
            Field::ReplyMessage => {}
            _ => return Err(WRONG_KIND),
        }
        Ok(())
    }
}

impl Target for ReplyTarget {
    const STRICT: bool = false;

    fn set(&mut self, field: Field, given: Given<'_>) -> Result<(), &'static str> {
        match (field, given) {
            (Field::AccountPhone, Given::Phone(phone)) => self.account().phone = Some(phone),
            (Field::AccountEmail, Given::Email(email)) => self.account().email = Some(email),
            (Field::AccountCreatedAt, Given::Moment(moment)) => self.account().created_at = Some(moment),
            (Field::AccountUpdatedAt, Given::Moment(moment)) => self.account().updated_at = Some(moment),
            (Field::AccountLastLoginAt, Given::Moment(moment)) => self.account().last_login_at = Some(moment),
            (field, Given::Integer(number)) => return self.set_integer(field, number),
            (field, Given::Text(text)) if field.kind() == Kind::Integer => match text.parse() {
                Ok(number) => return self.set_integer(field, number),
                Err(_) => return self.set_text(field, text.into_owned()),
            },
            (field, Given::Text(text)) => return self.set_text(field, text.into_owned()),
            _ => return Err(WRONG_KIND),
        }
        Ok(())
    }

    fn extensions(&mut self) -> Option<&mut Extensions> {
        self.keeps.then(|| &mut self.account().extensions)
    }
}
