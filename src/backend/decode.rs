//! Reads a request's body into a [`Call`]: which members each operation takes, and what each
//! member may be. Members with other names are ignored; null is absent.

use super::json::Json;
use crate::account::{
    Call, Captcha, Channel, Email, Extensions, Federated, NotAPhone, Operation, PasswordForm, Phone, Problem,
    Purpose, Secret, Verification,
};

/// Characters that any text may have, where nothing smaller is said.
const MAX_TEXT: usize = 4_096;
const MAX_NAME: usize = 64;
const MAX_PASSWORD: usize = 256;

/// Members that an operation takes.
fn members_of(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::SendCode => &["channel", "phone", "email", "purpose", "captcha", "code_length"],
        Operation::Register => &[
            "username",
            "phone",
            "email",
            "password",
            "password_form",
            "verification",
            "captcha",
            "nickname",
            "avatar_url",
            "invite_code",
            "reason",
            "federated",
            "bind_token",
            "client",
            "extensions",
        ],
        Operation::Login | Operation::LoginCode => &[
            "username",
            "phone",
            "email",
            "identifier",
            "password",
            "password_form",
            "verification",
            "captcha",
            "federated",
            "bind_token",
            "client",
            "extensions",
        ],
        Operation::ResetPassword => &["phone", "email", "verification", "new_password", "password_form"],
        Operation::ChangePassword => &["old_password", "verification", "new_password", "password_form"],
        Operation::ChangeName => &["username", "nickname"],
        Operation::Refresh => &["refresh_token"],
        Operation::LogOut | Operation::WhoAmI | Operation::Region => &[],
    }
}

/// Reads the members that the operation takes. Whether those that it needs are there is the
/// route's to check.
pub(super) fn read_call(operation: Operation, body: &Json) -> Result<Call, Problem> {
    let members = object(body, "the body")?;
    let mut call = Call::new(operation);
    for name in members_of(operation) {
        let value = members.iter().find(|(member, _)| member == name);
        match value {
            Some((_, value)) if *value != Json::Null => read_member(&mut call, name, value)?,
            _ => {}
        }
    }
    check_password_form(&call)?;
    Ok(call)
}

fn read_member(call: &mut Call, name: &'static str, value: &Json) -> Result<(), Problem> {
    match name {
        "username" => call.username = Some(username(value)?),
        "phone" => call.phone = Some(phone(value)?),
        "email" => call.email = Some(email(value)?),
        "identifier" => call.identifier = Some(text(name, value, 1, 254)?),
        "password" => call.password = Some(secret(name, value, MAX_PASSWORD)?),
        "new_password" => call.new_password = Some(secret(name, value, MAX_PASSWORD)?),
        "old_password" => call.old_password = Some(secret(name, value, MAX_PASSWORD)?),
        "password_form" => call.password_form = named(name, value, PasswordForm::from_name)?,
        "channel" => call.channel = Some(named(name, value, Channel::from_name)?),
        "purpose" => call.purpose = Some(named(name, value, Purpose::from_name)?),
        "code_length" => call.code_length = Some(code_length(value)?),
        "verification" => call.verification = Some(verification(value)?),
        "captcha" => call.captcha = Some(captcha(value)?),
        "federated" => call.federated = Some(federated(value)?),
        "nickname" => call.nickname = Some(text(name, value, 0, MAX_NAME)?),
        "avatar_url" => call.avatar_url = Some(text(name, value, 0, MAX_TEXT)?),
        "invite_code" => call.invite_code = Some(text(name, value, 0, MAX_TEXT)?),
        "reason" => call.reason = Some(text(name, value, 0, MAX_TEXT)?),
        "bind_token" => call.bind_token = Some(secret(name, value, MAX_TEXT)?),
        "refresh_token" => call.refresh_token = Some(secret(name, value, MAX_TEXT)?),
        "client" => client(call, value)?,
        "extensions" => extensions(call, value)?,
        _ => {}
    }
    Ok(())
}

fn check_password_form(call: &Call) -> Result<(), Problem> {
    let is_md5 =
        |text: &str| text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let passwords = [
        ("password", &call.password),
        ("new_password", &call.new_password),
        ("old_password", &call.old_password),
    ];
    for (name, password) in passwords {
        let Some(password) = password else { continue };
        if call.password_form == PasswordForm::Md5Hex && !is_md5(password.expose()) {
            return Err(Problem::invalid(
                name,
                "must be 32 lower-case hexadecimal digits in the form md5_hex",
            ));
        }
    }
    Ok(())
}

/// Reads a phone, which must be in E.164.
pub(super) fn phone(value: &Json) -> Result<Phone, Problem> {
    let text = text("phone", value, 1, 64)?;
    Phone::from_e164(&text).map_err(|NotAPhone| {
        Problem::invalid("phone", "must be a possible number in E.164, such as +8613800138001")
    })
}

/// Reads an e-mail address.
pub(super) fn email(value: &Json) -> Result<Email, Problem> {
    let text = text("email", value, 3, 254)?;
    let read = Email::parse(&text).ok().filter(|_| text.trim() == text);
    read.ok_or_else(|| Problem::invalid("email", "must be an e-mail address"))
}

fn username(value: &Json) -> Result<String, Problem> {
    let text = text("username", value, 1, MAX_NAME)?;
    let text = text.trim();
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(Problem::invalid("username", "must have a visible character and no control characters"));
    }
    Ok(text.to_owned())
}

fn object<'a>(value: &'a Json, name: &'static str) -> Result<&'a [(String, Json)], Problem> {
    match value {
        Json::Object(members) => Ok(members),
        _ if name == "the body" => Err(Problem::malformed("the body must be a JSON object")),
        _ => Err(Problem::invalid(name, "must be an object")),
    }
}

fn text(name: &'static str, value: &Json, least: usize, most: usize) -> Result<String, Problem> {
    let Json::String(text) = value else {
        return Err(Problem::invalid(name, "must be a string"));
    };
    match text.chars().count() {
        length if length < least => Err(Problem::invalid(name, "is too short")),
        length if length > most => Err(Problem::invalid(name, format!("has more than {most} characters"))),
        _ => Ok(text.clone()),
    }
}

fn secret(name: &'static str, value: &Json, most: usize) -> Result<Secret, Problem> {
    text(name, value, 1, most).map(Secret::from)
}

fn named<T>(name: &'static str, value: &Json, from_name: fn(&str) -> Option<T>) -> Result<T, Problem> {
    from_name(&text(name, value, 0, MAX_TEXT)?)
        .ok_or_else(|| Problem::invalid(name, "is none of the values of this member"))
}

fn code_length(value: &Json) -> Result<u8, Problem> {
    let number = match value {
        Json::Number(text) => text.parse::<f64>().ok(),
        _ => None,
    };
    (4..=8u8)
        .find(|length| number == Some(f64::from(*length)))
        .ok_or_else(|| Problem::invalid("code_length", "must be a whole number from 4 to 8"))
}

/// The optional texts of a nested object.
struct Nested<'a>(&'a [(String, Json)]);

impl Nested<'_> {
    fn value(&self, name: &str) -> Option<&Json> {
        let found = self.0.iter().find(|(member, _)| member == name);
        found.map(|(_, value)| value).filter(|value| **value != Json::Null)
    }

    fn text(&self, path: &'static str) -> Result<Option<String>, Problem> {
        let name = path.rsplit('.').next().unwrap_or(path);
        let value = self.value(name);
        value.map(|value| text(path, value, 0, MAX_TEXT)).transpose()
    }

    fn secret(&self, path: &'static str) -> Result<Option<Secret>, Problem> {
        Ok(self.text(path)?.map(Secret::from))
    }
}

fn verification(value: &Json) -> Result<Verification, Problem> {
    let members = Nested(object(value, "verification")?);
    Ok(Verification {
        code: members.secret("verification.code")?.ok_or_else(|| Problem::missing("verification.code"))?,
        challenge: members.secret("verification.challenge")?,
    })
}

fn captcha(value: &Json) -> Result<Captcha, Problem> {
    let members = Nested(object(value, "captcha")?);
    Ok(Captcha {
        kind: members.text("captcha.kind")?.ok_or_else(|| Problem::missing("captcha.kind"))?,
        answer: members.text("captcha.answer")?,
        ticket: members.text("captcha.ticket")?,
        rand_str: members.text("captcha.rand_str")?,
        device: members.text("captcha.device")?,
    })
}

fn federated(value: &Json) -> Result<Federated, Problem> {
    let members = Nested(object(value, "federated")?);
    let rebind = match members.value("rebind") {
        None => None,
        Some(Json::Bool(rebind)) => Some(*rebind),
        Some(_) => return Err(Problem::invalid("federated.rebind", "must be true or false")),
    };
    Ok(Federated {
        provider: members
            .text("federated.provider")?
            .ok_or_else(|| Problem::missing("federated.provider"))?,
        token: members.secret("federated.token")?,
        code: members.secret("federated.code")?,
        iv: members.text("federated.iv")?,
        encrypted_data: members.secret("federated.encrypted_data")?,
        rebind,
    })
}

/// The dialect is not read: it is the gateway's affair, and nothing here depends on it.
fn client(call: &mut Call, value: &Json) -> Result<(), Problem> {
    let members = Nested(object(value, "client")?);
    members.text("client.dialect")?;
    call.client.app_id = members.text("client.app_id")?;
    call.client.platform = members.text("client.platform")?;
    call.client.locale = members.text("client.locale")?;
    call.client.device = members.text("client.device")?;
    Ok(())
}

fn extensions(call: &mut Call, value: &Json) -> Result<(), Problem> {
    for (dialect, members) in object(value, "extensions")? {
        let Json::Object(members) = members else {
            return Err(Problem::invalid("extensions", "must hold an object for each dialect"));
        };
        for (path, value) in members {
            call.extensions.keep(dialect, path.as_str(), without_secrets(value).to_text());
        }
    }
    Ok(())
}

/// The value without members whose names say that they are secrets, at any depth.
fn without_secrets(value: &Json) -> Json {
    match value {
        Json::Array(items) => Json::Array(items.iter().map(without_secrets).collect()),
        Json::Object(members) => {
            let open = members.iter().filter(|(name, _)| !Extensions::is_secret(name));
            Json::Object(open.map(|(name, value)| (name.clone(), without_secrets(value))).collect())
        }
        other => other.clone(),
    }
}
