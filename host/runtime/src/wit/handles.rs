//! Resource types behind a guest's handles, where the model has none.
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
    /// Receives the bytes.
    pub spool: Box<dyn Spool>,
    /// Bytes that may still be written.
    pub left: u64,
    /// Bytes that it may have in total.
    pub limit: u64,
}
