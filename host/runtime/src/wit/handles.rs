//! What a guest's handles stand for, where the model has no type of its own.
#![expect(unreachable_pub, reason = "the macro re-exports them from its public modules")]

use std::sync::Arc;

use model::port::capabilities::Message;
use model::port::spool::Spool;

/// `postlet:mail/reading.message`.
#[derive(Clone, Debug)]
pub struct MessageHandle(pub Arc<dyn Message>);

/// `postlet:mail/uploads.spool`.
#[derive(Debug)]
pub struct SpoolHandle {
    /// Where the bytes go.
    pub spool: Box<dyn Spool>,
    /// Bytes that may still be written.
    pub left: u64,
    /// Bytes that it may have altogether.
    pub limit: u64,
}
