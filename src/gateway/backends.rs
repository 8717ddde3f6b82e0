//! Where calls can be sent: the backends of the regions, each in its own dialect.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::BuildError;
use super::roster::Roster;
use crate::config::{self, Settings, UpstreamApp};
use crate::dialect::CANONICAL;
use crate::upstream::Upstream;

/// What answers calls, for each region that calls can be sent to.
#[derive(Clone)]
pub struct Upstreams {
    own: Arc<dyn Upstream>,
    others: BTreeMap<String, Arc<dyn Upstream>>,
}

impl Upstreams {
    /// The backend of the own region alone.
    pub fn new(own: Arc<dyn Upstream>) -> Self {
        Self { own, others: BTreeMap::new() }
    }

    /// The same with the backend of another region.
    #[must_use]
    pub fn with(mut self, region: &str, upstream: Arc<dyn Upstream>) -> Self {
        self.others.insert(region.to_owned(), upstream);
        self
    }

    fn of(&self, settings: &Settings, region: &str) -> Option<&Arc<dyn Upstream>> {
        if region == settings.regions.own { Some(&self.own) } else { self.others.get(region) }
    }
}

impl<U: Upstream + 'static> From<Arc<U>> for Upstreams {
    fn from(own: Arc<U>) -> Self {
        Self::new(own)
    }
}

/// One region's backend, as the exchange sees it.
pub(super) struct RegionBackend {
    /// The region's name.
    pub region: Box<str>,
    /// What answers there.
    pub upstream: Arc<dyn Upstream>,
    /// Index of the dialect that it speaks.
    pub dialect: usize,
    /// The app as which the gateway signs there.
    pub app: Option<UpstreamApp>,
    /// Which backend a remembered challenge is for: its region and dialect.
    pub slot: String,
}

/// The backends of all regions, and which of them each listener's clients mean.
pub(super) struct RegionBackends {
    all: Vec<RegionBackend>,
    own: RegionBackend,
    /// For each listener the place of its region's backend among `all`; the own one's where `None`.
    homes: Vec<Option<usize>>,
}

impl RegionBackends {
    pub fn new(settings: &Settings, upstreams: &Upstreams, roster: &mut Roster) -> Result<Self, BuildError> {
        let own = backend(&settings.regions.own, &settings.upstream, upstreams.own.clone(), roster)?;
        let mut all = Vec::new();
        let others = settings.upstreams().filter(|(region, _)| *region != settings.regions.own);
        for (region, upstream) in others {
            if let Some(answers) = upstreams.of(settings, region) {
                all.push(backend(region, upstream, answers.clone(), roster)?);
            }
        }
        let place = |region: &str| all.iter().position(|backend| *backend.region == *region);
        let homes = settings.listeners.iter().map(|listener| place(settings.region_of(listener))).collect();
        Ok(Self { all, own, homes })
    }

    /// The backend of the region that a listener serves.
    pub fn home(&self, listener: usize) -> &RegionBackend {
        let place = self.homes.get(listener).copied().flatten();
        place.and_then(|place| self.all.get(place)).unwrap_or(&self.own)
    }

    /// The backend of a region.
    pub fn of(&self, region: &str) -> Option<&RegionBackend> {
        self.iter().find(|backend| *backend.region == *region)
    }

    /// Every backend, the own region's first.
    pub fn iter(&self) -> impl Iterator<Item = &RegionBackend> {
        std::iter::once(&self.own).chain(&self.all)
    }

    /// Whether there is more than one.
    pub fn are_many(&self) -> bool {
        !self.all.is_empty()
    }
}

fn backend(
    region: &str,
    settings: &config::Upstream,
    upstream: Arc<dyn Upstream>,
    roster: &mut Roster,
) -> Result<RegionBackend, BuildError> {
    let (name, chosen, app) = match settings.http() {
        Some(http) => (http.dialect.as_str(), http.settings.clone(), http.app.clone()),
        None => (CANONICAL, BTreeMap::new(), None),
    };
    let dialect = roster.index(name, &chosen)?;
    Ok(RegionBackend { region: region.into(), upstream, dialect, app, slot: format!("{region} {name}") })
}
