//! Byte sources with random access.
//!
//! A message, a part or an upload: in memory, in a file or on a server. Random access means that a
//! slow reader never occupies a mail connection.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::future::BoxFuture;

/// Bytes that can be read at any offset.
pub trait ReadAt: Send + Sync + fmt::Debug {
    /// In bytes.
    fn size(&self) -> u64;

    /// Reads at most `length` bytes from `offset`; empty only at the end.
    fn read_at(&self, offset: u64, length: usize) -> BoxFuture<'_, io::Result<Bytes>>;

    /// The whole, where it already is in memory: avoids copies.
    fn in_memory(&self) -> Option<Bytes> {
        None
    }
}

/// A shared handle on bytes.
pub type Octets = Arc<dyn ReadAt>;

impl ReadAt for Bytes {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, length: usize) -> BoxFuture<'_, io::Result<Bytes>> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let end = start.saturating_add(length).min(self.len());
        let slice = self.slice(start..end);
        Box::pin(async move { Ok(slice) })
    }

    fn in_memory(&self) -> Option<Bytes> {
        Some(self.clone())
    }
}

/// A handle on bytes in memory.
#[must_use]
pub fn in_memory(bytes: Bytes) -> Octets {
    Arc::new(bytes)
}
