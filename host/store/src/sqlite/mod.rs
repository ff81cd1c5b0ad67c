//! The persistent store: two SQLite databases and a directory of large bodies.
//!
//! `outbox.db` holds what must share a transaction with a submission, `meta.db` what is written
//! seldom. Both have one writer thread each; callers never block, whatever executor they are on.
//!
//! Invariant: one process per data directory, by a lock that the system releases when the process
//! ends, however it ends.

use parking_lot::Mutex;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::instant::Timestamp;
use model::port::clock::Clock;
use rusqlite::Connection;

use crate::error::OpenError;
use crate::files::blobs::{Blobs, sync_dir};
use crate::files::reserve::Reserve;
use crate::keys::{KeyRing, Keys};
use crate::poison::Poison;
use crate::rules::fair_queue::Served;
use crate::rules::uptime::Uptime;
use crate::sqlite::account_cache::AccountCache;
use crate::sqlite::database::Database;
use crate::sqlite::migrations::{META, OUTBOX};
use crate::sqlite::rows::files_in_use;
use crate::sqlite::writer::Upkeep;
use crate::thread_pool::ThreadPool;

pub(crate) mod writer;
pub(crate) mod migrations;
mod marker;
pub(crate) mod database;
mod account_cache;
mod rows;
mod state_counts;
mod uptime;
mod quarantine;
mod pruning;
mod rescheduling;
mod maintenance;
mod leases;
mod claims;
mod copies;
mod accept;
pub(crate) mod outbox;
mod accounts;
pub(crate) mod rotation;
mod tokens;
pub mod inspect;

/// The store in a data directory. Clones share it; dropping the last one closes it, after queued
/// work.
#[derive(Clone)]
pub struct Sqlite {
    inner: Arc<Inner>,
}

/// Fields are dropped in this order: the lock goes last.
struct Inner {
    outbox: Database,
    meta: Database,
    blobs: Blobs,
    remembered: AccountCache,
    ring: Arc<KeyRing>,
    /// One rotation at a time.
    turning: tokio::sync::Mutex<()>,
    clock: Arc<dyn Clock>,
    uptime: Uptime,
    /// Of the disk: files have their own.
    poison: Poison,
    reserve: Reserve,
    /// See [`leases`]; none before the first claim.
    clocks: Mutex<Option<i128>>,
    /// The state of the round robin.
    served: Arc<Mutex<Served>>,
    served_copies: Arc<Mutex<Served>>,
    _lock: File,
}

const OUTBOX_READERS: usize = 2;
const META_READERS: usize = 1;
const FILE_THREADS: usize = 2;
/// Tries of the lock, a second in total.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

impl Sqlite {
    /// Opens or creates a data directory (mode 0700), migrates it, and removes old bodies that nothing
    /// refers to. Blocks: for the start of the process.
    ///
    /// # Errors
    /// [`OpenError::Locked`] while another store has the directory, [`OpenError::Missing`] when one of the
    /// databases was lost, [`OpenError::Newer`] when a later
    /// release wrote it, [`OpenError::WrongKey`] when its secrets were sealed with another key.
    pub fn open(
        dir: &Path,
        keys: impl Into<Keys>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let keys = keys.into();
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(OpenError::io(dir))?;
        let lock = lock(dir)?;
        // On a disk without any space the databases need some of it to be opened.
        let reserve = Reserve::open(dir, Arc::clone(&clock));
        marker::check(dir, |file| Connection::open(file))?;
        let poison = Poison::default();
        let file = dir.join("meta.db");
        let known = |conn: &Connection| rotation::settle(conn, &file, dir, &keys);
        let (own, held) = (poison.of_another_file(), Some(reserve.clone()));
        let (meta, ()) =
            Database::open(&file, META, META_READERS, Upkeep::EveryCommit, own, held, known)?;
        let file = dir.join("outbox.db");
        let used = |conn: &Connection| {
            let begun = || {
                let late = uptime::begin(conn, clock.now())?;
                state_counts::begin(conn)?;
                Ok((files_in_use(conn)?, late))
            };
            begun().map_err(OpenError::database(&file))
        };
        let (own, held) = (poison.of_another_file(), Some(reserve.clone()));
        let (outbox, (used, late)) =
            Database::open(&file, OUTBOX, OUTBOX_READERS, Upkeep::BySize, own, held, used)?;
        let root = dir.join("blobs");
        let crew =
            ThreadPool::new("store-file", vec![(); FILE_THREADS]).map_err(OpenError::io(&root))?;
        let blobs = Blobs::open(root.clone(), Arc::clone(&clock), Arc::new(crew), poison.clone())
            .map_err(OpenError::io(&root))?;
        blobs.collect(&used).map_err(OpenError::io(&root))?;
        // The names created above are durable, and so is the directory's own.
        sync_dir(dir).map_err(OpenError::io(dir))?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_dir(parent).map_err(OpenError::io(parent))?;
        }
        marker::write(dir).map_err(OpenError::io(dir))?;
        let (clocks, served, remembered) =
            (Mutex::default(), Arc::default(), AccountCache::default());
        let uptime = Uptime::from(late, clock.monotonic());
        let ring = Arc::new(KeyRing::new(keys));
        // Whatever the old key had sealed was wrapped again before the first request.
        ring.finish();
        let turning = tokio::sync::Mutex::default();
        let inner = Inner {
            outbox,
            meta,
            blobs,
            remembered,
            ring,
            turning,
            clock,
            uptime,
            poison,
            reserve,
            clocks,
            served,
            served_copies: Arc::default(),
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The current uptime.
    fn late(&self) -> Timestamp {
        self.inner.uptime.now(self.inner.clock.monotonic())
    }

    /// A file of the data directory.
    #[cfg(test)]
    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.inner.blobs.root().with_file_name(name)
    }

    #[cfg(test)]
    pub(crate) fn blobs(&self) -> &Blobs {
        &self.inner.blobs
    }

    /// Simulates a failed sync of a blob.
    #[cfg(test)]
    pub(crate) fn poison(&self) {
        self.inner.poison.set(&"a test");
    }

    /// Simulates a failed sync of the outbox.
    #[cfg(test)]
    pub(crate) async fn poison_outbox(&self) {
        let failed = self.inner.outbox.write(|_| {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
            Err::<(), _>(rusqlite::Error::SqliteFailure(code, None).into())
        });
        assert!(failed.await.is_err());
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("blobs", &self.inner.blobs).finish_non_exhaustive()
    }
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(OpenError::io(&path))?;
    // An inspection holds it for a moment, and a host that ends may need one, too.
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(source)) => return Err(OpenError::Io { path, source }),
        }
    }
    Err(OpenError::Locked { dir: dir.to_owned() })
}
