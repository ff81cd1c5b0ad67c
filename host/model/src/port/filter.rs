//! The port of before-send filters. `runtime` implements it by a new instance for each call;
//! `engine` calls it.

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
    /// Returns the filter's verdict. Dropping the future ends the instance. Its use counts for
    /// `tenant`; `request` is for the log.
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
    /// It exceeded its limit of memory, handles or calls.
    #[error("the filter went over a limit: {0}")]
    Limit(String),
    /// It exceeded its time limit.
    #[error("the filter gave no verdict in time")]
    Timeout,
    /// No instance slot was free: not the filter's fault.
    #[error("no instance of the filter is free: {0}")]
    Busy(AtCapacity),
}
