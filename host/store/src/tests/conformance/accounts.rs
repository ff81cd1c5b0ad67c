//! Conformance suite of both stores: accounts, their credentials, and their isolation.

use fakes::account::password;
use model::account::Account;
use model::port::accounts::Accounts;
use model::port::outbox::{IdempotentReplay, Outbox};
use model::port::store_error::StoreError;
use model::submission::NewSubmission;

use crate::tests::conformance::number;
use crate::tests::fixture::{Bench, Store, account, id, person, tenant, used};

suite!(
    other_tenants_and_accounts_see_nothing,
    an_account_made_again_inherits_nothing,
    accounts_are_kept_listed_and_deleted,
    credentials_open_for_their_account_only,
);

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
