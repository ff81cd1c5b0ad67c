//! Conformance suite of both stores: claims, their capacity, fairness and order, leases, and how an
//! attempt is released.

use std::time::Duration;

use model::port::outbox::{AttemptStep, ClaimCapacity, ClaimRequest, Outbox};
use model::port::store_error::StoreError;
use model::submission::{SentCopy, State};

use crate::tests::conformance::order;
use crate::tests::fixture::{
    Bench, LEASE, SECOND, Store, account, bytes_of, ended, id, octets, person, tenant,
};

suite!(
    a_claim_carries_everything,
    what_is_not_due_is_not_claimed,
    the_longest_due_comes_first,
    tenants_take_turns_within_a_claim_and_across_claims,
    a_claim_that_ran_out_is_claimed_again_with_a_higher_epoch,
    next_due_is_the_soonest_of_dues_and_leases,
    void_claims_leaves_every_claim_its_due,
    an_account_without_room_keeps_nobody_waiting,
    accounts_of_a_tenant_take_turns,
    old_mail_goes_before_new_mail_also_when_it_was_deferred,
    an_attempt_that_did_not_begin_does_not_count,
    a_claim_says_when_an_attempt_that_vanishes_comes_back,
    a_copy_is_pending_with_its_verdict_and_keeps_the_bytes,
    copies_have_room_of_their_own,
    damaged_bytes_end_who_waits_and_keep_what_is_in_doubt,
);

async fn a_claim_carries_everything<S: Store>(bench: Bench<S>) {
    for (number, length) in [(1_u8, 0), (2, 1), (3, 65_536), (4, 65_537), (5, 700_001)] {
        let mut new = bench.draft(number);
        let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        new.raw = octets(&bytes);
        bench.accepted(new.clone()).await;
        let claim = bench.claimed().await;
        assert_eq!(
            (&claim.id, &claim.tenant, &claim.account),
            (&new.id, &new.tenant, &new.account)
        );
        assert_eq!((&claim.message_id, &claim.sender), (&new.message_id, &new.sender));
        assert_eq!((claim.attempts, claim.epoch, claim.found), (0, 1, State::Accepted));
        assert_eq!((claim.created, claim.possible_duplicate), (new.created, false));
        let recipients: Vec<_> = claim.recipients.iter().map(|one| one.recipient.clone()).collect();
        assert_eq!(recipients, new.recipients);
        assert_eq!(claim.raw.size(), length as u64);
        assert_eq!(bytes_of(&claim.raw).await, bytes);
    }
}

async fn what_is_not_due_is_not_claimed<S: Store>(bench: Bench<S>) {
    let mut new = bench.draft(1);
    new.due = bench.now().after(SECOND);
    bench.accepted(new).await;
    assert!(bench.claims(10).await.is_empty());
    bench.clock.advance(SECOND);
    assert!(bench.claims(0).await.is_empty());
    bench.claimed().await;
    assert!(bench.claims(10).await.is_empty(), "claimed twice");
}

async fn the_longest_due_comes_first<S: Store>(bench: Bench<S>) {
    let now = bench.now();
    for (number, seconds) in [(1, 3), (2, 1), (3, 2)] {
        let mut new = bench.draft(number);
        new.due = now.after(SECOND * seconds);
        bench.accepted(new).await;
    }
    bench.clock.advance(SECOND * 9);
    assert_eq!(order(&bench.claims(2).await), [2, 3]);
    assert_eq!(order(&bench.claims(2).await), [1]);
}

async fn tenants_take_turns_within_a_claim_and_across_claims<S: Store>(bench: Bench<S>) {
    for (number, t) in [(1, "a"), (2, "a"), (3, "a"), (4, "a"), (5, "b"), (6, "c"), (7, "c")] {
        let mut new = bench.draft(number);
        (new.tenant, new.due) =
            (tenant(t), bench.now().after(Duration::from_millis(number.into())));
        bench.accepted(new).await;
    }
    bench.clock.advance(SECOND);
    assert_eq!(order(&bench.claims(2).await), [1, 5]);
    assert_eq!(order(&bench.claims(1).await), [6]);
    assert_eq!(order(&bench.claims(1).await), [2]);
    assert_eq!(order(&bench.claims(9).await), [7, 3, 4]);
}

async fn a_claim_that_ran_out_is_claimed_again_with_a_higher_epoch<S: Store>(bench: Bench<S>) {
    bench.accepted(bench.draft(1)).await;
    let first = bench.claimed().await;
    bench.clock.advance(LEASE - Duration::from_millis(1));
    assert!(bench.claims(10).await.is_empty());
    bench.clock.advance(Duration::from_millis(1));
    let second = bench.claimed().await;
    assert_eq!((first.epoch, second.epoch), (1, 2));
    assert_eq!((first.attempts, second.attempts), (0, 1));
}

async fn next_due_is_the_soonest_of_dues_and_leases<S: Store>(bench: Bench<S>) {
    assert_eq!(bench.store.next_due(bench.now()).await.unwrap(), None);
    let later = bench.now().after(LEASE * 2);
    let mut new = bench.draft(1);
    new.due = later;
    bench.accepted(new).await;
    assert_eq!(bench.store.next_due(bench.now()).await.unwrap(), Some(later));
    bench.accepted(bench.draft(2)).await;
    assert_eq!(bench.store.next_due(bench.now()).await.unwrap(), Some(later), "it is due now");
    bench.claimed().await;
    assert_eq!(bench.store.next_due(bench.now()).await.unwrap(), Some(bench.now().after(LEASE)));
}

async fn void_claims_leaves_every_claim_its_due<S: Store>(bench: Bench<S>) {
    for number in 1..=5 {
        bench.accepted(bench.draft(number)).await;
    }
    let mut claims = bench.claims(2).await;
    let wish = ClaimRequest { pauses: vec![LEASE / 2], ..bench.wish(2) };
    claims.extend(bench.store.claim(wish).await.unwrap().claims);
    bench.store.record(&claims[0].id, 1, AttemptStep::DotSent).await.unwrap();
    let step = ended(&claims[2], State::Sent, bench.now());
    bench.store.record(&claims[2].id, 1, step).await.unwrap();
    assert_eq!(bench.store.release_claims().await.unwrap(), 3);
    let mut found: Vec<_> =
        bench.claims(9).await.into_iter().map(|claim| (claim.id, claim.found)).collect();
    found.sort_by(|one, two| one.0.cmp(&two.0));
    let want = [(id(1), State::DotSent), (id(2), State::Accepted), (id(5), State::Accepted)];
    assert_eq!(found, want);
    // An attempt that had begun keeps its back-off.
    bench.clock.advance(LEASE / 2);
    let claim = bench.claimed().await;
    assert_eq!((claim.id, claim.attempts), (id(4), 1));
}

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
        ClaimCapacity { limit, each, accounts }
    };
    let claim =
        async |room| bench.store.claim(ClaimRequest { room, ..bench.wish(0) }).await.unwrap();
    let claimed = claim(room(9, 2, 0)).await;
    assert_eq!((order(&claimed.claims), claimed.more), (vec![21], true), "anna's wait");
    let claimed = claim(room(9, 2, 2)).await;
    assert_eq!((order(&claimed.claims), claimed.more), (vec![1, 2], true));
    let claimed = claim(room(0, 2, 2)).await;
    assert_eq!((order(&claimed.claims), claimed.more), (vec![], false));
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
    let mut seen = Vec::new();
    for limit in [1, 1, 2, 5] {
        let claimed = bench.store.claim(bench.wish(limit)).await.unwrap();
        assert_eq!(claimed.more, limit != 5);
        seen.extend(order(&claimed.claims));
    }
    assert_eq!(seen, [1, 4, 5, 2, 6, 3]);
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
            AttemptStep::Ended { state, recipients, due, last_error } if !counts => {
                AttemptStep::Uncounted { state, recipients, due, last_error }
            }
            step @ (AttemptStep::DotSent
            | AttemptStep::Ended { .. }
            | AttemptStep::Uncounted { .. }
            | AttemptStep::Damaged { .. }) => step,
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
        let wish = ClaimRequest { pauses: pauses.clone(), ..bench.wish(1) };
        let claim = bench.store.claim(wish).await.unwrap().claims.remove(0);
        assert_eq!(claim.attempts, attempts);
        let entry = Outbox::get(&bench.store, &person("t", "anna"), &id(1)).await.unwrap().unwrap();
        let seen = (entry.receipt.state, entry.attempts, entry.receipt.due);
        let due = bench.now().after(SECOND * pause);
        assert_eq!(seen, (State::Dialing, attempts + 1, due));
        bench.store.release_claims().await.unwrap();
        bench.clock.advance(SECOND * pause - Duration::from_millis(1));
        assert!(bench.claims(1).await.is_empty());
        bench.clock.advance(Duration::from_millis(1));
    }
}

async fn claims<S: Store>(bench: &Bench<S>, limit: u32) -> Vec<u8> {
    order(&bench.store.claim(bench.wish(limit)).await.unwrap().claims)
}

async fn a_copy_is_pending_with_its_verdict_and_keeps_the_bytes<S: Store>(bench: Bench<S>) {
    for (number, length) in [(1_u8, 10), (2, 70_000)] {
        let mut new = bench.draft(number);
        new.raw = octets(&vec![b'x'; length]);
        bench.accepted(new).await;
        let claim = bench.claimed().await;
        let step = ended(&claim, State::Sent, bench.now());
        let late = bench.store.record_and_copy(&claim.id, claim.epoch + 1, step.clone()).await;
        assert!(matches!(late, Err(StoreError::LostClaim)));
        assert_eq!(copy_of(&bench, number).await, None);
        bench.store.record_and_copy(&claim.id, claim.epoch, step).await.unwrap();
        assert_eq!(copy_of(&bench, number).await, Some(SentCopy::Pending));
        for tries in 0..2 {
            let wish = ClaimRequest { pauses: vec![SECOND], ..bench.wish(9) };
            let copies = bench.store.claim_copies(wish.clone()).await.unwrap().copies;
            assert_eq!(copies.len(), 1);
            assert_eq!((&copies[0].id, copies[0].tries), (&claim.id, tries));
            assert_eq!(bytes_of(&copies[0].raw).await.len(), length);
            assert!(bench.store.claim_copies(wish).await.unwrap().copies.is_empty());
            let due = bench.store.next_copy(bench.now()).await.unwrap();
            assert_eq!(due, Some(bench.now().after(SECOND)));
            bench.clock.advance(SECOND);
        }
        bench.store.record_copy(&claim.id, SentCopy::Done).await.unwrap();
        assert_eq!(copy_of(&bench, number).await, Some(SentCopy::Done));
        assert!(bench.store.claim_copies(bench.wish(9)).await.unwrap().copies.is_empty());
        assert_eq!(bench.store.next_copy(bench.now()).await.unwrap(), None);
        bench.store.record_copy(&claim.id, SentCopy::GivenUp).await.unwrap();
        assert_eq!(copy_of(&bench, number).await, Some(SentCopy::Done), "it has ended");
    }
}

async fn copies_have_room_of_their_own<S: Store>(bench: Bench<S>) {
    for (number, who) in [(1, "a"), (2, "a"), (3, "b")] {
        let mut new = bench.draft(number);
        (new.account, new.created) = (account(who), bench.now().after(SECOND * number.into()));
        bench.accepted(new).await;
    }
    for claim in bench.claims(9).await {
        let step = ended(&claim, State::Sent, bench.now());
        bench.store.record_and_copy(&claim.id, claim.epoch, step).await.unwrap();
    }
    let room = ClaimCapacity { limit: 9, each: 1, ..ClaimCapacity::default() };
    let wish = ClaimRequest { room, pauses: vec![SECOND], ..bench.wish(0) };
    let first = bench.store.claim_copies(wish).await.unwrap();
    let accounts: Vec<_> = first.copies.iter().map(|copy| copy.account.as_str()).collect();
    assert_eq!((accounts, first.more), (vec!["a", "b"], true));
    let rest = bench.store.claim_copies(bench.wish(9)).await.unwrap();
    assert_eq!((rest.copies[0].id.clone(), rest.copies.len(), rest.more), (id(2), 1, false));
}

async fn copy_of<S: Store>(bench: &Bench<S>, number: u8) -> Option<SentCopy> {
    let entry = Outbox::get(&bench.store, &person("t", "anna"), &id(number)).await.unwrap();
    entry.unwrap().sent_copy
}

/// Submissions in doubt say so, and final ones are not waited for.
async fn damaged_bytes_end_who_waits_and_keep_what_is_in_doubt<S: Store>(bench: Bench<S>) {
    use State::{Accepted, Deferred, DotSent, Failed, Sent, Uncertain};
    let histories = [
        (Accepted, [Failed, Failed], false),
        (Deferred, [Sent, Failed], false),
        (DotSent, [Uncertain, Uncertain], true),
        (Uncertain, [Sent, Uncertain], true),
    ];
    for (number, (found, want, doubtful)) in (1..).zip(histories) {
        bench.accepted(bench.draft(number)).await;
        if found != Accepted {
            let claim = bench.claimed().await;
            let step = if found == DotSent {
                AttemptStep::DotSent
            } else {
                let mut recipients = claim.recipients.clone();
                (recipients[0].state, recipients[1].state) = (Sent, found);
                AttemptStep::Ended { state: found, recipients, due: bench.now(), last_error: None }
            };
            bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
            bench.store.release_claims().await.unwrap();
        }
        let claim = bench.claimed().await;
        assert_eq!(claim.found, found);
        let step = AttemptStep::Damaged { reason: "its bytes are damaged".to_owned() };
        bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
        let entry = Outbox::get(&bench.store, &person("t", "anna"), &id(number)).await.unwrap();
        let entry = entry.unwrap();
        let states: Vec<_> = entry.recipients.iter().map(|known| known.state).collect();
        assert_eq!(
            (entry.receipt.state, states.as_slice()),
            (Failed, want.as_slice()),
            "{found:?}"
        );
        assert_eq!(entry.possible_duplicate, doubtful, "{found:?}");
    }
}
