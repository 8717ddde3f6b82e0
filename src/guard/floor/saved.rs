//! The memory as a clean stop keeps it for the next start.

use std::fs;
use std::io;
use std::path::Path;

use super::{FloorError, failure};
use crate::clock::Moment;
use crate::hexadecimal;
use crate::store::memory::SavedBucket;

const MAGIC: &str = "dragoman-replay-memory 1";

/// What a clean stop keeps for the next start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The key of the digests.
    pub key: [u8; 16],
    /// The entries.
    pub buckets: Vec<SavedBucket>,
}

/// The memory file: a header line, then a line for each second with its digests in hexadecimal.
pub(super) struct Memory {
    pub highest: i64,
    pub floor: i64,
    pub saved_at: Moment,
    pub kept: Kept,
}

impl Memory {
    /// Reads the file and removes it; nothing of it is believed twice.
    pub fn take(path: &Path) -> Result<Option<Self>, FloorError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failure(path)(error)),
        };
        fs::remove_file(path).map_err(failure(path))?;
        Ok(Self::from_text(&text))
    }

    pub fn to_text(&self) -> String {
        let key = u128::from_le_bytes(self.kept.key);
        let saved_at = self.saved_at.millis();
        let mut text = format!("{MAGIC}\n{} {} {saved_at} {key:032x}\n", self.highest, self.floor);
        for bucket in &self.kept.buckets {
            text.push_str(&format!("{} {}", bucket.second, bucket.until.millis()));
            for (app, count) in &bucket.apps {
                text.push_str(&format!(" {count}@{}", hexadecimal::encode(app.as_bytes())));
            }
            for digest in &bucket.digests {
                text.push_str(&format!(" {digest:032x}"));
            }
            text.push('\n');
        }
        text.push_str("end\n");
        text
    }

    /// `None` when anything is not as it was written: then nothing of it is believed.
    fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != MAGIC || !text.ends_with("\nend\n") {
            return None;
        }
        let mut header = lines.next()?.split(' ');
        let mut number = || header.next()?.parse::<i64>().ok();
        let (highest, floor, saved_at) = (number()?, number()?, Moment::from_millis(number()?));
        let key = u128::from_str_radix(header.next()?, 16).ok()?.to_le_bytes();
        let buckets = lines.take_while(|line| *line != "end").map(read_bucket).collect::<Option<_>>()?;
        Some(Self { highest, floor, saved_at, kept: Kept { key, buckets } })
    }
}

fn read_bucket(line: &str) -> Option<SavedBucket> {
    let mut words = line.split(' ');
    let second = words.next()?.parse().ok()?;
    let until = Moment::from_millis(words.next()?.parse().ok()?);
    let mut bucket = SavedBucket { second, until, apps: Vec::new(), digests: Vec::new() };
    for word in words {
        match word.split_once('@') {
            Some((count, app)) => {
                let app = String::from_utf8(hexadecimal::decode(app)?).ok()?;
                bucket.apps.push((app, count.parse().ok()?));
            }
            None => bucket.digests.push(u128::from_str_radix(word, 16).ok()?),
        }
    }
    Some(bucket)
}
