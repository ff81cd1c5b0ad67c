//! Persistence: SQLite, its in-memory twin, blobs and spools.
//!
//! Both stores implement the ports `Outbox`, `Accounts` and `Tokens` of `model` and pass one
//! conformance suite, so that a test on the twin is valid for the host. Independent of mail, HTTP
//! or policy: when to try again and what a state means is decided by the caller.
//!
//! Invariant: a write returns only after its commit is durable; a disk that failed once is not
//! written to again.

pub mod error;
pub mod keys;
mod thread_pool;
mod poison;
pub mod files;
mod rules;
pub mod sqlite;
pub mod memory;
#[cfg(test)]
mod tests;

pub use error::OpenError;
pub use files::spools::{FileSpools, SpoolLimits};
pub use keys::seal::MasterKey;
pub use memory::Memory;
pub use sqlite::Sqlite;
