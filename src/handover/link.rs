//! The old process's way to the memory that it handed over.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::message::{Numbered, NumberedAnswer};
use super::wire::{self, Wire};
use crate::store::own::{Answer, Question, Successor};

/// The longest wait for an answer. Both processes run on the same machine.
const PATIENCE: Duration = Duration::from_secs(2);

/// Questions that may wait to be sent.
const QUEUE: usize = 1024;

/// Those who wait for an answer, by the number of their question; none once the other is gone.
type Waiting = Arc<Mutex<Option<HashMap<u64, oneshot::Sender<Option<Answer>>>>>>;

/// The link.
pub(super) struct Link {
    questions: mpsc::Sender<Numbered>,
    waiting: Waiting,
    next: AtomicU64,
}

impl Link {
    /// Over a connection on which nothing else is said any more.
    pub fn over(wire: Wire) -> Self {
        let (reading, writing) = wire.into_split();
        let (questions, to_send) = mpsc::channel(QUEUE);
        let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        tokio::spawn(write(writing, to_send));
        tokio::spawn(read(reading, Arc::clone(&waiting)));
        Self { questions, waiting, next: AtomicU64::new(0) }
    }
}

#[async_trait]
impl Successor for Link {
    async fn ask(&self, question: Question) -> Option<Answer> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        locked(&self.waiting).as_mut()?.insert(number, answer);
        let asked = async {
            self.questions.send((number, question)).await.ok()?;
            answered.await.ok().flatten()
        };
        let answer = timeout(PATIENCE, asked).await.ok().flatten();
        if answer.is_none()
            && let Some(waiting) = locked(&self.waiting).as_mut()
        {
            waiting.remove(&number);
        }
        answer
    }
}

fn locked(waiting: &Waiting) -> MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<Option<Answer>>>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn write(mut writing: OwnedWriteHalf, mut to_send: mpsc::Receiver<Numbered>) {
    while let Some(question) = to_send.recv().await {
        if wire::send(&mut writing, &question).await.is_err() {
            return;
        }
    }
}

async fn read(mut reading: OwnedReadHalf, waiting: Waiting) {
    loop {
        match wire::receive::<NumberedAnswer>(&mut reading).await {
            Ok((number, answer)) => {
                let asker = locked(&waiting).as_mut().and_then(|waiting| waiting.remove(&number));
                if let Some(asker) = asker {
                    // Whoever gave up waiting needs no answer.
                    let _ = asker.send(answer);
                }
            }
            Err(error) => {
                tracing::error!(%error, "the process that took over is gone: signed calls are refused here");
                locked(&waiting).take();
                return;
            }
        }
    }
}
