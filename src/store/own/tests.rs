//! Memories that went from one process to another, asked by way of both.

use std::sync::Arc;

use async_trait::async_trait;

use super::*;
use crate::account::{Phone, Purpose, Secret};
use crate::store::tokens::{Destination, SingleUse, Slot, Spent, TokenStore};
use crate::store::windows::{Denied, Reservation, Rigour, Settlement, Window, WindowStore};

const NOW: Moment = Moment::from_seconds(1_700_000_000);
const BOUNDS: Bounds = Bounds { replay: 100, throttle: 100 };

/// The other process, without a socket in between.
struct Direct(Arc<OwnStores>);

#[async_trait]
impl Successor for Direct {
    async fn ask(&self, question: Question) -> Option<Answer> {
        match question {
            Question::Tokens(question) => self.0.answer_tokens(question, NOW).await,
            Question::Windows(question) => Some(self.0.answer_windows(question, NOW).await),
            Question::Replay(_) => None,
        }
    }
}

/// Nobody.
struct Gone;

#[async_trait]
impl Successor for Gone {
    async fn ask(&self, _: Question) -> Option<Answer> {
        None
    }
}

fn own() -> Arc<OwnStores> {
    Arc::new(OwnStores::open(BOUNDS, NOW).unwrap())
}

/// What comes after, with everything that was in the one before.
async fn handed_over(old: &Arc<OwnStores>) -> Arc<OwnStores> {
    let keys = MemoryKeys { replay: [7; 16], own: old.keys() };
    let new = Arc::new(OwnStores::after(BOUNDS, &keys, NOW));
    let frozen = old.freeze().await;
    // As it travels.
    let bytes = postcard::to_stdvec(&frozen.contents()).unwrap();
    new.inherit(postcard::from_bytes(&bytes).unwrap(), NOW, &|_| None);
    frozen.give_to(Arc::new(Direct(Arc::clone(&new))));
    new
}

fn window(limit: u32) -> Window {
    Window { key: Window::key(1, 2), limit, seconds: 100, rigour: Rigour::Refuses, common: false }
}

async fn reserve(store: &OwnStores, owner: u128, limit: u32) -> bool {
    let windows = [window(limit)];
    store.reserve(&Reservation { owner, windows: &windows, lease_seconds: 10 }, NOW).await.is_ok()
}

async fn release(store: &OwnStores, owner: u128) {
    let released = [window(1)];
    store
        .settle(&Settlement { owner, lease_seconds: 10, released: &released, kept: &[], cleared: &[] })
        .await;
}

#[tokio::test]
async fn events_of_both_processes_are_counted_together_and_settled_by_either() {
    let old = own();
    assert!(reserve(&old, 1, 2).await);
    let new = handed_over(&old).await;
    assert!(reserve(&old, 2, 2).await);
    assert!(!reserve(&old, 3, 2).await && !reserve(&new, 3, 2).await);
    // Made before the hand-over, and released after it by the process that made it.
    release(&old, 1).await;
    assert!(reserve(&new, 3, 2).await);
    release(&new, 2).await;
    assert!(reserve(&old, 4, 2).await);
    assert!(!reserve(&new, 5, 2).await);
}

#[tokio::test]
async fn a_token_is_spent_once_by_way_of_both_processes_and_challenges_are_found_by_both() {
    let token = |digest| SingleUse { digest, issued: NOW, expires: NOW.plus_seconds(600) };
    let phone = Phone::from_e164("+8613800138001").unwrap();
    let destination = Destination::Phone(&phone);
    let slot = |purpose| Slot::Challenge { upstream: "legacy", purpose, destination };
    let old = own();
    assert!(matches!(old.spend(token(1), NOW).await, Ok(Spent::Now(_))));
    let Ok(Spent::Now(returned)) = old.spend(token(2), NOW).await else { panic!("not spent") };
    let until = NOW.plus_seconds(300);
    old.keep(slot(Purpose::Login), &Secret::from("before"), until, NOW).await.unwrap();
    let session = Secret::from("a-token");
    old.keep(Slot::Session(&session), &Secret::from("eu"), until, NOW).await.unwrap();

    let new = handed_over(&old).await;
    for store in [&old, &new] {
        let region = store.recall(Slot::Session(&session), NOW).await.unwrap();
        assert_eq!(region.as_ref().map(Secret::expose), Some("eu"));
        assert!(matches!(store.spend(token(1), NOW).await, Ok(Spent::Before)));
    }
    TokenStore::give_back(old.as_ref(), returned).await;
    assert!(matches!(new.spend(token(2), NOW).await, Ok(Spent::Now(_))));
    assert!(matches!(old.spend(token(3), NOW).await, Ok(Spent::Now(_))));
    assert!(matches!(new.spend(token(3), NOW).await, Ok(Spent::Before)));
    // Issued before the memory began: nobody knows whether it was spent, then as now.
    let ancient = SingleUse { issued: NOW.plus_seconds(-1), ..token(4) };
    assert_eq!(new.spend(ancient, NOW).await.unwrap_err(), StoreError::BelowFloor);
    old.keep(slot(Purpose::Register), &Secret::from("after"), until, NOW).await.unwrap();
    for store in [&old, &new] {
        for (purpose, challenge) in [(Purpose::Login, "before"), (Purpose::Register, "after")] {
            let found = store.recall(slot(purpose), NOW).await.unwrap();
            assert_eq!(found.unwrap().expose(), challenge);
        }
    }
}

#[tokio::test]
async fn without_the_process_that_has_the_memory_everything_is_refused() {
    let old = own();
    old.freeze().await.give_to(Arc::new(Gone));
    let windows = [window(9)];
    let reservation = Reservation { owner: 1, windows: &windows, lease_seconds: 10 };
    assert_eq!(old.reserve(&reservation, NOW).await, Err(Denied::Away));
    let token = SingleUse { digest: 1, issued: NOW, expires: NOW.plus_seconds(60) };
    assert_eq!(old.spend(token, NOW).await.unwrap_err(), StoreError::Away);
    let app = Arc::new(AppShare { id: "app".to_owned(), entries: Default::default(), bound: 9 });
    let entry = Entry { app, second: NOW.seconds(), digest: 1, until: NOW.plus_seconds(60) };
    assert_eq!(old.remember(entry, NOW).await.unwrap_err(), StoreError::Away);
}

#[tokio::test]
async fn what_was_taken_back_believes_no_token_of_before() {
    let old = own();
    old.freeze().await.take_back(NOW.plus_seconds(5));
    let token = SingleUse { digest: 1, issued: NOW, expires: NOW.plus_seconds(60) };
    assert_eq!(old.spend(token, NOW).await.unwrap_err(), StoreError::BelowFloor);
    assert!(reserve(&old, 1, 1).await);
}
