//! A filter that is ready to be asked. `runtime` implements it by a fresh
//! instance for each call; `engine` calls it.

use std::fmt;
use std::sync::Arc;

use crate::filter::Verdict;
use crate::future::BoxFuture;
use crate::ids::{RequestId, TenantId};
use crate::mail::draft::Envelope;
use crate::port::capabilities::Message;
use crate::port::capacity::AtCapacity;

/// One filter at the hook `before-send`.
pub trait BeforeSendFilter: Send + Sync + fmt::Debug {
    /// What the filter says. Dropping the future ends the instance. `tenant` pays for it; `request`
    /// is for the log.
    fn evaluate<'a>(
        &'a self,
        tenant: &'a TenantId,
        request: &'a RequestId,
        message: Arc<dyn Message>,
        envelope: &'a Envelope,
    ) -> BoxFuture<'a, Result<Verdict, FilterError>>;
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// It trapped; the reason is for the log.
    #[error("the filter trapped: {0}")]
    Trapped(String),
    /// It wanted more memory, handles or calls than it may have.
    #[error("the filter went over a limit: {0}")]
    Limit(String),
    /// It took too long.
    #[error("the filter gave no verdict in time")]
    Timeout,
    /// No instance was free: nothing that the filter did.
    #[error("no instance of the filter is free: {0}")]
    Busy(AtCapacity),
}
