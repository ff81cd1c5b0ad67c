//! Conformance suite of both stores: counts, pruning and rescheduling.

use std::time::Duration;

use model::ids::SubmissionId;
use model::port::maintenance::{Claims, OutboxCounts, RetryWaits};
use model::port::outbox::Outbox;
use model::submission::State;

use crate::tests::fixture::{Bench, LEASE, START, Store, ended, id, person, sqlite, used};

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3600);

suite!(
    figures_follow_every_step,
    what_ended_long_ago_is_removed_in_pieces,
    what_a_clock_ahead_put_off_comes_back,
    a_clock_that_is_right_changes_nothing,
);

async fn figures_follow_every_step<S: Store>(bench: Bench<S>) {
    let figures = async |want: &[(State, u64)], oldest| {
        let found = bench.store.figures().await.unwrap();
        assert_eq!(found, OutboxCounts { states: want.to_vec(), oldest });
    };
    figures(&[], None).await;
    let began = bench.now();
    bench.accepted(bench.draft(1)).await;
    bench.clock.advance(HOUR);
    let later = bench.now();
    bench.accepted(bench.draft(2)).await;
    figures(&[(State::Accepted, 2)], Some(began)).await;
    // A refused submission is not counted.
    assert!(bench.store.accept(bench.draft(2)).await.is_err());
    let claims = bench.claims(2).await;
    let end = async |at: usize, state| {
        let step = ended(&claims[at], state, bench.now());
        bench.store.record(&claims[at].id, claims[at].epoch, step).await.unwrap();
    };
    end(0, State::Failed).await;
    end(1, State::Deferred).await;
    figures(&[(State::Deferred, 1), (State::Failed, 1)], Some(later)).await;
    bench.store.prune(Duration::ZERO, 500).await.unwrap();
    figures(&[(State::Deferred, 1)], Some(later)).await;
}

async fn what_ended_long_ago_is_removed_in_pieces<S: Store>(bench: Bench<S>) {
    for number in 1..=4 {
        let mut new = bench.draft(number);
        new.idempotency = used(&number.to_string(), number);
        new.recipients = (0..300).map(|at| format!("r{at}@x.test").parse().unwrap()).collect();
        bench.accepted(new).await;
    }
    let claims = bench.claims(9).await;
    for (claim, state) in
        claims.iter().zip([State::Sent, State::Failed, State::Deferred, State::Expired])
    {
        let step = ended(claim, state, bench.now());
        bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
    }
    // Independent of the wall clock.
    for wrong in [40, -400] {
        bench.clock.set(wrong * 86_400_000);
        assert_eq!(bench.store.prune(HOUR, 500).await.unwrap(), 0);
    }
    bench.clock.advance(30 * DAY);
    assert_eq!(bench.store.prune(30 * DAY + Duration::from_millis(1), 500).await.unwrap(), 0);
    let mut pieces = 0;
    while bench.store.prune(30 * DAY, 500).await.unwrap() == 500 {
        pieces += 1;
    }
    assert!((1..=2).contains(&pieces), "{pieces}");
    let anna = person("t", "anna");
    for number in [1, 2, 4] {
        let found = Outbox::get(&bench.store, &anna, &id(number)).await.unwrap();
        assert!(found.is_none(), "{number}");
        // Nothing holds the key any more.
        let key = used(&number.to_string(), number).unwrap();
        assert_eq!(bench.store.lookup(&anna, &key).await.unwrap(), None);
    }
    let kept = Outbox::get(&bench.store, &anna, &claims[2].id).await.unwrap().unwrap();
    assert_eq!(kept.recipients.len(), 300, "what waits stays, however old it is");
    // These ids are of random bits alone, so they are recorded.
    assert!(bench.store.was_pruned(&claims[0].id).await.unwrap());
    assert!(!bench.store.was_pruned(&claims[2].id).await.unwrap());
    assert!(!bench.store.was_pruned(&id(77)).await.unwrap());
}

fn waits() -> RetryWaits {
    let seconds = [30, 30, 120, 14_400];
    RetryWaits { after: seconds.map(Duration::from_secs).to_vec() }
}

async fn what_a_clock_ahead_put_off_comes_back<S: Store>(bench: Bench<S>) {
    for number in 1..=3 {
        bench.accepted(bench.draft(number)).await;
    }
    let claims = bench.claims(2).await;
    // The clock was an hour ahead when this was written.
    for (claim, state) in claims.iter().zip([State::Deferred, State::Uncertain]) {
        let step = ended(claim, state, bench.now().after(HOUR));
        bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
    }
    let mut ahead = bench.draft(4);
    (ahead.created, ahead.due) = (bench.now().after(HOUR), bench.now().after(HOUR));
    bench.accepted(ahead).await;
    let now = bench.now();
    assert_eq!(bench.store.reschedule(now, &waits(), Claims::Live).await.unwrap(), 3);
    let due = async |at: &SubmissionId| {
        Outbox::get(&bench.store, &person("t", "anna"), at).await.unwrap().unwrap().receipt.due
    };
    assert_eq!(due(&id(4)).await, now, "who was never tried waits for nothing");
    let soon = now.after(Duration::from_secs(120));
    assert!(due(&claims[0].id).await <= soon && due(&claims[1].id).await <= soon);
    bench.clock.advance(Duration::from_secs(120));
    assert_eq!(bench.claims(9).await.len(), 4);
}

/// Neither a retry that waits for its time nor a live claim.
async fn a_clock_that_is_right_changes_nothing<S: Store>(bench: Bench<S>) {
    bench.accepted(bench.draft(1)).await;
    bench.accepted(bench.draft(2)).await;
    let claims = bench.claims(2).await;
    let step = ended(&claims[0], State::Deferred, bench.now().after(Duration::from_secs(30)));
    bench.store.record(&claims[0].id, claims[0].epoch, step).await.unwrap();
    assert_eq!(bench.store.reschedule(bench.now(), &waits(), Claims::Live).await.unwrap(), 0);
    assert!(bench.claims(9).await.is_empty());
    // After a start there are no live claims: a lease of a clock that was ahead is rescheduled.
    assert_eq!(bench.store.reschedule(bench.now(), &waits(), Claims::Void).await.unwrap(), 1);
    bench.clock.advance(Duration::from_secs(120));
    assert_eq!(bench.claims(9).await.len(), 2);
}

/// A claim holds for its duration, not until a wall-clock time: a delivery is not begun twice.
#[tokio::test]
async fn a_clock_that_is_set_ends_no_claim() {
    const AN_HOUR: i64 = 3_600_000;
    for wrong in [AN_HOUR, 100 * AN_HOUR, -AN_HOUR, -START] {
        let bench = sqlite();
        bench.accepted(bench.draft(1)).await;
        let claim = bench.claimed().await;
        bench.clock.set(wrong);
        assert!(bench.claims(9).await.is_empty(), "{wrong}");
        bench.clock.set(-wrong);
        assert!(bench.claims(9).await.is_empty(), "{wrong}");
        let step = ended(&claim, State::Sent, bench.now());
        bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
        // One whose worker is gone expires in its time, by a clock that was set.
        bench.accepted(bench.draft(2)).await;
        bench.claimed().await;
        bench.clock.set(wrong);
        assert!(bench.claims(9).await.is_empty(), "{wrong}");
        bench.clock.advance(LEASE);
        assert_eq!(bench.claims(9).await.len(), 1, "{wrong}");
    }
}
