//! Tasks that are aborted on drop: the crate's one way to start a task.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use model::foreign::ErrorChain;
use tokio::task::{JoinError, JoinHandle};
use tracing::Instrument;

use crate::error::EndpointError;

/// A task that lives no longer than this handle. Awaiting it returns its result.
#[derive(Debug)]
pub(crate) struct AbortOnDrop<T>(JoinHandle<T>);

/// Starts a separate task for a guest, so that a computing guest does not delay the task that waits
/// for it, and so that dropping the handle drops the guest at its next yield. Its log entries
/// belong to the same request.
#[expect(clippy::disallowed_methods, reason = "the crate's one spawning function")]
pub(crate) fn spawn<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> AbortOnDrop<T> {
    AbortOnDrop(tokio::spawn(work.in_current_span()))
}

impl<T> AbortOnDrop<Result<T, EndpointError>> {
    /// Waits for the end. A panic in the host counts as the component's: it fails one request.
    pub(crate) async fn end(self) -> Result<T, EndpointError> {
        self.await.unwrap_or_else(|panicked| Err(ended(&panicked)))
    }
}

/// The error of a task that was aborted or panicked.
pub(crate) fn ended(panicked: &JoinError) -> EndpointError {
    EndpointError::Trapped { cause: ErrorChain::of(panicked), place: None }
}

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
