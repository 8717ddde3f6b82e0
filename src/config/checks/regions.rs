//! Whether calls can go to the regions that the config names, and sessions be found again there.

use std::collections::BTreeSet;

use super::Places;
use crate::config::reader::Reader;
use crate::config::{RegionMode, Settings, Upstream};

pub(super) fn check(reader: &Reader<'_>, settings: &Settings, places: &Places) {
    check_listeners(reader, settings, places);
    check_upstreams(reader, settings, places);
    check_following(reader, settings, places);
    if settings.regions.residents.is_some() && settings.embedded_regions().next().is_none() {
        reader.error(
            &places.regions.residents,
            "`residents` has no meaning without an embedded backend",
            "remove it",
        );
    }
}

fn check_listeners(reader: &Reader<'_>, settings: &Settings, places: &Places) {
    for (listener, place) in settings.listeners.iter().zip(&places.listeners) {
        let Some(region) = listener.region.as_deref() else { continue };
        if settings.regions.find(region).is_none() {
            let hint = "add a [[region.table]] with that name, or remove the listener's `region`";
            reader.error(place, format!("the region {region:?} of this listener is not in the table"), hint);
        } else if settings.upstream_of(region).is_none() {
            let hint = "give it one with [region.table.upstream], or remove the listener's `region`";
            reader.error(place, format!("the region {region:?} of this listener has no upstream"), hint);
        }
    }
}

fn check_upstreams(reader: &Reader<'_>, settings: &Settings, places: &Places) {
    let served: BTreeSet<&str> =
        settings.listeners.iter().map(|listener| settings.region_of(listener)).collect();
    for (region, place) in settings.regions.table.iter().zip(&places.regions.upstreams) {
        if region.upstream.is_none() {
            continue;
        }
        if region.name == settings.regions.own {
            reader.error(place, "the own region's backend is that of [upstream]", "remove this one");
        } else if settings.regions.mode == RegionMode::Tell && !served.contains(region.name.as_str()) {
            let hint = "set `mode = \"auto\"` in [region], or give a listener this `region`";
            reader.warning(place, "with `mode = \"tell\"` no call goes to this backend", hint);
        }
    }
}

/// A session that was opened in another region must be found again by every instance.
fn check_following(reader: &Reader<'_>, settings: &Settings, places: &Places) {
    let regions = &settings.regions;
    if regions.mode == RegionMode::Follow {
        let lacks = |region: &&crate::config::Region| settings.upstream_of(&region.name).is_none();
        for region in regions.table.iter().filter(lacks) {
            reader.error(
                &places.regions.mode,
                format!("calls can't be followed to the region {:?}, which has no upstream", region.name),
                "give it one with [region.table.upstream], or set `mode = \"auto\"`",
            );
        }
    }
    let follows = regions.mode != RegionMode::Tell && settings.upstreams().nth(1).is_some();
    if follows && settings.store.redis.is_none() && settings.store.instances > 1 {
        reader.error(
            &places.regions.mode,
            "the region of a followed session would be known to one instance alone",
            "share a store: `kind = \"redis\"` in [store]; or set `mode = \"tell\"` in [region]",
        );
    }
}

/// The upstreams of all regions with their places, the own one first.
pub(super) fn upstreams<'a>(
    settings: &'a Settings,
    places: &'a Places,
) -> impl Iterator<Item = (&'a Upstream, &'a crate::config::reader::Place)> {
    let others = settings.regions.table.iter().zip(&places.regions.upstreams);
    let others = others.filter_map(|(region, place)| Some((region.upstream.as_ref()?, place)));
    std::iter::once((&settings.upstream, &places.upstream_app)).chain(others)
}
