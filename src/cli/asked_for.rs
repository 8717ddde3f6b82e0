//! The call that an answer belongs to, where only its operation is known.

use super::Failure;
use crate::account::{Call, Channel, Operation, Purpose};
use crate::config::suggestion;

/// Reads `login`, or `send_code/register/sms` with purpose and channel.
pub fn call(text: &str) -> Result<Call, Failure> {
    let mut parts = text.split('/');
    let name = parts.next().unwrap_or_default();
    let operation = Operation::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = Operation::ALL.iter().map(|operation| operation.name()).collect();
        Failure::new(format!("unknown operation {name:?}")).hint(suggestion(name, &names))
    })?;
    let mut call = Call::new(operation);
    for part in parts {
        if operation != Operation::SendCode {
            return Err(Failure::new(format!(
                "{name} has no form {part:?} that is known without its request"
            ))
            .hint("give the request that it answers: --answers FILE"));
        }
        match (Purpose::from_name(part), Channel::from_name(part)) {
            (Some(purpose), _) => call.purpose = Some(purpose),
            (None, Some(channel)) => call.channel = Some(channel),
            (None, None) => {
                let known = Purpose::ALL.iter().map(|purpose| purpose.name());
                let known: Vec<&str> =
                    known.chain(Channel::ALL.iter().map(|channel| channel.name())).collect();
                return Err(Failure::new(format!("{part:?} is neither a purpose nor a channel"))
                    .hint(suggestion(part, &known)));
            }
        }
    }
    Ok(call)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_may_name_purpose_and_channel_of_a_send() {
        let sends = call("send_code/register/sms").unwrap();
        assert_eq!((sends.purpose, sends.channel), (Some(Purpose::Register), Some(Channel::Sms)));
        assert_eq!(call("login").unwrap().operation, Operation::Login);
        for wrong in ["logon", "send_code/registr", "register/sms"] {
            assert!(call(wrong).is_err_and(|failure| failure.to_string().contains("\n  hint: ")), "{wrong}");
        }
    }
}
