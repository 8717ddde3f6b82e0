//! The new process answers what the old one asks, for as long as that has connections.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::message::{Numbered, NumberedAnswer};
use super::wire::{self, Wire};
use crate::clock::{Clock, Moment, SystemClock};
use crate::guard::ReplayGuard;
use crate::store::own::{Answer, OwnStores, Question};

/// Answers that may wait to be sent.
const QUEUE: usize = 1024;

/// Answers until the other process has ended.
pub(super) async fn answer(wire: Wire, guard: Arc<ReplayGuard>, stores: Arc<OwnStores>) {
    let (mut reading, mut writing) = wire.into_split();
    let (answers, mut to_send) = mpsc::channel::<NumberedAnswer>(QUEUE);
    tokio::spawn(async move {
        while let Some(answer) = to_send.recv().await {
            if wire::send(&mut writing, &answer).await.is_err() {
                return;
            }
        }
    });
    while let Ok((number, question)) = wire::receive::<Numbered>(&mut reading).await {
        let (guard, stores, answers) = (Arc::clone(&guard), Arc::clone(&stores), answers.clone());
        tokio::spawn(async move {
            let answer = answer_one(&guard, &stores, question, SystemClock.now()).await;
            // Nobody waits for it once the other process is gone.
            let _ = answers.send((number, answer)).await;
        });
    }
    tracing::info!("the process before this one has ended");
}

async fn answer_one(
    guard: &ReplayGuard,
    stores: &OwnStores,
    question: Question,
    now: Moment,
) -> Option<Answer> {
    match question {
        Question::Replay(question) => Some(guard.answer(question, now).await),
        Question::Tokens(question) => stores.answer_tokens(question, now).await,
        Question::Windows(question) => Some(stores.answer_windows(question, now).await),
    }
}
