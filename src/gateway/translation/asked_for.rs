//! The call that an answer belongs to, where only its operation is known.

use thiserror::Error;

use crate::account::{Call, Channel, Operation, Purpose};
use crate::config::suggestion;

/// Why a text names no call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct AskedForError {
    /// What is wrong.
    pub message: String,
    /// What to write instead; `None` where only the request itself would tell.
    pub hint: Option<String>,
}

/// Reads `login`, or `send_code/register/sms` with purpose and channel.
///
/// # Errors
/// When there is no such operation, or it has no such form.
pub fn asked_for(text: &str) -> Result<Call, AskedForError> {
    let mut parts = text.split('/');
    let name = parts.next().unwrap_or_default();
    let operation = Operation::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = Operation::ALL.iter().map(|operation| operation.name()).collect();
        let hint = Some(suggestion(name, &names));
        AskedForError { message: format!("unknown operation {name:?}"), hint }
    })?;
    let mut call = Call::new(operation);
    for part in parts {
        if operation != Operation::SendCode {
            let message = format!("{name} has no form {part:?} that is known without its request");
            return Err(AskedForError { message, hint: None });
        }
        match (Purpose::from_name(part), Channel::from_name(part)) {
            (Some(purpose), _) => call.purpose = Some(purpose),
            (None, Some(channel)) => call.channel = Some(channel),
            (None, None) => {
                let known = Purpose::ALL.iter().map(|purpose| purpose.name());
                let known: Vec<&str> =
                    known.chain(Channel::ALL.iter().map(|channel| channel.name())).collect();
                let hint = Some(suggestion(part, &known));
                return Err(AskedForError {
                    message: format!("{part:?} is neither a purpose nor a channel"),
                    hint,
                });
            }
        }
    }
    Ok(call)
}

/// What an answer may answer, as [`asked_for`] reads it: every operation, and each purpose of a code by SMS.
pub fn all_asked_for() -> Vec<String> {
    let forms = |operation: &Operation| match operation {
        Operation::SendCode => {
            Purpose::ALL.iter().map(|purpose| format!("send_code/{}/sms", purpose.name())).collect()
        }
        _ => vec![operation.name().to_owned()],
    };
    Operation::ALL.iter().flat_map(forms).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_may_name_purpose_and_channel_of_a_send() {
        let sends = asked_for("send_code/register/sms").unwrap();
        assert_eq!((sends.purpose, sends.channel), (Some(Purpose::Register), Some(Channel::Sms)));
        assert_eq!(asked_for("login").unwrap().operation, Operation::Login);
        for wrong in ["logon", "send_code/registr", "register/sms"] {
            assert!(asked_for(wrong).is_err(), "{wrong}");
        }
        assert_eq!(asked_for("login/sms").unwrap_err().hint, None);
    }

    #[test]
    fn every_form_that_is_offered_is_understood() {
        let all = all_asked_for();
        assert!(all.len() > Operation::ALL.len());
        assert!(all.iter().all(|form| asked_for(form).is_ok()), "{all:?}");
    }
}
