//! How much of everything a run does.

use std::time::Duration;

/// Full, or just enough to show that it works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Measurements of each side, in turns; the middle one counts.
    pub(crate) rounds: usize,
    /// Messages in a short queue.
    pub(crate) few: usize,
    /// And in a long one.
    pub(crate) many: usize,
    /// A measurement that is not over by then is judged by what has arrived.
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
