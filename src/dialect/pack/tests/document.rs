//! docs/dialect-packs.md can't lie: its pack loads and keeps its word, its codecs do what its table says, and every key
//! and field is in it.

use super::super::codec::{Codec, Passwords, Reading as CodecReading, Writing, parse};
use super::super::field::{Datum, Field, Given};
use super::super::literal::Written;
use super::*;
use crate::account::{Email, PasswordForm, Phone};
use crate::clock::Moment;
use crate::json::{self, Value};

const DOCUMENT: &str = include_str!("../../../../docs/dialect-packs.md");

/// The tutorial's pack, put together from its pieces.
fn tutorial() -> String {
    let pieces = DOCUMENT.split("```toml pack\n").skip(1);
    pieces.filter_map(|piece| piece.split("```").next()).collect()
}

#[test]
fn the_tutorials_pack_loads_and_keeps_its_word() {
    let (pack, findings) =
        Pack::load("notes.toml", &tutorial(), &Default::default()).unwrap_or_else(|findings| {
            panic!("{}", findings.iter().map(|one| format!("{one}\n")).collect::<String>())
        });
    let findings: Vec<String> = findings.iter().chain(&pack.prove()).map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    assert!(!pack.left_to_star().is_empty());
}

#[test]
fn the_finding_that_the_tutorial_shows_is_what_is_said() {
    let shown: Vec<&str> = DOCUMENT.lines().filter(|line| line.starts_with("    notes.toml:")).collect();
    let broken = tutorial().replacen("codec = \"integer of\" }", "codec = \"integer\" }", 1);
    let findings = Pack::load("notes.toml", &broken, &Default::default()).unwrap_err();
    let said = findings[0].to_string();
    assert_eq!(shown, [format!("    {}", said.lines().next().unwrap())]);
    assert!(DOCUMENT.contains(said.lines().nth(1).unwrap()));
}

/// The cells of the table below a heading; `\|` does not occur.
fn table<'t>(heading: &str, text: &'t str) -> Vec<Vec<&'t str>> {
    let section = text.split(heading).nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

fn code(cell: &str) -> &str {
    cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')).unwrap_or_else(|| panic!("{cell}"))
}

const PLACE: Writing =
    Writing { country: Country::CHINA, password_form: PasswordForm::Plain, zone_minutes: 0 };

/// A value of the model as the codec takes it, written.
fn written(codec: &Codec, model: &str) -> Option<String> {
    let (phone, email, moment) = (Phone::from_e164(model), Email::parse(model), Moment::from_rfc3339(model));
    let datum = match codec {
        Codec::Phone(_) | Codec::Masked { .. } => Datum::Phone(phone.as_ref().ok()?),
        Codec::Email => Datum::Email(email.as_ref().ok()?),
        Codec::Time(_) => Datum::Moment(moment?),
        Codec::Integer { .. } | Codec::Milliseconds(_) | Codec::CallingCode(_) => {
            Datum::Integer(model.parse().ok()?)
        }
        Codec::Bool(_) => Datum::Bool(model == "true"),
        _ => Datum::text(model),
    };
    let hashed = matches!(codec, Codec::Password(Passwords::Md5Hex | Passwords::Auto));
    let password_form = if hashed { PasswordForm::Md5Hex } else { PasswordForm::Plain };
    match codec.write(&datum, Writing { password_form, ..PLACE }).ok()? {
        Written::Raw(raw) => Some(raw.into_owned()),
        Written::Text(text) => {
            let mut json = String::new();
            Value::String(text).write_json(&mut json);
            Some(json)
        }
    }
}

/// A value of the wire, read.
fn read(codec: &Codec, wire: &str) -> Option<String> {
    let value = json::parse(wire.as_bytes(), 4).ok()?;
    let reading = CodecReading {
        country: Country::CHINA,
        calling_code: Some("86"),
        known_phone: None,
        zone_minutes: 0,
    };
    Some(match codec.read(&value, reading).ok()? {
        Given::Text(text) | Given::Password(text, _) => text.into_owned(),
        Given::Phone(phone) => phone.e164().to_owned(),
        Given::Email(email) => email.as_str().to_owned(),
        Given::Moment(moment) => moment.to_rfc3339(),
        Given::Integer(number) => number.to_string(),
        Given::Bool(truth) => truth.to_string(),
    })
}

#[test]
fn each_codec_does_what_the_table_says() {
    let rows = table("\n## Codecs\n", DOCUMENT);
    for row in &rows {
        let (name, wire, model, ways) = (row[0].trim_matches('`'), code(row[1]), code(row[2]), row[3]);
        let codec = parse(name).unwrap_or_else(|hint| panic!("{name}: {hint}"));
        if ways != "read" {
            assert_eq!(written(&codec, model).as_deref(), Some(wire), "{name}");
        }
        if ways != "write" {
            assert_eq!(read(&codec, wire).as_deref(), Some(model), "{name}");
        } else {
            assert!(!codec.reads(), "{name}");
        }
    }
    for name in super::super::codec::NAMES {
        assert!(
            rows.iter().any(|row| row[0].trim_matches('`').starts_with(name)),
            "{name} is not in the table"
        );
    }
}

#[test]
fn every_field_is_in_the_document() {
    let rows = table("\n## Fields\n", DOCUMENT);
    let listed: Vec<&str> = rows.iter().map(|row| code(row[0])).collect();
    let all: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
    assert_eq!(listed, all);
}

/// Keys of each table, as the loader tells them to who misspells one.
#[test]
fn every_key_is_in_the_document() {
    const GOOD: &str = include_str!("../../../../tests/packs/good.toml");
    let strange = "qqqqqqqqqqqqqqqqqqqqqqqq";
    let within_lines = [
        ("format = 1\n", format!("format = 1\n{strange} = 1\n")),
        ("name = \"parcel\"\n", format!("name = \"parcel\"\n{strange} = 1\n")),
        ("default = \"plain\"\n", format!("default = \"plain\"\n{strange} = 1\n")),
        ("accept = ", format!("{strange} = 1\naccept = ")),
        ("write = \"header", format!("{strange} = 1\nwrite = \"header")),
        ("guarded = ", format!("{strange} = 1\nguarded = ")),
        ("problem_status = ", format!("{strange} = 1\nproblem_status = ")),
        ("[operations.login]\n", format!("[operations.login]\n{strange} = 1\n")),
        ("sets = { channel = \"sms\" }\n", format!("sets = {{ channel = \"sms\" }}\n{strange} = 1\n")),
        ("[problems]\n", format!("[problems]\n{strange} = 1\n")),
        ("{ problem = \"token_invalid\"", format!("{{ {strange} = 1, problem = \"token_invalid\"")),
        ("name = \"a login\"\n", format!("name = \"a login\"\n{strange} = 1\n")),
        ("sex = { ", format!("sex = {{ {strange} = 1, ")),
        ("code = { constant = 0 }", format!("code = {{ constant = 0, {strange} = 1 }}")),
    ];
    for (there, instead) in within_lines {
        assert_eq!(GOOD.matches(there).count(), 1, "{there}");
        let findings =
            Pack::load("parcel.toml", &GOOD.replacen(there, &instead, 1), &Default::default()).unwrap_err();
        let hint = &findings.iter().find(|finding| finding.message.contains(strange)).expect(there).hint;
        let keys = hint.strip_prefix("known here: ").unwrap_or_else(|| panic!("{hint}"));
        for key in keys.split(", ") {
            assert!(DOCUMENT.contains(&format!("`{key}")), "{key} of {there}");
        }
    }
}
