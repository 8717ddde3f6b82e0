//! Keeps a checked connection, and looks again and again whether it can still be believed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::session::{Opening, Session, opening_limit};
use super::{CLOCK_LIMIT_MILLIS, OpenError, Shared};

/// How often the servers are looked at.
const GLANCE: Duration = Duration::from_secs(1);
/// The same while the breaker is open, so that calls pass soon after Redis is back.
const PROBE: Duration = Duration::from_millis(200);
/// How often clocks are compared.
const CLOCK_CHECK: Duration = Duration::from_secs(10);
/// Between two tries to connect.
const RECONNECT: Duration = Duration::from_millis(200);
/// So many glances without an answer, and the connection is made anew.
const SILENT_GLANCES: u32 = 5;
/// An offset beyond which operators are warned, and a step beyond which a clock was set.
const WARN_MILLIS: i64 = 1_000;

/// What the supervisor knows from one glance to the next.
#[derive(Default)]
struct Watch {
    silent: u32,
    clock_checked: Option<Instant>,
    /// What the servers' clock said, and when that was.
    clock: Option<(i64, Instant)>,
    distrust: bool,
    complaint: Option<String>,
}

pub(super) async fn run(shared: Arc<Shared>) {
    let mut watch = Watch::default();
    loop {
        let session = shared.session.borrow().clone();
        match session {
            None => reconnect(&shared, &mut watch).await,
            Some(session) => {
                let pause = if shared.breaker.is_tripped() { PROBE } else { GLANCE };
                tokio::select! {
                    () = shared.lost.notified() => {}
                    () = sleep(pause) => look(&shared, &session, &mut watch).await,
                }
            }
        }
        shared.figures.set_breaker_open(shared.breaker.is_tripped());
    }
}

impl Shared {
    /// Opens a session and lets calls use it.
    pub(super) async fn connect(&self, distrust: bool) -> Result<(), OpenError> {
        let opening = Opening {
            scripts: &self.scripts,
            keys: &self.keys,
            terms: &self.terms,
            clock: self.clock.as_ref(),
            never_evicts: self.settings.never_evicts,
            distrust,
        };
        let open = async {
            let master = self.connector.master().await.map_err(OpenError::Redis)?;
            let link = self.connector.connect(&self.settings).await.map_err(OpenError::Redis)?;
            Session::open(link, master, &opening).await
        };
        let limit = opening_limit(self.settings.connect_timeout);
        let session = timeout(limit, open).await.map_err(|_| OpenError::Timeout)??;
        self.note_offset(&session).await;
        self.floor.fetch_max(session.floor, Ordering::SeqCst);
        self.breaker.succeeded();
        self.figures.set_connected(true);
        self.session.send_replace(Some(Arc::new(session)));
        Ok(())
    }

    async fn note_offset(&self, session: &Session) -> Option<i64> {
        let asked = timeout(self.probe_timeout(), session.clock_offset(self.clock.as_ref())).await;
        let offset = asked.ok()?.ok()?;
        self.clock_offset.store(offset, Ordering::Relaxed);
        self.figures.set_clock_offset(offset);
        Some(offset)
    }
}

async fn reconnect(shared: &Shared, watch: &mut Watch) {
    match shared.connect(watch.distrust).await {
        Ok(()) => {
            let complaint = watch.complaint.take();
            *watch = Watch::default();
            let floor = shared.floor.load(Ordering::SeqCst);
            if complaint.is_some() {
                tracing::info!(floor, "the shared store is back");
            } else {
                tracing::info!(floor, "the shared store was looked at anew");
            }
        }
        Err(error) => {
            let message = error.to_string();
            if watch.complaint.as_ref() != Some(&message) {
                tracing::error!(error = message, "the shared store can't be used");
                watch.complaint = Some(message);
            }
            sleep(RECONNECT).await;
        }
    }
}

async fn look(shared: &Shared, session: &Arc<Session>, watch: &mut Watch) {
    match timeout(shared.probe_timeout(), session.is_unchanged(&shared.keys)).await {
        Ok(Ok(true)) => {
            watch.silent = 0;
            shared.breaker.succeeded();
        }
        Ok(Ok(false)) => {
            tracing::warn!("the shared store's servers changed or forgot; the replay floor rises");
            return shared.lose(session);
        }
        Ok(Err(error)) if !error.is_timeout() && !session.link.is_cluster() => return shared.lose(session),
        Ok(Err(_)) | Err(_) => {
            watch.silent += 1;
            if watch.silent >= SILENT_GLANCES {
                watch.silent = 0;
                shared.lose(session);
            }
            return;
        }
    }
    if session.master.is_some() && has_moved(shared, session).await {
        tracing::warn!("the Sentinels name another master");
        return shared.lose(session);
    }
    if watch.clock_checked.is_none_or(|checked| checked.elapsed() >= CLOCK_CHECK) {
        watch.clock_checked = Some(Instant::now());
        compare_clocks(shared, session, watch).await;
    }
}

async fn has_moved(shared: &Shared, session: &Session) -> bool {
    match timeout(shared.settings.connect_timeout, shared.connector.master()).await {
        Ok(Ok(master)) => master != session.master,
        // Sentinels that don't answer name no other master.
        Ok(Err(_)) | Err(_) => false,
    }
}

async fn compare_clocks(shared: &Shared, session: &Arc<Session>, watch: &mut Watch) {
    let Some(offset) = shared.note_offset(session).await else {
        return;
    };
    if offset.abs() > CLOCK_LIMIT_MILLIS {
        tracing::error!(milliseconds = offset, "the clock is far off the shared store's; not ready");
    } else if offset.abs() > WARN_MILLIS {
        tracing::warn!(milliseconds = offset, "the clock is off the shared store's");
    }
    let (time, asked) = (shared.clock.now().millis() + offset, Instant::now());
    let Some((before, then)) = watch.clock.replace((time, asked)) else {
        return;
    };
    let passed = i64::try_from((asked - then).as_millis()).unwrap_or(i64::MAX);
    if (time - before).saturating_sub(passed).abs() > WARN_MILLIS {
        tracing::warn!("the shared store's clock was set; the replay floor rises");
        watch.distrust = true;
        shared.lose(session);
    }
}
