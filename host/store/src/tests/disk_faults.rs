//! Tests of disk faults: failure, lack of space, lost files and changed bytes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use fakes::account::password;
use model::port::accounts::Accounts;
use model::port::maintenance::{Condition, Maintenance};
use model::port::outbox::{AttemptStep, Outbox};
use model::port::store_error::StoreError;
use model::submission::State;
use rusqlite::Connection;
use rustix::process::{Resource, Rlimit, setrlimit};
use sha2::{Digest as _, Sha256};

use crate::error::OpenError;
use crate::sqlite::Sqlite;
use crate::tests::fixture::{
    Bench, LEASE, TestClock, bytes_of, ended, id, key, octets, person, sqlite, used,
};

/// The sync of one file failed: nothing new is accepted, and work under way is written to the
/// others.
#[tokio::test]
async fn a_disk_that_fails_refuses_new_mail_and_records_verdicts() {
    let bench = sqlite();
    bench.accepted(bench.draft(1)).await;
    let claim = bench.claimed().await;
    assert_eq!(bench.store.condition(), Condition::Writable);
    bench.store.poison();
    for number in [2, 3] {
        let mut new = bench.draft(number);
        new.raw = octets(&vec![b'x'; 100_000 * usize::from(number - 2)]);
        let refused = bench.store.accept(new).await;
        assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
    }
    bench.store.failed().await;
    assert_eq!(bench.store.condition(), Condition::Failed);
    let step = ended(&claim, State::Sent, bench.now());
    bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
    assert_eq!(bench.state(1).await, State::Sent);
}

#[tokio::test]
async fn a_database_that_failed_is_not_written_to_again() {
    let bench = sqlite();
    bench.accepted(bench.draft(1)).await;
    let claim = bench.claimed().await;
    bench.store.poison_outbox().await;
    let step = ended(&claim, State::Sent, bench.now());
    let refused = bench.store.record(&claim.id, claim.epoch, step).await;
    assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
    assert!(bench.store.accept(bench.draft(2)).await.is_err());
    assert_eq!(bench.store.condition(), Condition::Failed);
    assert!(!bench.state(1).await.is_final(), "reading goes on");
}

#[tokio::test]
async fn a_lost_database_is_not_created_again() {
    for lost in ["meta.db", "outbox.db"] {
        for (remains, marked) in [(0, true), (0, false), (4096, true)] {
            let dir = inhabited().await;
            let file = dir.path().join(lost);
            if remains == 0 {
                fs::remove_file(&file).unwrap();
            } else {
                // Its log was lost: a database without tables.
                fs::remove_file(&file).unwrap();
                Connection::open(&file).unwrap().execute_batch("VACUUM").unwrap();
            }
            if !marked {
                fs::remove_file(dir.path().join("complete")).unwrap();
            }
            let error = open(dir.path()).unwrap_err();
            assert!(matches!(&error, OpenError::Missing { file: named, .. } if *named == file));
            let told = error.to_string();
            assert!(told.contains(lost) && told.contains("backup"), "{told}");
            let seen = crate::sqlite::inspect::look(dir.path(), &crate::keys::Keys::from(key()));
            assert!(matches!(seen, Err(OpenError::Missing { .. })), "{seen:?}");
            assert!(remains > 0 || !file.exists(), "nothing was made");
        }
    }
    let dir = inhabited().await;
    for lost in ["meta.db", "outbox.db"] {
        fs::remove_file(dir.path().join(lost)).unwrap();
    }
    assert!(
        matches!(open(dir.path()), Err(OpenError::Missing { .. })),
        "both, and it was complete"
    );
}

/// A first start that was interrupted at any point is repeated.
#[tokio::test]
async fn an_interrupted_first_start_is_repeated() {
    for left in [&["meta.db"][..], &["outbox.db"], &["meta.db", "outbox.db"], &[]] {
        let whole = tempfile::tempdir().unwrap();
        drop(open(whole.path()).unwrap());
        assert!(whole.path().join("complete").exists());
        let dir = tempfile::tempdir().unwrap();
        for name in left {
            fs::copy(whole.path().join(name), dir.path().join(name)).unwrap();
        }
        // A file that was created, and nothing written to it.
        if left.len() == 1 {
            for name in ["meta.db", "outbox.db"].iter().filter(|name| !left.contains(name)) {
                fs::write(dir.path().join(name), "").unwrap();
            }
        }
        drop(open(dir.path()).unwrap());
        assert!(dir.path().join("complete").exists(), "{left:?}");
        drop(open(dir.path()).unwrap());
    }
}

/// A disk of its own that another process fills: queued mail is delivered, new mail is refused
/// first, and accepted again when there is space.
#[tokio::test]
async fn queued_mail_is_delivered_on_a_full_disk() {
    let Some(disk) = Disk::of(32 << 20) else {
        #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
        {
            eprintln!("skipped: only root can make a small disk");
        }
        return;
    };
    let clock = TestClock::new();
    let store = Sqlite::open(&disk.0.join("data"), key(), Arc::clone(&clock) as _).unwrap();
    let bench = Bench { store, clock, dir: None };
    for number in 1..=40 {
        let mut new = bench.draft(number);
        new.raw = octets(&[number; 20_000]);
        bench.accepted(new).await;
    }
    let fill = disk.0.join("fill");
    let filled = fs::write(&fill, vec![1; 64 << 20]);
    assert!(filled.is_err(), "the disk is small");
    let refused = bench.store.accept(bench.draft(100)).await;
    assert!(matches!(refused, Err(StoreError::Full)), "{refused:?}");
    assert_eq!(bench.store.condition(), Condition::Full);
    let mut drained = 0;
    // A write that finds no space releases the reserve; a retry finds some.
    for _ in 0..200 {
        let now = bench.now();
        let Ok(claims) = bench.try_claims(10).await else { continue };
        for claim in &claims {
            assert_eq!(bytes_of(&claim.raw).await.len(), 20_000);
            let step = || ended(claim, State::Sent, now);
            for _ in 0..3 {
                if bench.store.record(&claim.id, claim.epoch, step()).await.is_ok() {
                    drained += 1;
                    break;
                }
            }
        }
        bench.clock.advance(Duration::from_secs(1));
        if drained == 40 {
            break;
        }
    }
    assert_eq!(drained, 40);
    assert!(matches!(bench.store.accept(bench.draft(100)).await, Err(StoreError::Full)));
    fs::remove_file(&fill).unwrap();
    bench.accepted(bench.draft(100)).await;
    assert_eq!(bench.store.condition(), Condition::Writable);
    // And a host starts on a full disk.
    let data = disk.0.join("data");
    let Bench { store, clock, .. } = bench;
    drop(store);
    assert!(fs::write(&fill, vec![1; 64 << 20]).is_err());
    let store = Sqlite::open(&data, key(), Arc::clone(&clock) as _).unwrap();
    let bench = Bench { store, clock, dir: None };
    let claim = bench.claimed().await;
    let step = ended(&claim, State::Sent, bench.now());
    bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
    assert!(matches!(bench.store.accept(bench.draft(101)).await, Err(StoreError::Full)));
}

/// As a full disk, where only a quota is exhausted: the process lives, queued mail is delivered.
/// File systems with quotas are not available everywhere, so their errors are injected into the
/// system calls.
#[test]
fn queued_mail_is_delivered_with_an_exhausted_quota() {
    let dir = tempfile::tempdir().unwrap();
    let (source, library) = (dir.path().join("quota.c"), dir.path().join("quota.so"));
    fs::write(&source, QUOTA).unwrap();
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .output()
        .is_ok_and(|made| made.status.success());
    assert!(made, "whoever has built SQLite has a compiler for C");
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::disk_faults::runs_out_of_quota", "--ignored"])
        .env("LD_PRELOAD", &library)
        .env("QUOTA", dir.path().join("used-up"))
        .env("RESERVE", dir.path().join("data").join("reserve"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && told.contains("1 passed"), "{told}");
}

/// While `$QUOTA` exists nothing is written, unless the reserve was released.
const QUOTA: &str = r#"
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <errno.h>
    #include <stdlib.h>
    #include <sys/stat.h>
    #include <unistd.h>
    static int used_up(void) {
        struct stat reserve;
        if (access(getenv("QUOTA"), F_OK)) return 0;
        return !stat(getenv("RESERVE"), &reserve) && reserve.st_size > 0;
    }
    ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t at) {
        if (used_up()) { errno = EDQUOT; return -1; }
        ssize_t (*next)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
        return next(file, bytes, size, at);
    }
    ssize_t pwrite(int file, const void *bytes, size_t size, off_t at) {
        return pwrite64(file, bytes, size, at);
    }
"#;

/// The child of [`queued_mail_is_delivered_with_an_exhausted_quota`].
#[tokio::test]
#[ignore = "needs calls of the system that are not its own; started by another test"]
async fn runs_out_of_quota() {
    let flag = std::path::PathBuf::from(std::env::var_os("QUOTA").unwrap());
    let clock = TestClock::new();
    let data = flag.with_file_name("data");
    let store = Sqlite::open(&data, key(), Arc::clone(&clock) as _).unwrap();
    let bench = Bench { store, clock, dir: None };
    for number in 1..=20 {
        bench.accepted(bench.draft(number)).await;
    }
    let claims = bench.claims(20).await;
    fs::write(&flag, "").unwrap();
    // Each write that finds no space releases the reserve, and a retry finds some.
    assert!(bench.store.accept(bench.draft(21)).await.is_err());
    for claim in &claims {
        let step = || ended(claim, State::Sent, bench.now());
        if bench.store.record(&claim.id, claim.epoch, step()).await.is_err() {
            bench.store.record(&claim.id, claim.epoch, step()).await.unwrap();
        }
        assert_ne!(bench.store.condition(), Condition::Failed);
    }
    fs::remove_file(&flag).unwrap();
    bench.accepted(bench.draft(23)).await;
    assert_eq!(bench.store.condition(), Condition::Writable);
}

/// No file can be opened any more: what needs none goes on, what needs one fails alone, and all
/// works again when some are closed.
#[test]
fn too_few_file_descriptors_cause_no_lasting_failure() {
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::disk_faults::runs_out_of_descriptors", "--ignored"])
        .output()
        .unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
}

/// The child of [`too_few_file_descriptors_cause_no_lasting_failure`]: the limit is of a whole process.
#[tokio::test]
#[ignore = "takes all descriptors of its process; started by another test"]
async fn runs_out_of_descriptors() {
    let bench = sqlite();
    // Every statement is prepared, and the directories of bodies are there.
    bench.accepted(bench.draft(1)).await;
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: Some(64) }).unwrap();
    let mut held = Vec::new();
    while let Ok(file) = fs::File::open("/dev/null") {
        held.push(file);
    }
    for number in 2..=40 {
        let mut new = bench.draft(number);
        new.recipients = (0..50).map(|at| format!("r{at}@x.test").parse().unwrap()).collect();
        new.idempotency = used(&number.to_string(), number);
        bench.accepted(new).await;
    }
    let claims = bench.claims(100).await;
    assert_eq!(claims.len(), 40);
    for claim in &claims {
        let step = ended(claim, State::Sent, bench.now());
        bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
    }
    // Expired keys are replaced and removed.
    bench.clock.advance(Duration::from_secs(80 * 3600));
    let mut again = bench.draft(41);
    again.idempotency = used("2", 2);
    bench.accepted(again).await;
    while bench.store.prune(Duration::ZERO, 500).await.unwrap() == 500 {}
    let large = |number| {
        let mut new = bench.draft(number);
        new.raw = octets(&vec![b'x'; 100_000]);
        new
    };
    let refused = bench.store.accept(large(50)).await;
    assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
    assert_eq!(bench.store.condition(), Condition::Writable);
    drop(held);
    bench.accepted(large(50)).await;
    bench.accepted(bench.draft(51)).await;
}

/// Rows that cannot be read are quarantined once, whole, and stop no other.
#[tokio::test]
async fn unreadable_rows_are_quarantined_with_their_bytes() {
    let bench = sqlite();
    for number in 1..=5 {
        let mut new = bench.draft(number);
        if number == 2 {
            new.raw = octets(&vec![b'x'; 100_000]);
        }
        bench.accepted(new).await;
    }
    let conn = Connection::open(bench.store.file("outbox.db")).unwrap();
    for (sql, number) in [
        ("UPDATE submission SET sender = 'nobody at all' WHERE id = ?1", 1),
        ("UPDATE submission SET message_id = CAST(x'ff00fe' AS TEXT) WHERE id = ?1", 2),
        ("UPDATE recipient SET state = 'maybe' WHERE submission = ?1", 3),
        ("UPDATE submission SET tenant = 'No Such!' WHERE id = ?1", 4),
    ] {
        assert!(conn.execute(sql, [id(number).as_str()]).unwrap() > 0, "{sql}");
    }
    let claims = bench.claims(9).await;
    assert_eq!(claims.iter().map(|claim| claim.id.clone()).collect::<Vec<_>>(), [id(5)]);
    // A row without a readable id is found when nothing else is due.
    assert!(bench.claims(9).await.is_empty());
    assert!(bench.claims(9).await.is_empty());
    type Aside = (String, String, Option<Vec<u8>>, Option<Vec<u8>>);
    let aside: Vec<Aside> = conn
        .prepare("SELECT submission, record, raw, digest FROM quarantine ORDER BY submission")
        .unwrap()
        .query_map([], |row| {
            let record: Vec<u8> = row.get_ref(1)?.as_bytes()?.to_vec();
            Ok((
                row.get(0)?,
                String::from_utf8_lossy(&record).into_owned(),
                row.get(2)?,
                row.get(3)?,
            ))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(aside.len(), 4, "each once");
    assert!(aside[0].1.contains("'nobody at all'") && aside[0].1.contains("bo@example.net"));
    assert!(aside[0].2.as_ref().is_some_and(|raw| raw.starts_with(b"Subject: hi")));
    assert!(aside[1].2.is_none() && aside[1].3.is_some(), "its bytes are a file");
    assert!(aside[2].1.contains("'maybe'"));
    let seen = crate::sqlite::inspect::look(
        bench.store.file("outbox.db").parent().unwrap(),
        &crate::keys::Keys::from(key()),
    );
    assert_eq!(seen.unwrap().unwrap().quarantined, 4);
    // The file outlives a start an hour later, though no submission refers to it.
    let Bench { store, clock, dir } = bench;
    let blobs = store.file("blobs");
    drop(store);
    clock.advance(Duration::from_secs(7200));
    let store = Sqlite::open(dir.as_ref().unwrap().path(), key(), clock).unwrap();
    assert!(fs::read_dir(&blobs).unwrap().count() > 1, "drafts, and its directory");
    drop(store);
}

/// Bytes that differ from those accepted are quarantined once, and not sent.
#[tokio::test]
async fn changed_bytes_are_quarantined_with_their_submission() {
    let bench = sqlite();
    for number in 1..=8 {
        let mut new = bench.draft(number);
        if number > 4 {
            new.raw = octets(&vec![number; 100_000]);
        }
        bench.accepted(new).await;
    }
    let conn = Connection::open(bench.store.file("outbox.db")).unwrap();
    for (sql, number) in [
        ("UPDATE body SET raw = CAST(upper(raw) AS BLOB) WHERE submission = ?1", 1),
        ("DELETE FROM body WHERE submission = ?1", 2),
        ("UPDATE submission SET digest = zeroblob(32) WHERE id = ?1", 3),
        ("UPDATE submission SET size = size - 1 WHERE id = ?1", 5),
        ("UPDATE submission SET digest = zeroblob(32) WHERE id = ?1", 6),
    ] {
        assert_eq!(conn.execute(sql, [id(number).as_str()]).unwrap(), 1, "{sql}");
    }
    fs::write(body_of(&bench, 7), vec![7; 99_999]).unwrap();
    let claims = bench.claims(9).await;
    let numbers: BTreeSet<_> = claims.iter().map(|claim| claim.id.clone()).collect();
    assert_eq!(
        numbers,
        [4, 5, 6, 7, 8].map(id).into(),
        "what lies in a file is read by who sends it"
    );
    for claim in &claims {
        let Err(error) = claim.raw.read_at(0, 9).await else { continue };
        let reason = format!("its bytes are damaged: {error}");
        let step = AttemptStep::Damaged { reason };
        bench.store.record(&claim.id, claim.epoch, step.clone()).await.unwrap();
        let twice = bench.store.record(&claim.id, claim.epoch, step).await;
        assert!(matches!(twice, Err(StoreError::LostClaim)), "{twice:?}");
    }
    for number in 1..=8 {
        let failed = bench.state(number).await == State::Failed;
        assert_eq!(failed, ![4, 8].contains(&number), "{number}");
    }
    bench.clock.advance(LEASE);
    assert_eq!(bench.claims(9).await.len(), 2, "the others go on");
    let seen = crate::sqlite::inspect::look(
        bench.store.file("outbox.db").parent().unwrap(),
        &crate::keys::Keys::from(key()),
    );
    assert_eq!(seen.unwrap().unwrap().quarantined, 6);
    let kept: u32 = conn
        .query_row("SELECT count(*) FROM quarantine WHERE digest IS NOT NULL", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 3, "their files stay");
}

/// The file of a draft of a hundred thousand equal bytes.
fn body_of(bench: &Bench<Sqlite>, byte: u8) -> std::path::PathBuf {
    let digest = Sha256::digest(vec![byte; 100_000]);
    let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    bench.store.file("blobs").join(&name[..2]).join(name)
}

/// With an account, a token's worth of data, and a submission.
async fn inhabited() -> tempfile::TempDir {
    let bench = sqlite();
    bench.accepted(bench.draft(1)).await;
    Accounts::create(&bench.store, &person("t", "anna"), &password("p")).await.unwrap();
    let Bench { store, dir, .. } = bench;
    drop(store);
    dir.unwrap()
}

fn open(dir: &Path) -> Result<Sqlite, OpenError> {
    Sqlite::open(dir, key(), TestClock::new())
}

/// A file system in memory of a few megabytes, unmounted when dropped.
pub(crate) struct Disk(
    pub(crate) std::path::PathBuf,
    #[expect(dead_code, reason = "holds the place")] tempfile::TempDir,
);

impl Disk {
    pub(crate) fn of(bytes: u64) -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().to_owned();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(&path)
            .output();
        mounted.is_ok_and(|told| told.status.success()).then_some(Self(path, place))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let told = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(told.unwrap().success());
    }
}
