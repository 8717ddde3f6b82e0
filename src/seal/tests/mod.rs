//! What opens, what does not, and that nothing that comes in makes it fall over.

mod session_token;
mod tokens;

use super::*;
use crate::account::{Operation, Purpose, Secret};
use crate::clock::Moment;

const NOW: Moment = Moment::from_seconds(1_700_000_000);
const LATER: Moment = NOW.plus_seconds(300);

const AUDIENCE: Audience<'static> = Audience { dialect: "qingzhenyun", app: Some("app"), region: "cn" };

const CONTEXT: Context<'static> = Context {
    kind: Kind::PhoneInfo,
    operation: Some(Operation::SendCode),
    purpose: Some(Purpose::Register),
    audience: AUDIENCE,
};

fn key(id: &str, byte: u8) -> SealKey {
    SealKey::new(id, &[byte; 32]).unwrap()
}

fn keys() -> SealKeys {
    SealKeys::new(&key("new", 1), &[key("old", 2)])
}

/// Every text that differs from a token in one bit of one of its bytes.
fn with_one_bit_flipped(text: &str) -> impl Iterator<Item = String> {
    let flipped = move |bit: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        String::from_utf8(bytes).ok()
    };
    (0..text.len() * 8).filter_map(flipped)
}

/// What people send who want to see a gateway fall over.
fn hostile_texts(token: &str) -> Vec<String> {
    let mut texts: Vec<String> = ["", ".", "..", "...", "=", "AQ", "AQAAAA", "\0", "💣", "null", "eyJ.e30."]
        .iter()
        .map(|text| (*text).to_owned())
        .collect();
    texts.extend((0..token.len()).map(|length| token[..length].to_owned()));
    texts.extend((1..token.len()).map(|start| token[start..].to_owned()));
    texts.extend(["=", "A", " ", "\n", ".", token].map(|end| format!("{token}{end}")));
    texts.extend([token.to_lowercase(), token.replace('A', "B"), "A".repeat(1 << 20), ".".repeat(1 << 20)]);
    texts.retain(|text| text != token);
    texts
}
