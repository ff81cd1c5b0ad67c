//! Maintenance of the SQLite store: pruning by its own clock, and counts after a restart.

use std::sync::Arc;
use std::time::Duration;

use model::ids::SubmissionId;
use model::port::maintenance::Maintenance;
use model::port::outbox::Outbox;
use model::submission::State;
use rusqlite::Connection;

use crate::sqlite::Sqlite;
use crate::tests::fixture::{Bench, ended, id, octets, person, sqlite, used};

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3600);

/// An id that contains its time is not recorded, and takes no space after its removal.
#[tokio::test]
async fn an_id_that_contains_its_time_leaves_no_record() {
    let bench = sqlite();
    let mut new = bench.draft(1);
    new.id = SubmissionId::generate_at(bench.now(), [9; 10]);
    let id = bench.accepted(new).await.submission;
    let claim = bench.claimed().await;
    let step = ended(&claim, State::Sent, bench.now());
    bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
    assert_eq!(bench.store.prune(Duration::ZERO, 500).await.unwrap(), 3);
    assert!(!bench.store.was_pruned(&id).await.unwrap());
    let conn = Connection::open(bench.store.file("outbox.db")).unwrap();
    for table in ["submission", "recipient", "body", "idempotency", "pruned", "quarantine"] {
        let count: u32 =
            conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0, "{table}");
    }
}

/// No start trusts a clock, and time without a host does not count.
#[tokio::test]
async fn a_clock_that_is_ahead_at_a_start_removes_nothing() {
    let mut bench = sqlite();
    let mut new = bench.draft(1);
    new.idempotency = used("k", 1);
    bench.accepted(new).await;
    let claim = bench.claimed().await;
    bench.clock.advance(HOUR);
    let step = ended(&claim, State::Sent, bench.now());
    bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
    let (anna, key) = (person("t", "anna"), used("k", 1).unwrap());
    for _ in 0..3 {
        bench.clock.set(40 * 86_400_000);
        bench = reopened(bench);
        assert_eq!(bench.store.prune(4 * DAY, 500).await.unwrap(), 0);
        assert!(bench.store.lookup(&anna, &key).await.unwrap().is_some());
        // The next submission removes no other key either.
        let mut other = bench.draft(2);
        (other.id, other.idempotency) =
            (SubmissionId::generate_at(bench.now(), [7; 10]), used("o", 1));
        bench.store.accept(other).await.unwrap();
        bench.clock.advance(DAY);
    }
    // A start continues where the last hour of the previous run was recorded.
    assert!(bench.store.lookup(&anna, &key).await.unwrap().is_some());
    bench.clock.advance(2 * DAY);
    assert_eq!(bench.store.lookup(&anna, &key).await.unwrap(), None);
    assert_eq!(bench.store.prune(3 * DAY, 500).await.unwrap(), 4);
}

/// An outbox of an earlier release has wall-clock times only, of which some may be of a clock that
/// was ahead.
#[tokio::test]
async fn wall_clock_times_of_an_earlier_release_are_used_only_if_they_are_past() {
    let bench = sqlite();
    for number in 1..=3 {
        let mut new = bench.draft(number);
        new.idempotency = used(&number.to_string(), number);
        bench.accepted(new).await;
    }
    for claim in bench.claims(9).await {
        let step = ended(&claim, State::Sent, bench.now());
        bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
    }
    let year = 365 * 86_400_000_i64;
    let conn = Connection::open(bench.store.file("outbox.db")).unwrap();
    conn.execute_batch(&format!(
        "DELETE FROM uptime; UPDATE submission SET ended = NULL;
         UPDATE submission SET due = due + {year} WHERE id = '{}';
         UPDATE idempotency SET created = created + {year} WHERE key = '2'",
        id(2).as_str()
    ))
    .unwrap();
    drop(conn);
    bench.clock.set(40 * 86_400_000);
    let bench = reopened(bench);
    assert_eq!(bench.store.prune(DAY, 500).await.unwrap(), 0, "the newest was accepted just now");
    bench.clock.advance(4 * DAY);
    assert_eq!(bench.store.prune(4 * DAY, 500).await.unwrap(), 12);
    for number in 1..=3_u8 {
        let key = used(&number.to_string(), number).unwrap();
        assert_eq!(bench.store.lookup(&person("t", "anna"), &key).await.unwrap(), None);
    }
}

fn reopened(bench: Bench<Sqlite>) -> Bench<Sqlite> {
    let Bench { store, clock, dir } = bench;
    drop(store);
    let path = dir.as_ref().unwrap().path();
    let store = Sqlite::open(path, crate::tests::fixture::key(), Arc::clone(&clock) as _).unwrap();
    Bench { store, clock, dir }
}

/// The counts survive damaged rows, and follow rollbacks.
#[tokio::test]
async fn counts_are_recomputed_at_each_start() {
    let bench = sqlite();
    let mut large = bench.draft(1);
    large.raw = octets(&vec![b'x'; 70_000]);
    bench.accepted(large).await;
    bench.accepted(bench.draft(2)).await;
    let claim = bench.claims(1).await.remove(0);
    let step = ended(&claim, State::Sent, bench.now());
    bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
    let before = bench.store.figures().await.unwrap();
    let bench = reopened(bench);
    assert_eq!(bench.store.figures().await.unwrap(), before);
    assert_eq!(before.states, [(State::Accepted, 1), (State::Sent, 1)]);
}
