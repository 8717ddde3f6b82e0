//! Which region this gateway serves, and what the others are called.

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
