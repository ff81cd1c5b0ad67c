//! A clock under the test's control.
//!
//! It is tokio's, which, once paused, stands still while anything can run and then jumps to the
//! next deadline: so timers of the policy and I/O timeouts share one clock, and a server that
//! stalls for ten minutes costs no time.

use std::time::Duration;

use model::future::BoxFuture;
use model::instant::Timestamp;
use model::port::clock::Clock;
use tokio::time::Instant;

/// A day in 2025, in milliseconds.
const BEGINNING: i64 = 1_750_000_000_000;

/// tokio's clock as the engine's.
#[derive(Debug)]
pub struct TokioClock(Instant);

impl TokioClock {
    /// A clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(BEGINNING).after(self.0.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
