//! Rate limiter: a number of operations a minute, with bursts.
//!
//! The generic cell rate algorithm (ITU-T I.371): one time for each party is all its state.
//!
//! Invariant: each party has a rate of its own, independent of the others; a refused operation is not
//! counted.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::port::clock::Clock;

const MINUTE: Duration = Duration::from_secs(60);

/// A rate that allows bursts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The sustained rate.
    pub per_minute: u32,
    /// The maximum burst after a pause.
    pub burst: u32,
}

/// One rate, for each party.
#[derive(Debug)]
pub struct RateLimiter<P> {
    clock: Arc<dyn Clock>,
    rate: Rate,
    /// The theoretical arrival time, on the monotonic clock: when all operations so far would have ended
    /// at the sustained rate.
    due: Mutex<HashMap<P, Duration>>,
}

impl<P: Eq + Hash> RateLimiter<P> {
    /// A limiter; each party begins with a whole burst.
    #[must_use]
    pub fn new(rate: Rate, clock: Arc<dyn Clock>) -> Self {
        Self { clock, rate, due: Mutex::default() }
    }

    /// The rate.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Counts one operation.
    ///
    /// # Errors
    /// The time to wait for it.
    pub fn take(&self, party: P) -> Result<(), Duration> {
        let now = self.clock.monotonic();
        let each = MINUTE / self.rate.per_minute.max(1);
        let ahead = each * self.rate.burst.saturating_sub(1);
        let mut due = self.due.lock();
        let due = due.entry(party).or_default();
        let from = (*due).max(now);
        match from.checked_sub(now + ahead).filter(|left| !left.is_zero()) {
            Some(left) => Err(left),
            None => {
                *due = from + each;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::future::BoxFuture;
    use crate::instant::Timestamp;

    /// A clock that the test advances.
    #[derive(Debug, Default)]
    struct Owned(Mutex<Duration>);

    impl Owned {
        fn advance(&self, seconds: u64) {
            *self.0.lock() += Duration::from_secs(seconds);
        }
    }

    impl Clock for Owned {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }

        fn monotonic(&self) -> Duration {
            *self.0.lock()
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    fn limiter(started: u64) -> (RateLimiter<&'static str>, Arc<Owned>) {
        let clock = Arc::new(Owned::default());
        clock.advance(started);
        (RateLimiter::new(Rate { per_minute: 6, burst: 3 }, clock.clone()), clock)
    }

    #[track_caller]
    fn check(limiter: &RateLimiter<&'static str>, party: &'static str, want: Option<u64>) {
        assert_eq!(limiter.take(party).err(), want.map(Duration::from_secs), "{party}");
    }

    #[test]
    fn after_a_burst_one_is_allowed_every_ten_seconds() {
        for started in [0, 1000] {
            let (limiter, clock) = limiter(started);
            (0..3).for_each(|_| check(&limiter, "a", None));
            check(&limiter, "a", Some(10));
            clock.advance(4);
            // A refusal is not counted.
            check(&limiter, "a", Some(6));
            check(&limiter, "a", Some(6));
            clock.advance(6);
            check(&limiter, "a", None);
            check(&limiter, "a", Some(10));
            // After a long pause there is one whole burst, not more.
            clock.advance(3600);
            (0..3).for_each(|_| check(&limiter, "a", None));
            check(&limiter, "a", Some(10));
        }
    }

    #[test]
    fn no_party_uses_up_anothers_rate() {
        let (limiter, _) = limiter(1000);
        (0..3).for_each(|_| check(&limiter, "a", None));
        check(&limiter, "a", Some(10));
        (0..3).for_each(|_| check(&limiter, "b", None));
        check(&limiter, "b", Some(10));
    }

    #[test]
    fn the_minimum_is_one_a_minute() {
        let clock = Arc::new(Owned::default());
        let limiter = RateLimiter::new(Rate { per_minute: 0, burst: 0 }, clock.clone());
        check(&limiter, "a", None);
        check(&limiter, "a", Some(60));
        clock.advance(60);
        check(&limiter, "a", None);
    }
}
