//! Read-only inspection of a data directory: integrity, counts, and whether the key opens it.
//!
//! For diagnostics, also while a host runs.
//!
//! Invariant: nothing is created, migrated or changed. The lock is held for a moment at most, to
//! see whether a host has it; a host that starts then retries.

use std::fs::{File, TryLockError};
use std::path::Path;

use model::account::Account;
use model::instant::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::error::OpenError;
use crate::keys::Keys;
use crate::sqlite::marker::Found;
use crate::sqlite::migrations::{META, OUTBOX, version};
use crate::sqlite::rotation::opens;
use crate::sqlite::writer::BUSY;
use crate::sqlite::{marker, quarantine};

/// The result of an inspection.
#[derive(Debug)]
pub struct Inspection {
    /// A host has the directory open.
    pub in_use: bool,
    /// Accounts of every tenant.
    pub accounts: Vec<Account>,
    /// Submissions that could not be read and were quarantined.
    pub quarantined: u64,
    /// When the newest submission was accepted: a clock before this was set back.
    pub newest: Option<Timestamp>,
}

/// Inspects `dir`; none when nothing was ever stored there.
///
/// # Errors
/// [`OpenError::WrongKey`], [`OpenError::Newer`], [`OpenError::Damaged`] and errors of reading a
/// database.
pub fn look(dir: &Path, keys: &Keys) -> Result<Option<Inspection>, OpenError> {
    let (meta_file, outbox_file) = (dir.join("meta.db"), dir.join("outbox.db"));
    let read = |file: &Path| Connection::open_with_flags(file, READ_ONLY);
    if marker::check(dir, read)? == Found::Beginning {
        return Ok(None);
    }
    let meta = read_only(&meta_file, META)?;
    if !opens(&meta, keys).map_err(OpenError::database(&meta_file))? {
        return Err(OpenError::WrongKey { dir: dir.to_owned() });
    }
    let outbox = read_only(&outbox_file, OUTBOX)?;
    let newest: Option<i64> = outbox
        .query_row("SELECT max(created) FROM submission", [], |row| row.get(0))
        .optional()
        .map_err(OpenError::database(&outbox_file))?
        .flatten();
    Ok(Some(Inspection {
        in_use: in_use(&dir.join("lock"))?,
        quarantined: quarantine::count(&outbox).map_err(OpenError::database(&outbox_file))?,
        accounts: accounts(&meta).map_err(OpenError::database(&meta_file))?,
        newest: newest.map(Timestamp::from_millis),
    }))
}

const READ_ONLY: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

fn read_only(file: &Path, steps: &[&str]) -> Result<Connection, OpenError> {
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    let read = || {
        let conn = Connection::open_with_flags(file, READ_ONLY)?;
        conn.busy_timeout(BUSY)?;
        // The first fault is enough.
        let found: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        let version = version(&conn)?;
        Ok((conn, found, version))
    };
    let (conn, told, found) = read().map_err(OpenError::database(file))?;
    if told != "ok" {
        return Err(OpenError::Damaged { file: file.to_owned(), told });
    }
    if found > known {
        return Err(OpenError::Newer { file: file.to_owned(), found, known });
    }
    Ok(conn)
}

fn accounts(conn: &Connection) -> rusqlite::Result<Vec<Account>> {
    let mut statement = conn.prepare("SELECT record FROM account ORDER BY tenant, id")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    // A record that cannot be read is reported by the host, with its id.
    rows.map(|row| Ok(serde_json::from_str(&row?).ok())).filter_map(Result::transpose).collect()
}

fn in_use(lock: &Path) -> Result<bool, OpenError> {
    let Ok(file) = File::open(lock) else { return Ok(false) };
    // Shared: two inspections do not take each other for a host.
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path: lock.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::FileExt;
    use std::time::Duration;

    use fakes::account::password;
    use model::port::accounts::Accounts;

    use super::*;
    use crate::keys::seal::MasterKey;
    use crate::sqlite::Sqlite;
    use crate::tests::fixture::{Bench, TestClock, key, person, sqlite};

    #[tokio::test]
    async fn what_is_whole_is_seen_while_a_host_has_it_and_after() {
        let bench = sqlite();
        bench.accepted(bench.draft(1)).await;
        Accounts::create(&bench.store, &person("t", "anna"), &password("p")).await.unwrap();
        let dir = bench.store.file("meta.db").parent().unwrap().to_owned();
        let seen = look(&dir, &keys()).unwrap().unwrap();
        assert!(seen.in_use && seen.newest.is_some(), "{seen:?}");
        assert_eq!(seen.accounts, [person("t", "anna")]);
        let kept = closed(bench);
        let seen = look(kept.path(), &keys()).unwrap().unwrap();
        assert!(!seen.in_use && seen.accounts.len() == 1, "{seen:?}");
    }

    #[tokio::test]
    async fn an_empty_directory_has_nothing_to_see_and_gets_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert!(look(dir.path(), &keys()).unwrap().is_none());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    /// An inspection must not keep a host from starting; another host does.
    #[tokio::test]
    async fn a_host_that_starts_waits_for_a_look_and_not_for_a_host() {
        let kept = closed(sqlite());
        let open = || Sqlite::open(kept.path(), keys(), TestClock::new());
        let lock = File::open(kept.path().join("lock")).unwrap();
        lock.lock_shared().unwrap();
        let looking = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            drop(lock);
        });
        let host = open().unwrap();
        looking.join().unwrap();
        assert!(matches!(open(), Err(OpenError::Locked { .. })));
        drop(host);
    }

    fn keys() -> Keys {
        Keys::from(key())
    }

    fn closed(bench: Bench<Sqlite>) -> tempfile::TempDir {
        let Bench { store, dir, .. } = bench;
        drop(store);
        dir.unwrap()
    }

    #[tokio::test]
    async fn another_key_and_a_damaged_page_are_told_apart() {
        let bench = sqlite();
        for number in 1..200 {
            bench.accepted(bench.draft(number)).await;
        }
        let kept = closed(bench);
        let other = Keys::from(MasterKey::from_bytes([77; 32]));
        assert!(matches!(look(kept.path(), &other), Err(OpenError::WrongKey { .. })));
        let outbox = kept.path().join("outbox.db");
        let size = fs::metadata(&outbox).unwrap().len();
        let file = fs::OpenOptions::new().write(true).open(&outbox).unwrap();
        for page in (4..size / 4096).step_by(3) {
            file.write_all_at(&[0xa5; 4096], page * 4096).unwrap();
        }
        let told = look(kept.path(), &keys()).unwrap_err();
        let damaged = matches!(told, OpenError::Damaged { .. } | OpenError::Database { .. });
        assert!(damaged, "{told:?}");
    }
}
