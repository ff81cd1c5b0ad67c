//! Completeness check of a data directory: whether both databases exist.
//!
//! A marker file, written and synced when the first start had created everything, distinguishes a
//! database that was lost from one that was not created yet. Without it (the start was interrupted,
//! or an earlier release made the directory) a database may be created beside another only while
//! that one is empty.
//!
//! Invariant: no empty database replaces one that was lost.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::Connection;

use crate::error::OpenError;
use crate::files::blobs::sync_dir;
use crate::sqlite::migrations::version;

/// A database, and the query whether anything was ever stored in it.
const DATABASES: [(&str, &str); 2] = [
    ("meta.db", "SELECT EXISTS (SELECT 1 FROM account) OR EXISTS (SELECT 1 FROM token)"),
    ("outbox.db", "SELECT EXISTS (SELECT 1 FROM submission)"),
];

/// The marker's name.
const COMPLETE: &str = "complete";

/// The contents of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing, or a first start that was interrupted.
    Beginning,
    /// Both databases.
    Both,
}

/// Examines the directory; `open` opens an existing database.
pub(crate) fn check(
    dir: &Path,
    open: impl Fn(&Path) -> rusqlite::Result<Connection>,
) -> Result<Found, OpenError> {
    let marked = dir.join(COMPLETE).exists();
    let mut made = 0;
    let mut used = false;
    let mut missing = None;
    for (name, question) in DATABASES {
        let file = dir.join(name);
        let is_there = fs::metadata(&file).is_ok_and(|file| file.len() > 0);
        let look = || {
            let conn = open(&file)?;
            if version(&conn)? == 0 {
                return Ok(None);
            }
            Ok(Some(conn.query_row(question, [], |row| row.get(0))?))
        };
        let seen: Option<bool> =
            if is_there { look().map_err(OpenError::database(&file))? } else { None };
        match seen {
            Some(holds) => {
                made += 1;
                used |= holds;
            }
            None => missing = missing.or(Some(file)),
        }
    }
    match missing {
        None => Ok(Found::Both),
        Some(file) if marked || used => Err(OpenError::Missing { file, dir: dir.to_owned() }),
        Some(_) => {
            if made > 0 {
                tracing::warn!(dir = %dir.display(), "the first start was cut off; it is made again");
            }
            Ok(Found::Beginning)
        }
    }
}

/// Writes the marker. To be called when everything else is durable.
pub(crate) fn write(dir: &Path) -> io::Result<()> {
    let path = dir.join(COMPLETE);
    if path.exists() {
        return Ok(());
    }
    let mut file: File =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(
        b"Both databases were made. Without one of them, bring both back from one backup.\n",
    )?;
    file.sync_all()?;
    sync_dir(dir)
}
