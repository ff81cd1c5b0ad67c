//! Uptime clock: advances while a host has the outbox open, and at no other time.
//!
//! Retention of ended submissions and Idempotency-Keys is measured by this clock. A wall clock may
//! be ahead by days when a machine starts, and nothing on the host reveals it; its monotonic clock
//! cannot be. The cost is that records are kept longer by the time in which no host ran.
//!
//! Invariant: every instant written by this clock has passed, so that a new start, which knows only
//! what was written, continues after all of them and never ahead.

use std::time::Duration;

use model::instant::Timestamp;

/// The uptime clock of one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uptime {
    /// The uptime when this process began.
    began: Timestamp,
    /// The monotonic clock at that time.
    monotonic: Duration,
}

impl Uptime {
    /// Continues from `at`.
    pub(crate) const fn from(at: Timestamp, monotonic: Duration) -> Self {
        Self { began: at, monotonic }
    }

    /// The current uptime.
    pub(crate) fn now(&self, monotonic: Duration) -> Timestamp {
        self.began.after(monotonic.saturating_sub(self.monotonic))
    }

    /// The instant `age` ago.
    pub(crate) fn before(&self, monotonic: Duration, age: Duration) -> Timestamp {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.now(monotonic).millis().saturating_sub(age))
    }
}
