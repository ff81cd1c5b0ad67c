//! Clocks under the test's control, and deterministic randomness.
//!
//! The engine's clock is tokio's, which stands still while anything can run and then jumps to the
//! next deadline: so timers of the policy and I/O timeouts share one clock, and a server that
//! stalls for ten minutes costs no time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::instant::Timestamp;
use model::port::BoxFuture;
use model::port::clock::{Clock, Entropy};
use tokio::time::Instant;

/// A day in 2025, in milliseconds.
const BEGINNING: i64 = 1_750_000_000_000;

/// tokio's clock as the engine's.
#[derive(Debug)]
pub struct Paused(Instant);

impl Paused {
    /// A clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Default for Paused {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for Paused {
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

/// A counter as a source of randomness: different numbers, and the same ones in every run.
#[derive(Debug, Default)]
pub struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        for piece in buffer.chunks_mut(8) {
            let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
            // An odd factor spreads the count over all bytes without a collision.
            let number = count.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            piece.copy_from_slice(number.get(..piece.len()).unwrap_or_default());
        }
    }
}
