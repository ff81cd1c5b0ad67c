//! The host's own time: it passes while a host has the outbox, and at no other time.
//!
//! What is forgotten after a time, ended submissions and Idempotency-Keys, is forgotten by this one. A
//! wall clock may be ahead by days when a machine starts, and nothing that a host has at hand says so;
//! its monotonic clock cannot be. The price is that what is kept is kept longer by as long as
//! no host ran.
//!
//! Invariant: every instant that is written by this time is one that has passed, so that a new start,
//! which knows only what was written, goes on behind all of them and never ahead.

use std::time::Duration;

use model::instant::Timestamp;

/// That time in one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uptime {
    /// How late it was when this process began.
    began: Timestamp,
    /// The monotonic clock then.
    monotonic: Duration,
}

impl Uptime {
    /// Goes on from `at`.
    pub(crate) const fn from(at: Timestamp, monotonic: Duration) -> Self {
        Self { began: at, monotonic }
    }

    /// How late it is.
    pub(crate) fn now(&self, monotonic: Duration) -> Timestamp {
        self.began.after(monotonic.saturating_sub(self.monotonic))
    }

    /// So long ago.
    pub(crate) fn before(&self, monotonic: Duration, age: Duration) -> Timestamp {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.now(monotonic).millis().saturating_sub(age))
    }
}
