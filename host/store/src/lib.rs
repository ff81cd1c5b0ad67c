//! Everything that outlives a request: SQLite, its memory twin, blobs and spools.
//!
//! Both stores implement the ports `Outbox`, `Accounts` and `Tokens` of `model`
//! and pass one conformance suite, so that a test on the twin says something
//! about the host. Knows nothing of mail, HTTP or policy: when to try again and
//! what a state means is decided by the caller.
//!
//! Invariant: a write is answered only after its commit is on the disk; a disk
//! that failed once is not written to again.

pub mod failure;
pub mod seal;
pub mod keys;
pub mod keyfile;
mod credential;
mod crew;
mod file;
pub mod spool;
mod poison;
mod reserve;
mod commit;
mod blob;
mod schema;
mod marker;
mod database;
mod fair;
mod page;
mod lifecycle;
mod uptime;
pub mod sqlite;
pub mod checkup;
pub mod memory;

pub use failure::OpenError;
pub use memory::Memory;
pub use seal::MasterKey;
pub use spool::{FileSpools, SpoolLimits};
pub use sqlite::Sqlite;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod claiming;
#[cfg(test)]
mod changing;
#[cfg(test)]
mod apart;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod keeping;
#[cfg(test)]
mod failing;
#[cfg(test)]
mod rotating;
#[cfg(test)]
mod twins;
#[cfg(test)]
mod released;
