//! A client's request, read.

use bytes::Bytes;
use http::request;

use crate::account::{
    Call, Captcha, Channel, Email, Extensions, Federated, Operation, PasswordForm, Phone, Problem,
    ProblemCode, Purpose, Secret, Verification,
};
use crate::dialect::{Proof, Reading, Understood, bearer_token, keep};
use crate::json::{self, Object, Value};
use crate::query::Query;

/// Members that the model names; all others are extensions.
const KNOWN_MEMBERS: &[&str] = &[
    "username",
    "phone",
    "email",
    "identifier",
    "password",
    "new_password",
    "old_password",
    "password_form",
    "verification",
    "captcha",
    "channel",
    "purpose",
    "code_length",
    "bind_token",
    "federated",
    "nickname",
    "avatar_url",
    "invite_code",
    "reason",
    "refresh_token",
    "client",
    "extensions",
];

pub(in super::super) fn read(
    operation: Operation,
    head: &request::Parts,
    body: &Bytes,
    reading: Reading,
) -> Result<Understood, Problem> {
    let mut call = Call::new(operation);
    let mut proof = Proof::None;
    if operation.needs_token() {
        call.token = Some(bearer_token(&head.headers).ok_or(ProblemCode::TokenInvalid)?.into());
        proof = Proof::Token;
    }
    match operation {
        Operation::WhoAmI | Operation::LogOut => {}
        Operation::Region => read_region_query(&mut call, head.uri.query().unwrap_or_default())?,
        _ => {
            let value = json::parse(body, reading.json_depth)
                .map_err(|error| Problem::malformed(format!("the body {error}")))?;
            let members =
                value.as_object().ok_or_else(|| Problem::malformed("the body is no JSON object"))?;
            read_members(&mut call, members)?;
            complete(&mut call)?;
        }
    }
    Ok(Understood { call, proof })
}

fn read_region_query(call: &mut Call, query: &str) -> Result<(), Problem> {
    let query = Query::parse(query).ok_or_else(|| Problem::malformed("the query is not valid"))?;
    call.phone = query.present("phone").map(phone).transpose()?;
    call.email = query.present("email").map(email).transpose()?;
    let code = query.present("country_calling_code").map(|text| text.trim_start_matches('+').parse());
    call.country_calling_code = code
        .transpose()
        .map_err(|_| Problem::invalid("country_calling_code", "is no country calling code"))?;
    Ok(())
}

fn read_members(call: &mut Call, members: &Object<'_>) -> Result<(), Problem> {
    let text = |name: &'static str| text(members, name);
    call.username = text("username")?;
    call.phone = text("phone")?.as_deref().map(phone).transpose()?;
    call.email = text("email")?.as_deref().map(email).transpose()?;
    call.identifier = text("identifier")?;
    call.password = text("password")?.map(Secret::from);
    call.new_password = text("new_password")?.map(Secret::from);
    call.old_password = text("old_password")?.map(Secret::from);
    call.password_form = named(members, "password_form", PasswordForm::from_name)?.unwrap_or_default();
    call.verification = object(members, "verification")?.map(read_verification).transpose()?;
    call.captcha = object(members, "captcha")?.map(read_captcha).transpose()?;
    call.channel = named(members, "channel", Channel::from_name)?;
    call.purpose = named(members, "purpose", Purpose::from_name)?;
    call.code_length = read_code_length(members)?;
    call.bind_token = text("bind_token")?.map(Secret::from);
    call.federated = object(members, "federated")?.map(read_federated).transpose()?;
    call.nickname = text("nickname")?;
    call.avatar_url = text("avatar_url")?;
    call.invite_code = text("invite_code")?;
    call.reason = text("reason")?;
    call.refresh_token = text("refresh_token")?.map(Secret::from);
    call.extensions = read_extensions(members, KNOWN_MEMBERS)?;
    Ok(())
}

/// `extensions` whole, and members that the model does not name.
pub(in super::super) fn read_extensions(members: &Object<'_>, known: &[&str]) -> Result<Extensions, Problem> {
    let mut extensions = Extensions::default();
    for member in object(members, "extensions")?.into_iter().flat_map(Object::iter) {
        let paths = member
            .value
            .as_object()
            .ok_or_else(|| Problem::invalid("extensions", "must hold an object for each dialect"))?;
        for path in paths.iter() {
            keep(&mut extensions, &member.name, path.name.as_ref(), path);
        }
    }
    for member in members.iter().filter(|member| !known.contains(&member.name.as_ref())) {
        keep(&mut extensions, super::super::NAME, member.name.as_ref(), member);
    }
    Ok(extensions)
}

fn read_verification(members: &Object<'_>) -> Result<Verification, Problem> {
    let code = text(members, "code")?.ok_or_else(|| Problem::missing("verification.code"))?;
    Ok(Verification { code: code.into(), challenge: text(members, "challenge")?.map(Secret::from) })
}

fn read_captcha(members: &Object<'_>) -> Result<Captcha, Problem> {
    Ok(Captcha {
        kind: text(members, "kind")?.ok_or_else(|| Problem::missing("captcha.kind"))?,
        answer: text(members, "answer")?,
        ticket: text(members, "ticket")?,
        rand_str: text(members, "rand_str")?,
        device: text(members, "device")?,
    })
}

fn read_federated(members: &Object<'_>) -> Result<Federated, Problem> {
    Ok(Federated {
        provider: text(members, "provider")?.ok_or_else(|| Problem::missing("federated.provider"))?,
        token: text(members, "token")?.map(Secret::from),
        code: text(members, "code")?.map(Secret::from),
        iv: text(members, "iv")?,
        encrypted_data: text(members, "encrypted_data")?.map(Secret::from),
        rebind: match members.value("rebind") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(rebind)) => Some(*rebind),
            Some(_) => return Err(Problem::invalid("federated.rebind", "must be true or false")),
        },
    })
}

fn read_code_length(members: &Object<'_>) -> Result<Option<u8>, Problem> {
    let wrong = || Problem::invalid("code_length", "must be a number from 4 to 8");
    match members.value("code_length") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(text)) => {
            text.parse().ok().filter(|length| (4..=8).contains(length)).map(Some).ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
    }
}

/// Checks that the operation's required members are there, and tells the two logins apart.
fn complete(call: &mut Call) -> Result<(), Problem> {
    let named = call.username.is_some() || call.phone.is_some() || call.email.is_some();
    let required =
        |there: bool, field: &'static str| there.then_some(()).ok_or_else(|| Problem::missing(field));
    match call.operation {
        Operation::SendCode => {
            required(call.purpose.is_some(), "purpose")?;
            match call.channel {
                None => return Err(Problem::missing("channel")),
                Some(Channel::Sms) => required(call.phone.is_some(), "phone")?,
                Some(Channel::Email) => required(call.email.is_some(), "email")?,
            }
        }
        Operation::Register => {
            required(named || call.bind_token.is_some() || call.federated.is_some(), "username")?;
            required(call.password.is_some() || call.federated.is_some(), "password")?;
        }
        Operation::Login | Operation::LoginCode => {
            required(named || call.identifier.is_some() || call.federated.is_some(), "identifier")?;
            if call.verification.is_some() {
                call.operation = Operation::LoginCode;
            } else {
                required(call.password.is_some() || call.federated.is_some(), "password")?;
            }
        }
        Operation::ResetPassword => {
            required(call.phone.is_some() || call.email.is_some(), "phone")?;
            required(call.verification.is_some(), "verification")?;
            required(call.new_password.is_some(), "new_password")?;
        }
        Operation::ChangePassword => {
            required(call.old_password.is_some() || call.verification.is_some(), "old_password")?;
            required(call.new_password.is_some(), "new_password")?;
        }
        Operation::ChangeName => required(call.username.is_some() || call.nickname.is_some(), "username")?,
        Operation::Refresh => required(call.refresh_token.is_some(), "refresh_token")?,
        Operation::LogOut | Operation::WhoAmI | Operation::Region => {}
    }
    Ok(())
}

fn text(members: &Object<'_>, name: &'static str) -> Result<Option<String>, Problem> {
    match members.value(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone().into_owned())),
        Some(_) => Err(Problem::invalid(name, "must be a string")),
    }
}

fn object<'m, 'a>(members: &'m Object<'a>, name: &'static str) -> Result<Option<&'m Object<'a>>, Problem> {
    match members.value(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(Problem::invalid(name, "must be an object")),
    }
}

fn named<T>(
    members: &Object<'_>,
    name: &'static str,
    value_of: fn(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(text) = text(members, name)? else {
        return Ok(None);
    };
    value_of(&text).map(Some).ok_or_else(|| Problem::invalid(name, "is not one of the allowed values"))
}

fn phone(text: &str) -> Result<Phone, Problem> {
    Phone::from_e164(text)
        .map_err(|_| Problem::invalid("phone", "is no phone number in E.164 (+8613800138001)"))
}

fn email(text: &str) -> Result<Email, Problem> {
    Email::parse(text).map_err(|_| Problem::invalid("email", "is no e-mail address"))
}
