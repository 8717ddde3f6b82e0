//! What the replay memory knows of each app: its share of the entries, the policy by which it was
//! remembered, and a floor of its own for the time before that policy.
//!
//! Apps come and go with reloads of the config, the memory stays. An app that is taken out is kept
//! in mind: when it comes back, its requests of before are still known.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::config::{App, Mode, Replay, ReplayKey};
use crate::store::AppShare;

/// All apps that this process was ever told of.
#[derive(Debug, Clone, Default)]
pub(super) struct Tenants {
    apps: HashMap<String, Tenant>,
    /// Seconds of the longest window: an entry outlives every window, since the requests of one
    /// second are remembered and forgotten together.
    pub window: i64,
    /// Seconds of the longest future window.
    pub future: i64,
}

/// All of that, for another process to carry on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedTenants {
    apps: Vec<SavedTenant>,
    window: i64,
    future: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct SavedTenant {
    id: String,
    floor: i64,
    remembered: bool,
    past: Duration,
    ahead: Duration,
    by_signature: bool,
}

/// One app.
#[derive(Debug, Clone)]
pub(super) struct Tenant {
    pub share: Arc<AppShare>,
    /// No request of this second or an earlier one passes.
    pub floor: i64,
    remembered: bool,
    past: Duration,
    ahead: Duration,
    key: ReplayKey,
}

impl Tenant {
    fn new(app: &App, bounds: &Replay) -> Self {
        let share =
            AppShare { id: app.id.clone(), entries: AtomicUsize::new(0), bound: bounds.entries_per_app };
        Self {
            share: Arc::new(share),
            floor: i64::MIN,
            remembered: app.replay != Mode::Off,
            past: app.past,
            ahead: app.future,
            key: app.replay_key,
        }
    }

    /// Whether requests may come that were not remembered, or not this way, or no longer.
    fn is_stricter_than(&self, before: &Self) -> bool {
        let remembered_now = self.remembered && !before.remembered;
        let wider = self.past > before.past || self.ahead > before.ahead;
        remembered_now || wider || self.key != before.key
    }
}

impl Tenants {
    /// The apps of a start.
    pub fn of(apps: &[App], bounds: &Replay) -> Self {
        Self::default().with(apps, bounds, Moment::from_millis(i64::MIN))
    }

    /// The same with the apps of a reload at `now`.
    pub fn with(&self, apps: &[App], bounds: &Replay, now: Moment) -> Self {
        let mut next = self.clone();
        for app in apps {
            let mut tenant = Tenant::new(app, bounds);
            let window = seconds(tenant.past.saturating_add(tenant.ahead));
            let outlives_entries = !self.apps.is_empty() && window > self.window;
            let mut stricter = outlives_entries;
            if let Some(before) = self.apps.get(&app.id) {
                tenant.share = Arc::clone(&before.share);
                tenant.floor = before.floor;
                stricter |= tenant.is_stricter_than(before);
            }
            if stricter {
                // Nothing was accepted whose time lies further ahead.
                tenant.floor = tenant.floor.max(now.seconds().saturating_add(self.future));
            }
            next.window = next.window.max(window);
            next.future = next.future.max(seconds(tenant.ahead));
            next.apps.insert(app.id.clone(), tenant);
        }
        next
    }

    /// Everything that is known of the apps.
    pub fn save(&self) -> SavedTenants {
        let saved = |(id, tenant): (&String, &Tenant)| SavedTenant {
            id: id.clone(),
            floor: tenant.floor,
            remembered: tenant.remembered,
            past: tenant.past,
            ahead: tenant.ahead,
            by_signature: tenant.key == ReplayKey::Signature,
        };
        SavedTenants { apps: self.apps.iter().map(saved).collect(), window: self.window, future: self.future }
    }

    /// What another process knew of them.
    pub fn restore(saved: SavedTenants, bounds: &Replay) -> Self {
        let tenant = |saved: SavedTenant| {
            let share = AppShare {
                id: saved.id.clone(),
                entries: AtomicUsize::new(0),
                bound: bounds.entries_per_app,
            };
            let tenant = Tenant {
                share: Arc::new(share),
                floor: saved.floor,
                remembered: saved.remembered,
                past: saved.past,
                ahead: saved.ahead,
                key: if saved.by_signature { ReplayKey::Signature } else { ReplayKey::Nonce },
            };
            (saved.id, tenant)
        };
        Self {
            apps: saved.apps.into_iter().map(tenant).collect(),
            window: saved.window,
            future: saved.future,
        }
    }

    pub fn find(&self, id: &str) -> Option<&Tenant> {
        self.apps.get(id)
    }

    /// The highest floor of any app.
    pub fn highest_floor(&self) -> i64 {
        self.apps.values().map(|tenant| tenant.floor).max().unwrap_or(i64::MIN)
    }
}

/// Rounded up.
fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_seconds(1_700_000_000);

    fn app(change: impl FnOnce(&mut App)) -> App {
        let mut app = App::new("app", "secret");
        change(&mut app);
        app
    }

    fn floor_after(before: App, after: App) -> i64 {
        let bounds = Replay::default();
        let tenants = Tenants::of(&[before], &bounds).with(std::slice::from_ref(&after), &bounds, NOW);
        tenants.find(&after.id).unwrap().floor
    }

    #[test]
    fn only_a_stricter_policy_raises_the_floor_of_an_app() {
        let raised = NOW.seconds() + 30;
        let off = app(|app| app.replay = Mode::Off);
        assert_eq!(floor_after(off.clone(), app(|_| {})), raised);
        assert_eq!(floor_after(app(|_| {}), app(|app| app.past = Duration::from_secs(301))), raised);
        assert_eq!(floor_after(app(|_| {}), app(|app| app.future = Duration::from_secs(31))), raised);
        assert_eq!(floor_after(app(|_| {}), app(|app| app.replay_key = ReplayKey::Signature)), raised);
        let unchanged = [
            off,
            app(|_| {}),
            app(|app| app.past = Duration::from_secs(9)),
            app(|app| app.replay = Mode::Report),
        ];
        for after in unchanged {
            assert_eq!(floor_after(app(|_| {}), after.clone()), i64::MIN, "{after:?}");
        }
    }

    #[test]
    fn a_new_app_has_a_floor_only_if_its_window_outlives_what_is_remembered() {
        assert_eq!(floor_after(app(|_| {}), App::new("new", "secret")), i64::MIN);
        let mut long = App::new("new", "secret");
        long.past = Duration::from_secs(86_400);
        assert_eq!(floor_after(app(|_| {}), long), NOW.seconds() + 30);
    }

    #[test]
    fn an_app_that_comes_back_has_its_share_and_its_past() {
        let bounds = Replay::default();
        let start = Tenants::of(&[app(|app| app.replay = Mode::Off)], &bounds);
        let without = start.with(&[], &bounds, NOW);
        let back = without.with(&[app(|_| {})], &bounds, NOW);
        let share = |tenants: &Tenants| Arc::clone(&tenants.find("app").unwrap().share);
        assert!(Arc::ptr_eq(&share(&start), &share(&back)));
        assert_eq!(back.find("app").unwrap().floor, NOW.seconds() + 30);
    }
}
