//! The windows of one process, or of the one after it.

use async_trait::async_trait;

use super::{Answer, OwnStores, Question, Turn, WindowQuestion};
use crate::clock::Moment;
use crate::store::windows::{Denied, Reservation, Reserved, Settlement, WindowStore};

impl OwnStores {
    /// Answers a question about windows that the process before asks, or asks the one after.
    pub async fn answer_windows(&self, question: WindowQuestion, now: Moment) -> Answer {
        match &question {
            WindowQuestion::Reserve { owner, windows, lease_seconds } => {
                let reservation = Reservation { owner: *owner, windows, lease_seconds: *lease_seconds };
                Answer::Reserved(self.reserve(&reservation, now).await.map(|reserved| reserved.slowed))
            }
            WindowQuestion::Settle { owner, lease_seconds, released, kept, cleared } => {
                let (owner, lease_seconds) = (*owner, *lease_seconds);
                self.settle(&Settlement { owner, lease_seconds, released, kept, cleared }).await;
                Answer::Done
            }
        }
    }
}

#[async_trait]
impl WindowStore for OwnStores {
    async fn reserve(&self, reservation: &Reservation<'_>, now: Moment) -> Result<Reserved, Denied> {
        let successor = match self.turn().await {
            Turn::Own(_gate) => return self.windows.reserve_now(reservation, now),
            Turn::Theirs(successor) => successor,
        };
        let Reservation { owner, windows, lease_seconds } = *reservation;
        let question = WindowQuestion::Reserve { owner, windows: windows.to_vec(), lease_seconds };
        match successor.ask(Question::Windows(question)).await {
            Some(Answer::Reserved(reserved)) => Ok(Reserved { slowed: reserved? }),
            _ => Err(Denied::Away),
        }
    }

    async fn settle(&self, settlement: &Settlement<'_>) {
        let successor = match self.turn().await {
            Turn::Own(_gate) => return self.windows.settle_now(settlement),
            Turn::Theirs(successor) => successor,
        };
        let question = WindowQuestion::Settle {
            owner: settlement.owner,
            lease_seconds: settlement.lease_seconds,
            released: settlement.released.to_vec(),
            kept: settlement.kept.to_vec(),
            cleared: settlement.cleared.to_vec(),
        };
        // Without an answer its events stay until their time is over.
        let _ = successor.ask(Question::Windows(question)).await;
    }

    fn entries(&self, now: Moment) -> usize {
        self.windows.entries(now)
    }

    fn bound(&self) -> usize {
        self.windows.bound()
    }

    fn shared_key(&self) -> Option<[u8; 16]> {
        // Shared with the process after this one.
        Some(self.keys.windows)
    }
}
