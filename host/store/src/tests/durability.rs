//! Tests of the persistent store alone: durability, secrecy on disk, and refusals of what is not
//! safe.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fakes::account::password;
use model::account::Account;
use model::ids::{AccountId, TenantId};
use model::octets::{Octets, ReadAt};
use model::port::BoxFuture;
use model::port::accounts::Accounts;
use model::port::outbox::{AttemptStep, Outbox};
use model::port::store_error::StoreError;
use model::port::tokens::Tokens;
use model::submission::State;
use rusqlite::Connection;

use crate::error::OpenError;
use crate::keys::seal::MasterKey;
use crate::sqlite::Sqlite;
use crate::tests::fixture::{
    Bench, Store, account, bytes_of, ended, id, key, octets, person, sqlite, tenant, token, used,
};

impl Store for Sqlite {
    fn copy_sealed(&self, _: &TenantId, from: &AccountId, to: &AccountId) {
        let conn = Connection::open(self.file("meta.db")).unwrap();
        let copied = conn.execute(
            "UPDATE credential SET sealed = (SELECT sealed FROM credential WHERE account = ?1) WHERE account = ?2",
            [from.as_str(), to.as_str()],
        );
        assert_eq!(copied.unwrap(), 1);
    }

    fn rotate(&self, new: MasterKey) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.rotate(new))
    }
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let bench = sqlite();
    let large: Vec<u8> = (0..200_000_u32).map(|at| (at % 253) as u8).collect();
    let mut new = bench.draft(1);
    (new.raw, new.idempotency) = (octets(&large), used("k", 1));
    let receipt = bench.accepted(new).await;
    bench.accepted(bench.draft(2)).await;
    let claim = bench.claims(1).await.remove(0);
    bench.store.record(&claim.id, claim.epoch, AttemptStep::DotSent).await.unwrap();
    Accounts::create(&bench.store, &person("t", "anna"), &password("p")).await.unwrap();
    Tokens::create(&bench.store, &token("t", 1)).await.unwrap();

    let bench = reopened(bench);
    let (t, anna) = (tenant("t"), person("t", "anna"));
    assert_eq!(bench.store.release_claims().await.unwrap(), 1);
    let replay = bench.store.lookup(&anna, &used("k", 1).unwrap()).await.unwrap();
    assert!(matches!(replay, Some(model::port::outbox::IdempotentReplay::Same(same))
        if same.submission == receipt.submission && same.state == State::DotSent));
    let claims = bench.claims(9).await;
    let claim = claims.iter().find(|claim| claim.id == id(1)).unwrap();
    assert_eq!((claim.found, claim.epoch), (State::DotSent, 2));
    assert_eq!(bytes_of(&claim.raw).await, large);
    let opened = bench.store.credentials(&anna).await.unwrap().unwrap();
    assert_eq!(opened, password("p"));
    assert_eq!(Tokens::list(&bench.store, &t).await.unwrap(), [token("t", 1)]);
}

#[tokio::test]
async fn an_outbox_of_the_first_schema_opens_with_its_rows_in_generation_zero() {
    let bench = sqlite();
    let mut new = bench.draft(1);
    (new.generation, new.idempotency) = (0, used("k", 1));
    bench.accepted(new.clone()).await;
    let Bench { store, clock, dir } = bench;
    let file = store.file("outbox.db");
    drop(store);
    // As the first release would have written it.
    let conn = Connection::open(&file).unwrap();
    let first = crate::sqlite::migrations::OUTBOX[0];
    let table = first.split("CREATE TABLE idempotency").nth(1).unwrap();
    conn.execute_batch(&format!(
        "DROP INDEX submission_newest; DROP INDEX submission_ended; DROP INDEX idempotency_submission;
         ALTER TABLE submission DROP COLUMN ended; DROP TABLE uptime;
         DROP TABLE pruned; DROP TABLE quarantine; DROP INDEX submission_account_wake;
         DROP INDEX submission_copy; DROP INDEX submission_copy_due;
         ALTER TABLE submission DROP COLUMN sent_copy;
         ALTER TABLE submission DROP COLUMN copy_due;
         ALTER TABLE submission DROP COLUMN copy_tries;
         CREATE INDEX submission_tenant_wake ON submission (tenant, wake, created, id) WHERE wake IS NOT NULL;
         ALTER TABLE submission DROP COLUMN generation;
         ALTER TABLE submission DROP COLUMN warnings;
         CREATE INDEX submission_newest ON submission (tenant, account, created DESC, id DESC);
         ALTER TABLE idempotency RENAME TO later; DROP INDEX idempotency_created;
         CREATE TABLE idempotency {table};
         INSERT INTO idempotency SELECT tenant, account, key, digest, submission, created FROM later;
         DROP TABLE later; DELETE FROM migration WHERE version > 1;"
    ))
    .unwrap();
    drop(conn);
    let path = dir.as_ref().unwrap().path();
    let store = Sqlite::open(path, key(), Arc::clone(&clock) as _).unwrap();
    let bench = Bench { store, clock, dir };
    let k = used("k", 1).unwrap();
    assert_eq!(bench.store.lookup(&person("t", "anna"), &k).await.unwrap(), None);
    let before = Account { generation: 0, ..person("t", "anna") };
    assert!(bench.store.lookup(&before, &k).await.unwrap().is_some());
    assert_eq!(bench.claimed().await.generation, 0);
}

#[tokio::test]
async fn a_full_disk_reclaims_unreferenced_bodies() {
    let bench = sqlite();
    let large = |byte: u8| vec![byte; 100_000];
    let mut new = bench.draft(1);
    new.raw = octets(&large(b'x'));
    bench.accepted(new).await;
    let claim = bench.claimed().await;
    let step = ended(&claim, State::Sent, bench.now());
    bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
    let bodies = |bench: &Bench<Sqlite>| files(&bench.store.file("blobs"));
    assert_eq!(bodies(&bench).len(), 1, "it is young");
    let mut new = bench.draft(2);
    new.raw = Arc::new(Cramped { full: AtomicU32::new(1), bytes: octets(&large(b'y')) });
    bench.accepted(new).await;
    assert_eq!(bodies(&bench).len(), 1, "only the one that waits");
    assert_eq!(bytes_of(&bench.claimed().await.raw).await, large(b'y'));
    // Once is enough: a disk without any space fails.
    let mut new = bench.draft(3);
    new.raw = Arc::new(Cramped { full: AtomicU32::new(2), bytes: octets(&large(b'z')) });
    let refused = bench.store.accept(new).await;
    assert!(matches!(refused, Err(StoreError::Full)), "{refused:?}");
}

#[tokio::test]
async fn a_body_marked_for_deletion_that_is_written_again_stays() {
    let bench = sqlite();
    let blobs = bench.store.blobs();
    let raw = octets(&[b'x'; 1000]);
    let pin = blobs.put(&raw).await.unwrap();
    let digest = pin.digest;
    blobs.retire(digest);
    assert!(blobs.mark_unreferenced().is_empty(), "its row is on the way");
    drop(pin);
    let condemned = blobs.mark_unreferenced();
    assert_eq!(condemned, [digest]);
    // Unreferenced now, but about to be referenced.
    drop(blobs.put(&raw).await.unwrap());
    blobs.delete_marked(condemned, [digest].into()).await.unwrap();
    assert_eq!(bytes_of(&blobs.octets(digest, 1000)).await, [b'x'; 1000]);
    blobs.retire(digest);
    let condemned = blobs.mark_unreferenced();
    blobs.delete_marked(condemned, [digest].into()).await.unwrap();
    assert!(blobs.octets(digest, 1000).read_at(0, 1).await.is_err());
}

/// Bytes of which some reads find the disk full, as the write beside them would.
#[derive(Debug)]
struct Cramped {
    full: AtomicU32,
    bytes: Octets,
}

impl ReadAt for Cramped {
    fn size(&self) -> u64 {
        self.bytes.size()
    }

    fn read_at(&self, offset: u64, length: usize) -> BoxFuture<'_, io::Result<Bytes>> {
        let less = |left: u32| left.checked_sub(1);
        if self.full.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return Box::pin(async { Err(io::ErrorKind::StorageFull.into()) });
        }
        self.bytes.read_at(offset, length)
    }
}

#[tokio::test]
async fn a_second_store_in_the_directory_is_refused() {
    let bench = sqlite();
    let dir = bench.dir.as_ref().unwrap().path();
    let error = Sqlite::open(dir, key(), Arc::clone(&bench.clock) as _).unwrap_err();
    assert!(matches!(&error, OpenError::Locked { dir: named } if named == dir), "{error}");
    assert!(error.to_string().contains(dir.to_str().unwrap()));
    // And the first one is not affected.
    bench.accepted(bench.draft(1)).await;
}

#[tokio::test]
async fn a_password_is_in_no_file() {
    const CANARY: &str = "canary-7f3a9c-sings-in-no-file!";
    let bench = sqlite();
    Accounts::create(&bench.store, &person("t", "anna"), &password(CANARY)).await.unwrap();
    let mut new = bench.draft(1);
    new.raw = octets(&vec![b'x'; 100_000]);
    bench.accepted(new).await;
    let look = |bench: &Bench<Sqlite>, when: &str| {
        let encoded = STANDARD.encode(CANARY);
        let files = files(bench.dir.as_ref().unwrap().path());
        assert!(files.iter().any(|file| file.ends_with("meta.db")));
        for file in files {
            let bytes = fs::read(&file).unwrap();
            for word in [CANARY.as_bytes(), &CANARY.as_bytes()[..16], &encoded.as_bytes()[..20]] {
                let found = bytes.windows(word.len()).any(|window| window == word);
                assert!(!found, "{when}: {}", file.display());
            }
        }
    };
    look(&bench, "while open");
    look(&reopened(bench), "after a restart");
}

#[tokio::test]
async fn a_deleted_account_leaves_nothing_behind() {
    let bench = sqlite();
    let (t, anna) = (tenant("t"), account("anna"));
    Accounts::create(&bench.store, &person("t", "anna"), &password("p")).await.unwrap();
    let conn = Connection::open(bench.store.file("meta.db")).unwrap();
    let sealed: Vec<u8> =
        conn.query_row("SELECT sealed FROM credential", [], |row| row.get(0)).unwrap();
    assert!(bench.store.delete(&t, &anna).await.unwrap());
    // The log is emptied after the response, and before the next one.
    Tokens::create(&bench.store, &token("t", 1)).await.unwrap();
    for file in files(bench.dir.as_ref().unwrap().path()) {
        let bytes = fs::read(&file).unwrap();
        for word in [&sealed[..16], &b"anna@example.net"[..]] {
            let found = bytes.windows(word.len()).any(|window| window == word);
            assert!(!found, "{}", file.display());
        }
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_its_version() {
    for (name, ours) in [("meta.db", 2), ("outbox.db", 7)] {
        let bench = sqlite();
        let (dir, clock) = (bench.dir.unwrap(), bench.clock);
        drop(bench.store);
        let conn = Connection::open(dir.path().join(name)).unwrap();
        conn.execute("INSERT INTO migration (version) VALUES (99)", []).unwrap();
        drop(conn);
        let error = Sqlite::open(dir.path(), key(), clock).unwrap_err();
        assert!(
            matches!(error, OpenError::Newer { found: 99, known, .. } if known == ours),
            "{error}"
        );
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[tokio::test]
async fn another_master_key_is_detected_at_the_start() {
    let bench = sqlite();
    let (dir, clock) = (bench.dir.unwrap(), bench.clock);
    drop(bench.store);
    let error = Sqlite::open(dir.path(), MasterKey::from_bytes([8; 32]), clock).unwrap_err();
    assert!(matches!(error, OpenError::WrongKey { .. }), "{error}");
}

#[tokio::test]
async fn a_file_that_is_not_a_database_is_refused_and_not_replaced() {
    let bench = sqlite();
    let (dir, clock) = (bench.dir.unwrap(), bench.clock);
    drop(bench.store);
    let file = dir.path().join("outbox.db");
    fs::write(&file, "this is no database, and somebody may want it back").unwrap();
    let error = Sqlite::open(dir.path(), key(), clock).unwrap_err();
    assert!(matches!(error, OpenError::Database { .. }), "{error}");
    assert!(fs::read_to_string(&file).unwrap().starts_with("this is no database"));
}

#[tokio::test]
async fn a_new_directory_is_readable_by_its_owner_only() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let clock = crate::tests::fixture::TestClock::new();
    let store = Sqlite::open(&dir, key(), clock).unwrap();
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    drop(store);
}

#[tokio::test]
async fn a_damaged_body_is_never_returned_and_affects_no_other() {
    let bench = sqlite();
    let mut new = bench.draft(1);
    new.raw = octets(&vec![b'x'; 100_000]);
    bench.accepted(new).await;
    bench.accepted(bench.draft(2)).await;
    bench.accepted(bench.draft(3)).await;
    bench.accepted(bench.draft(4)).await;
    let blob = blobs(&bench).remove(0);
    let mut bytes = fs::read(&blob).unwrap();
    bytes[50_000] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let conn = Connection::open(bench.store.file("outbox.db")).unwrap();
    for (sql, number) in [
        ("UPDATE body SET raw = x'00' WHERE submission = ?1", 2),
        ("UPDATE submission SET sender = 'nobody at all' WHERE id = ?1", 3),
    ] {
        assert_eq!(conn.execute(sql, [id(number).as_str()]).unwrap(), 1);
    }
    let claims = bench.claims(9).await;
    let numbers: Vec<_> = claims.iter().map(|claim| claim.id.clone()).collect();
    assert_eq!(numbers, [id(1), id(4)]);
    let unread = claims[0].raw.read_at(0, 9).await.unwrap_err();
    assert_eq!(unread.kind(), io::ErrorKind::InvalidData);
    assert!(!bytes_of(&claims[1].raw).await.is_empty());
}

#[tokio::test]
async fn a_body_is_deleted_when_its_last_submission_ends() {
    let bench = sqlite();
    for number in 1..=2 {
        let mut new = bench.draft(number);
        new.raw = octets(&vec![b'x'; 100_000]);
        bench.accepted(new).await;
    }
    assert_eq!(blobs(&bench).len(), 1, "equal bytes are stored once");
    bench.clock.advance(Duration::from_secs(2 * 3600));
    let claims = bench.claims(9).await;
    let end = async |at: usize| {
        let claim = &claims[at];
        let step = ended(claim, State::Sent, bench.now());
        bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
    };
    end(0).await;
    assert_eq!(blobs(&bench).len(), 1);
    assert_eq!(bytes_of(&claims[1].raw).await.len(), 100_000);
    end(1).await;
    assert_eq!(blobs(&bench).len(), 0);
    assert_eq!(bytes_of(&claims[1].raw).await.len(), 100_000, "an open handle reads on");
}

#[tokio::test]
async fn a_start_deletes_unreferenced_files_after_an_hour() {
    let bench = sqlite();
    let mut new = bench.draft(1);
    new.raw = octets(&vec![b'x'; 100_000]);
    bench.accepted(new).await;
    let blob = blobs(&bench).remove(0);
    let orphan = blob.with_file_name(format!("{}{}", fan(&blob), "0".repeat(62)));
    fs::copy(&blob, &orphan).unwrap();
    let kept = fs::File::options().write(true).open(&orphan).unwrap();
    let written = std::time::UNIX_EPOCH + Duration::from_millis(bench.now().millis() as u64);
    kept.set_modified(written).unwrap();
    fs::write(bench.store.file("blobs").join("drafts").join("torn"), "half").unwrap();
    let bench = reopened(bench);
    assert!(orphan.exists(), "younger than an hour");
    assert_eq!(blobs(&bench).len(), 2, "drafts are gone at once");
    bench.clock.advance(Duration::from_secs(3600));
    let bench = reopened(bench);
    assert_eq!(blobs(&bench), [blob]);
}

#[test]
fn the_store_needs_no_runtime() {
    let bench = sqlite();
    let mut new = bench.draft(1);
    new.raw = octets(&vec![b'x'; 100_000]);
    wait(bench.accepted(new));
    let claim = wait(bench.claimed());
    assert_eq!(wait(bytes_of(&claim.raw)).len(), 100_000);
}

/// A minimal executor.
fn wait<T>(future: impl Future<Output = T>) -> T {
    struct Thread(std::thread::Thread);
    impl std::task::Wake for Thread {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Thread(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

fn reopened(bench: Bench<Sqlite>) -> Bench<Sqlite> {
    let Bench { store, clock, dir } = bench;
    drop(store);
    let path = dir.as_ref().unwrap().path().to_owned();
    let store = Sqlite::open(&path, key(), Arc::clone(&clock) as _).unwrap();
    Bench { store, clock, dir }
}

fn blobs(bench: &Bench<Sqlite>) -> Vec<PathBuf> {
    files(&bench.store.file("blobs"))
}

fn fan(blob: &Path) -> String {
    blob.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}
