//! What the handlers of the host's own routes may use.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use model::port::clock::Clock;
use model::port::outbox::Outbox;

use crate::api::accounts::handlers::AccountsApi;
use crate::api::key_rotation::Rotation;
use crate::api::metrics::Metrics;
use crate::auth::authenticator::Authenticator;
use crate::deploy::Deployments;

/// The dependencies of the host's own handlers.
#[derive(Debug)]
pub(crate) struct HostApi {
    pub(crate) accounts: AccountsApi,
    pub(crate) authenticator: Authenticator,
    pub(crate) deployments: Deployments,
    pub(crate) rotation: Rotation,
    pub(crate) metrics: Metrics,
    /// For its condition and its counts; the engine handles submissions.
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Graceful shutdown: requests in progress are finished, and `/-/ready` is 503.
    pub(crate) stopping: AtomicBool,
}
