//! What concerns several parts of the settings at once.

mod regions;

use std::net::SocketAddr;

use super::demo::is_sample;
use super::overrides;
use super::reader::{Place, Reader};
use super::region::RegionPlaces;
use super::{Mode, Settings};

/// Where the parts stand in the file, in their order.
pub(super) struct Places {
    pub listeners: Vec<Place>,
    pub apps: Vec<Place>,
    pub admin: Place,
    pub upstream_app: Place,
    pub data_dir: Place,
    pub store: Place,
    pub pass_through: Place,
    pub regions: RegionPlaces,
}

/// One listening address, and where it is named.
struct Bound {
    address: SocketAddr,
    place: Place,
}

/// Notes what does not go together.
pub(super) fn check(reader: &Reader<'_>, settings: &Settings, places: &Places) {
    let bound = bound(reader, settings, places);
    check_addresses(reader, &bound);
    check_admin(reader, settings, places);
    check_apps(reader, settings, places);
    check_dialects(reader, settings, places);
    check_data_dir(reader, settings, places);
    check_seal(reader, settings, places);
    check_proxies(reader, settings, places);
    regions::check(reader, settings, places);
    let passes = settings.upstreams().any(|(_, upstream)| upstream.http().is_some());
    if !passes && !settings.pass_through.is_empty() {
        reader.error(
            &places.pass_through,
            "the embedded backend has nothing to pass through to",
            "remove [[pass_through]], or set `kind = \"http\"` in [upstream]",
        );
    }
    let open = !settings.is_loopback();
    check_samples(reader, settings, places, open);
    for place in reader.literal_secrets().iter().filter(|_| open) {
        reader.warning(
            place,
            "a secret stands in the config file",
            "move it out: \"env:NAME\" or \"file:PATH\"",
        );
    }
}

fn bound(reader: &Reader<'_>, settings: &Settings, places: &Places) -> Vec<Bound> {
    let listeners = settings.listeners.iter().zip(&places.listeners);
    let listeners = listeners.map(|(listener, place)| Bound {
        address: listener.address,
        place: overrides::place(reader, overrides::LISTEN, place.clone()),
    });
    let admin = settings.admin.iter().map(|admin| Bound {
        address: admin.address,
        place: overrides::place(reader, overrides::ADMIN_LISTEN, places.admin.clone()),
    });
    listeners.chain(admin).collect()
}

fn check_addresses(reader: &Reader<'_>, bound: &[Bound]) {
    for (index, later) in bound.iter().enumerate() {
        let clash = bound.iter().take(index).find(|earlier| overlap(earlier.address, later.address));
        if let Some(earlier) = clash {
            reader.error(
                &later.place,
                format!("{} is taken by {}", later.address, earlier.address),
                "give every listener, the admin listener too, a port of its own",
            );
        }
    }
}

fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let same_address = one.ip() == other.ip();
    let wildcard = one.ip().is_unspecified() || other.ip().is_unspecified();
    let same_family = one.is_ipv4() == other.is_ipv4();
    one.port() != 0 && one.port() == other.port() && (same_address || (wildcard && same_family))
}

fn check_admin(reader: &Reader<'_>, settings: &Settings, places: &Places) {
    let Some(admin) = &settings.admin else { return };
    if admin.token.is_none() && !admin.address.ip().is_loopback() {
        reader.error(
            &overrides::place(reader, overrides::ADMIN_LISTEN, places.admin.clone()),
            format!("the admin listener is open to everybody at {}", admin.address),
            "set `token = \"env:NAME\"` in [admin], or listen on 127.0.0.1",
        );
    }
}

fn check_proxies(reader: &Reader<'_>, settings: &Settings, places: &Places) {
    let listeners = settings.listeners.iter().zip(&places.listeners);
    for (_, place) in listeners.filter(|(listener, _)| listener.proxy_protocol) {
        if settings.clients.trusted_proxies.is_empty() {
            reader.error(
                place,
                "the PROXY protocol is required here, but nobody is trusted to speak it",
                "name the proxies in `trusted_proxies`",
            );
        }
    }
}

fn check_apps(reader: &Reader<'_>, settings: &Settings, places: &Places) {
    for (index, (app, place)) in settings.apps.iter().zip(&places.apps).enumerate() {
        if settings.apps.iter().take(index).any(|earlier| earlier.id == app.id) {
            reader.error(
                place,
                format!("the app {:?} is there twice", app.id),
                "an app has one entry with up to two secrets",
            );
        }
    }
}

fn check_dialects(reader: &Reader<'_>, settings: &Settings, places: &Places) {
    let enforced = settings.apps.iter().any(|app| app.signature == Mode::Enforce);
    for (listener, place) in settings.listeners.iter().zip(&places.listeners) {
        for dialect in &listener.dialects {
            if reader.signs(dialect) && settings.apps.is_empty() {
                reader.warning(
                    place,
                    format!("{dialect:?} is offered here, but no app may sign: all its calls are refused"),
                    "add an [[app]], or leave the dialect out of `dialects`",
                );
            }
            if enforced && !reader.signs(dialect) && !listener.unsigned.contains(dialect) {
                reader.warning(
                    place,
                    format!("{dialect:?} is closed here, because an app's signature is enforced"),
                    format!("open it with `unsigned = [{dialect:?}]`, or leave it out of `dialects`"),
                );
            }
        }
    }
}

fn check_data_dir(reader: &Reader<'_>, settings: &Settings, places: &Places) {
    if settings.data_dir.is_some() {
        return;
    }
    if settings.embedded_regions().next().is_some() {
        reader.error(&places.data_dir, "the embedded backend needs a place for its data", "set `data_dir`");
    }
    if settings.apps.iter().any(|app| app.replay != Mode::Off) {
        reader.warning(
            &places.data_dir,
            "without `data_dir` signed calls are refused for a while after every start",
            "set `data_dir`, where the replay guard writes down the latest time that it accepted",
        );
    }
}

/// A key that a gateway makes for itself opens nothing elsewhere.
fn check_seal(reader: &Reader<'_>, settings: &Settings, places: &Places) {
    if !settings.seal.keys.is_empty() {
        return;
    }
    if settings.store.redis.is_some() || settings.store.instances > 1 {
        reader.error(
            &places.store,
            "several gateways need the same keys for sealed tokens, and each would make its own",
            "add a [seal] with `keys = [{ id = \"2026-11\", secret = \"file:PATH\" }]`, the same for all instances",
        );
    } else if settings.data_dir.is_none() {
        reader.warning(
            &places.data_dir,
            "without `data_dir` sealed tokens end with the process",
            "set `data_dir`, where their key is kept, or name one in [seal]",
        );
    }
}

fn check_samples(reader: &Reader<'_>, settings: &Settings, places: &Places, open: bool) {
    let note = |place: &Place, open: bool| {
        let message = "this is the pair that the vendor published: anybody can sign with it";
        if open {
            reader.error(place, message, "use an app id and a secret of your own");
        } else {
            reader.warning(place, message, "use it for trying things out on this machine only");
        }
    };
    for (app, place) in settings.apps.iter().zip(&places.apps) {
        if is_sample(&app.id) || app.secrets.iter().any(|secret| is_sample(secret.expose())) {
            note(place, open);
        }
    }
    for (upstream, place) in regions::upstreams(settings, places) {
        let Some(upstream) = upstream.http() else { continue };
        let app = upstream.app.as_ref();
        if app.is_some_and(|app| is_sample(&app.id) || is_sample(app.secret.expose())) {
            note(place, open || !upstream.is_loopback());
        }
    }
}
