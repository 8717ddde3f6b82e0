//! What a call is sent with that its caller does not decide: how long a code is, and by which key the backend knows
//! a request that it had before.

use http::header::HeaderValue;
use sha2::{Digest, Sha256};

use crate::account::{Call, Operation};
use crate::dialect::Habits;

/// The digits that codes usually have.
const USUAL_DIGITS: u8 = 6;

/// The digits of a code: what the client's apps can take, and else no fewer than usual, whatever a caller wishes: it may
/// ask for somebody else.
pub(super) fn code_length(call: &Call, habits: &Habits) -> Option<u8> {
    habits.code_length.or(call.code_length.filter(|wish| *wish >= USUAL_DIGITS))
}

/// The same for the same signed request, so that a backend knows a repeated one; random where no signature is given.
/// Only one that the replay guard remembers counts: some clients sign each request for a code alike, and the backend
/// would take the second for a repetition and send nothing.
pub(super) fn idempotency_key(
    call: &Call,
    signature: Option<&HeaderValue>,
    random: impl FnOnce() -> u128,
) -> Option<String> {
    if !matches!(call.operation, Operation::Register | Operation::SendCode | Operation::ResetPassword) {
        return None;
    }
    let key = match (&call.client.app_id, signature) {
        (Some(app), Some(signature)) => {
            first_bits(Sha256::new().chain_update(app).chain_update([0]).chain_update(signature.as_bytes()))
        }
        _ => random(),
    };
    Some(format!("{key:032x}"))
}

/// The first 128 bits of a digest.
pub(super) fn first_bits(hasher: Sha256) -> u128 {
    hasher.finalize().iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}
