//! Conformance suite of both stores: steps of an attempt, and doubt.

use model::port::outbox::{AttemptStep, ClaimRequest, Outbox};
use model::port::store_error::StoreError;
use model::submission::State;

use crate::tests::fixture::{Bench, LEASE, SECOND, Store, ended, id, person};

suite!(
    a_worker_that_lost_its_claim_cannot_record,
    steps_are_seen_and_the_claim_ends,
    what_ended_in_doubt_is_found_so_until_a_step,
    no_attempt_ends_in_the_hands_of_a_worker,
);

async fn a_worker_that_lost_its_claim_cannot_record<S: Store>(bench: Bench<S>) {
    bench.accepted(bench.draft(1)).await;
    let first = bench.claimed().await;
    bench.clock.advance(LEASE);
    let second = bench.claimed().await;
    for step in [AttemptStep::DotSent, ended(&first, State::Failed, bench.now())] {
        for epoch in [first.epoch, 0, second.epoch + 1, u64::MAX] {
            let late = bench.store.record(&first.id, epoch, step.clone()).await;
            assert!(matches!(late, Err(StoreError::LostClaim)), "{epoch}: {late:?}");
        }
    }
    assert_eq!(bench.state(1).await, State::Dialing);
    let unknown = bench.store.record(&id(9), 1, AttemptStep::DotSent).await;
    assert!(matches!(unknown, Err(StoreError::LostClaim)));
    bench.store.record(&second.id, second.epoch, AttemptStep::DotSent).await.unwrap();
}

async fn steps_are_seen_and_the_claim_ends<S: Store>(bench: Bench<S>) {
    let anna = person("t", "anna");
    bench.accepted(bench.draft(1)).await;
    let due = bench.now().after(SECOND * 60);
    let wish = ClaimRequest { pauses: vec![SECOND * 60], ..bench.wish(1) };
    let claim = bench.store.claim(wish).await.unwrap().claims.remove(0);
    let entry = Outbox::get(&bench.store, &anna, &id(1)).await.unwrap().unwrap();
    assert_eq!((entry.attempts, entry.receipt.due), (1, due));
    assert_eq!(entry.receipt.state, State::Dialing);
    bench.store.record(&claim.id, claim.epoch, AttemptStep::DotSent).await.unwrap();
    assert_eq!(bench.state(1).await, State::DotSent);
    let step = ended(&claim, State::Deferred, due);
    bench.store.record(&claim.id, claim.epoch, step.clone()).await.unwrap();
    let entry = Outbox::get(&bench.store, &anna, &id(1)).await.unwrap().unwrap();
    assert_eq!((entry.receipt.state, entry.receipt.due), (State::Deferred, due));
    assert_eq!(entry.last_error.as_deref(), Some("a line"));
    assert!(
        matches!(step, AttemptStep::Ended { recipients, .. } if recipients == entry.recipients)
    );
    let twice = bench.store.record(&claim.id, claim.epoch, AttemptStep::DotSent).await;
    assert!(matches!(twice, Err(StoreError::LostClaim)), "the claim has ended");
    bench.clock.advance(SECOND * 60);
    let claim = bench.claimed().await;
    assert_eq!((claim.found, claim.attempts), (State::Deferred, 1));
    assert_eq!(claim.recipients, entry.recipients);
    let step = ended(&claim, State::Sent, bench.now());
    bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
    bench.clock.advance(LEASE * 1000);
    assert!(bench.claims(10).await.is_empty(), "final");
    assert_eq!(bench.store.next_due(bench.now()).await.unwrap(), None);
}

async fn what_ended_in_doubt_is_found_so_until_a_step<S: Store>(bench: Bench<S>) {
    bench.accepted(bench.draft(1)).await;
    let claim = bench.claimed().await;
    bench.store.record(&claim.id, claim.epoch, AttemptStep::DotSent).await.unwrap();
    for _ in 0..3 {
        bench.clock.advance(LEASE);
        let claim = bench.claimed().await;
        assert_eq!(claim.found, State::DotSent, "an attempt that vanished hid the doubt");
        assert!(!claim.possible_duplicate, "none was made since");
    }
    bench.clock.advance(LEASE);
    let claim = bench.claimed().await;
    let step = ended(&claim, State::Uncertain, bench.now());
    bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
    // Once possible, always possible.
    let claim = bench.claimed().await;
    assert_eq!((claim.found, claim.possible_duplicate), (State::Uncertain, true));
    bench.store.record(&claim.id, claim.epoch, AttemptStep::DotSent).await.unwrap();
    bench.clock.advance(LEASE);
    let claim = bench.claimed().await;
    assert_eq!((claim.found, claim.possible_duplicate), (State::DotSent, true));
}

async fn no_attempt_ends_in_the_hands_of_a_worker<S: Store>(bench: Bench<S>) {
    bench.accepted(bench.draft(1)).await;
    let claim = bench.claimed().await;
    for state in [State::Claimed, State::Dialing, State::DotSent] {
        let step = ended(&claim, state, bench.now());
        let refused = bench.store.record(&claim.id, claim.epoch, step).await;
        assert!(matches!(refused, Err(StoreError::Failed(_))), "{state:?}");
    }
    assert_eq!(bench.state(1).await, State::Dialing);
}
