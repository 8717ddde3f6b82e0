//! What differs between two configs: which keys, never their values; what of it a running process
//! can take, and where a guard gets weaker.

mod regions;
mod throttles;

use std::fmt;

use sha2::{Digest, Sha256};

use super::{Admin, App, Clients, Limits, Listener, Mode, NonceFormat, Replay, Seal, Settings, Throttle};
use crate::hexadecimal;
use regions::{compare_regions, compare_upstreams};
use throttles::compare_throttles;

/// One key whose value differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key, with its table and, where there are several, which of them.
    pub key: String,
    /// Whether only a new process takes it.
    pub needs_restart: bool,
    /// Whether less is refused than before.
    pub weakens: bool,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)
    }
}

/// Compares every field of two values of a type; a field that is not named here does not compile.
macro_rules! compare_fields {
    ($changes:ident, $prefix:expr, $old:expr, $new:expr, $type:ident { $($field:ident $(=> $key:literal)?),+ $(,)? }) => {{
        let $type { $($field),+ } = $old;
        let prefix: &str = $prefix;
        $($changes.compare(format!("{prefix}{}", compare_fields!(@key $field $($key)?)), $field, &$new.$field);)+
    }};
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
}

use compare_fields;

#[derive(Default)]
struct Changes {
    found: Vec<Change>,
    needs_restart: bool,
}

impl Changes {
    fn compare<T: PartialEq>(&mut self, key: impl Into<String>, old: &T, new: &T) {
        if old != new {
            self.note(key);
        }
    }

    fn note(&mut self, key: impl Into<String>) {
        let needs_restart = self.needs_restart;
        self.found.push(Change { key: key.into(), needs_restart, weakens: false });
    }

    /// The same key again, when the guard behind it is weaker now.
    fn weaker(&mut self, key: impl Into<String>, weakens: bool) {
        let key = key.into();
        for change in self.found.iter_mut().filter(|change| weakens && change.key == key) {
            change.weakens = true;
        }
    }

    /// A key that only a new process takes, among others that a reload takes.
    fn only_at_start(&mut self, key: &str) {
        for change in self.found.iter_mut().filter(|change| change.key == key) {
            change.needs_restart = true;
        }
    }

    /// What is compared within only a new process takes.
    fn restarting(&mut self, compare: impl FnOnce(&mut Self)) {
        self.needs_restart = true;
        compare(self);
        self.needs_restart = false;
    }
}

impl Settings {
    /// What differs in `new`, in the order of the file's sections.
    pub fn changes(&self, new: &Self) -> Vec<Change> {
        let mut changes = Changes::default();
        compare(&mut changes, self, new);
        changes.found
    }

    /// Twelve characters that differ where settings do, to tell whether two instances run the same. Secrets
    /// have no part in it: whoever sees it could try out guesses.
    pub fn hash(&self) -> String {
        let digest = Sha256::digest(format!("{self:?}"));
        hexadecimal::encode(digest.get(..6).unwrap_or_default())
    }

    /// What a process that runs these settings makes of `new` without a restart: the new settings
    /// with the old values of everything that needs one.
    pub fn reloaded(&self, new: Self) -> Self {
        let same_addresses = addresses(self) == addresses(&new);
        // Which region lives where, and what passes through, goes with the backends that there are.
        let same_kinds = embedded(self) == embedded(&new);
        Self {
            listeners: if same_addresses && same_kinds {
                self.reloaded_listeners(new.listeners)
            } else {
                self.listeners.clone()
            },
            upstream: if same_kinds { new.upstream } else { self.upstream.clone() },
            pass_through: if same_kinds { new.pass_through } else { self.pass_through.clone() },
            apps: new.apps,
            limits: new.limits,
            throttle: Throttle {
                entries: self.throttle.entries,
                on_store_error: self.throttle.on_store_error,
                ..new.throttle
            },
            clients: self.clients.clone(),
            regions: if same_kinds { new.regions } else { self.regions.clone() },
            default_country: new.default_country,
            dialects_dir: new.dialects_dir,
            dialects: new.dialects,
            admin: self.admin.clone(),
            data_dir: self.data_dir.clone(),
            upgrade_socket: self.upgrade_socket.clone(),
            replay: self.replay.clone(),
            store: self.store.clone(),
            seal: new.seal,
            shutdown: self.shutdown.clone(),
            log: self.log,
            traces: self.traces.clone(),
            backends: self.backends.clone(),
            demo: self.demo,
        }
    }

    /// Who is trusted to speak the PROXY protocol is known at the start only, and so is who has to.
    fn reloaded_listeners(&self, new: Vec<Listener>) -> Vec<Listener> {
        let kept = self.listeners.iter().map(|listener| listener.proxy_protocol);
        new.into_iter().zip(kept).map(|(new, proxy_protocol)| Listener { proxy_protocol, ..new }).collect()
    }
}

fn addresses(settings: &Settings) -> Vec<std::net::SocketAddr> {
    settings.listeners.iter().map(|listener| listener.address).collect()
}

/// The regions of the embedded backends, the own one first, and the file that they share.
fn embedded(settings: &Settings) -> (Option<&str>, Vec<&str>, Option<&std::path::Path>) {
    let own = settings.upstream.http().is_none().then_some(settings.regions.own.as_str());
    (own, settings.embedded_regions().collect(), settings.regions.residents.as_deref())
}

fn compare(changes: &mut Changes, old: &Settings, new: &Settings) {
    // Exhaustive, so that a new section has to find its place here. The embedded backend follows from others.
    let Settings {
        listeners,
        admin,
        data_dir,
        upgrade_socket,
        upstream,
        pass_through,
        apps,
        limits,
        clients,
        throttle,
        replay,
        store,
        seal,
        regions,
        shutdown,
        log,
        traces,
        backends: _,
        default_country,
        dialects_dir,
        dialects,
        demo: _,
    } = old;
    changes.restarting(|changes| {
        changes.compare("data_dir", data_dir, &new.data_dir);
        changes.compare("upgrade_socket", upgrade_socket, &new.upgrade_socket);
    });
    changes.compare("default_country", default_country, &new.default_country);
    changes.compare("dialects_dir", dialects_dir, &new.dialects_dir);
    changes.compare("dialects", dialects, &new.dialects);
    let other_kinds = embedded(old) != embedded(new);
    changes.needs_restart = other_kinds;
    compare_listeners(changes, listeners, &new.listeners);
    changes.restarting(|changes| compare_admin(changes, admin.as_ref(), new.admin.as_ref()));
    changes.needs_restart = other_kinds;
    compare_upstreams(changes, "upstream", upstream, &new.upstream);
    changes.compare("pass_through", pass_through, &new.pass_through);
    let opened = new.pass_through.iter().any(|rule| !pass_through.contains(rule));
    changes.weaker("pass_through", opened);
    changes.needs_restart = false;
    compare_apps(changes, apps, &new.apps);
    compare_limits(changes, limits, &new.limits);
    changes.restarting(|changes| {
        compare_fields!(changes, "", clients, new.clients, Clients { trusted_proxies, header => "client_address_header" });
    });
    compare_throttles(changes, throttle, &new.throttle);
    changes.restarting(|changes| {
        compare_fields!(
            changes,
            "replay.",
            replay,
            new.replay,
            Replay { entries, entries_per_app, scope, on_store_error }
        );
    });
    changes.restarting(|changes| changes.compare("store", store, &new.store));
    compare_fields!(changes, "seal.", seal, new.seal, Seal { keys });
    changes.needs_restart = other_kinds;
    compare_regions(changes, regions, &new.regions);
    changes.needs_restart = false;
    changes.restarting(|changes| {
        changes.compare("shutdown", shutdown, &new.shutdown);
        changes.compare("log", log, &new.log);
        changes.compare("traces", traces, &new.traces);
    });
}

fn compare_listeners(changes: &mut Changes, old: &[Listener], new: &[Listener]) {
    let addresses =
        |listeners: &[Listener]| listeners.iter().map(|listener| listener.address).collect::<Vec<_>>();
    if addresses(old) != addresses(new) {
        return changes.restarting(|changes| changes.note("listener.address"));
    }
    for (old, new) in old.iter().zip(new) {
        let prefix = format!("listener {}.", old.address);
        compare_fields!(
            changes,
            &prefix,
            old,
            new,
            Listener {
                address,
                dialects,
                default_dialect,
                unsigned,
                settings,
                hosts,
                region,
                tls,
                http2,
                cors_origins,
                proxy_protocol
            }
        );
        changes.only_at_start(&format!("{prefix}proxy_protocol"));
        changes.weaker(format!("{prefix}tls"), new.tls.is_empty());
        let more = |old: &[String], new: &[String]| new.iter().any(|name| !old.contains(name));
        changes.weaker(format!("{prefix}cors_origins"), more(&old.cors_origins, &new.cors_origins));
        changes.weaker(format!("{prefix}unsigned"), more(&old.unsigned, &new.unsigned));
        changes.weaker(format!("{prefix}dialects"), more(&old.dialects, &new.dialects));
    }
}

fn compare_admin(changes: &mut Changes, old: Option<&Admin>, new: Option<&Admin>) {
    match (old, new) {
        (Some(old), Some(new)) => {
            compare_fields!(changes, "admin.", old, new, Admin { address, token, hosts });
            changes.weaker("admin.token", new.token.is_none());
        }
        (None, None) => {}
        _ => changes.note("admin.enabled"),
    }
}

fn compare_apps(changes: &mut Changes, old: &[App], new: &[App]) {
    let find = |apps: &'_ [App], id: &str| apps.iter().position(|app| app.id == id);
    for gone in old.iter().filter(|app| find(new, &app.id).is_none()) {
        changes.note(format!("app {:?} (removed)", gone.id));
    }
    for app in new {
        match find(old, &app.id).and_then(|index| old.get(index)) {
            Some(before) => compare_app(changes, before, app),
            None => changes.note(format!("app {:?} (added)", app.id)),
        }
    }
}

fn compare_app(changes: &mut Changes, old: &App, new: &App) {
    let prefix = format!("app {:?}.", new.id);
    compare_fields!(
        changes,
        &prefix,
        old,
        new,
        App {
            id,
            secrets,
            operations,
            signature,
            past => "clock_window.past",
            future => "clock_window.future",
            replay,
            replay_key,
            nonce_format,
        }
    );
    let mut weaker = |key: &str, weakens| changes.weaker(format!("{prefix}{key}"), weakens);
    weaker("signature", strictness(new.signature) < strictness(old.signature));
    weaker("replay", strictness(new.replay) < strictness(old.replay));
    weaker("clock_window.past", new.past > old.past);
    weaker("clock_window.future", new.future > old.future);
    weaker("nonce_format", new.nonce_format == NonceFormat::Any);
    let more = match (&old.operations, &new.operations) {
        (Some(old), Some(new)) => new.iter().any(|operation| !old.contains(operation)),
        (Some(_), None) => true,
        (None, _) => false,
    };
    weaker("operations", more);
}

const fn strictness(mode: Mode) -> u8 {
    match mode {
        Mode::Enforce => 2,
        Mode::Report => 1,
        Mode::Off => 0,
    }
}

fn compare_limits(changes: &mut Changes, old: &Limits, new: &Limits) {
    compare_fields!(
        changes,
        "limits.",
        old,
        new,
        Limits {
            connections,
            connections_per_address,
            calls_per_second_per_address,
            burst_per_address,
            in_flight,
            header_bytes => "header_size",
            header_timeout,
            body_bytes => "body_size",
            body_timeout,
            call_timeout,
            keepalive,
            json_depth,
            body_bytes_in_all => "body_size_in_all",
        }
    );
    let off = |old: bool, new: bool| old && !new;
    changes.weaker(
        "limits.connections_per_address",
        off(old.connections_per_address.is_some(), new.connections_per_address.is_some()),
    );
    changes.weaker(
        "limits.calls_per_second_per_address",
        off(old.calls_per_second_per_address.is_some(), new.calls_per_second_per_address.is_some()),
    );
}
