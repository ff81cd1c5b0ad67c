//! A running clock, for work on threads for which the paused one would not wait.

use std::time::Duration;

use model::instant::Timestamp;
use model::port::BoxFuture;
use model::port::clock::Clock;

/// A running clock from a chosen moment, for work on other threads, for which the paused clock
/// would not wait.
#[derive(Debug)]
pub struct Running {
    from: Timestamp,
    began: std::time::Instant,
}

impl Running {
    /// A clock that shows this moment now.
    #[must_use]
    pub fn from(now: Timestamp) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a clock has to read one")]
        Self { from: now, began: std::time::Instant::now() }
    }
}

impl Clock for Running {
    fn now(&self) -> Timestamp {
        self.from.after(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
