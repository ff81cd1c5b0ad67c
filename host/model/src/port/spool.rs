//! The port of spools: temporary storage of bytes that arrive. `store` implements it: small ones
//! stay in memory, larger ones go to an unnamed file.

use std::fmt;
use std::io;

use bytes::Bytes;

use crate::caller::Party;
use crate::future::BoxFuture;
use crate::octets::Octets;

/// Creates spools.
pub trait Spools: Send + Sync + fmt::Debug {
    /// An empty spool, charged to `payer`; each party has a quota of its own.
    fn create(&self, payer: &Party) -> Result<Box<dyn Spool>, SpoolError>;
}

/// A spool that is being written.
pub trait Spool: Send + Sync + fmt::Debug {
    /// Appends; waits while the disk is slower than the writer.
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), SpoolError>>;
    /// Ends writing; the bytes are readable as long as the handle lives.
    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<Octets, SpoolError>>;
}

/// Why bytes could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// One spool exceeds its limit.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// The spools of the tenant, of its anonymous requests or of all exceed their common limit.
    #[error("more than {limit} bytes are being uploaded at once")]
    Full {
        /// In bytes: the limit that was reached. The limit of all, also where the rest is reserved
        /// for others.
        limit: u64,
    },
    /// The disk failed.
    #[error("the spool cannot be written")]
    Io(#[source] io::Error),
}
