//! What differs between two tables of regions, and between the backends of one region.

use super::{Changes, compare_fields};
use crate::config::{HttpUpstream, Region, Regions, Upstream};

pub(super) fn compare_regions(changes: &mut Changes, old: &Regions, new: &Regions) {
    compare_fields!(
        changes,
        "region.",
        old,
        new,
        Regions { own, mode, wrong_region_codes, residents, table }
    );
    // Which of the table's regions differ is said below, but not that they do.
    changes.found.retain(|change| change.key != "region.table");
    let names =
        |regions: &Regions| regions.table.iter().map(|region| region.name.clone()).collect::<Vec<_>>();
    changes.compare("region.table", &names(old), &names(new));
    for (old, new) in old.table.iter().filter_map(|old| Some((old, new.find(&old.name)?))) {
        let prefix = format!("region {:?}.", old.name);
        let Region { name: _, base_url, calling_codes, upstream } = old;
        changes.compare(format!("{prefix}base_url"), base_url, &new.base_url);
        changes.compare(format!("{prefix}calling_codes"), calling_codes, &new.calling_codes);
        match (upstream, &new.upstream) {
            (Some(old), Some(new)) => compare_upstreams(changes, &format!("{prefix}upstream"), old, new),
            (old, new) => changes.compare(format!("{prefix}upstream"), old, new),
        }
    }
}

pub(super) fn compare_upstreams(changes: &mut Changes, name: &str, old: &Upstream, new: &Upstream) {
    let (Upstream::Http(old), Upstream::Http(new)) = (old, new) else {
        let same = old == new;
        return changes.compare(format!("{name}.kind"), &true, &same);
    };
    let prefix = format!("{name}.");
    compare_fields!(
        changes,
        &prefix,
        old,
        new,
        HttpUpstream {
            dialect,
            addresses,
            tls,
            host,
            certificates => "certificates",
            http_version,
            balancing => "balance, ejection, health_check",
            concurrency => "in_flight, queue, queue_timeout",
            base_path,
            connect_timeout,
            first_byte_timeout,
            total_timeout,
            answer_bytes => "answer_size",
            secret,
            app,
            settings,
        }
    );
    changes.weaker(format!("{prefix}tls"), !new.tls);
    changes.weaker(format!("{prefix}secret"), new.secret.is_none());
}
