//! Lock-out: suspends logins at a server that keeps refusing them.
//!
//! Mail services lock accounts, and addresses, after some failures; a wrong stored password must
//! not cause that, however often callers retry.

use std::time::Duration;

use crate::backoff;

/// Consecutive failures without a pause.
const FREE: u32 = 5;
/// The first pause.
const FIRST: Duration = Duration::from_secs(30);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Counts refused logins of one account at one server. Times are monotonic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lockout {
    failures: u32,
    until: Duration,
}

impl Lockout {
    /// How long logins remain suspended; none when one may be tried.
    pub(crate) fn left(&self, now: Duration) -> Option<Duration> {
        self.until.checked_sub(now).filter(|left| !left.is_zero())
    }

    /// Records a refusal; true when it is the first of a series.
    pub(crate) fn refused(&mut self, now: Duration) -> bool {
        let first = self.is_clear();
        self.failures = self.failures.saturating_add(1);
        if let Some(beyond) = self.failures.checked_sub(FREE) {
            self.until = now + backoff::doubled(FIRST, LONGEST, beyond);
        }
        first
    }

    /// Records an accepted login.
    pub(crate) fn accepted(&mut self) {
        *self = Self::default();
    }

    /// Whether no refusal is recorded.
    pub(crate) fn is_clear(&self) -> bool {
        self.failures == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_refusals_in_a_row_buy_a_pause_that_doubles_to_a_quarter_of_an_hour() {
        check(0, None);
        check(4, None);
        check(5, Some(30));
        check(6, Some(60));
        check(9, Some(480));
        check(10, Some(900));
        check(1000, Some(900));
    }

    #[track_caller]
    fn check(failures: u32, want: Option<u64>) {
        let mut lockout = Lockout::default();
        for _ in 0..failures {
            lockout.refused(Duration::ZERO);
        }
        assert_eq!(lockout.left(Duration::ZERO), want.map(Duration::from_secs), "{failures}");
        assert_eq!(lockout.left(LONGEST), None);
    }

    #[test]
    fn a_login_that_works_clears_the_count() {
        let mut lockout = Lockout::default();
        for _ in 0..4 {
            lockout.refused(Duration::ZERO);
        }
        lockout.accepted();
        lockout.refused(Duration::ZERO);
        assert_eq!(lockout.left(Duration::ZERO), None);
    }
}
