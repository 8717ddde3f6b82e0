//! The dialects that a config may name.

/// A dialect, as far as the config must know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Its name.
    pub name: &'static str,
    /// Whether its calls are signed by an app.
    pub signs: bool,
}

/// Every dialect that is built in.
pub const DIALECTS: &[Dialect] =
    &[Dialect { name: "coolkit", signs: true }, Dialect { name: "canonical", signs: false }];

/// The dialect of a name.
pub fn dialect(name: &str) -> Option<&'static Dialect> {
    DIALECTS.iter().find(|dialect| dialect.name == name)
}

/// Whether calls of the dialect are signed by an app.
pub fn signs(name: &str) -> bool {
    dialect(name).is_some_and(|dialect| dialect.signs)
}
