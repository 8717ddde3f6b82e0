//! What is expected and what is, line by line.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::Difference;

/// Lines that show where a change stands.
const CONTEXT: usize = 2;

/// Writes one difference: lines that are missing with a minus, lines that are there instead with a plus.
pub fn write_difference(out: &mut impl Write, difference: &Difference, colour: bool) -> io::Result<()> {
    let [expected, actual] = [&difference.expected, &difference.actual].map(pretty);
    let lines = TextDiff::from_lines(&expected, &actual);
    for (index, group) in lines.grouped_ops(CONTEXT).iter().enumerate() {
        if index > 0 {
            writeln!(out, "    …")?;
        }
        for change in group.iter().flat_map(|operation| lines.iter_changes(operation)) {
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ('-', AnsiColor::Red.on_default()),
                ChangeTag::Insert => ('+', AnsiColor::Green.on_default()),
                ChangeTag::Equal => (' ', Style::new()),
            };
            let style = if colour { style } else { Style::new() };
            writeln!(out, "{style}  {sign} {}{style:#}", change.value().trim_end())?;
        }
    }
    Ok(())
}

fn pretty(value: &Value) -> String {
    match value {
        Value::Null => "nothing\n".to_owned(),
        value => format!("{value:#}\n"),
    }
}
