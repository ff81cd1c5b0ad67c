//! The one place where tasks begin.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::Instrument;

/// Runs `task` beside the caller, under `name` in the log.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one spawning function: every task has a name"
)]
pub(crate) fn spawn<T: Send + 'static>(
    name: &'static str,
    task: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(task.instrument(tracing::debug_span!("task", name)))
}
