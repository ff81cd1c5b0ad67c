//! Errors of opening a store.
//!
//! Read by an operator in a terminal, so every variant names the path to look at. Later errors are
//! `model::port::store_error::StoreError`.

use std::error::Error;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use model::port::store_error::StoreError;

/// Why [`crate::sqlite::Sqlite::open`], [`crate::keys::seal::MasterKey::load_or_create`],
/// [`crate::files::spools::FileSpools::new`] or [`crate::sqlite::inspect::look`] failed. Nothing
/// was changed, except that directories may exist now.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another host holds the lock: one host per data directory.
    #[error("another process uses the data directory {}", dir.display())]
    Locked {
        /// The data directory.
        dir: PathBuf,
    },
    /// A later release wrote it; going back would lose data that it added.
    #[error("{} has schema version {found}, this program knows versions up to {known}: use a newer release", file.display())]
    Newer {
        /// The database.
        file: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest schema version of this release.
        known: u32,
    },
    /// The database cannot be opened or migrated.
    #[error("{} cannot be opened as a database", file.display())]
    Database {
        /// The database.
        file: PathBuf,
        /// SQLite's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// One of the databases existed once, and is missing.
    #[error("{} is missing or empty, and {} holds what belongs to it: restore both databases from one backup, or move the directory away to start with an empty one", file.display(), dir.display())]
    Missing {
        /// The database.
        file: PathBuf,
        /// The data directory.
        dir: PathBuf,
    },
    /// SQLite reports the file as corrupt.
    #[error("{} is damaged: {told}", file.display())]
    Damaged {
        /// The database.
        file: PathBuf,
        /// The first fault, in SQLite's words.
        told: String,
    },
    /// An I/O error.
    #[error("{} cannot be used", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The key file is accessible to other users.
    #[error("{} may be read by others (mode {mode:o}): chmod 600 it, and change the passwords that it protects", path.display())]
    KeyExposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file does not hold a key.
    #[error("{} is not a master key: 32 bytes in base64 are expected", path.display())]
    KeyMalformed {
        /// The key file.
        path: PathBuf,
    },
    /// The secrets in the directory are sealed with another master key.
    #[error("the master key does not open {}: it belongs to another data directory", dir.display())]
    WrongKey {
        /// The data directory.
        dir: PathBuf,
    },
}

impl OpenError {
    /// For `map_err`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// For `map_err`.
    pub(crate) fn database(file: &Path) -> impl FnOnce(rusqlite::Error) -> Self + '_ {
        move |source| Self::Database { file: file.to_owned(), source: source.into() }
    }
}

/// An internal failure, in one line.
pub(crate) fn failed(cause: impl Display) -> StoreError {
    StoreError::Failed(cause.to_string())
}
