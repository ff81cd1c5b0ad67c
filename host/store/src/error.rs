//! Why a store cannot be opened.
//!
//! Read by an operator in a terminal, so every variant names the path to look
//! at. What goes wrong later is `model::port::store_error::StoreError`.

use std::error::Error;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use model::port::store_error::StoreError;

/// Why [`crate::sqlite::Sqlite::open`], [`crate::keys::seal::MasterKey::load_or_create`],
/// [`crate::files::spools::FileSpools::new`] or [`crate::sqlite::inspect::look`] did not work. Nothing was changed, except that directories may exist now.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// One host per data directory.
    #[error("another process uses the data directory {}", dir.display())]
    Locked {
        /// The data directory.
        dir: PathBuf,
    },
    /// A later release wrote it; going back would lose what it added.
    #[error("{} has schema version {found}, this program knows versions up to {known}: use a newer release", file.display())]
    Newer {
        /// The database.
        file: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The database does not open or does not migrate.
    #[error("{} cannot be opened as a database", file.display())]
    Database {
        /// The database.
        file: PathBuf,
        /// SQLite's words.
        source: Box<dyn Error + Send + Sync>,
    },
    /// One of the databases is not there, and it was.
    #[error("{} is missing or empty, and {} holds what belongs to it: bring both databases back from one backup, or move the directory away to begin anew", file.display(), dir.display())]
    Missing {
        /// The database.
        file: PathBuf,
        /// The data directory.
        dir: PathBuf,
    },
    /// SQLite finds the file broken.
    #[error("{} is damaged: {told}", file.display())]
    Damaged {
        /// The database.
        file: PathBuf,
        /// The first fault, in SQLite's words.
        told: String,
    },
    /// The disk.
    #[error("{} cannot be used", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The master key would be no secret.
    #[error("{} may be read by others (mode {mode:o}): chmod 600 it, and change the passwords that it protects", path.display())]
    KeyExposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds something else.
    #[error("{} is not a master key: 32 bytes in base64 are expected", path.display())]
    KeyMalformed {
        /// The key file.
        path: PathBuf,
    },
    /// The secrets in the directory were sealed with another master key.
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

/// The store's own trouble, in one line.
pub(crate) fn failed(cause: impl Display) -> StoreError {
    StoreError::Failed(cause.to_string())
}
