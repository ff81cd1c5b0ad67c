//! The writer thread of a database: group commit.
//!
//! Whatever has queued up while the disk was busy goes into one transaction, each request in a
//! savepoint of its own, so that one that fails does not affect the others; and so does what
//! arrives while they are run. One sync then covers all of them.
//!
//! Invariant: a request is answered after COMMIT has returned, never before. After an I/O error the
//! contents of the disk are unknown, and a second sync may report success for pages that the first
//! one lost: so none is tried, and every later write is refused.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::port::store_error::StoreError;
use rusqlite::{Connection, ErrorCode, ffi};
use tokio::sync::{mpsc, oneshot};

use crate::error::failed;
use crate::files::reserve::Reserve;
use crate::poison::Poison;

/// Why a request failed.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// An error for its caller.
    Store(StoreError),
    /// An error of SQLite.
    Sqlite(rusqlite::Error),
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        // A value of the wrong type concerns its row, not the database.
        if error.sqlite_error().is_none() {
            Self::Store(failed(error))
        } else {
            Self::Sqlite(error)
        }
    }
}

impl From<WriteError> for StoreError {
    fn from(trouble: WriteError) -> Self {
        match trouble {
            WriteError::Store(error) => error,
            WriteError::Sqlite(error) => failed(error),
        }
    }
}

/// A request without its types.
pub(crate) trait Request: Send {
    /// Runs the work in its savepoint. False: roll the savepoint back. An error fails the whole
    /// batch.
    fn run(&mut self, conn: &Connection) -> Result<bool, Broken>;
    /// Sends the caller the result of `run`, or why the batch failed.
    fn answer(self: Box<Self>, batch: Result<(), &str>);
}

/// `work` as a request, and the receiver of its result.
pub(crate) fn request<T, F>(work: F) -> (Box<dyn Request>, oneshot::Receiver<Result<T, StoreError>>)
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, WriteError> + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    (Box::new(Typed { work: Some(work), outcome: None, answer }), answered)
}

struct Typed<T, F> {
    work: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Request for Typed<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, WriteError> + Send,
{
    fn run(&mut self, conn: &Connection) -> Result<bool, Broken> {
        let Some(work) = self.work.take() else { return Ok(false) };
        let outcome = match work(conn) {
            Err(WriteError::Sqlite(error)) => {
                let broken = Broken::from(error);
                if broken.full || broken.is_fatal() {
                    return Err(broken);
                }
                Err(failed(broken.error))
            }
            other => other.map_err(StoreError::from),
        };
        let keep = outcome.is_ok();
        self.outcome = Some(outcome);
        Ok(keep)
    }

    fn answer(self: Box<Self>, batch: Result<(), &str>) {
        let outcome = match (batch, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => Err(failed("the request was not run")),
            (Err(reason), _) => Err(failed(reason)),
        };
        // The caller may have stopped waiting; the commit stands.
        let _ = self.answer.send(outcome);
    }
}

/// The writer thread, which runs until the last sender is gone.
pub(crate) struct Writer {
    /// The only connection that writes.
    pub(crate) conn: Connection,
    /// The queue of requests.
    pub(crate) queue: mpsc::Receiver<Box<dyn Request>>,
    /// Counts commits, each before its requests are answered.
    pub(crate) commits: Arc<AtomicU64>,
    /// Shared with everything that may see the disk fail.
    pub(crate) poison: Poison,
    /// When to checkpoint.
    pub(crate) upkeep: Upkeep,
    /// Released when there is no space.
    pub(crate) reserve: Option<Reserve>,
}

/// How long to wait for a lock of another process: an operator's shell, a backup.
pub(crate) const BUSY: Duration = Duration::from_secs(5);
/// Requests in one transaction: more would gain nothing and delay the first one.
const BATCH: usize = 256;
/// Pages in the log from which it is checkpointed: 4 MiB.
const LOG: u64 = 1024;
/// How long a checkpoint waits for readers. The store's own are short; an operator's shell may be
/// long.
const READERS: Duration = Duration::from_millis(100);
/// Commits without another checkpoint after a reader blocked one.
const REST: u32 = 64;

/// When the log is checkpointed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upkeep {
    /// When it has reached a size. The file is written again from its beginning, not truncated: a
    /// sync of what lies in a file already is half as expensive as one of a file that grows.
    BySize,
    /// After each commit: for what is written seldom, so that deleted content is gone at once.
    EveryCommit,
}

impl Upkeep {
    const fn after(self) -> After {
        match self {
            Self::BySize => After::Restart,
            Self::EveryCommit => After::Truncate,
        }
    }
}

/// What becomes of the log's file after a checkpoint.
#[derive(Clone, Copy, Debug)]
enum After {
    /// It keeps its size and is overwritten.
    Restart,
    /// It is empty, and its content is gone.
    Truncate,
}

impl Writer {
    /// Serves until every sender is gone.
    pub(crate) fn serve(mut self) {
        let mut rest = 0_u32;
        while let Some(first) = self.queue.blocking_recv() {
            let mut batch = vec![first];
            let outcome = self.commit(&mut batch);
            // A commit that failed may have happened all the same.
            self.commits.fetch_add(1, Ordering::SeqCst);
            for request in batch {
                request.answer(outcome.as_ref().copied().map_err(String::as_str));
            }
            if rest > 0 {
                rest -= 1;
            } else if outcome.is_ok() && self.is_long() && !self.checkpoint(self.upkeep.after()) {
                rest = REST;
            }
        }
        if self.poison.check().is_ok() {
            self.checkpoint(After::Truncate);
        }
    }

    fn commit(&mut self, batch: &mut Vec<Box<dyn Request>>) -> Result<(), String> {
        self.poison.check().map_err(|error| error.to_string())?;
        self.run(batch).map_err(|broken| {
            let Broken { error, full } = &broken;
            if !broken.is_passing() {
                self.poison.set(&error);
            }
            if !self.conn.is_autocommit()
                && let Err(error) = self.conn.execute_batch("ROLLBACK")
            {
                self.poison.set(&error);
            }
            if *full {
                if let Some(reserve) = &self.reserve {
                    reserve.release();
                }
                // A checkpoint may free space in the log; a later request may find some.
                self.checkpoint(After::Truncate);
            }
            error.to_string()
        })
    }

    /// Runs the batch and what joins it until there is nothing left to run.
    fn run(&mut self, batch: &mut Vec<Box<dyn Request>>) -> Result<(), Broken> {
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut done = 0;
        loop {
            let Some(request) = batch.get_mut(done) else {
                if batch.len() < BATCH
                    && let Ok(next) = self.queue.try_recv()
                {
                    batch.push(next);
                    continue;
                }
                break;
            };
            done += 1;
            self.conn.prepare_cached("SAVEPOINT request")?.execute([])?;
            if !request.run(&self.conn)? {
                self.conn.prepare_cached("ROLLBACK TO request")?.execute([])?;
            }
            self.conn.prepare_cached("RELEASE request")?.execute([])?;
        }
        self.conn.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    fn is_long(&self) -> bool {
        match self.upkeep {
            Upkeep::EveryCommit => true,
            Upkeep::BySize => self.pages().is_ok_and(|pages| pages >= LOG),
        }
    }

    /// The pages in the log since it was begun.
    fn pages(&self) -> rusqlite::Result<u64> {
        let mut query = self.conn.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?;
        let pages: i64 = query.query_row([], |row| row.get(1))?;
        Ok(u64::try_from(pages).unwrap_or(0))
    }

    /// Checkpoints: copies the log into the database, and begins it anew. False when a reader or
    /// the disk prevented it.
    fn checkpoint(&self, after: After) -> bool {
        let run = || {
            self.conn.busy_timeout(READERS)?;
            let sql = match after {
                After::Restart => "PRAGMA wal_checkpoint(RESTART)",
                After::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
            };
            let busy: bool = self.conn.query_row(sql, [], |row| row.get(0))?;
            self.conn.busy_timeout(BUSY)?;
            Ok(!busy)
        };
        run().unwrap_or_else(|broken: Broken| {
            let Broken { error, full } = &broken;
            tracing::warn!(%error, "a checkpoint failed");
            if broken.is_fatal() {
                self.poison.set(&error);
            }
            if *full && let Some(reserve) = &self.reserve {
                reserve.release();
            }
            false
        })
    }
}

/// SQLite's error, and whether there was no space: the system's error is known only immediately
/// after it.
#[derive(Debug)]
pub(crate) struct Broken {
    error: rusqlite::Error,
    full: bool,
}

impl From<rusqlite::Error> for Broken {
    fn from(error: rusqlite::Error) -> Self {
        // `sqlite3_system_errno` is this same number of this same thread.
        let system = io::Error::last_os_error().kind();
        Self { full: is_full(&error, system), error }
    }
}

impl Broken {
    fn is_fatal(&self) -> bool {
        !self.is_passing()
            && matches!(
                self.error.sqlite_error_code(),
                Some(
                    ErrorCode::SystemIoFailure
                        | ErrorCode::DatabaseCorrupt
                        | ErrorCode::NotADatabase
                        | ErrorCode::ReadOnly
                )
            )
    }

    /// Whether the file is unchanged after the error: no space, another process's lock, or another
    /// file that could not be opened (too many are, or there is no place for temporary ones): no
    /// sync has failed.
    fn is_passing(&self) -> bool {
        let other = [ffi::SQLITE_IOERR_GETTEMPPATH, ffi::SQLITE_IOERR_NOMEM].map(Some);
        self.full
            || other.contains(&extended(&self.error))
            || matches!(
                self.error.sqlite_error_code(),
                Some(
                    ErrorCode::DatabaseBusy
                        | ErrorCode::DatabaseLocked
                        | ErrorCode::OutOfMemory
                        | ErrorCode::CannotOpen
                )
            )
    }
}

/// No space, for a page or for the index of the log. SQLite reports a full disk (ENOSPC) as such,
/// and an exhausted quota (EDQUOT) as a failed write, although nothing was written and nothing was
/// lost. A sync that fails, for whatever reason, is a failed write.
fn is_full(error: &rusqlite::Error, system: io::ErrorKind) -> bool {
    let extended = extended(error);
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || extended == Some(ffi::SQLITE_IOERR_SHMSIZE)
        || (extended == Some(ffi::SQLITE_IOERR_WRITE) && system == io::ErrorKind::QuotaExceeded)
}

fn extended(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_up_quota_is_a_full_disk_and_a_failed_sync_is_none() {
        use io::ErrorKind::{Other, QuotaExceeded, StorageFull};
        check(ffi::SQLITE_FULL, StorageFull, (true, false));
        check(ffi::SQLITE_IOERR_SHMSIZE, StorageFull, (true, false));
        check(ffi::SQLITE_IOERR_WRITE, QuotaExceeded, (true, false));
        check(ffi::SQLITE_IOERR_WRITE, Other, (false, true));
        check(ffi::SQLITE_IOERR_FSYNC, QuotaExceeded, (false, true));
        check(ffi::SQLITE_IOERR_FSYNC, StorageFull, (false, true));
        check(ffi::SQLITE_CORRUPT, QuotaExceeded, (false, true));
        check(ffi::SQLITE_BUSY, QuotaExceeded, (false, false));
    }

    #[track_caller]
    fn check(code: i32, system: io::ErrorKind, (full, fatal): (bool, bool)) {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let broken = Broken { full: is_full(&error, system), error };
        assert_eq!((broken.full, broken.is_fatal()), (full, fatal), "{code} {system:?}");
    }
}
