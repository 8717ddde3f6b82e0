//! The languages of texts for people.

use http::header::{ACCEPT_LANGUAGE, HeaderMap};

/// A language that messages exist in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Chinese, simplified.
    Chinese,
}

impl Language {
    /// The language that a client prefers: the first one of `Accept-Language` that messages exist
    /// in. Weights are not read: clients list the best first.
    pub fn preferred(headers: &HeaderMap) -> Option<Self> {
        let list = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok())?;
        list.split(',').find_map(|tag| Self::of_tag(tag.trim()))
    }

    /// Its tag, as packs write it.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// The language of a BCP 47 tag, by its primary part.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', ';', '_']).next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "zh" => Some(Self::Chinese),
            "en" => Some(Self::English),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_language_wins() {
        for (list, language) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", Some(Language::Chinese)),
            ("de, en;q=0.5, zh", Some(Language::English)),
            ("fr", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, list.parse().unwrap());
            assert_eq!(Language::preferred(&headers), language, "{list}");
        }
    }
}
