//! Conformance suite that both stores pass: each case is written once, and `suite!` runs it on
//! each.

use std::time::Duration;

use model::account::Account;
use model::port::accounts::Accounts;
use model::port::outbox::{Acceptance, AttemptStep, Claim, ClaimRequest, IdempotentReplay, Outbox};
use model::port::store_error::StoreError;
use model::port::tokens::Tokens;
use model::submission::{NewSubmission, State};

use crate::tests::fixture::{
    Bench, LEASE, SECOND, Store, account, bytes_of, ended, id, octets, password, person, tenant,
    token, used,
};

macro_rules! suite {
    ($($case:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { super::$case(crate::tests::fixture::memory()).await; })*
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { super::$case(crate::tests::fixture::sqlite()).await; })*
        }
    };
}

pub(crate) use suite;

suite!(
    what_was_accepted_can_be_seen,
    a_key_gives_its_first_receipt_again,
    a_key_belongs_to_one_account,
    fifty_at_once_with_one_key_store_one,
    a_key_is_forgotten_after_its_time_but_not_before_the_end,
    an_id_is_accepted_once,
    a_claim_carries_everything,
    what_is_not_due_is_not_claimed,
    the_longest_due_comes_first,
    tenants_take_turns_within_a_claim_and_across_claims,
    a_claim_that_ran_out_is_claimed_again_with_a_higher_epoch,
    a_worker_that_lost_its_claim_cannot_record,
    steps_are_seen_and_the_claim_ends,
    what_ended_in_doubt_is_found_so_until_a_step,
    no_attempt_ends_in_the_hands_of_a_worker,
    void_claims_leaves_every_claim_its_due,
    next_due_is_the_soonest_of_dues_and_leases,
    pages_stay_stable_while_new_ones_arrive,
    find_selects_states_and_refuses_strange_cursors,
    other_tenants_and_accounts_see_nothing,
    an_account_made_again_inherits_nothing,
    accounts_are_kept_listed_and_deleted,
    credentials_open_for_their_account_only,
    tokens_are_kept_listed_and_revoked,
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

async fn other_tenants_and_accounts_see_nothing<S: Store>(bench: Bench<S>) {
    bench.accepted(bench.draft(1)).await;
    bench.store_person("t", "anna").await;
    for (t, a) in [("u", "anna"), ("t", "bo")] {
        let stranger = person(t, a);
        assert_eq!(Outbox::get(&bench.store, &stranger, &id(1)).await.unwrap(), None);
        assert!(bench.store.find(&stranger, &[], None, 9).await.unwrap().rows.is_empty());
        assert!(bench.store.credentials(&stranger).await.unwrap().is_none());
        let (t, a) = (tenant(t), account(a));
        assert_eq!(Accounts::get(&bench.store, &t, &a).await.unwrap(), None);
        assert!(!bench.store.delete(&t, &a).await.unwrap());
    }
}

async fn an_account_made_again_inherits_nothing<S: Store>(bench: Bench<S>) {
    let (first, t) = (person("t", "anna"), tenant("t"));
    let second = Account { generation: 4, ..first.clone() };
    bench.store_person("t", "anna").await;
    let mut new = bench.draft(1);
    new.idempotency = used("k", 1);
    bench.accepted(new.clone()).await;
    bench.store.delete(&t, &first.id).await.unwrap();
    Accounts::create(&bench.store, &second, &password("second")).await.unwrap();
    assert!(bench.store.credentials(&first).await.unwrap().is_none());
    let opened = bench.store.credentials(&second).await.unwrap().unwrap();
    assert_eq!(opened, password("second"));
    assert_eq!(Outbox::get(&bench.store, &second, &id(1)).await.unwrap(), None);
    assert!(bench.store.find(&second, &[], None, 9).await.unwrap().rows.is_empty());
    assert_eq!(bench.store.find(&first, &[], None, 9).await.unwrap().rows.len(), 1);
    let other = used("k", 2);
    assert_eq!(bench.store.lookup(&second, other.as_ref().unwrap()).await.unwrap(), None);
    let again = NewSubmission { id: id(2), generation: 4, idempotency: other, ..new };
    bench.accepted(again).await;
    let mismatch = bench.store.lookup(&first, &used("k", 2).unwrap()).await.unwrap();
    assert_eq!(mismatch, Some(IdempotentReplay::Mismatch), "the first key is still the first's");
    let mut claimed: Vec<_> =
        bench.claims(9).await.iter().map(|claim| (number(&claim.id), claim.generation)).collect();
    claimed.sort_unstable();
    assert_eq!(claimed, [(1, first.generation), (2, 4)]);
}

async fn accounts_are_kept_listed_and_deleted<S: Store>(bench: Bench<S>) {
    for (t, a) in [("t", "cy"), ("t", "anna"), ("u", "anna"), ("t", "bo")] {
        bench.store_person(t, a).await;
    }
    let (anna, t) = (person("t", "anna"), tenant("t"));
    let again = Accounts::create(&bench.store, &anna, &password("other")).await;
    assert!(matches!(again, Err(StoreError::Exists)));
    assert_eq!(Accounts::get(&bench.store, &t, &anna.id).await.unwrap(), Some(anna.clone()));
    let first = Accounts::list(&bench.store, &t, None, 2).await.unwrap();
    assert_eq!(first, [anna.clone(), person("t", "bo")]);
    for (after, want) in [("bo", &["cy"][..]), ("b", &["bo", "cy"]), ("cy", &[]), ("zoe", &[])] {
        let after = after.parse().unwrap();
        let found = Accounts::list(&bench.store, &t, Some(&after), 2).await.unwrap();
        let want: Vec<_> = want.iter().map(|id| person("t", id)).collect();
        assert_eq!(found, want, "{after}");
    }
    assert!(bench.store.delete(&t, &anna.id).await.unwrap());
    assert!(!bench.store.delete(&t, &anna.id).await.unwrap());
    assert_eq!(Accounts::get(&bench.store, &t, &anna.id).await.unwrap(), None);
    assert!(bench.store.credentials(&anna).await.unwrap().is_none());
    assert!(bench.store.credentials(&person("u", "anna")).await.unwrap().is_some());
    Accounts::create(&bench.store, &anna, &password("again")).await.unwrap();
}

async fn credentials_open_for_their_account_only<S: Store>(bench: Bench<S>) {
    bench.store_person("t", "anna").await;
    bench.store_person("t", "bo").await;
    let (t, anna, bo) = (tenant("t"), account("anna"), account("bo"));
    let opened = bench.store.credentials(&person("t", "anna")).await.unwrap().unwrap();
    assert_eq!(opened, password("pass of anna"));
    bench.store.copy_sealed(&t, &anna, &bo);
    let moved = bench.store.credentials(&person("t", "bo")).await;
    assert!(matches!(moved, Err(StoreError::Sealed)), "{moved:?}");
    assert!(bench.store.credentials(&person("t", "anna")).await.unwrap().is_some());
}

async fn tokens_are_kept_listed_and_revoked<S: Store>(bench: Bench<S>) {
    let (one, two, other) = (token("t", 1), token("t", 2), token("u", 3));
    for token in [&two, &one, &other] {
        Tokens::create(&bench.store, token).await.unwrap();
    }
    let mut thief = token("u", 1);
    thief.digest = [9; 32];
    let again = Tokens::create(&bench.store, &thief).await;
    assert!(matches!(again, Err(StoreError::Exists)));
    assert_eq!(Tokens::get(&bench.store, &one.id).await.unwrap(), Some(one.clone()));
    let listed = Tokens::list(&bench.store, &tenant("t")).await.unwrap();
    assert_eq!(listed, [one.clone(), two]);
    assert!(!bench.store.revoke(&tenant("u"), &one.id).await.unwrap());
    assert!(bench.store.revoke(&tenant("t"), &one.id).await.unwrap());
    assert!(!bench.store.revoke(&tenant("t"), &one.id).await.unwrap());
    assert_eq!(Tokens::get(&bench.store, &one.id).await.unwrap(), None);
}

impl<S: Store> Bench<S> {
    async fn store_person(&self, t: &str, a: &str) {
        let credentials = password(&format!("pass of {a}"));
        Accounts::create(&self.store, &person(t, a), &credentials).await.unwrap();
    }
}

fn order(claims: &[Claim]) -> Vec<u8> {
    claims.iter().map(|claim| number(&claim.id)).collect()
}

fn number(of: &model::ids::SubmissionId) -> u8 {
    (0..=u8::MAX).find(|number| id(*number) == *of).unwrap()
}
