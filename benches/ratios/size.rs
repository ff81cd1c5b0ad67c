//! Sizes of a run: the full one, and the smoke test.

use std::time::Duration;

/// The full size, or just enough to show that it works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Duration of each measurement.
    pub(crate) duration: Duration,
    /// Measurements of each side, alternating; the median is reported.
    pub(crate) rounds: usize,
    /// Messages in the mailbox.
    pub(crate) messages: u32,
    /// Messages that are fetched for the first time.
    pub(crate) fetches: usize,
}

impl Size {
    pub(crate) fn from_arguments() -> Self {
        if std::env::args().any(|argument| argument == "--smoke") {
            let duration = Duration::from_millis(300);
            Self { duration, rounds: 1, messages: 300, fetches: 60 }
        } else {
            let duration = Duration::from_secs(4);
            Self { duration, rounds: 3, messages: 10_000, fetches: 4000 }
        }
    }
}
