//! The backends as the settings name them, with their figures and health checks.

use std::sync::Arc;

use super::Failure;
use super::serve::no_start;
use crate::backend::Backend;
use crate::config::{self, HttpUpstream, Settings};
use crate::observe::Observer;
use crate::server::PassTarget;
use crate::upstream::Upstream;
use crate::upstream::balancer::Balancer;
use crate::upstream::figures::Figures;
use crate::upstream::http::HttpBackend;

/// What answers account calls, and what shares the calls among its addresses if it has such.
#[derive(Clone)]
pub(super) struct Backends {
    pub upstream: Arc<dyn Upstream>,
    pub balancer: Option<Arc<Balancer>>,
}

/// The figures of all backends, where operators see them.
pub(super) fn figures(observer: &Observer) -> Result<Figures, Failure> {
    let figures = Figures::new().map_err(no_start)?;
    observer.metrics().include(figures.collectors()).map_err(no_start)?;
    Ok(figures)
}

/// What the settings name.
pub(super) fn backends(
    settings: &Settings,
    embedded: Option<&Backend>,
    figures: &Figures,
) -> Result<Backends, Failure> {
    match (&settings.upstream, embedded) {
        (config::Upstream::Http(http), _) => http_backend(http, &settings.regions.own, figures),
        (config::Upstream::Embedded, Some(backend)) => {
            Ok(Backends { upstream: Arc::new(backend.clone()), balancer: None })
        }
        (config::Upstream::Embedded, None) => {
            Err(Failure::new("the embedded backend has no place for its data").hint("set `data_dir`"))
        }
    }
}

/// A backend elsewhere.
pub(super) fn http_backend(
    settings: &HttpUpstream,
    region: &str,
    figures: &Figures,
) -> Result<Backends, Failure> {
    let figures = figures.region(region, settings.addresses.len());
    let backend = Arc::new(HttpBackend::counted(settings.clone(), figures).map_err(no_start)?);
    backend.start_checks();
    let balancer = Some(Arc::clone(backend.balancer()));
    Ok(Backends { upstream: backend, balancer })
}

/// Where what is no account call goes, if anything may.
pub(super) fn passing(
    settings: &Settings,
    balancer: Option<&Arc<Balancer>>,
) -> Result<Option<PassTarget>, Failure> {
    match (settings.upstream.http(), balancer) {
        (Some(http), Some(balancer)) if !settings.pass_through.is_empty() => {
            PassTarget::new(http.clone(), Arc::clone(balancer)).map(Some).map_err(no_start)
        }
        _ => Ok(None),
    }
}
