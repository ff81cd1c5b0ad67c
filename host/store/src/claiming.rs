//! What a claim takes, on both stores: no more than there is room for, in whose turn it is, the
//! oldest first; and how an attempt that it began is given back.

use std::time::Duration;

use model::port::outbox::{Claimed, Outbox, Room, Step, Wish};
use model::submission::State;

use crate::conformance::suite;
use crate::fixture::{Bench, SECOND, Store, account, ended, id, person, tenant};

suite!(
    an_account_without_room_keeps_nobody_waiting,
    accounts_of_a_tenant_take_turns,
    old_mail_goes_before_new_mail_also_when_it_was_deferred,
    an_attempt_that_did_not_begin_does_not_count,
    a_claim_says_when_an_attempt_that_vanishes_comes_back,
);

async fn an_account_without_room_keeps_nobody_waiting<S: Store>(bench: Bench<S>) {
    for number in 1..=20 {
        let mut new = bench.draft(number);
        new.created = bench.now().after(Duration::from_millis(number.into()));
        bench.accepted(new).await;
    }
    let mut other = bench.draft(21);
    (other.account, other.created) = (account("bo"), bench.now().after(SECOND));
    bench.accepted(other).await;
    let anna = (tenant("t"), account("anna"));
    let room = |limit, each, anna_has| {
        let accounts = [(anna.clone(), anna_has)].into();
        Room { limit, each, accounts }
    };
    let claim = async |room| bench.store.claim(Wish { room, ..bench.wish(0) }).await.unwrap();
    let claimed = claim(room(9, 2, 0)).await;
    assert_eq!((numbers(&claimed), claimed.more), (vec![21], true), "anna's wait");
    let claimed = claim(room(9, 2, 2)).await;
    assert_eq!((numbers(&claimed), claimed.more), (vec![1, 2], true));
    let claimed = claim(room(0, 2, 2)).await;
    assert_eq!((numbers(&claimed), claimed.more), (vec![], false));
    let claimed = claim(room(20, 2, 18)).await;
    assert_eq!(claimed.claims.len(), 18);
    assert!(!claimed.more, "nothing is left");
}

async fn accounts_of_a_tenant_take_turns<S: Store>(bench: Bench<S>) {
    for (number, who) in [(1, "a"), (2, "a"), (3, "a"), (4, "b"), (5, "c"), (6, "c")] {
        let mut new = bench.draft(number);
        (new.account, new.created) = (account(who), bench.now().after(SECOND * number.into()));
        bench.accepted(new).await;
    }
    let mut order = Vec::new();
    for limit in [1, 1, 2, 5] {
        let claimed = bench.store.claim(bench.wish(limit)).await.unwrap();
        assert_eq!(claimed.more, limit != 5);
        order.extend(numbers(&claimed));
    }
    assert_eq!(order, [1, 4, 5, 2, 6, 3]);
}

async fn old_mail_goes_before_new_mail_also_when_it_was_deferred<S: Store>(bench: Bench<S>) {
    bench.accepted(bench.draft(1)).await;
    let claim = bench.claimed().await;
    bench.clock.advance(SECOND);
    for number in 2..=4 {
        bench.accepted(bench.draft(number)).await;
        bench.clock.advance(SECOND);
    }
    let step = ended(&claim, State::Deferred, bench.now().after(SECOND * 30));
    bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
    bench.clock.advance(SECOND * 29);
    assert_eq!(claims(&bench, 1).await, [2]);
    bench.clock.advance(SECOND);
    assert_eq!(claims(&bench, 1).await, [1], "it is due again, and older than the others");
    assert_eq!(claims(&bench, 9).await, [3, 4]);
}

async fn an_attempt_that_did_not_begin_does_not_count<S: Store>(bench: Bench<S>) {
    bench.accepted(bench.draft(1)).await;
    for (attempts, counts) in [(0, false), (0, false), (0, true), (1, false), (1, true), (2, true)]
    {
        let claim = bench.claimed().await;
        assert_eq!(claim.attempts, attempts);
        let step = match ended(&claim, State::Deferred, bench.now()) {
            Step::Ended { state, recipients, due, last_error } if !counts => {
                Step::Uncounted { state, recipients, due, last_error }
            }
            step @ (Step::DotSent | Step::Ended { .. } | Step::Uncounted { .. }) => step,
        };
        bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
        let entry = Outbox::get(&bench.store, &person("t", "anna"), &id(1)).await.unwrap().unwrap();
        let seen = (entry.receipt.state, entry.attempts);
        assert_eq!(seen, (State::Deferred, attempts + u32::from(counts)));
    }
}

async fn a_claim_says_when_an_attempt_that_vanishes_comes_back<S: Store>(bench: Bench<S>) {
    bench.accepted(bench.draft(1)).await;
    let pauses = vec![SECOND, SECOND * 10, SECOND * 100];
    for (attempts, pause) in [(0, 1), (1, 10), (2, 100), (3, 100)] {
        let wish = Wish { pauses: pauses.clone(), ..bench.wish(1) };
        let claim = bench.store.claim(wish).await.unwrap().claims.remove(0);
        assert_eq!(claim.attempts, attempts);
        let entry = Outbox::get(&bench.store, &person("t", "anna"), &id(1)).await.unwrap().unwrap();
        let seen = (entry.receipt.state, entry.attempts, entry.receipt.due);
        let due = bench.now().after(SECOND * pause);
        assert_eq!(seen, (State::Dialing, attempts + 1, due));
        bench.store.void_claims().await.unwrap();
        bench.clock.advance(SECOND * pause - Duration::from_millis(1));
        assert!(bench.claims(1).await.is_empty());
        bench.clock.advance(Duration::from_millis(1));
    }
}

async fn claims<S: Store>(bench: &Bench<S>, limit: u32) -> Vec<u8> {
    numbers(&bench.store.claim(bench.wish(limit)).await.unwrap())
}

fn numbers(claimed: &Claimed) -> Vec<u8> {
    let number = |of| (0..=u8::MAX).find(|number| id(*number) == of).unwrap();
    claimed.claims.iter().map(|claim| number(claim.id.clone())).collect()
}
