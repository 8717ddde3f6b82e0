//! A client's request under way.

use super::{Target, WRONG_KIND, WRONG_NAME};
use crate::account::{
    Call, Captcha, Channel, Extensions, Federated, Operation, PasswordForm, Problem, Purpose, Secret,
    Verification,
};
use crate::clock::Moment;
use crate::dialect::pack::field::{Field, Given};
use crate::dialect::pack::source;

/// A client's request under way.
pub(in crate::dialect::pack) struct CallTarget {
    pub call: Call,
    /// The form of the passwords read so far.
    pub form: Option<PasswordForm>,
    pub app_id: Option<String>,
    pub nonce: Option<String>,
    pub time: Option<Moment>,
    /// A purpose that the dialect has and the model has not.
    pub other_purpose: bool,
}

impl CallTarget {
    pub fn new(operation: Operation) -> Self {
        Self {
            call: Call::new(operation),
            form: None,
            app_id: None,
            nonce: None,
            time: None,
            other_purpose: false,
        }
    }

    /// Whether a field has been set.
    pub fn has(&self, field: Field) -> bool {
        match field {
            Field::Purpose => self.call.purpose.is_some() || self.other_purpose,
            Field::ClientAppId => self.app_id.is_some(),
            Field::GuardNonce => self.nonce.is_some(),
            Field::GuardTime => self.time.is_some(),
            _ => source::of_call(&self.call, field).is_some(),
        }
    }

    /// Forgets an identity that another one beats.
    pub fn clear(&mut self, field: Field) {
        match field {
            Field::Username => self.call.username = None,
            Field::Phone => self.call.phone = None,
            Field::Email => self.call.email = None,
            Field::Identifier => self.call.identifier = None,
            Field::OldPassword => self.call.old_password = None,
            Field::VerificationCode => self.call.verification = None,
            _ => {}
        }
    }

    /// What follows from what was read: where a code goes, and on which device a picture was shown.
    pub fn complete(&mut self) {
        let call = &mut self.call;
        if call.operation == Operation::SendCode && call.channel.is_none() {
            let email = call.email.as_ref().map(|_| Channel::Email);
            call.channel = call.phone.as_ref().map(|_| Channel::Sms).or(email);
        }
        if let Some(captcha) = &mut call.captcha
            && captcha.device.is_none()
        {
            captcha.device.clone_from(&call.client.device);
        }
    }

    fn set_password(&mut self, field: Field, text: String, form: PasswordForm) -> Result<(), &'static str> {
        // One call has one form: two passwords of two forms would get mixed up on the other side.
        if self.form.is_some_and(|known| known != form) {
            return Err(Problem::WRONG_FORM);
        }
        self.form = Some(form);
        self.call.password_form = form;
        let secret = Some(Secret::new(text));
        match field {
            Field::Password => self.call.password = secret,
            Field::NewPassword => self.call.new_password = secret,
            _ => self.call.old_password = secret,
        }
        Ok(())
    }

    fn set_text(&mut self, field: Field, text: String) -> Result<(), &'static str> {
        let call = &mut self.call;
        match field {
            Field::Username => call.username = Some(text),
            Field::Identifier => call.identifier = Some(text),
            Field::PasswordForm => call.password_form = PasswordForm::from_name(&text).ok_or(WRONG_NAME)?,
            Field::VerificationCode => {
                call.verification.get_or_insert_with(Verification::default).code = text.into()
            }
            Field::VerificationChallenge => {
                call.verification.get_or_insert_with(Verification::default).challenge = Some(text.into());
            }
            Field::Channel => call.channel = Some(Channel::from_name(&text).ok_or(WRONG_NAME)?),
            Field::Purpose if text == "other" => self.other_purpose = true,
            Field::Purpose => call.purpose = Some(Purpose::from_name(&text).ok_or(WRONG_NAME)?),
            Field::BindToken => call.bind_token = Some(text.into()),
            Field::Nickname => call.nickname = Some(text),
            Field::AvatarUrl => call.avatar_url = Some(text),
            Field::InviteCode => call.invite_code = Some(text),
            Field::Reason => call.reason = Some(text),
            Field::Token => call.token = Some(text.into()),
            Field::RefreshToken => call.refresh_token = Some(text.into()),
            Field::AccountOfPath => call.account_of_path = Some(text),
            // Which app it is is known when the signature holds; until then it is what it says.
            Field::ClientAppId => self.app_id = Some(text),
            Field::ClientPlatform => call.client.platform = Some(text.to_lowercase()),
            Field::ClientLocale => call.client.locale = Some(text),
            Field::ClientDevice => call.client.device = Some(text),
            Field::GuardNonce => self.nonce = Some(text),
            _ => return set_nested(call, field, text),
        }
        Ok(())
    }
}

fn set_nested(call: &mut Call, field: Field, text: String) -> Result<(), &'static str> {
    match field {
        Field::CaptchaKind => captcha(call).kind = text,
        Field::CaptchaAnswer => captcha(call).answer = Some(text),
        Field::CaptchaTicket => captcha(call).ticket = Some(text),
        Field::CaptchaRandStr => captcha(call).rand_str = Some(text),
        Field::CaptchaDevice => captcha(call).device = Some(text),
        Field::FederatedProvider => federated(call).provider = text,
        Field::FederatedToken => federated(call).token = Some(text.into()),
        Field::FederatedCode => federated(call).code = Some(text.into()),
        Field::FederatedIv => federated(call).iv = Some(text),
        Field::FederatedEncryptedData => federated(call).encrypted_data = Some(text.into()),
        _ => return Err(WRONG_KIND),
    }
    Ok(())
}

fn captcha(call: &mut Call) -> &mut Captcha {
    call.captcha.get_or_insert_with(Captcha::default)
}

fn federated(call: &mut Call) -> &mut Federated {
    call.federated.get_or_insert_with(Federated::default)
}

impl Target for CallTarget {
    const STRICT: bool = true;

    fn set(&mut self, field: Field, given: Given<'_>) -> Result<(), &'static str> {
        match (field, given) {
            (Field::Password | Field::NewPassword | Field::OldPassword, Given::Password(text, form)) => {
                self.set_password(field, text.into_owned(), form)
            }
            // A member that takes any of an account's names, and holds a phone.
            (Field::Phone | Field::Identifier | Field::Username, Given::Phone(phone)) => {
                self.call.phone = Some(phone);
                Ok(())
            }
            (Field::Email | Field::Identifier, Given::Email(email)) => {
                self.call.email = Some(email);
                Ok(())
            }
            (Field::GuardTime, Given::Moment(moment)) => {
                self.time = Some(moment);
                Ok(())
            }
            (Field::CodeLength, Given::Integer(length)) => {
                self.call.code_length = Some(length.try_into().map_err(|_| WRONG_KIND)?);
                Ok(())
            }
            (Field::CountryCallingCode, Given::Integer(code)) => {
                self.call.country_calling_code = Some(code.try_into().map_err(|_| WRONG_KIND)?);
                Ok(())
            }
            (Field::FederatedRebind, Given::Bool(rebind)) => {
                federated(&mut self.call).rebind = Some(rebind);
                Ok(())
            }
            (field, Given::Text(text)) => self.set_text(field, text.into_owned()),
            _ => Err(WRONG_KIND),
        }
    }

    fn extensions(&mut self) -> Option<&mut Extensions> {
        Some(&mut self.call.extensions)
    }

    fn text(&self, field: Field) -> Option<&str> {
        match field {
            Field::NewPassword => self.call.new_password.as_ref().map(Secret::expose),
            Field::Password => self.call.password.as_ref().map(Secret::expose),
            _ => None,
        }
    }
}
