//! Expiry of submissions: when no further attempt is made.
//!
//! Pure. The wall clock alone decides nothing: it may jump by days without an attempt. So the
//! attempts of the schedule must have been made as well; a claim without an attempt does not count,
//! however many there were.
//!
//! Standard: RFC 5321 §4.5.4.1 (give up after four to five days).

use std::time::Duration;

/// The age of a submission when an attempt ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waited {
    /// By the wall clock, from the acceptance to the next attempt.
    pub(crate) age: Duration,
    /// Attempts begun, this one included.
    pub(crate) attempts: u32,
}

/// Whether no further attempt is made, with these pauses between attempts.
pub(crate) fn is_over(waited: Waited, pauses: &[Duration], give_up_after: Duration) -> bool {
    let due = scheduled(pauses, give_up_after);
    waited.age >= give_up_after && u64::from(waited.attempts) >= due
}

/// Attempts that fit into `time` at least, where each pause has its maximum jitter.
fn scheduled(pauses: &[Duration], time: Duration) -> u64 {
    let longest = |pause: &Duration| pause.as_millis() + pause.as_millis() / 10;
    let mut left = time.as_millis();
    // The first is made immediately.
    let mut attempts = 1;
    for pause in pauses.iter().map(longest) {
        if pause > left {
            return attempts;
        }
        (left, attempts) = (left - pause, attempts + 1);
    }
    // The last pause repeats.
    let last = pauses.last().map_or(u128::MAX, longest).max(1);
    attempts + u64::try_from(left / last).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn the_default_schedule_makes_two_dozen_attempts_in_four_days() {
        let Settings { backoff, give_up_after, .. } = Settings::default();
        assert_eq!(scheduled(&backoff, give_up_after), 28);
        assert_eq!(scheduled(&backoff, Duration::ZERO), 1);
        assert_eq!(scheduled(&[], HOUR), 1);
        // Millions of attempts are computed without a loop.
        assert_eq!(scheduled(&[Duration::from_secs(1)], 720 * HOUR), 2_356_364);
    }

    #[test]
    fn age_and_attempts_are_both_needed() {
        check(96, 28, true);
        check(200, 28, true);
        check(95, 100, false);
    }

    #[test]
    fn a_clock_that_jumps_expires_nothing() {
        check(100, 1, false);
        // From 1970 to now.
        check(56 * 365 * 24, 3, false);
        check(96, 27, false);
    }

    #[track_caller]
    fn check(hours: u32, attempts: u32, want: bool) {
        let Settings { backoff, give_up_after, .. } = Settings::default();
        let waited = Waited { age: HOUR * hours, attempts };
        assert_eq!(is_over(waited, &backoff, give_up_after), want, "{waited:?}");
    }
}
