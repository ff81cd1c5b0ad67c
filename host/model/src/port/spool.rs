//! Bytes on their way in. `store` implements it: small ones stay in memory,
//! larger ones go to an unnamed file.

use std::fmt;
use std::io;

use bytes::Bytes;

use crate::future::BoxFuture;
use crate::ids::TenantId;
use crate::octets::Octets;

/// Makes spools.
pub trait Spools: Send + Sync + fmt::Debug {
    /// An empty one, charged to whoever it is for.
    fn create(&self, payer: Payer<'_>) -> Result<Box<dyn Spool>, SpoolError>;
}

/// Whom a spool is charged to: each has a share of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payer<'a> {
    /// The host itself.
    Host,
    /// Requests with a token of the tenant.
    Tenant(&'a TenantId),
    /// Requests to the tenant that show none: anybody can send them.
    Strangers(&'a TenantId),
}

/// Bytes being written.
pub trait Spool: Send + Sync + fmt::Debug {
    /// Appends. Waits while the disk is behind.
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), SpoolError>>;
    /// The bytes so far, readable as long as the handle lives.
    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<Octets, SpoolError>>;
}

/// Why bytes could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// One spool is larger than allowed.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// The spools of the tenant, of its strangers or of all are larger than allowed together.
    #[error("more than {limit} bytes are being uploaded at once")]
    Full {
        /// In bytes: the bound that was met. That of all also where too little would be left for others.
        limit: u64,
    },
    /// The disk.
    #[error("the spool cannot be written")]
    Io(#[source] io::Error),
}
