//! Tests of isolation: keys and cursors of one caller or list are invalid for another, in both
//! stores.

use model::port::store_error::StoreError;
use model::submission::{Idempotency, IdempotencyKey, State};

use crate::tests::fixture::{Bench, Store, memory, person, sqlite};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_anonymous_idempotency_key_never_matches_a_tokens() {
    keys(memory()).await;
    keys(sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_is_valid_only_in_its_own_list() {
    cursors(memory()).await;
    cursors(sqlite()).await;
}

async fn keys<S: Store>(bench: Bench<S>) {
    let anna = person("t", "anna");
    let used = |key| Idempotency { key, digest: [1; 32] };
    let public = used(IdempotencyKey::Public("k".into()));
    let mut new = bench.draft(1);
    new.idempotency = Some(public.clone());
    bench.accepted(new).await;
    assert!(bench.store.lookup(&anna, &public).await.unwrap().is_some());
    // Whatever its text, and however it may be stored.
    for text in ["k", "public:k", " k", "Public(k)"] {
        let token = used(IdempotencyKey::Token(text.into()));
        assert_eq!(bench.store.lookup(&anna, &token).await.unwrap(), None, "{text:?}");
    }
    let mut new = bench.draft(2);
    new.idempotency = Some(used(IdempotencyKey::Token("k".into())));
    bench.accepted(new).await;
}

async fn cursors<S: Store>(bench: Bench<S>) {
    for number in 1..=3 {
        bench.accepted(bench.draft(number)).await;
    }
    let (anna, bo) = (person("t", "anna"), person("t", "bo"));
    let accepted = [State::Accepted];
    let first = bench.store.find(&anna, &accepted, None, 1).await.unwrap();
    let cursor = first.next_cursor.as_deref();
    assert_eq!(bench.store.find(&anna, &accepted, cursor, 9).await.unwrap().rows.len(), 2);
    for (account, states) in [(&anna, &[][..]), (&anna, &[State::Sent]), (&bo, &accepted)] {
        let answer = bench.store.find(account, states, cursor, 9).await;
        assert!(matches!(answer, Err(StoreError::Cursor)), "{answer:?}");
    }
}
