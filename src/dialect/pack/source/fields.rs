//! The value of each field of the model.

use crate::account::{Account, Call, Secret, Session};
use crate::dialect::pack::field::{Datum, Field};

pub(super) fn secret(secret: Option<&Secret>) -> Option<Datum<'_>> {
    secret.map(|secret| Datum::text(secret.expose()))
}

pub(in crate::dialect::pack) fn of_session(session: &Session, field: Field) -> Option<Datum<'_>> {
    let seconds =
        |seconds: Option<u64>| seconds.and_then(|seconds| seconds.try_into().ok()).map(Datum::Integer);
    match field {
        Field::SessionAccessToken => Some(Datum::text(session.access_token.expose())),
        Field::SessionExpiresIn => seconds(session.expires_in),
        Field::SessionRefreshToken => secret(session.refresh_token.as_ref()),
        Field::SessionRefreshExpiresIn => seconds(session.refresh_expires_in),
        _ => None,
    }
}

pub(in crate::dialect::pack) fn of_account(account: &Account, field: Field) -> Option<Datum<'_>> {
    match field {
        Field::AccountId => account.id.as_deref().map(Datum::text),
        Field::AccountUsername => account.username.as_deref().map(Datum::text),
        Field::AccountPhone => account.phone.as_ref().map(Datum::Phone),
        Field::AccountEmail => account.email.as_ref().map(Datum::Email),
        Field::AccountNickname => account.nickname.as_deref().map(Datum::text),
        Field::AccountAvatarUrl => account.avatar_url.as_deref().map(Datum::text),
        Field::AccountGender => account.gender.map(|gender| Datum::text(gender.name())),
        Field::AccountStatus => account.status.map(|status| Datum::text(status.name())),
        Field::AccountCreatedAt => account.created_at.map(Datum::Moment),
        Field::AccountUpdatedAt => account.updated_at.map(Datum::Moment),
        Field::AccountLastLoginAt => account.last_login_at.map(Datum::Moment),
        Field::AccountLastLoginIp => account.last_login_ip.as_deref().map(Datum::text),
        Field::AccountLocale => account.locale.as_deref().map(Datum::text),
        _ => None,
    }
}

pub(in crate::dialect::pack) fn of_call(call: &Call, field: Field) -> Option<Datum<'_>> {
    match field {
        Field::Username => call.username.as_deref().map(Datum::text),
        Field::Phone => call.phone.as_ref().map(Datum::Phone),
        Field::Email => call.email.as_ref().map(Datum::Email),
        Field::Identifier => call.identifier.as_deref().map(Datum::text),
        Field::Password => secret(call.password.as_ref()),
        Field::NewPassword => secret(call.new_password.as_ref()),
        Field::OldPassword => secret(call.old_password.as_ref()),
        Field::PasswordForm => {
            let any = call.password.as_ref().or(call.new_password.as_ref());
            any.map(|_| Datum::text(call.password_form.name()))
        }
        Field::VerificationCode | Field::VerificationChallenge => of_verification(call, field),
        Field::CaptchaKind
        | Field::CaptchaAnswer
        | Field::CaptchaTicket
        | Field::CaptchaRandStr
        | Field::CaptchaDevice => of_captcha(call, field),
        Field::Channel => call.channel.map(|channel| Datum::text(channel.name())),
        Field::Purpose => call.purpose.map(|purpose| Datum::text(purpose.name())),
        Field::CodeLength => call.code_length.map(|length| Datum::Integer(length.into())),
        Field::BindToken => secret(call.bind_token.as_ref()),
        Field::Nickname => call.nickname.as_deref().map(Datum::text),
        Field::AvatarUrl => call.avatar_url.as_deref().map(Datum::text),
        Field::InviteCode => call.invite_code.as_deref().map(Datum::text),
        Field::Reason => call.reason.as_deref().map(Datum::text),
        Field::Token => secret(call.token.as_ref()),
        Field::RefreshToken => secret(call.refresh_token.as_ref()),
        Field::CountryCallingCode => call.country_calling_code.map(|code| Datum::Integer(code.into())),
        Field::AccountOfPath => call.account_of_path.as_deref().map(Datum::text),
        Field::ClientDialect => {
            Some(Datum::text(call.client.dialect)).filter(|_| !call.client.dialect.is_empty())
        }
        Field::ClientAppId => call.client.app_id.as_deref().map(Datum::text),
        Field::ClientPlatform => call.client.platform.as_deref().map(Datum::text),
        Field::ClientLocale => call.client.locale.as_deref().map(Datum::text),
        Field::ClientDevice => call.client.device.as_deref().map(Datum::text),
        _ => of_federated(call, field),
    }
}

fn of_verification(call: &Call, field: Field) -> Option<Datum<'_>> {
    let verification = call.verification.as_ref()?;
    match field {
        Field::VerificationCode => Some(Datum::text(verification.code.expose())),
        _ => secret(verification.challenge.as_ref()),
    }
}

fn of_captcha(call: &Call, field: Field) -> Option<Datum<'_>> {
    let captcha = call.captcha.as_ref()?;
    let text = match field {
        Field::CaptchaKind => Some(captcha.kind.as_str()),
        Field::CaptchaAnswer => captcha.answer.as_deref(),
        Field::CaptchaTicket => captcha.ticket.as_deref(),
        Field::CaptchaRandStr => captcha.rand_str.as_deref(),
        _ => captcha.device.as_deref(),
    };
    text.map(Datum::text)
}

fn of_federated(call: &Call, field: Field) -> Option<Datum<'_>> {
    let federated = call.federated.as_ref()?;
    match field {
        Field::FederatedProvider => Some(Datum::text(&federated.provider)),
        Field::FederatedToken => secret(federated.token.as_ref()),
        Field::FederatedCode => secret(federated.code.as_ref()),
        Field::FederatedIv => federated.iv.as_deref().map(Datum::text),
        Field::FederatedEncryptedData => secret(federated.encrypted_data.as_ref()),
        Field::FederatedRebind => federated.rebind.map(Datum::Bool),
        _ => None,
    }
}
