//! One SQLite database: one writer thread and a few reader threads.
//!
//! Invariant: every commit is synced (`synchronous=FULL`); only the writer writes and checkpoints,
//! which also avoids the races that several writing connections have had; readers cannot write at
//! all.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use model::port::store_error::StoreError;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::mpsc;

use crate::error::{OpenError, failed};
use crate::files::reserve::Reserve;
use crate::poison::Poison;
use crate::sqlite::migrations::migrate;
use crate::sqlite::writer::{BUSY, Request, Upkeep, WriteError, Writer, request};
use crate::thread_pool::ThreadPool;

/// An open database. Dropping it completes queued work and closes the file.
#[derive(Debug)]
pub(crate) struct Database {
    /// First, so that the readers are gone when the writer truncates the log.
    readers: Option<ThreadPool<Connection>>,
    requests: Option<mpsc::Sender<Box<dyn Request>>>,
    writer: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
}

/// Maximum number of requests queued for the writer; further callers wait.
const QUEUE: usize = 1024;
/// Cache size: every statement of this crate is prepared once for each connection.
const STATEMENTS: usize = 64;

impl Database {
    /// Opens or creates the file, migrates it, and runs `first` before any other request.
    pub(crate) fn open<T>(
        file: &Path,
        steps: &[&str],
        readers: usize,
        upkeep: Upkeep,
        poison: Poison,
        reserve: Option<Reserve>,
        first: impl FnOnce(&Connection) -> Result<T, OpenError>,
    ) -> Result<(Self, T), OpenError> {
        let mut conn = connect(file).map_err(OpenError::database(file))?;
        migrate(&mut conn, file, steps)?;
        let answer = first(&conn)?;
        let reading = || {
            let conn = connect(file)?;
            conn.pragma_update(None, "query_only", true)?;
            Ok(conn)
        };
        let readers: Result<Vec<_>, _> = (0..readers).map(|_| reading()).collect();
        let readers = readers.map_err(OpenError::database(file))?;
        let readers = ThreadPool::new("store-read", readers).map_err(OpenError::io(file))?;
        let (requests, queue) = mpsc::channel(QUEUE);
        let commits = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&commits);
        let writer = Writer { conn, queue, commits: counted, poison, upkeep, reserve };
        let writer = thread::Builder::new()
            .name("store-write".to_owned())
            .spawn(move || writer.serve())
            .map_err(OpenError::io(file))?;
        let (readers, requests, writer) = (Some(readers), Some(requests), Some(writer));
        let opened = Self { readers, requests, writer, commits };
        Ok((opened, answer))
    }

    /// The number of commits. What is read after this call is of that commit or of a later one, and
    /// every commit that was answered is counted.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    /// Runs `work` in a transaction and returns when it is durable. Completed even if the caller
    /// stops waiting.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let ended = || failed("the writer has ended");
        let (request, answered) = request(work);
        let requests = self.requests.as_ref().ok_or_else(ended)?;
        requests.send(request).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }

    /// Runs `work` on one consistent snapshot, which includes every write answered before.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = self.readers.as_ref().ok_or_else(|| failed("the store is closed"))?;
        let view = move |conn: &mut Connection| {
            let view = conn.transaction()?;
            work(&view)
        };
        readers.run(view).await.map_err(failed)?.map_err(StoreError::from)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.readers = None;
        self.requests = None;
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the writer of the store panicked");
        }
    }
}

pub(crate) fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open(file)?;
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    // A prepared statement stays as it is, whatever is bound to it: without statistics a value
    // changes no plan, and SQLite would parse and plan most queries again at each execution.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    for (name, value) in [
        ("page_size", "4096"),
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("wal_autocheckpoint", "0"),
        ("mmap_size", "0"),
        // A temporary file would need a descriptor and a writable directory in the middle of a
        // transaction.
        ("temp_store", "MEMORY"),
        ("foreign_keys", "ON"),
        ("trusted_schema", "OFF"),
        // Deleted content is overwritten, too.
        ("secure_delete", "ON"),
    ] {
        conn.pragma_update(None, name, value)?;
    }
    Ok(conn)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;
    use rusqlite::ffi;
    use rusqlite::types::Value;

    const TABLE: &[&str] = &["CREATE TABLE word (word TEXT PRIMARY KEY) STRICT"];

    #[tokio::test]
    async fn one_request_that_fails_does_not_spoil_its_batch() {
        let (_dir, db) = database();
        let write = |word: &'static str| db.write(move |conn| insert(conn, word));
        let both_then_fail = db.write(|conn| {
            insert(conn, "half")?;
            Err::<(), _>(WriteError::Store(StoreError::Exists))
        });
        let (one, two, three) = tokio::join!(write("one"), both_then_fail, write("three"));
        one.unwrap();
        assert!(matches!(two, Err(StoreError::Exists)));
        three.unwrap();
        assert_eq!(words(&db).await, ["one", "three"]);
    }

    /// A delivery's next claim comes while its verdict is written: one sync is enough for both.
    #[tokio::test]
    async fn what_comes_while_others_are_run_needs_no_sync_of_its_own() {
        let (_dir, db) = database();
        let (begun, begins) = std::sync::mpsc::channel();
        let (go_on, goes_on) = std::sync::mpsc::channel();
        let before = db.commits();
        let first = db.write(move |conn| {
            begun.send(()).unwrap();
            goes_on.recv().unwrap();
            insert(conn, "first")
        });
        let second = async {
            begins.recv().unwrap();
            let mut write = pin!(db.write(|conn| insert(conn, "second")));
            poll_fn(|context| {
                assert!(write.as_mut().poll(context).is_pending());
                Poll::Ready(())
            })
            .await;
            go_on.send(()).unwrap();
            write.await
        };
        let (one, two) = tokio::join!(first, second);
        one.unwrap();
        two.unwrap();
        assert_eq!(db.commits() - before, 1);
        assert_eq!(words(&db).await, ["first", "second"]);
    }

    #[tokio::test]
    async fn after_an_io_error_nothing_is_written_any_more() {
        let (_dir, db) = database();
        db.write(|conn| insert(conn, "before")).await.unwrap();
        let torn = db.write(|conn| {
            insert(conn, "torn")?;
            let code = ffi::Error::new(ffi::SQLITE_IOERR_FSYNC);
            Err::<(), _>(WriteError::Sqlite(rusqlite::Error::SqliteFailure(code, None)))
        });
        assert!(matches!(torn.await, Err(StoreError::Failed(_))));
        let after = db.write(|conn| insert(conn, "after")).await;
        assert!(matches!(after, Err(StoreError::Failed(_))));
        assert_eq!(words(&db).await, ["before"]);
    }

    /// A file that cannot be opened is no failed sync: neither inside a request nor around it.
    #[tokio::test]
    async fn a_file_that_cannot_be_opened_fails_its_request_only() {
        let (_dir, db) = database();
        for code in [ffi::SQLITE_CANTOPEN, ffi::SQLITE_IOERR_GETTEMPPATH, ffi::SQLITE_IOERR_NOMEM] {
            let refused = db.write(move |conn| {
                insert(conn, "half")?;
                let code = ffi::Error::new(code);
                Err::<(), _>(WriteError::Sqlite(rusqlite::Error::SqliteFailure(code, None)))
            });
            let beside = db.write(move |conn| insert(conn, &code.to_string()));
            let (refused, beside) = tokio::join!(refused, beside);
            assert!(matches!(refused, Err(StoreError::Failed(_))), "{code}");
            beside.unwrap();
        }
        assert_eq!(words(&db).await.len(), 3);
    }

    #[tokio::test]
    async fn a_full_disk_fails_the_request_and_may_have_room_later() {
        let (dir, db) = database();
        db.write(|conn| insert(conn, "before")).await.unwrap();
        let log = || fs::metadata(dir.path().join("words.db-wal")).unwrap().len();
        assert!(log() > 0);
        let full = db.write(|_| {
            let code = ffi::Error::new(ffi::SQLITE_FULL);
            Err::<(), _>(WriteError::Sqlite(rusqlite::Error::SqliteFailure(code, None)))
        });
        assert!(matches!(full.await, Err(StoreError::Failed(_))));
        assert_eq!(log(), 0, "its room was given back");
        db.write(|conn| insert(conn, "later")).await.unwrap();
        assert_eq!(words(&db).await, ["before", "later"]);
    }

    #[tokio::test]
    async fn a_reader_cannot_write() {
        let (_dir, db) = database();
        let written = db.read(|conn| insert(conn, "no")).await;
        assert!(matches!(written, Err(StoreError::Failed(_))));
    }

    #[tokio::test]
    async fn every_connection_is_durable_and_careful() {
        let (_dir, db) = database();
        for (pragma, want) in [
            ("journal_mode", "wal"),
            ("synchronous", "2"),
            ("wal_autocheckpoint", "0"),
            ("foreign_keys", "1"),
            ("trusted_schema", "0"),
            ("temp_store", "2"),
        ] {
            let ask = move |conn: &Connection| {
                let value = conn.pragma_query_value(None, pragma, |row| row.get(0))?;
                Ok(match value {
                    Value::Text(text) => text,
                    Value::Integer(number) => number.to_string(),
                    Value::Null | Value::Real(_) | Value::Blob(_) => panic!("{value:?}"),
                })
            };
            assert_eq!(db.read(ask).await.unwrap(), want, "{pragma}");
        }
    }

    #[tokio::test]
    async fn the_log_does_not_grow_for_ever() {
        let (dir, db) = database();
        let mut longest = 0;
        for number in 0..300 {
            let word = format!("{number} {}", "x".repeat(60_000));
            db.write(move |conn| insert(conn, &word)).await.unwrap();
            longest = longest.max(fs::metadata(dir.path().join("words.db-wal")).unwrap().len());
        }
        assert!((4 << 20..6 << 20).contains(&longest), "{longest}");
        assert_eq!(
            fs::metadata(dir.path().join("words.db-wal")).unwrap().len(),
            longest,
            "it was truncated"
        );
        assert_eq!(words(&db).await.len(), 300);
    }

    #[tokio::test]
    async fn a_long_reader_elsewhere_does_not_stop_the_writer() {
        let (dir, db) = database();
        let mut shell = Connection::open(dir.path().join("words.db")).unwrap();
        let view = shell.transaction().unwrap();
        view.query_row("SELECT count(*) FROM word", [], |_| Ok(())).unwrap();
        for number in 0..100 {
            let word = format!("{number} {}", "x".repeat(60_000));
            db.write(move |conn| insert(conn, &word)).await.unwrap();
        }
        assert_eq!(words(&db).await.len(), 100);
    }

    fn database() -> (tempfile::TempDir, Database) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("words.db");
        let (db, ()) =
            Database::open(&file, TABLE, 1, Upkeep::BySize, Poison::default(), None, |_| Ok(()))
                .unwrap();
        (dir, db)
    }

    fn insert(conn: &Connection, word: &str) -> Result<(), WriteError> {
        conn.execute("INSERT INTO word (word) VALUES (?1)", [word])?;
        Ok(())
    }

    async fn words(db: &Database) -> Vec<String> {
        let all = |conn: &Connection| {
            let mut statement = conn.prepare("SELECT word FROM word ORDER BY word")?;
            Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
        };
        db.read(all).await.unwrap()
    }
}
