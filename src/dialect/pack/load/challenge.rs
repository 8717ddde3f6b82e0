//! `[challenge]`: what the dialect's own challenges are made of.

use crate::config::reader::{Node, Table};
use crate::dialect::pack::challenge::{ChallengeForm, ChallengePart};

const PARTS: [(&str, ChallengePart); 3] = [
    ("calling_code", ChallengePart::CallingCode),
    ("phone", ChallengePart::Phone),
    ("other", ChallengePart::Other),
];

pub(super) fn read(table: &mut Table<'_>) -> Option<ChallengeForm> {
    let separator = table.need("separator", |node| match node.text()? {
        "" => node.fail("nothing separates the parts", "name the text between two of them"),
        text => Some(text),
    });
    let parts = table.need("parts", |node| {
        let parts = node.list(|item: Node<'_>| item.choice(&PARTS))?;
        let once = |part| parts.iter().filter(|known| **known == part).count() == 1;
        if once(ChallengePart::CallingCode) && once(ChallengePart::Phone) {
            return Some(parts);
        }
        node.fail("no phone can be read from these parts", "name `calling_code` and `phone` once each")
    });
    Some(ChallengeForm { separator: separator?.into(), parts: parts? })
}
