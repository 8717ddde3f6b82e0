//! The region table: a closed list of names.

use http::header::LOCATION;
use http::{Response, Uri};

use crate::account::{Call, Country, Identifier, Phone, Problem, Reply};
use crate::config::{Region, RegionMode, Regions};

/// The regions that there are.
#[derive(Debug, Clone)]
pub struct RegionTable {
    mode: RegionMode,
    /// Codes of backends that mean another region, besides those that their dialects know.
    codes: Vec<String>,
    table: Vec<Region>,
    /// The country of phones without a country code.
    country: Country,
}

/// Where an answer of a backend says that an account lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elsewhere<'a> {
    /// In another region of the table.
    Region(&'a Region),
    /// In the region that was asked: two gateways, or two backends, disagree.
    Same,
    /// Nowhere that is known.
    Nowhere,
}

impl RegionTable {
    /// The table of the settings; phones without a country code are of `country`.
    pub fn new(regions: &Regions, country: Country) -> Self {
        let Regions { mode, wrong_region_codes, table, .. } = regions.clone();
        Self { mode, codes: wrong_region_codes, table, country }
    }

    /// Answers a region query from the table alone; `home` is the region that was asked.
    pub fn answer(&self, call: &Call, home: &str) -> Reply {
        let region = self.of(call).or_else(|| self.find(home));
        let name = region.map_or(home, |region| &region.name);
        let base_url = region.and_then(|region| region.base_url.clone());
        Reply { region: Some(name.to_owned()), base_url, ..Reply::default() }
    }

    /// Where an account lives by the answer of the region `asked`. One without a name means the region
    /// of the phone's country.
    pub fn elsewhere(&self, call: &Call, problem: &Problem, asked: &str) -> Elsewhere<'_> {
        let named = match &problem.region {
            Some(name) => self.find(name),
            None => self.of(call),
        };
        match named {
            Some(region) if region.name != asked => Elsewhere::Region(region),
            Some(_) if problem.region.is_some() => Elsewhere::Same,
            _ => Elsewhere::Nowhere,
        }
    }

    /// Whether the gateway asks another region itself, rather than tell a client that can be told.
    pub const fn follows(&self, can_be_told: bool) -> bool {
        match self.mode {
            RegionMode::Tell => false,
            RegionMode::Follow => true,
            RegionMode::Auto => !can_be_told,
        }
    }

    /// Codes of backends that mean another region, besides those that their dialects know.
    pub fn codes(&self) -> &[String] {
        &self.codes
    }

    /// The region that an answer redirects to, if its host is one of the table.
    pub fn redirect<B>(&self, answer: &Response<B>) -> Option<&Region> {
        if !matches!(answer.status().as_u16(), 301 | 307 | 308) {
            return None;
        }
        let named = Authority::of(answer.headers().get(LOCATION)?.to_str().ok()?)?;
        let authority = |region: &Region| region.base_url.as_deref().and_then(Authority::of);
        let same_host = |region: &&Region| authority(region).is_some_and(|own| own.host == named.host);
        let mut regions = self.table.iter().filter(same_host);
        let (first, second) = (regions.next()?, regions.next());
        if second.is_none() {
            return Some(first);
        }
        // Several regions of one machine differ by their ports.
        self.table.iter().find(|region| authority(region).as_ref() == Some(&named))
    }

    /// How many regions there are; never zero.
    pub fn size(&self) -> usize {
        self.table.len().max(1)
    }

    fn find(&self, name: &str) -> Option<&Region> {
        self.table.iter().find(|region| region.name == name)
    }

    fn of(&self, call: &Call) -> Option<&Region> {
        let phone = call.phone.as_ref().map(Phone::calling_code);
        let named =
            || [&call.identifier, &call.username].into_iter().flatten().find_map(|name| self.code(name));
        let code = call.country_calling_code.or(phone).or_else(named)?;
        self.table.iter().find(|region| region.calling_codes.contains(&code))
    }

    /// The calling code of a name that is a phone.
    fn code(&self, name: &str) -> Option<u16> {
        match Identifier::classify(name, self.country) {
            Identifier::Phone(phone) => Some(phone.calling_code()),
            Identifier::Email(_) | Identifier::Username(_) => None,
        }
    }
}

/// Host and port of an address.
#[derive(PartialEq, Eq)]
struct Authority {
    host: String,
    port: u16,
}

impl Authority {
    fn of(address: &str) -> Option<Self> {
        // A reference without a scheme keeps that of the request.
        let absolute = address.strip_prefix("//").map(|rest| format!("http://{rest}"));
        let uri: Uri = absolute.as_deref().unwrap_or(address).parse().ok()?;
        let usual = match uri.scheme_str()? {
            "https" => 443,
            "http" => 80,
            _ => return None,
        };
        Some(Self { host: uri.host()?.to_ascii_lowercase(), port: uri.port_u16().unwrap_or(usual) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Operation, ProblemCode};

    fn table(urls: &[(&str, &str, u16)]) -> RegionTable {
        let region = |(name, url, code): &(&str, &str, u16)| Region {
            base_url: Some((*url).to_owned()),
            calling_codes: vec![*code],
            ..Region::named(name)
        };
        let table = urls.iter().map(region).collect();
        RegionTable::new(&Regions { table, ..Regions::default() }, Country::CHINA)
    }

    fn redirected(table: &RegionTable, status: u16, location: &str) -> Option<String> {
        let answer = Response::builder().status(status).header("Location", location).body(()).unwrap();
        table.redirect(&answer).map(|region| region.name.clone())
    }

    #[test]
    fn a_redirect_means_the_region_whose_host_it_names_and_nothing_else() {
        let table = table(&[("cn", "https://cn.example", 86), ("eu", "https://eu.example/base", 44)]);
        for status in [301, 307, 308] {
            assert_eq!(
                redirected(&table, status, "https://EU.example/api/user/login").as_deref(),
                Some("eu")
            );
        }
        assert_eq!(redirected(&table, 301, "//eu.example/x").as_deref(), Some("eu"));
        assert_eq!(redirected(&table, 302, "https://eu.example/"), None);
        for location in [
            "http://169.254.169.254/",
            "../",
            "/eu.example",
            "eu.example",
            "https://eu.example.evil/",
            "https://evil/eu.example",
            "https://eu.example@evil/",
            "file://eu.example/",
            "",
        ] {
            assert_eq!(redirected(&table, 301, location), None, "{location}");
        }
    }

    #[test]
    fn regions_of_one_host_are_told_apart_by_their_ports() {
        let table = table(&[("cn", "http://127.0.0.1:8081", 86), ("eu", "http://127.0.0.1:8082", 44)]);
        assert_eq!(redirected(&table, 301, "http://127.0.0.1:8082/v1").as_deref(), Some("eu"));
        assert_eq!(redirected(&table, 301, "http://127.0.0.1/v1"), None);
    }

    #[test]
    fn a_name_is_only_an_index_and_without_one_the_phones_country_decides() {
        let table = table(&[("cn", "https://cn.example", 86), ("eu", "https://eu.example", 44)]);
        let mut call = Call::new(Operation::Login);
        let wrong = || Problem::new(ProblemCode::WrongRegion);
        let name = |elsewhere| match elsewhere {
            Elsewhere::Region(region) => region.name.clone(),
            other => format!("{other:?}"),
        };
        assert_eq!(name(table.elsewhere(&call, &wrong().region("eu"), "cn")), "eu");
        assert_eq!(table.elsewhere(&call, &wrong().region("cn"), "cn"), Elsewhere::Same);
        assert_eq!(
            table.elsewhere(&call, &wrong().region("http://169.254.169.254/"), "cn"),
            Elsewhere::Nowhere
        );
        assert_eq!(table.elsewhere(&call, &wrong(), "cn"), Elsewhere::Nowhere);
        call.phone = Phone::from_e164("+447700900123").ok();
        assert_eq!(name(table.elsewhere(&call, &wrong(), "cn")), "eu");
        assert_eq!(table.elsewhere(&call, &wrong(), "eu"), Elsewhere::Nowhere);
    }
}
