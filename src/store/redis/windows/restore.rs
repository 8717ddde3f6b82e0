//! Tells Redis, when it is back, what this instance counted meanwhile; and if Redis forgot, all that
//! this instance still knows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Inner;
use super::debts::Debt;
use crate::store::redis::session::Session;
use crate::store::windows::subject;

/// Between two looks at a Redis that is away, and after a failure.
const PAUSE: Duration = Duration::from_millis(50);

/// Events that one script writes.
const BATCH: usize = 100;

/// Scripts under way at once.
const AT_ONCE: usize = 16;

pub(super) async fn run(inner: Arc<Inner>) {
    let mut sessions = inner.shared().session.subscribe();
    let mut debts = inner.debts.watch();
    // Of which servers it is known that they forgot nothing since.
    let mut known: Option<String> = None;
    loop {
        let session = sessions.borrow_and_update().clone();
        debts.mark_unchanged();
        let settled = session.as_ref().is_none_or(|session| inner.debts.is_settled_with(&session.generation));
        let Some(session) = session.filter(|_| !settled) else {
            tokio::select! {
                changed = sessions.changed() => if changed.is_err() { return },
                changed = debts.changed() => if changed.is_err() { return },
            }
            continue;
        };
        let forgot = known.as_ref() != Some(&session.generation);
        if inner.shared().breaker.is_tripped() || !inner.catch_up(&session, forgot).await {
            sleep(PAUSE).await;
            continue;
        }
        known = Some(session.generation.clone());
    }
}

impl Inner {
    /// Whether Redis was told all.
    async fn catch_up(self: &Arc<Self>, session: &Arc<Session>, forgot: bool) -> bool {
        let debts = self.debts.take();
        let mut all = debts.clone();
        if forgot {
            self.blocks.forget();
            all.extend(self.local.events());
        }
        let count = all.len();
        let mut batches = batches(all, session.link.is_cluster()).into_iter();
        let mut under_way = JoinSet::new();
        let mut told = true;
        loop {
            while told
                && under_way.len() < AT_ONCE
                && let Some(batch) = batches.next()
            {
                let (inner, session) = (Arc::clone(self), Arc::clone(session));
                under_way.spawn(async move { inner.write(&session, &batch).await });
            }
            let Some(written) = under_way.join_next().await else { break };
            told &= matches!(written, Ok(true));
        }
        if !told {
            // Telling twice does no harm: an event is known by its owner.
            self.debts.note(debts);
            return false;
        }
        self.shared().figures.wrote_back(count);
        if count > 0 {
            tracing::info!(events = count, "the shared store was told what this instance counted");
        }
        let settled = self.debts.told(&session.generation);
        self.shared().figures.set_alone(!settled);
        settled
    }

    async fn write(&self, session: &Arc<Session>, batch: &[Debt]) -> bool {
        let now = self.shared().clock.now();
        let mut restore = self.scripts.restore.prepare_invoke();
        for (key, owner) in batch {
            let stays = self.local.until(*key, *owner).map_or(0, |until| until.millis() - now.millis());
            restore.key(self.shared().keys.window(*key)).arg(&owner.to_be_bytes()[..]).arg(stays);
        }
        self.shared().run::<i64>(session, &restore).await.is_ok()
    }
}

/// Events that one script can write: in a cluster, those of one subject. Where there are none, one
/// script writes nothing, which proves that Redis is there.
fn batches(all: Vec<Debt>, cluster: bool) -> Vec<Vec<Debt>> {
    if all.is_empty() {
        return vec![all];
    }
    let mut subjects: HashMap<u64, Vec<Debt>> = HashMap::new();
    for debt in all {
        subjects.entry(if cluster { subject(debt.0) } else { 0 }).or_default().push(debt);
    }
    subjects
        .into_values()
        .flat_map(|debts| debts.chunks(BATCH).map(<[Debt]>::to_vec).collect::<Vec<_>>())
        .collect()
}
