//! Tests of key rotation: on both stores while they are used, and on disk interrupted at every
//! step.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fakes::account::password;
use model::account::{Account, Credentials, MailServer, OAuth, Security, TokenSource};
use model::instant::Timestamp;
use model::port::accounts::Accounts;
use model::port::store_error::StoreError;
use model::secret::Secret;
use rusqlite::Connection;

use crate::error::OpenError;
use crate::keys::Keys;
use crate::keys::key_file::KeyFile;
use crate::keys::seal::MasterKey;
use crate::sqlite::Sqlite;
use crate::sqlite::rotation::Pass;
use crate::tests::fixture::{Bench, Store, TestClock, key, memory, person, sqlite, tenant};

const PEOPLE: usize = 7;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_seals_everything_again_without_disturbing_readers_and_writers() {
    everything_opens_all_the_while(memory()).await;
    everything_opens_all_the_while(sqlite()).await;
}

async fn everything_opens_all_the_while<S: Store>(bench: Bench<S>) {
    for number in 0..PEOPLE {
        let kept = secret(number);
        Accounts::create(&bench.store, &someone(number), &kept).await.unwrap();
    }
    let over = Arc::new(AtomicBool::new(false));
    let (store, ended) = (bench.store.clone(), Arc::clone(&over));
    let mut used = tokio::task::JoinSet::new();
    used.spawn(async move {
        let mut rounds = 0_usize;
        while !ended.load(Ordering::SeqCst) || rounds < PEOPLE {
            let number = rounds % PEOPLE;
            let opened = store.credentials(&someone(number)).await.unwrap();
            assert_eq!(opened, Some(secret(number)));
            assert!(store.renew(&someone(number), &secret(number), &secret(number)).await.unwrap());
            rounds += 1;
        }
    });
    for turn in 0..20 {
        let wrapped = bench.store.rotate(MasterKey::from_bytes([100 + turn; 32])).await.unwrap();
        assert!(wrapped <= PEOPLE as u64);
        tokio::task::yield_now().await;
    }
    over.store(true, Ordering::SeqCst);
    used.join_all().await;
    assert_eq!(bench.store.rotate(MasterKey::from_bytes([9; 32])).await.unwrap(), PEOPLE as u64);
    let again = bench.store.rotate(MasterKey::from_bytes([9; 32])).await.unwrap();
    assert_eq!(again, 0, "that key is in use already");
}

/// A rotation that is faster than a reader, which had looked up the keys before it.
#[tokio::test]
async fn a_reader_with_keys_that_were_removed_meanwhile_reads_again() {
    let bench = sqlite();
    let anna = someone(1);
    Accounts::create(&bench.store, &anna, &secret(1)).await.unwrap();
    let (release, held) = std::sync::mpsc::channel();
    let mut holding = Box::pin(bench.store.hold_reader(held));
    let mut reading = bench.store.credentials(&anna);
    tokio::select! {
        biased;
        () = &mut holding => panic!("nothing held the reader"),
        _ = &mut reading => panic!("nothing held the reader"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(bench.store.rotate(MasterKey::from_bytes([2; 32])).await.unwrap(), 1);
    release.send(()).unwrap();
    let ((), read) = tokio::join!(holding, reading);
    assert_eq!(read.unwrap(), Some(secret(1)));
}

#[tokio::test]
async fn renewed_credentials_replace_the_old_ones_of_their_generation_only() {
    for_both(memory()).await;
    for_both(sqlite()).await;
    async fn for_both<S: Store>(bench: Bench<S>) {
        let anna = someone(1);
        assert!(!bench.store.renew(&anna, &password("none"), &password("early")).await.unwrap());
        Accounts::create(&bench.store, &anna, &password("first")).await.unwrap();
        assert!(!bench.store.renew(&anna, &password("stale"), &secret(3)).await.unwrap());
        let (host, username) = ("elsewhere.example".to_owned(), "anna".to_owned());
        let other = MailServer { host, port: 465, security: Security::Tls, username, pin: None };
        let elsewhere = Account { smtp: Some(other), ..anna.clone() };
        assert!(!bench.store.renew(&elsewhere, &password("first"), &secret(3)).await.unwrap());
        assert!(bench.store.renew(&anna, &password("first"), &secret(3)).await.unwrap());
        assert_eq!(bench.store.credentials(&anna).await.unwrap(), Some(secret(3)));
        let later = Account { generation: anna.generation + 1, ..anna.clone() };
        assert!(!bench.store.renew(&later, &secret(3), &password("other")).await.unwrap());
        assert_eq!(bench.store.credentials(&anna).await.unwrap(), Some(secret(3)));
        let url = Credentials::OAuth(OAuth {
            source: TokenSource::Url {
                url: "https://tokens.example/x".to_owned(),
                secret: Some(Secret::new("shared".to_owned())),
            },
            access: None,
            expires: None,
            refresh: None,
        });
        assert!(bench.store.renew(&anna, &secret(3), &url).await.unwrap());
        assert_eq!(bench.store.credentials(&anna).await.unwrap(), Some(url));
    }
}

/// Where a rotation is interrupted.
#[derive(Clone, Copy, Debug)]
enum Crash {
    KeyWritten,
    Begun,
    SomeWrapped,
    AllWrapped,
    CheckWrapped,
    Renamed,
}

#[tokio::test]
async fn a_crash_at_any_step_leaves_everything_readable_and_the_next_start_continues() {
    use Crash::{AllWrapped, Begun, CheckWrapped, KeyWritten, Renamed, SomeWrapped};
    for crash in [KeyWritten, Begun, SomeWrapped, AllWrapped, CheckWrapped, Renamed] {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::new(dir.path().join("key"));
        let old = file.load_or_create().unwrap();
        let store = open(dir.path(), old.clone()).unwrap();
        for number in 0..PEOPLE {
            Accounts::create(&store, &someone(number), &secret(number)).await.unwrap();
        }
        broken_off(&store, &file, crash).await;
        drop(store);

        let keys = file.load_or_create().unwrap();
        let store = open(dir.path(), keys.clone()).unwrap();
        for number in 0..PEOPLE + 1 {
            let opened = store.credentials(&someone(number)).await.unwrap();
            let known = number < PEOPLE || !matches!(crash, KeyWritten);
            assert_eq!(opened, known.then(|| secret(number)), "{crash:?}");
        }
        file.finish().unwrap();
        drop(store);
        let keys_of_the_file = file.load_or_create().unwrap();
        assert!(keys_of_the_file == Keys::from(newest(&keys)), "{crash:?}");
        drop(open(dir.path(), keys_of_the_file).unwrap());
        let refused = open(dir.path(), old).unwrap_err();
        assert!(matches!(refused, OpenError::WrongKey { .. }), "{crash:?}: {refused}");
    }
}

/// The same key again: a [`MasterKey`] is never cloned outside of tests.
fn newest(keys: &Keys) -> MasterKey {
    MasterKey::from_base64(&keys.current().to_base64()).unwrap()
}

async fn broken_off(store: &Sqlite, file: &KeyFile, crash: Crash) {
    let new = file.begin().unwrap();
    if let Crash::KeyWritten = crash {
        return;
    }
    store.begin_rotation(new);
    // One more account, sealed when both keys are in use.
    Accounts::create(store, &someone(PEOPLE), &secret(PEOPLE)).await.unwrap();
    let mut pass = Some(Pass::default());
    while let Some(at) = pass {
        let begun = at == Pass::default();
        if matches!(crash, Crash::Begun) || (matches!(crash, Crash::SomeWrapped) && !begun) {
            return;
        }
        (pass, _) = store.wrap_batch(at, 3).await.unwrap();
    }
    if let Crash::AllWrapped = crash {
        return;
    }
    store.wrap_check().await.unwrap();
    if let Crash::Renamed = crash {
        file.finish().unwrap();
    }
}

#[tokio::test]
async fn a_damaged_record_does_not_keep_the_others_from_the_new_key() {
    let bench = sqlite();
    for number in 0..3 {
        Accounts::create(&bench.store, &someone(number), &secret(number)).await.unwrap();
    }
    let conn = Connection::open(bench.store.file("meta.db")).unwrap();
    let damage = "UPDATE credential SET sealed = x'01ff' WHERE account = 'p1'";
    assert_eq!(conn.execute(damage, []).unwrap(), 1);
    assert_eq!(bench.store.rotate(MasterKey::from_bytes([2; 32])).await.unwrap(), 2);
    assert_eq!(bench.store.credentials(&someone(2)).await.unwrap(), Some(secret(2)));
    let damaged = bench.store.credentials(&someone(1)).await;
    assert!(matches!(damaged, Err(StoreError::Sealed)));
}

#[tokio::test]
async fn a_second_key_waits_until_the_first_rotation_has_ended() {
    let bench = sqlite();
    Accounts::create(&bench.store, &someone(1), &secret(1)).await.unwrap();
    bench.store.begin_rotation(MasterKey::from_bytes([2; 32]));
    let third = bench.store.rotate(MasterKey::from_bytes([3; 32])).await;
    assert!(matches!(third, Err(StoreError::Failed(_))), "{third:?}");
    assert_eq!(bench.store.rotate(MasterKey::from_bytes([2; 32])).await.unwrap(), 1);
    let dir = bench.dir.unwrap();
    drop(bench.store);
    assert!(open(dir.path(), key().into()).is_err());
    drop(open(dir.path(), MasterKey::from_bytes([2; 32]).into()).unwrap());
}

fn open(dir: &Path, keys: Keys) -> Result<Sqlite, OpenError> {
    Sqlite::open(dir, keys, TestClock::new() as _)
}

fn someone(number: usize) -> Account {
    person(tenant("t").as_str(), &format!("p{number}"))
}

/// Of both kinds.
fn secret(number: usize) -> Credentials {
    if number.is_multiple_of(2) {
        return password(&format!("secret {number}"));
    }
    Credentials::OAuth(OAuth {
        source: TokenSource::Provider("google".to_owned()),
        access: Some(Secret::new(format!("access {number}"))),
        expires: Some(Timestamp::from_millis(number as i64)),
        refresh: Some(Secret::new(format!("refresh {number}"))),
    })
}
