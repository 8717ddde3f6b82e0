//! Which region this gateway serves, what the others are called, and what becomes of a call whose
//! account lives elsewhere.

use std::path::PathBuf;

use toml::de::DeValue;

use super::Upstream;
use super::reader::{Node, Place, Table};
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
    /// Its backend, where calls may be sent there; the own region's is the config's `[upstream]`.
    pub upstream: Option<Upstream>,
}

/// What becomes of a call whose account lives in another region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegionMode {
    /// The client is told the region.
    Tell,
    /// The call is sent once more, to that region's backend.
    Follow,
    /// Clients whose dialect has a form for it are told, for the others the gateway follows.
    #[default]
    Auto,
}

/// This gateway's region and the table of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regions {
    /// The name of the region that this gateway serves.
    pub own: String,
    /// What becomes of a call whose account lives in another region.
    pub mode: RegionMode,
    /// Codes of backends, besides those that their dialects know, that mean another region.
    pub wrong_region_codes: Vec<String>,
    /// Where embedded backends share who lives in which region, where it is not the usual place.
    pub residents: Option<PathBuf>,
    /// All regions, this one among them.
    pub table: Vec<Region>,
}

impl Default for Regions {
    fn default() -> Self {
        let cn = Region { calling_codes: vec![86], ..Region::named("cn") };
        Self {
            own: "cn".to_owned(),
            mode: RegionMode::default(),
            wrong_region_codes: Vec::new(),
            residents: None,
            table: vec![cn],
        }
    }
}

/// Where `[region]` says what other parts must go with.
pub(super) struct RegionPlaces {
    /// The mode.
    pub mode: Place,
    /// The file that embedded backends share.
    pub residents: Place,
    /// For each region of the table, its backend.
    pub upstreams: Vec<Place>,
}

impl RegionPlaces {
    /// The places of a file without `[region]`.
    pub(super) const fn nowhere() -> Self {
        Self { mode: Place::File, residents: Place::File, upstreams: Vec::new() }
    }
}

impl Regions {
    /// Reads `[region]`.
    pub(super) fn read(table: &mut Table<'_>) -> (Self, RegionPlaces) {
        let default = Self::default();
        let own = table.read("own", region_name);
        let modes = [("tell", RegionMode::Tell), ("follow", RegionMode::Follow), ("auto", RegionMode::Auto)];
        let mode = table.read("mode", |node| node.choice(&modes)).unwrap_or(default.mode);
        let codes = table.read("wrong_region_codes", |node| node.list(code)).unwrap_or_default();
        let residents = table.read("residents", |node| node.text().map(PathBuf::from));
        let read = |node: Node<'_>| node.list(|item| item.table("[[region.table]]", Region::read).flatten());
        let regions = table.read("table", read);
        let own = own.unwrap_or(default.own);
        let (regions, upstreams) = match regions {
            Some(regions) => regions.into_iter().unzip(),
            None if default.table.iter().any(|region| region.name == own) => (default.table, Vec::new()),
            None => (vec![Region::named(&own)], Vec::new()),
        };
        Self::check(table, &own, &regions);
        let places =
            RegionPlaces { mode: table.place("mode"), residents: table.place("residents"), upstreams };
        (Self { own, mode, wrong_region_codes: codes, residents, table: regions }, places)
    }

    /// The region of a name.
    pub fn find(&self, name: &str) -> Option<&Region> {
        self.table.iter().find(|region| region.name == name)
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
            let same_url = |other: &&Region| region.base_url.is_some() && other.base_url == region.base_url;
            if let Some(other) = earlier.clone().find(same_url) {
                let message = format!("the regions {:?} and {:?} have one base_url", other.name, region.name);
                table.error("table", message, "give each its own public address");
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
    /// A region of which only the name is known.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), base_url: None, calling_codes: Vec::new(), upstream: None }
    }

    /// Reads one `[[region.table]]`, and where its backend stands.
    fn read(table: &mut Table<'_>) -> Option<(Self, Place)> {
        let name = table.need("name", region_name);
        let base_url = table.read("base_url", base_url);
        let calling_codes = table.read("calling_codes", |node| node.list(calling_code));
        let upstream =
            table.read("upstream", |node| node.table("[region.table.upstream]", Upstream::read)).flatten();
        let calling_codes = calling_codes.unwrap_or_default();
        Some((Self { name: name?, base_url, calling_codes, upstream }, table.place("upstream")))
    }
}

/// The name of a region.
pub(super) fn region_name(node: Node<'_>) -> Option<String> {
    let text = node.text()?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if (1..=32).contains(&text.len()) && text.chars().all(allowed) {
        return Some(text.to_owned());
    }
    node.fail(format!("{text:?} is no region name"), "use 1 to 32 letters, digits, - and _, such as \"cn\"")
}

/// A backend's code for an error: text, or a number.
fn code(node: Node<'_>) -> Option<String> {
    match node.value() {
        DeValue::String(text) if !text.is_empty() => Some(text.to_string()),
        DeValue::Integer(number) => number.as_str().parse::<i64>().ok().map(|number| number.to_string()),
        _ => node.wrong_type("a list of codes, each a string or a number", "write [\"REGION_MOVED\", 301]"),
    }
}

fn base_url(node: Node<'_>) -> Option<String> {
    let text = node.text()?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || c == '@') => {
            Some(text.trim_end_matches('/').to_owned())
        }
        _ => node.fail(
            "this is no base address",
            "write it without user and password, as \"https://eu.example.com\"",
        ),
    }
}

pub(super) fn calling_code(node: Node<'_>) -> Option<u16> {
    number(node, 1..=999).and_then(|code| u16::try_from(code).ok())
}
