//! The region table: a closed list of names. What a backend says is only ever an index into it.

use crate::account::{Call, Problem, ProblemCode, Reply};
use crate::config::{Region, Regions};

pub(super) struct RegionTable {
    own: String,
    table: Vec<Region>,
}

impl RegionTable {
    pub(super) fn new(regions: &Regions) -> Self {
        Self { own: regions.own.clone(), table: regions.table.clone() }
    }

    /// The region that this gateway serves.
    pub(super) fn own(&self) -> &str {
        &self.own
    }

    /// Answers a region query from the table alone.
    pub(super) fn answer(&self, call: &Call) -> Reply {
        let region = self.of(call);
        let name = region.map_or(self.own.as_str(), |region| &region.name);
        let base_url = region.and_then(|region| region.base_url.clone());
        Reply { region: Some(name.to_owned()), base_url, ..Reply::default() }
    }

    /// What a client is told when its account lives elsewhere: a region of the table, and never
    /// the one that was just asked, or it would ask there for ever.
    pub(super) fn tell(&self, call: &Call, problem: Problem) -> Problem {
        let named = match &problem.region {
            Some(name) => self.table.iter().find(|region| region.name == **name),
            None => self.of(call),
        };
        match named {
            Some(region) if region.name != self.own => problem.region(region.name.clone()),
            Some(_) if problem.region.is_some() => Problem::new(ProblemCode::Internal),
            _ => Problem::new(ProblemCode::UpstreamUnintelligible),
        }
    }

    fn of(&self, call: &Call) -> Option<&Region> {
        let code = call.country_calling_code.or(call.phone.as_ref().map(|phone| phone.calling_code()))?;
        self.table.iter().find(|region| region.calling_codes.contains(&code))
    }
}
