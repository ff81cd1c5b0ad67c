//! Exponential backoff after consecutive failures.
//!
//! The outbox uses the operator's table of pauses instead (`outbox/backoff.rs`).

use std::time::Duration;

/// The pause after a failure with `earlier` consecutive ones before it: `first`, doubled with each, at
/// most `longest`.
pub(crate) fn doubled(first: Duration, longest: Duration, earlier: u32) -> Duration {
    first.saturating_mul(1_u32.checked_shl(earlier).unwrap_or(u32::MAX)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_however_many_failures_there_are() {
        check(5, 900, 0, 5);
        check(5, 900, 1, 10);
        check(5, 900, 7, 640);
        check(5, 900, 8, 900);
        check(5, 900, 31, 900);
        check(5, 900, 32, 900);
        check(5, 900, u32::MAX, 900);
        check(u64::MAX, u64::MAX, 1, u64::MAX);
        check(30, 10, 0, 10);
    }

    #[track_caller]
    fn check(first: u64, longest: u64, earlier: u32, want: u64) {
        let [first, longest] = [first, longest].map(Duration::from_secs);
        assert_eq!(doubled(first, longest, earlier).as_secs(), want, "{first:?} after {earlier}");
    }
}
