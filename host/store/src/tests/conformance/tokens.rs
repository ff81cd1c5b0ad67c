//! Conformance suite of both stores: API tokens.

use model::port::store_error::StoreError;
use model::port::tokens::Tokens;

use crate::tests::fixture::{Bench, Store, tenant, token};

suite!(tokens_are_kept_listed_and_revoked,);

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
