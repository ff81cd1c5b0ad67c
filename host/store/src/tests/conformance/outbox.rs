//! Conformance suite of both stores: acceptance, idempotency, and lists of submissions.

use std::time::Duration;

use model::port::outbox::{Acceptance, IdempotentReplay, Outbox};
use model::port::store_error::StoreError;
use model::submission::State;

use crate::tests::conformance::number;
use crate::tests::fixture::{Bench, SECOND, Store, account, ended, id, person, tenant, used};

suite!(
    what_was_accepted_can_be_seen,
    a_key_gives_its_first_receipt_again,
    a_key_belongs_to_one_account,
    fifty_at_once_with_one_key_store_one,
    a_key_is_forgotten_after_its_time_but_not_before_the_end,
    an_id_is_accepted_once,
    pages_stay_stable_while_new_ones_arrive,
    find_selects_states_and_refuses_strange_cursors,
);

async fn what_was_accepted_can_be_seen<S: Store>(bench: Bench<S>) {
    let receipt = bench.accepted(bench.draft(1)).await;
    assert_eq!(receipt.submission, id(1));
    assert_eq!(receipt.state, State::Accepted);
    let anna = person("t", "anna");
    let entry = Outbox::get(&bench.store, &anna, &id(1)).await.unwrap().unwrap();
    assert_eq!(entry.receipt, receipt);
    assert_eq!(entry.attempts, 0);
    assert_eq!(entry.created, bench.now());
    assert_eq!(entry.last_error, None);
    let recipients: Vec<_> =
        entry.recipients.iter().map(|one| (one.recipient.as_str(), one.state)).collect();
    let want = [("bo@example.net", State::Accepted), ("cy@example.net", State::Accepted)];
    assert_eq!(recipients, want);
}

async fn a_key_gives_its_first_receipt_again<S: Store>(bench: Bench<S>) {
    let anna = person("t", "anna");
    let key = used("k", 1).unwrap();
    assert_eq!(bench.store.lookup(&anna, &key).await.unwrap(), None);
    let mut first = bench.draft(1);
    first.idempotency = used("k", 1);
    let receipt = bench.accepted(first).await;
    let same = IdempotentReplay::Same(receipt.clone());
    assert_eq!(bench.store.lookup(&anna, &key).await.unwrap(), Some(same.clone()));
    let mut again = bench.draft(2);
    again.idempotency = used("k", 1);
    assert_eq!(bench.store.accept(again.clone()).await.unwrap(), Acceptance::Replayed(same));
    again.idempotency = used("k", 2);
    let other = bench.store.accept(again).await.unwrap();
    assert_eq!(other, Acceptance::Replayed(IdempotentReplay::Mismatch));
    let (key, mismatch) = (used("k", 2).unwrap(), Some(IdempotentReplay::Mismatch));
    assert_eq!(bench.store.lookup(&anna, &key).await.unwrap(), mismatch);
    assert!(Outbox::get(&bench.store, &anna, &id(2)).await.unwrap().is_none());
    // The state of a replay is the current one.
    let claim = bench.claimed().await;
    let step = ended(&claim, State::Sent, bench.now());
    bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
    let replay = bench.store.lookup(&anna, &used("k", 1).unwrap()).await.unwrap();
    assert!(matches!(replay, Some(IdempotentReplay::Same(now)) if now.state == State::Sent));
}

async fn a_key_belongs_to_one_account<S: Store>(bench: Bench<S>) {
    for (number, t, a) in [(1, "t", "anna"), (2, "t", "bo"), (3, "u", "anna")] {
        let mut new = bench.draft(number);
        (new.tenant, new.account, new.idempotency) = (tenant(t), account(a), used("k", number));
        bench.accepted(new).await;
    }
}

async fn fifty_at_once_with_one_key_store_one<S: Store>(bench: Bench<S>) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..50 {
        let mut new = bench.draft(number);
        new.idempotency = used("k", 1);
        let store = bench.store.clone();
        tasks.spawn(async move { store.accept(new).await.unwrap() });
    }
    let mut stored = Vec::new();
    let mut replayed = Vec::new();
    for outcome in tasks.join_all().await {
        match outcome {
            Acceptance::Stored(receipt) => stored.push(receipt),
            Acceptance::Replayed(IdempotentReplay::Same(receipt)) => replayed.push(receipt),
            Acceptance::Replayed(IdempotentReplay::Mismatch) => panic!("a mismatch"),
        }
    }
    assert_eq!((stored.len(), replayed.len()), (1, 49));
    assert!(replayed.iter().all(|receipt| *receipt == stored[0]));
    assert_eq!(bench.claims(100).await.len(), 1);
}

async fn a_key_is_forgotten_after_its_time_but_not_before_the_end<S: Store>(bench: Bench<S>) {
    let (anna, key) = (person("t", "anna"), used("k", 1).unwrap());
    let mut new = bench.draft(1);
    new.idempotency = Some(key.clone());
    bench.accepted(new.clone()).await;
    bench.clock.advance(Duration::from_secs(73 * 3600));
    assert!(bench.store.lookup(&anna, &key).await.unwrap().is_some(), "unfinished");
    // Another key's submission removes expired keys, but not this one.
    let mut other = bench.draft(2);
    other.idempotency = used("other", 1);
    bench.accepted(other).await;
    assert!(bench.store.lookup(&anna, &key).await.unwrap().is_some(), "purged too soon");
    for claim in bench.claims(10).await {
        let step = ended(&claim, State::Sent, bench.now());
        bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
    }
    assert_eq!(bench.store.lookup(&anna, &key).await.unwrap(), None);
    let young = used("other", 1).unwrap();
    assert!(bench.store.lookup(&anna, &young).await.unwrap().is_some(), "too young");
    new.id = id(3);
    bench.accepted(new).await;
}

async fn an_id_is_accepted_once<S: Store>(bench: Bench<S>) {
    bench.accepted(bench.draft(1)).await;
    let again = bench.store.accept(bench.draft(1)).await;
    assert!(matches!(again, Err(StoreError::Exists)), "{again:?}");
}

async fn pages_stay_stable_while_new_ones_arrive<S: Store>(bench: Bench<S>) {
    // Two of each moment, so that the second sort key matters.
    for number in 1..=10 {
        bench.accepted(bench.draft(number)).await;
        if number % 2 == 0 {
            bench.clock.advance(SECOND);
        }
    }
    let anna = person("t", "anna");
    let (mut cursor, mut seen, mut pages) = (None::<String>, Vec::new(), 0);
    loop {
        let page = bench.store.find(&anna, &[], cursor.as_deref(), 3).await.unwrap();
        seen.extend(page.rows.iter().map(|entry| number(&entry.receipt.submission)));
        pages += 1;
        bench.accepted(bench.draft(100 + pages)).await;
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(pages, 4);
}

async fn find_selects_states_and_refuses_strange_cursors<S: Store>(bench: Bench<S>) {
    for number in 1..=4 {
        bench.accepted(bench.draft(number)).await;
    }
    let claim = bench.claims(1).await.remove(0);
    let anna = person("t", "anna");
    let find = async |states: &[State], cursor: Option<&str>| {
        bench.store.find(&anna, states, cursor, 100).await.unwrap()
    };
    assert_eq!(find(&[State::Dialing], None).await.rows[0].receipt.submission, claim.id);
    assert_eq!(find(&[State::Dialing], None).await.rows.len(), 1);
    assert_eq!(find(&[State::Accepted], None).await.rows.len(), 3);
    assert_eq!(find(&[State::Accepted, State::Dialing], None).await.rows.len(), 4);
    assert_eq!(find(&[State::Sent], None).await.rows.len(), 0);
    assert_eq!(find(&[], None).await.next_cursor, None);
    for cursor in ["", "nonsense", "AAAA", "%", "c3ViX2FhYWFhYWFhYWFhYWFhYWE"] {
        let answer = bench.store.find(&anna, &[], Some(cursor), 100).await;
        assert!(matches!(answer, Err(StoreError::Cursor)), "{cursor:?}");
    }
}
