//! Sizes of a run: the full one, and the smoke test.

use std::time::Duration;

/// The full size, or just enough to show that it works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Measurements of each side, alternating; the median is reported.
    pub(crate) rounds: usize,
    /// Messages in a short queue.
    pub(crate) few: usize,
    /// Messages in a long queue.
    pub(crate) many: usize,
    /// Time limit of a measurement; after it, what has arrived counts.
    pub(crate) longest: Duration,
}

impl Size {
    pub(crate) fn from_arguments() -> Self {
        if std::env::args().any(|argument| argument == "--smoke") {
            Self { rounds: 1, few: 60, many: 200, longest: Duration::from_secs(10) }
        } else {
            Self { rounds: 3, few: 1000, many: 20_000, longest: Duration::from_secs(90) }
        }
    }
}
