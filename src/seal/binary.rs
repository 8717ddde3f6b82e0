//! A compact form for texts and times of which every byte counts: it ends up in people's URLs.

use super::SealingError;
use crate::clock::Moment;

const ABSENT: u8 = 0;
const PRESENT: u8 = 1;

/// Writes values one after the other, so that no two lists of values have the same bytes.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// One byte.
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// A moment, in milliseconds.
    pub fn moment(&mut self, moment: Moment) {
        self.0.extend(moment.millis().to_be_bytes());
    }

    /// A text with its length in front.
    pub fn text(&mut self, text: &str) -> Result<(), SealingError> {
        let length = u16::try_from(text.len()).map_err(|_| SealingError::TooLong)?;
        self.0.extend(length.to_be_bytes());
        self.0.extend(text.as_bytes());
        Ok(())
    }

    /// A text that may be absent, which is not the same as empty.
    pub fn optional(&mut self, text: Option<&str>) -> Result<(), SealingError> {
        match text {
            Some(text) => {
                self.byte(PRESENT);
                self.text(text)
            }
            None => {
                self.byte(ABSENT);
                Ok(())
            }
        }
    }

    /// Everything that was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Reads the same values; `None` where they are not.
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// A moment.
    pub fn moment(&mut self) -> Option<Moment> {
        self.array().map(i64::from_be_bytes).map(Moment::from_millis)
    }

    /// A text.
    pub fn text(&mut self) -> Option<&'a str> {
        let length = self.array().map(u16::from_be_bytes)?;
        std::str::from_utf8(self.take(length.into())?).ok()
    }

    /// A text that may be absent.
    pub fn optional(&mut self) -> Option<Option<&'a str>> {
        match self.array()? {
            [ABSENT] => Some(None),
            [PRESENT] => self.text().map(Some),
            _ => None,
        }
    }

    /// Whether nothing is left.
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}
