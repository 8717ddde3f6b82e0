//! The tokens of one process, or of the one after it.

use async_trait::async_trait;

use super::{Answer, OwnStores, Question, TokenQuestion, Turn};
use crate::account::Secret;
use crate::clock::Moment;
use crate::store::StoreError;
use crate::store::tokens::{SingleUse, Slot, SpendReceipt, Spent, TokenStore};

impl OwnStores {
    /// Answers a question about tokens that the process before asks, or asks the one after.
    pub async fn answer_tokens(&self, question: TokenQuestion, now: Moment) -> Option<Answer> {
        let gate = match self.turn().await {
            Turn::Own(gate) => gate,
            Turn::Theirs(successor) => return successor.ask(Question::Tokens(question)).await,
        };
        let answer = match question {
            TokenQuestion::Keep(place, challenge, until) => {
                Answer::Kept(self.tokens.keep_at(place, &Secret::new(challenge), until, now))
            }
            TokenQuestion::Recall(place) => {
                let kept = self.tokens.recall_at(place, now);
                Answer::Recalled(Ok(kept.map(|challenge| challenge.expose().to_owned())))
            }
            TokenQuestion::Spend(token) => {
                let spent = self.tokens.spend(token, now).await;
                Answer::New(spent.map(|spent| matches!(spent, Spent::Now(_))))
            }
            TokenQuestion::GiveBack(token) => {
                self.tokens.give_back(SpendReceipt::new(token, None)).await;
                Answer::Done
            }
        };
        drop(gate);
        Some(answer)
    }
}

#[async_trait]
impl TokenStore for OwnStores {
    async fn keep(
        &self,
        slot: Slot<'_>,
        challenge: &Secret,
        until: Moment,
        now: Moment,
    ) -> Result<(), StoreError> {
        let place = self.tokens.place(slot);
        let question = TokenQuestion::Keep(place, challenge.expose().to_owned(), until);
        match self.answer_tokens(question, now).await {
            Some(Answer::Kept(kept)) => kept,
            _ => Err(StoreError::Away),
        }
    }

    async fn recall(&self, slot: Slot<'_>, now: Moment) -> Result<Option<Secret>, StoreError> {
        match self.answer_tokens(TokenQuestion::Recall(self.tokens.place(slot)), now).await {
            Some(Answer::Recalled(kept)) => Ok(kept?.map(Secret::new)),
            _ => Err(StoreError::Away),
        }
    }

    async fn spend(&self, token: SingleUse, now: Moment) -> Result<Spent, StoreError> {
        match self.answer_tokens(TokenQuestion::Spend(token), now).await {
            Some(Answer::New(Ok(true))) => Ok(Spent::Now(SpendReceipt::new(token, None))),
            Some(Answer::New(Ok(false))) => Ok(Spent::Before),
            Some(Answer::New(Err(error))) => Err(error),
            _ => Err(StoreError::Away),
        }
    }

    async fn give_back(&self, receipt: SpendReceipt) {
        // Without an answer it stays spent; its own clock plays no part.
        let now = receipt.token().issued;
        let _ = self.answer_tokens(TokenQuestion::GiveBack(receipt.token()), now).await;
    }
}
