//! Reserved disk space that new mail may not use, so that queued mail can be delivered while the
//! disk is full.
//!
//! A file holds the space. When a write finds the disk full the file is emptied, whatever filled
//! the disk, and new mail is refused until there is space to fill it again.
//!
//! Invariant: new mail is accepted only while the reserve is complete and some headroom is free.
//! Where the file system cannot allocate space in advance, the headroom is all there is. Under a
//! quota the system does not report free space, so space counts only after it was allocated for a
//! moment.

use parking_lot::Mutex;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::port::clock::Clock;
use model::port::store_error::StoreError;
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;

use crate::files::random_access::is_full;

/// Size of the reserve in bytes: several times what the log of a database takes before it is
/// emptied.
const RESERVE: u64 = 16 << 20;
/// Bytes that new mail leaves free beside it.
const HEADROOM: u64 = 8 << 20;
/// On a small disk at most this part is reserved, and half of it is left free beside.
const PART: u64 = 16;
/// Opening a database needs this many bytes.
const TO_OPEN: u64 = 1 << 20;
/// Pause between two tries to allocate it: under a quota each takes all of it for a moment.
const AGAIN: Duration = Duration::from_secs(30);

/// The reserve of one data directory. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Reserve(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    size: u64,
    headroom: u64,
    /// The reserve was released; new mail waits until it can be allocated again.
    spent: AtomicBool,
    /// Held while it is allocated or released; with the time of the last allocation that failed
    /// (monotonic).
    turn: Mutex<Option<Duration>>,
    clock: Arc<dyn Clock>,
}

impl Reserve {
    /// Allocates the reserve; on a full disk releases the one of an earlier run, so that the
    /// databases can be opened.
    pub(crate) fn open(dir: &Path, clock: Arc<dyn Clock>) -> Self {
        let total =
            statvfs(dir).map_or(u64::MAX, |disk| disk.f_blocks.saturating_mul(disk.f_frsize));
        let size = RESERVE.min(total / PART);
        let headroom = HEADROOM.min(total / PART / 2);
        let inner = Inner {
            dir: dir.to_owned(),
            size,
            headroom,
            spent: AtomicBool::new(true),
            turn: Mutex::default(),
            clock,
        };
        let reserve = Self(Arc::new(inner));
        let cramped = reserve.free().is_some_and(|free| free < TO_OPEN)
            || reserve.fill(TO_OPEN).is_err_and(|error| is_full(&error));
        if cramped {
            reserve.release();
        } else {
            reserve.restore();
        }
        reserve
    }

    /// Admits so many bytes of new mail.
    ///
    /// # Errors
    /// [`StoreError::Full`].
    pub(crate) fn admit(&self, bytes: u64) -> Result<(), StoreError> {
        if self.0.spent.load(Ordering::SeqCst) {
            self.restore();
        }
        let room = self.free().is_none_or(|free| free >= self.0.headroom.saturating_add(bytes));
        if room && !self.0.spent.load(Ordering::SeqCst) { Ok(()) } else { Err(StoreError::Full) }
    }

    /// Releases the reserve, after a write found no space.
    pub(crate) fn release(&self) {
        let _turn = self.0.turn.lock();
        let gave =
            OpenOptions::new().write(true).open(self.path()).and_then(|file| file.set_len(0));
        match gave {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!(%error, "the reserve on the disk cannot be given up");
            }
            Ok(()) | Err(_) => {}
        }
        if !self.0.spent.swap(true, Ordering::SeqCst) {
            tracing::error!(
                dir = %self.0.dir.display(),
                "the disk is full: the reserve is used for what is queued, and new mail is refused until there is room"
            );
        }
    }

    /// Allocates the reserve again, if there is space for it and the headroom; not immediately
    /// after a try that failed.
    fn restore(&self) {
        let mut failed = self.0.turn.lock();
        let now = self.0.clock.monotonic();
        if failed.is_some_and(|at| now.saturating_sub(at) < AGAIN) {
            return;
        }
        let held = std::fs::metadata(self.path()).map_or(0, |file| file.len());
        let wanted = self.0.size.saturating_sub(held).saturating_add(self.0.headroom);
        if held < self.0.size && self.free().is_some_and(|free| free < wanted) {
            return;
        }
        let beside = if held < self.0.size { self.0.headroom } else { 0 };
        match self.fill(beside) {
            Ok(()) => {
                *failed = None;
                self.0.spent.store(false, Ordering::SeqCst);
            }
            Err(error) => {
                let full = is_full(&error);
                *failed = full.then_some(now);
                if !full {
                    tracing::warn!(%error, "no room can be set aside for a full disk");
                }
                // A file that cannot be opened now says nothing about space: only the headroom is
                // checked.
                self.0.spent.store(full, Ordering::SeqCst);
            }
        }
    }

    /// Allocates the reserve, if so much more is available beside it. What is allocated already
    /// stays.
    fn fill(&self, beside: u64) -> io::Result<()> {
        let file: File = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.path())?;
        let held = file.metadata()?.len();
        let wanted = self.0.size.saturating_add(beside);
        let had = match fallocate(&file, FallocateFlags::empty(), 0, wanted) {
            // The file system cannot allocate in advance.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(error) => Err(error.into()),
        };
        let kept = if had.is_ok() { self.0.size } else { held.min(self.0.size) };
        if file.metadata()?.len() != kept {
            file.set_len(kept)?;
        }
        had
    }

    /// Free bytes; none where the system does not report them.
    fn free(&self) -> Option<u64> {
        statvfs(&self.0.dir).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn path(&self) -> PathBuf {
        self.0.dir.join("reserve")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::disk_faults::Disk;
    use crate::tests::fixture::TestClock;

    #[test]
    fn room_is_set_aside_given_up_and_set_aside_again() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::open(dir.path(), TestClock::new());
        let held = || std::fs::metadata(dir.path().join("reserve")).unwrap().len();
        assert_eq!(held(), reserve.0.size);
        reserve.admit(1000).unwrap();
        // More than any disk has.
        assert!(matches!(reserve.admit(u64::MAX / 2), Err(StoreError::Full)));
        reserve.release();
        assert_eq!(held(), 0);
        reserve.admit(1000).unwrap();
        assert_eq!(held(), reserve.0.size);
    }

    /// Each try takes all of it for a moment, and would be made for every message.
    #[test]
    fn a_try_that_found_no_room_is_not_made_again_at_once() {
        let Some(disk) = Disk::of(4 << 20) else {
            #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
            {
                eprintln!("skipped: only root can make a small disk");
            }
            return;
        };
        let clock = TestClock::new();
        let reserve = Reserve::open(&disk.0, Arc::clone(&clock) as _);
        reserve.admit(1000).unwrap();
        reserve.release();
        let fill = disk.0.join("fill");
        assert!(std::fs::write(&fill, vec![1; 8 << 20]).is_err(), "the disk is small");
        // As under a quota: a lack of space shows only when it is tried.
        File::options().write(true).open(reserve.path()).unwrap().set_len(reserve.0.size).unwrap();
        assert!(matches!(reserve.admit(1000), Err(StoreError::Full)));
        std::fs::remove_file(&fill).unwrap();
        for _ in 0..30 {
            assert!(matches!(reserve.admit(1000), Err(StoreError::Full)));
            clock.advance(Duration::from_secs(1));
        }
        reserve.admit(1000).unwrap();
    }
}
