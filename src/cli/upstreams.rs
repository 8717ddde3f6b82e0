//! The backends of all regions as the settings name them, with their figures and health checks.

use std::sync::Arc;

use super::Failure;
use super::serve::no_start;
use crate::backend::Backend;
use crate::config::{self, HttpUpstream, Settings};
use crate::gateway::Upstreams;
use crate::observe::Observer;
use crate::server::{PassTarget, PassTargets};
use crate::upstream::Upstream;
use crate::upstream::balancer::Balancer;
use crate::upstream::figures::Figures;
use crate::upstream::http::HttpBackend;

/// One region's backend.
#[derive(Clone)]
struct Serving {
    region: String,
    settings: config::Upstream,
    /// What answers account calls.
    upstream: Arc<dyn Upstream>,
    /// What shares the calls among its addresses, if it has such.
    balancer: Option<Arc<Balancer>>,
}

/// What answers account calls in each region, the own one first.
#[derive(Clone)]
pub(super) struct Backends(Vec<Serving>);

/// The figures of all backends, where operators see them.
pub(super) fn figures(observer: &Observer) -> Result<Figures, Failure> {
    let figures = Figures::new().map_err(no_start)?;
    observer.metrics().include(figures.collectors()).map_err(no_start)?;
    Ok(figures)
}

impl Backends {
    /// What the settings name; those of `before` that did not change are kept, with their connections.
    pub fn of(
        settings: &Settings,
        embedded: &[Backend],
        figures: &Figures,
        before: Option<&Self>,
    ) -> Result<Self, Failure> {
        let mut regions: Vec<_> = settings.upstreams().collect();
        regions.sort_by_key(|(region, _)| *region != settings.regions.own);
        let serving = regions.into_iter().map(|(region, upstream)| {
            let same = |known: &&Serving| known.region == region && known.settings == *upstream;
            match before.and_then(|before| before.0.iter().find(same)) {
                Some(known) => Ok(known.clone()),
                None => Serving::new(region, upstream, embedded, figures),
            }
        });
        let serving = Self(serving.collect::<Result<_, _>>()?);
        for gone in before.iter().flat_map(|before| &before.0) {
            if settings.upstream_of(&gone.region).is_none() {
                figures.region(&gone.region, 0);
            }
        }
        Ok(serving)
    }

    /// Whether both are the same, so that what passes to them may stay as it is.
    pub fn same(&self, other: &Self) -> bool {
        let name = |serving: &Serving| (serving.region.clone(), serving.settings.clone());
        self.0.iter().map(name).eq(other.0.iter().map(name))
    }

    /// What the gateway sends calls to.
    pub fn upstreams(&self) -> Result<Upstreams, Failure> {
        let Some((own, others)) = self.0.split_first() else {
            return Err(Failure::new("the own region has no backend"));
        };
        let own = Upstreams::new(Arc::clone(&own.upstream));
        Ok(others.iter().fold(own, |all, other| all.with(&other.region, Arc::clone(&other.upstream))))
    }

    /// Where what is no account call goes, in each region, if anything may.
    pub fn passing(&self, settings: &Settings) -> Result<PassTargets, Failure> {
        if settings.pass_through.is_empty() {
            return Ok(PassTargets::new());
        }
        let targets = self.0.iter().filter_map(|serving| {
            let (http, balancer) = (serving.settings.http()?, serving.balancer.as_ref()?);
            let target = PassTarget::new(http.clone(), Arc::clone(balancer)).map_err(no_start);
            Some(target.map(|target| (serving.region.clone(), target)))
        });
        targets.collect()
    }
}

impl Serving {
    fn new(
        region: &str,
        settings: &config::Upstream,
        embedded: &[Backend],
        figures: &Figures,
    ) -> Result<Self, Failure> {
        let (upstream, balancer): (Arc<dyn Upstream>, _) = match settings {
            config::Upstream::Http(http) => {
                let backend = http_backend(http, region, figures)?;
                let balancer = Arc::clone(backend.balancer());
                (backend, Some(balancer))
            }
            config::Upstream::Embedded => {
                let backend = embedded.iter().find(|backend| backend.region() == Some(region));
                let backend = backend.ok_or_else(|| {
                    Failure::new("the embedded backend has no place for its data").hint("set `data_dir`")
                })?;
                (Arc::new(backend.clone()), None)
            }
        };
        Ok(Self { region: region.to_owned(), settings: settings.clone(), upstream, balancer })
    }
}

/// A backend elsewhere.
fn http_backend(
    settings: &HttpUpstream,
    region: &str,
    figures: &Figures,
) -> Result<Arc<HttpBackend>, Failure> {
    let figures = figures.region(region, settings.addresses.len());
    let backend = Arc::new(HttpBackend::counted(settings.clone(), figures).map_err(no_start)?);
    backend.start_checks();
    Ok(backend)
}
