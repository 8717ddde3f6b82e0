//! The outbox page: what the embedded backend sent, for somebody who tries it out.

use std::fmt::Write;

use serde::Serialize;

/// One message that the embedded backend sent. Holds a code, so it has no `Debug`.
#[derive(Clone, Serialize)]
pub struct OutboxEntry {
    /// When it was sent, RFC 3339.
    pub time: String,
    /// `sms` or `email`.
    pub channel: String,
    /// The phone or e-mail address.
    pub to: String,
    /// What the code is for.
    pub purpose: String,
    /// The code.
    pub code: String,
}

const HEAD: &str = "<!doctype html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">
<title>Dragoman outbox</title><link rel=\"icon\" href=\"/icon.svg\"><link rel=\"stylesheet\" href=\"/console.css\">
</head><body class=\"plain\"><h1>Outbox</h1>
";

/// The page, newest first.
pub fn html(entries: &[OutboxEntry]) -> String {
    let mut page = String::from(HEAD);
    if entries.is_empty() {
        page.push_str("<p>Nothing was sent yet.</p>");
    } else {
        page.push_str("<table><thead><tr><th>Time<th>Channel<th>To<th>Purpose<th>Code</tr></thead><tbody>\n");
        for entry in entries {
            row(&mut page, entry);
        }
        page.push_str("</tbody></table>");
    }
    page.push_str("\n</body></html>\n");
    page
}

/// The same as a JSON array, on one line.
pub fn json(entries: &[OutboxEntry]) -> String {
    serde_json::to_string(entries).unwrap_or_else(|_| "[]".to_owned()) + "\n"
}

fn row(page: &mut String, entry: &OutboxEntry) {
    page.push_str("<tr>");
    for cell in [&entry.time, &entry.channel, &entry.to, &entry.purpose] {
        // Writing to a string does not fail.
        let _ = write!(page, "<td>{}", Escaped(cell));
    }
    let _ = writeln!(page, "<td class=\"code\">{}</tr>", Escaped(&entry.code));
}

/// Text as it must stand between tags.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_into_an_address_is_no_markup() {
        let entry = OutboxEntry {
            time: "2026-01-01T00:00:00.000Z".to_owned(),
            channel: "email".to_owned(),
            to: "<script>alert('&\"')</script>@example.org".to_owned(),
            purpose: "register".to_owned(),
            code: "123456".to_owned(),
        };
        let page = html(&[entry]);
        assert!(page.contains("<td>&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;@example.org"));
        assert!(page.contains("<td class=\"code\">123456</tr>"));
        assert!(html(&[]).contains("Nothing was sent yet"));
    }
}
