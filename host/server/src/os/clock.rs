//! System clock and system random number generator: the only place that calls the operating system
//! for either.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use model::instant::Timestamp;
use model::port::BoxFuture;
use model::port::clock::{Clock, Entropy};

/// The system's wall clock, and a monotonic clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// The epoch of the monotonic clock is now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the system's time becomes the Clock port"
    )]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the system's time becomes the Clock port"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The operating system's cryptographic random number generator (getrandom(2)).
#[derive(Debug)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        if let Err(error) = getrandom::fill(buffer) {
            // Without randomness every id and token could be guessed, so the process must end.
            tracing::error!(%error, "the system's random number generator failed");
            std::process::abort();
        }
    }
}
