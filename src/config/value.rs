//! How single values are written: durations, sizes, counts, addresses, secrets.

use std::fs;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::reader::{Env, Node};
use crate::account::Secret;

const DURATION_HINT: &str = "write a number and a unit: \"300ms\", \"30s\", \"5m\", \"2h\" or \"1d\"";
const SIZE_HINT: &str =
    "write a number and a unit: \"64KiB\", \"1 MB\"; units are B, KB, MB, GB, KiB, MiB, GiB";

/// A duration such as "5m", "300ms" or "30 s", within bounds.
pub(super) fn duration(node: Node<'_>, bounds: RangeInclusive<Duration>) -> Option<Duration> {
    let Some(text) = node.value().as_str() else {
        return node.wrong_type("a duration in quotes", DURATION_HINT);
    };
    let Some(duration) = parse_duration(text) else {
        return node.fail(format!("{text:?} is no duration"), DURATION_HINT);
    };
    if bounds.contains(&duration) {
        return Some(duration);
    }
    let (least, most) = (bounds.start(), bounds.end());
    node.fail(format!("{text:?} is out of bounds"), format!("choose something from {least:?} to {most:?}"))
}

/// A duration within bounds, or `"off"`.
pub(super) fn duration_or_off(node: Node<'_>, bounds: RangeInclusive<Duration>) -> Option<Option<Duration>> {
    if node.value().as_str() == Some("off") {
        return Some(None);
    }
    duration(node, bounds).map(Some)
}

/// A number of bytes such as "64KiB" or "1 MB", within bounds; a bare number is bytes.
pub(super) fn size(node: Node<'_>, bounds: RangeInclusive<usize>) -> Option<usize> {
    let bytes = match node.value().as_str() {
        Some(text) => match parse_size(text) {
            Some(bytes) => bytes,
            None => return node.fail(format!("{text:?} is no size"), SIZE_HINT),
        },
        None => return number(node, bounds),
    };
    within(node, bytes, bounds)
}

/// A whole number within bounds.
pub(super) fn number(node: Node<'_>, bounds: RangeInclusive<usize>) -> Option<usize> {
    let Some(integer) = node.value().as_integer() else {
        return node.wrong_type("a whole number", "write digits without quotes, such as 100 or 2_000");
    };
    match usize::from_str_radix(integer.as_str(), integer.radix()) {
        Ok(value) => within(node, value, bounds),
        Err(_) => node.fail(
            format!("{integer} is out of bounds"),
            format!("choose something from {} to {}", bounds.start(), bounds.end()),
        ),
    }
}

/// A whole number within bounds, or `"off"`.
pub(super) fn number_or_off(node: Node<'_>, bounds: RangeInclusive<usize>) -> Option<Option<usize>> {
    match node.value().as_str() {
        Some("off") => Some(None),
        Some(_) => node.wrong_type("a whole number or \"off\"", "write digits without quotes, or \"off\""),
        None => number(node, bounds).map(Some),
    }
}

fn within(node: Node<'_>, value: usize, bounds: RangeInclusive<usize>) -> Option<usize> {
    if bounds.contains(&value) {
        return Some(value);
    }
    node.fail(
        format!("{value} is out of bounds"),
        format!("choose something from {} to {}", bounds.start(), bounds.end()),
    )
}

/// An address to bind.
pub(super) fn bind_address(node: Node<'_>) -> Option<SocketAddr> {
    let text = node.text()?;
    match text.parse() {
        Ok(address) => Some(address),
        Err(_) => node.fail(format!("{text:?} is no address to listen on"), BIND_HINT),
    }
}

/// What an address to bind looks like.
pub(super) const BIND_HINT: &str =
    "write an IP address and a port: \"127.0.0.1:8080\", \"[::1]:8080\"; 0.0.0.0 is every IPv4 address";

/// A text that is not empty.
pub(super) fn name(node: Node<'_>) -> Option<String> {
    let text = node.text()?;
    if text.trim().is_empty() {
        return node.fail("must not be empty", "give it a name");
    }
    Some(text.to_owned())
}

/// A secret: `"env:NAME"`, `"file:PATH"`, or the text itself.
pub(super) fn secret(node: Node<'_>) -> Option<Secret> {
    let text = node.text()?;
    let found = match resolve_secret(text, node.reader.env) {
        Ok(found) => found,
        Err(message) => return node.fail(message, "secrets are \"env:NAME\" or \"file:PATH\""),
    };
    if found.is_empty() {
        return node.fail("the secret is empty", "secrets are \"env:NAME\" or \"file:PATH\"");
    }
    if !text.starts_with("env:") && !text.starts_with("file:") {
        node.reader.note_literal_secret(node.place());
    }
    Some(found)
}

/// Follows `"env:NAME"` and `"file:PATH"`; other text is the secret itself. One line end at the
/// end of a file is not part of the secret.
///
/// # Errors
/// When the variable or the file is not there; says which, never what is in it.
pub fn resolve_secret(text: &str, env: Env<'_>) -> Result<Secret, String> {
    if let Some(name) = text.strip_prefix("env:") {
        return env(name)
            .map(Secret::from)
            .ok_or_else(|| format!("the environment variable {name:?} is not set"));
    }
    let Some(path) = text.strip_prefix("file:") else {
        return Ok(Secret::from(text));
    };
    let content = fs::read_to_string(path).map_err(|error| format!("can't read {path:?}: {error}"))?;
    let line = content.strip_suffix('\n').unwrap_or(&content);
    Ok(Secret::from(line.strip_suffix('\r').unwrap_or(line)))
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (count, unit) = number_and_unit(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    count.checked_mul(millis).map(Duration::from_millis)
}

fn parse_size(text: &str) -> Option<usize> {
    let (count, unit) = number_and_unit(text)?;
    let bytes: u64 = match unit {
        "B" => 1,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    count.checked_mul(bytes).and_then(|bytes| usize::try_from(bytes).ok())
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let unit_start = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at_checked(unit_start)?;
    Some((digits.parse().ok()?, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, millis) in
            [("300ms", 300), ("30 s", 30_000), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "m", "-5s", "5 fortnights", "1.5s", "99999999999999999d"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_tell_thousands_from_1024s() {
        for (text, bytes) in [("64KiB", 65_536), ("1 MB", 1_000_000), ("2MiB", 2_097_152), ("7 B", 7)] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["", "64", "KiB", "64 Kib", "-1KB", "99999999999999999GiB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
