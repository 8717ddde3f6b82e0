//! What a dialect's own challenges are made of, where they name the phone: `[challenge]`.
//!
//! Between two of a dialect its challenge is passed on as it is. It is read all the same, so that tries at a code count
//! for its phone: nothing proves such a challenge, and anybody can write it in many ways.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

use crate::account::Phone;

/// Bits that no byte needs must be zero, and padding is taken off before.
const BASE64: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, NO_PAD);

/// What may stand in for `=`.
const PADDING: [char; 2] = ['=', '.'];

/// URL-safe base64 of parts, each base64 of a text itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChallengeForm {
    /// What stands between two parts.
    pub separator: Box<str>,
    /// What each part is, in their order.
    pub parts: Vec<ChallengePart>,
}

/// One part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChallengePart {
    /// The calling code, such as `86`.
    CallingCode,
    /// The number within its country.
    Phone,
    /// Nothing that the gateway needs.
    Other,
}

impl ChallengeForm {
    /// The phone that a challenge names; `None` where it has another form.
    pub fn phone(&self, challenge: &str) -> Option<Phone> {
        let whole = decoded(challenge)?;
        let given: Vec<&str> = whole.split(&*self.separator).collect();
        if given.len() != self.parts.len() {
            return None;
        }
        let of = |part| {
            let index = self.parts.iter().position(|known| *known == part)?;
            decoded(given.get(index)?)
        };
        Phone::from_parts(&of(ChallengePart::CallingCode)?, &of(ChallengePart::Phone)?).ok()
    }
}

fn decoded(text: &str) -> Option<String> {
    String::from_utf8(BASE64.decode(text.trim_end_matches(PADDING)).ok()?).ok()
}
