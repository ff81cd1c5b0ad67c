//! Idle timeout of HTTP connections.
//!
//! hyper's own timeouts begin when it knows the protocol; a client that sends
//! nothing, or speaks HTTP/2 and sends no request, would hold its connection
//! without end. So a connection is closed when no request is under way and none
//! began for the time that a request head may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::Response;
use http_body_util::BodyExt;
use runtime::body::Body;

/// Counters of one connection's requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionActivity {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    begun: AtomicU64,
    under_way: AtomicUsize,
}

/// A request under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct ActiveRequest {
    inner: Arc<Inner>,
}

impl ConnectionActivity {
    /// Records that a request begins.
    pub(crate) fn begin(&self) -> ActiveRequest {
        self.inner.begun.fetch_add(1, Ordering::Relaxed);
        self.inner.under_way.fetch_add(1, Ordering::Relaxed);
        ActiveRequest { inner: Arc::clone(&self.inner) }
    }

    /// Completes when no request was under way and none began for `quiet` (at most twice as long).
    pub(crate) async fn idle(&self, quiet: Duration) {
        let mut seen = 0;
        let mut calm = false;
        loop {
            tokio::time::sleep(quiet).await;
            let begun = self.inner.begun.load(Ordering::Relaxed);
            let idle = self.inner.under_way.load(Ordering::Relaxed) == 0 && begun == seen;
            // A connection without any request has had its whole time already.
            if idle && (calm || begun == 0) {
                return;
            }
            (seen, calm) = (begun, idle);
        }
    }
}

impl ActiveRequest {
    /// Keeps the request under way until the response body is dropped.
    pub(crate) fn within(self, response: Response<Body>) -> Response<Body> {
        response.map(|body| {
            body.map_frame(move |frame| {
                // The closure owns the request, and the body owns the closure.
                let _ = &self;
                frame
            })
            .boxed_unsync()
        })
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.inner.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::response::full;

    const QUIET: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_is_lost_after_one_quiet_time() {
        let began = tokio::time::Instant::now();
        ConnectionActivity::default().idle(QUIET).await;
        assert_eq!(began.elapsed(), QUIET);
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_that_is_still_being_read_keeps_its_connection() {
        let activity = ConnectionActivity::default();
        let response = activity.begin().within(Response::new(full("a body")));
        assert!(tokio::time::timeout(QUIET * 50, activity.idle(QUIET)).await.is_err());
        drop(response);
        assert!(tokio::time::timeout(QUIET * 3, activity.idle(QUIET)).await.is_ok());
    }
}
