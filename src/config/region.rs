//! Which region this gateway serves, and what the others are called.

use super::reader::{Node, Table};
use super::value::number;

/// One region of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Its name, such as `cn`.
    pub name: String,
    /// The public address of its gateway.
    pub base_url: Option<String>,
    /// Country calling codes whose people it serves.
    pub calling_codes: Vec<u16>,
}

/// This gateway's region and the table of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regions {
    /// The name of the region that this gateway serves.
    pub own: String,
    /// All regions, this one among them.
    pub table: Vec<Region>,
}

impl Default for Regions {
    fn default() -> Self {
        let cn = Region { name: "cn".to_owned(), base_url: None, calling_codes: vec![86] };
        Self { own: "cn".to_owned(), table: vec![cn] }
    }
}

impl Regions {
    /// Reads `[region]`.
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let default = Self::default();
        let own = table.read("own", region_name);
        let regions = table
            .read("table", |node| node.list(|item| item.table("[[region.table]]", Region::read).flatten()));
        let own = own.unwrap_or(default.own);
        let regions = regions.unwrap_or_else(|| match default.table {
            known if known.iter().any(|region| region.name == own) => known,
            _ => vec![Region::named(&own)],
        });
        Self::check(table, &own, &regions);
        Self { own, table: regions }
    }

    fn check(table: &Table<'_>, own: &str, regions: &[Region]) {
        if !regions.iter().any(|region| region.name == own) {
            table.error(
                "own",
                format!("the own region {own:?} is not in the table"),
                "add a [[region.table]] with that name",
            );
        }
        for (index, region) in regions.iter().enumerate() {
            let earlier = regions.iter().take(index);
            if earlier.clone().any(|other| other.name == region.name) {
                table.error("table", format!("the region {:?} is there twice", region.name), "merge the two");
            }
            for code in &region.calling_codes {
                if earlier.clone().any(|other| other.calling_codes.contains(code)) {
                    table.error(
                        "table",
                        format!("two regions serve calling code {code}"),
                        "leave it with one",
                    );
                }
            }
        }
    }
}

impl Region {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), base_url: None, calling_codes: Vec::new() }
    }

    fn read(table: &mut Table<'_>) -> Option<Self> {
        let name = table.need("name", region_name);
        let base_url = table.read("base_url", base_url);
        let calling_codes = table.read("calling_codes", |node| node.list(calling_code));
        Some(Self { name: name?, base_url, calling_codes: calling_codes.unwrap_or_default() })
    }
}

fn region_name(node: Node<'_>) -> Option<String> {
    let text = node.text()?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if (1..=32).contains(&text.len()) && text.chars().all(allowed) {
        return Some(text.to_owned());
    }
    node.fail(format!("{text:?} is no region name"), "use 1 to 32 letters, digits, - and _, such as \"cn\"")
}

fn base_url(node: Node<'_>) -> Option<String> {
    let text = node.text()?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.contains(char::is_whitespace) => {
            Some(text.trim_end_matches('/').to_owned())
        }
        _ => node.fail(format!("{text:?} is no base address"), "write it as \"https://eu.example.com\""),
    }
}

pub(super) fn calling_code(node: Node<'_>) -> Option<u16> {
    number(node, 1..=999).and_then(|code| u16::try_from(code).ok())
}
