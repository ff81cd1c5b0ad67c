//! Conformance suite of both stores: changes of accounts, and their health.

use fakes::account::password;
use model::account::{Account, Credentials, MailServer, Security};
use model::health::{AccountState, Health, HealthIssue, HealthIssueKind};
use model::port::accounts::{Accounts, CredentialSwap};
use model::problem::Protocol;

use crate::tests::fixture::{Bench, Store, person, tenant};

suite!(
    an_account_is_changed_only_as_it_was_read,
    credentials_open_only_for_the_servers_that_they_were_given_for,
    of_two_new_passwords_one_is_refused,
    health_is_kept_for_one_generation,
);

async fn stored<S: Store>(bench: &Bench<S>) -> Account {
    let anna = person("t", "anna");
    Accounts::create(&bench.store, &anna, &password("old")).await.unwrap();
    anna
}

async fn opened<S: Store>(bench: &Bench<S>, account: &Account) -> Option<String> {
    let opened = bench.store.credentials(account).await.unwrap();
    opened.map(|opened| match opened {
        Credentials::Password(password) => password.reveal().to_owned(),
        Credentials::OAuth(oauth) => panic!("{oauth:?}"),
    })
}

async fn an_account_is_changed_only_as_it_was_read<S: Store>(bench: Bench<S>) {
    let anna = stored(&bench).await;
    let renamed = Account { name: Some("Other".to_owned()), ..anna.clone() };
    assert!(bench.store.update(&anna, &renamed, None).await.unwrap());
    let get = async || Accounts::get(&bench.store, &tenant("t"), &anna.id).await.unwrap();
    assert_eq!(get().await, Some(renamed.clone()));
    assert_eq!(opened(&bench, &renamed).await.as_deref(), Some("old"));

    // A caller that read the account before would revert the change.
    let late = Account { name: Some("Late".to_owned()), ..anna.clone() };
    assert!(!bench.store.update(&anna, &late, None).await.unwrap());
    assert_eq!(get().await, Some(renamed.clone()));

    let moved = Account { generation: anna.generation + 1, ..renamed.clone() };
    assert!(
        bench
            .store
            .update(&renamed, &moved, swap(&password("old"), &password("new")))
            .await
            .unwrap()
    );
    assert_eq!(opened(&bench, &moved).await.as_deref(), Some("new"));
    assert_eq!(opened(&bench, &anna).await, None, "of another generation");
    // A caller that read it before is too late, with account and password.
    assert!(
        !bench
            .store
            .update(&renamed, &anna, swap(&password("old"), &password("late")))
            .await
            .unwrap()
    );
    assert_eq!(get().await, Some(moved.clone()));
    assert_eq!(opened(&bench, &moved).await.as_deref(), Some("new"));

    let nobody = person("t", "nobody");
    assert!(!bench.store.update(&nobody, &nobody, None).await.unwrap());
    let stranger = person("u", "anna");
    assert!(!bench.store.update(&stranger, &stranger, None).await.unwrap());
}

async fn credentials_open_only_for_the_servers_that_they_were_given_for<S: Store>(bench: Bench<S>) {
    let at = |host: &str| {
        let (host, username) = (host.to_owned(), "anna".to_owned());
        Some(MailServer { host, port: 465, security: Security::Tls, username, pin: None })
    };
    let old = stored(&bench).await;
    let new = Account { smtp: at("smtp.example.net"), ..old.clone() };
    assert!(
        bench.store.update(&old, &new, swap(&password("old"), &password("new"))).await.unwrap()
    );
    assert_eq!(opened(&bench, &old).await, None, "the server of before would get it");
    let other = Account { smtp: at("smtp.example.org"), ..old.clone() };
    assert_eq!(opened(&bench, &other).await, None);
    let other = Account { imap: at("smtp.example.net"), ..new.clone() };
    assert_eq!(opened(&bench, &other).await, None);
    assert_eq!(opened(&bench, &new).await.as_deref(), Some("new"));

    let changed = |change: &dyn Fn(&mut MailServer)| {
        let mut other = new.clone();
        other.smtp.iter_mut().for_each(change);
        other
    };
    let pin = format!("sha256/{}=", "A".repeat(43));
    for other in [
        changed(&|server| server.port = 4650),
        changed(&|server| server.pin = Some(pin.parse().unwrap())),
    ] {
        assert_eq!(opened(&bench, &other).await, None, "somebody else may answer there");
    }
}

async fn of_two_new_passwords_one_is_refused<S: Store>(bench: Bench<S>) {
    let anna = stored(&bench).await;
    let (old, one, two) = (password("old"), password("one"), password("two"));
    assert!(bench.store.update(&anna, &anna, swap(&old, &one)).await.unwrap());
    assert!(!bench.store.update(&anna, &anna, swap(&old, &two)).await.unwrap());
    assert_eq!(opened(&bench, &anna).await.as_deref(), Some("one"));
    assert!(bench.store.update(&anna, &anna, swap(&one, &two)).await.unwrap());
    assert_eq!(opened(&bench, &anna).await.as_deref(), Some("two"));
}

fn swap<'a>(before: &'a Credentials, after: &'a Credentials) -> Option<CredentialSwap<'a>> {
    Some(CredentialSwap { before, after })
}

async fn health_is_kept_for_one_generation<S: Store>(bench: Bench<S>) {
    let anna = stored(&bench).await;
    assert_eq!(bench.store.health(&anna).await.unwrap(), Health::default());
    let (kind, code, detail) = (HealthIssueKind::Refused, "x".to_owned(), "y".to_owned());
    let mut health = Health::default();
    health.see(Protocol::Imap, bench.now(), None);
    bench.store.note(&anna, &health).await.unwrap();
    health.see(Protocol::Smtp, bench.now(), Some(HealthIssue { kind, code, detail }));
    bench.store.note(&anna, &health).await.unwrap();
    assert_eq!(bench.store.health(&anna).await.unwrap(), health);
    assert_eq!(health.state(), AccountState::AuthenticationFailed);

    let moved = Account { generation: anna.generation + 1, ..anna.clone() };
    assert!(bench.store.update(&anna, &moved, None).await.unwrap());
    assert_eq!(bench.store.health(&moved).await.unwrap(), Health::default());
    // A login that began before the change ends after it.
    bench.store.note(&anna, &health).await.unwrap();
    assert_eq!(bench.store.health(&moved).await.unwrap(), Health::default());
    bench.store.note(&moved, &health).await.unwrap();
    assert_eq!(bench.store.health(&moved).await.unwrap(), health);

    assert!(bench.store.delete(&tenant("t"), &anna.id).await.unwrap());
    bench.store.note(&moved, &health).await.unwrap();
    Accounts::create(&bench.store, &moved, &password("again")).await.unwrap();
    assert_eq!(bench.store.health(&moved).await.unwrap(), Health::default());
}
