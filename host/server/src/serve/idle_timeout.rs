//! Whether a connection is doing anything.
//!
//! hyper's own limits begin when it knows the protocol; a client that says
//! nothing, or speaks HTTP/2 and asks for nothing, would keep its place for
//! ever. So every connection has a pulse: it is cut when nothing is under way
//! and nothing has begun for the time that a head may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::Response;
use http_body_util::BodyExt;
use runtime::body::Body;

/// One connection's requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionActivity {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    begun: AtomicU64,
    under_way: AtomicUsize,
}

/// A request under way; over when dropped.
#[derive(Debug)]
pub(crate) struct ActiveRequest {
    inner: Arc<Inner>,
}

impl ConnectionActivity {
    /// A request begins.
    pub(crate) fn beat(&self) -> ActiveRequest {
        self.inner.begun.fetch_add(1, Ordering::Relaxed);
        self.inner.under_way.fetch_add(1, Ordering::Relaxed);
        ActiveRequest { inner: Arc::clone(&self.inner) }
    }

    /// Ready when nothing was under way and nothing began for `quiet` (up to twice as long).
    pub(crate) async fn lost(&self, quiet: Duration) {
        let mut seen = 0;
        let mut calm = false;
        loop {
            tokio::time::sleep(quiet).await;
            let begun = self.inner.begun.load(Ordering::Relaxed);
            let idle = self.inner.under_way.load(Ordering::Relaxed) == 0 && begun == seen;
            // A connection that never asked anything has had its whole time already.
            if idle && (calm || begun == 0) {
                return;
            }
            (seen, calm) = (begun, idle);
        }
    }
}

impl ActiveRequest {
    /// Lasts as long as the answer's body.
    pub(crate) fn within(self, response: Response<Body>) -> Response<Body> {
        response.map(|body| {
            body.map_frame(move |frame| {
                // The closure owns the beat, and the body owns the closure.
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
    async fn a_connection_that_asks_nothing_is_lost_after_one_quiet_time() {
        let began = tokio::time::Instant::now();
        ConnectionActivity::default().lost(QUIET).await;
        assert_eq!(began.elapsed(), QUIET);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_still_being_read_keeps_its_connection() {
        let pulse = ConnectionActivity::default();
        let response = pulse.beat().within(Response::new(full("a body")));
        assert!(tokio::time::timeout(QUIET * 50, pulse.lost(QUIET)).await.is_err());
        drop(response);
        assert!(tokio::time::timeout(QUIET * 3, pulse.lost(QUIET)).await.is_ok());
    }
}
