//! In-memory spools, without a limit.

use bytes::{Bytes, BytesMut};
use model::caller::Party;
use model::future::BoxFuture;
use model::octets::{Octets, in_memory};
use model::port::spool::{Spool, SpoolError, Spools};

/// Spools that keep what is written in memory.
#[derive(Debug)]
pub struct InMemory;

/// One of them.
#[derive(Debug, Default)]
pub struct InMemorySpool(BytesMut);

impl Spools for InMemory {
    fn create(&self, _: &Party) -> Result<Box<dyn Spool>, SpoolError> {
        Ok(Box::new(InMemorySpool::default()))
    }
}

impl Spool for InMemorySpool {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), SpoolError>> {
        self.0.extend_from_slice(&bytes);
        Box::pin(async { Ok(()) })
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<Octets, SpoolError>> {
        Box::pin(async move { Ok(in_memory(self.0.freeze())) })
    }
}
