//! Rate limit of verifications, by tenant.
//!
//! A verification connects to any host that a caller names, with any password: without a limit, every
//! token could be used to scan ports and guess passwords. The lockout of single logins is the engine's.
//!
//! Invariant: each tenant has its own limit, which no other tenant uses up.

use std::sync::Arc;
use std::time::Duration;

use model::ids::TenantId;
use model::limit::rate::RateLimiter;
use model::limit::shares::Rule;
use model::limit::tenant_limiter::{Permit, TenantLimiter};
use model::port::clock::Clock;
use model::problem::{Code, Problem};

use crate::config::limits::VerifyLimits;

/// Retry-After while the maximum number of verifications is running.
const PAUSE: Duration = Duration::from_secs(5);

/// What every tenant has left.
#[derive(Debug)]
pub(crate) struct VerifyRateLimiter {
    limits: VerifyLimits,
    under_way: TenantLimiter<TenantId>,
    rate: RateLimiter<TenantId>,
}

impl VerifyRateLimiter {
    pub(crate) fn new(limits: VerifyLimits, clock: Arc<dyn Clock>) -> Self {
        let under_way = TenantLimiter::new(Rule::Each(limits.at_once.into()), u64::MAX);
        Self { limits, under_way, rate: RateLimiter::new(limits.rate, clock) }
    }

    /// To be held as long as the try takes.
    pub(crate) fn begin(&self, tenant: &TenantId) -> Result<Permit<TenantId>, Problem> {
        let permit = self.under_way.try_take(tenant, 1).map_err(|_| {
            let most = self.limits.at_once;
            over(&format!("{most} tries of mail servers are under way, which is all"), PAUSE)
        })?;
        self.rate.take(tenant.clone()).map_err(|left| {
            let most = self.limits.rate.per_minute;
            over(&format!("mail servers were tried more than {most} times a minute"), left)
        })?;
        Ok(permit)
    }
}

fn over(what: &str, after: Duration) -> Problem {
    let detail = format!("for this tenant {what}: wait, then try again");
    Problem::new(Code::TooManyRequests, detail).with_retry_after(after)
}

#[cfg(test)]
mod tests {
    use model::instant::Timestamp;
    use model::limit::rate::Rate;
    use model::port::BoxFuture;
    use parking_lot::Mutex;

    use super::*;

    const LIMITS: VerifyLimits =
        VerifyLimits { at_once: 2, rate: Rate { per_minute: 6, burst: 3 } };

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
            Box::pin(async {})
        }
    }

    fn tries() -> (VerifyRateLimiter, Arc<Owned>) {
        let clock = Arc::new(Owned::default());
        clock.advance(1000);
        (VerifyRateLimiter::new(LIMITS, clock.clone()), clock)
    }

    #[track_caller]
    fn check(tries: &VerifyRateLimiter, tenant: &str, want: Option<u64>) {
        let got = tries.begin(&tenant.parse().unwrap()).map(drop);
        let after = got.err().map(|problem| {
            assert_eq!(problem.code, Code::TooManyRequests);
            problem.retry_after.unwrap()
        });
        assert_eq!(after, want.map(Duration::from_secs));
    }

    #[test]
    fn after_a_burst_one_comes_back_every_ten_seconds() {
        let (tries, clock) = tries();
        for _ in 0..3 {
            check(&tries, "a", None);
        }
        check(&tries, "a", Some(10));
        clock.advance(4);
        check(&tries, "a", Some(6));
        clock.advance(6);
        check(&tries, "a", None);
        check(&tries, "a", Some(10));
        // A refusal costs nothing, and a long rest brings back the burst and no more.
        clock.advance(3600);
        for _ in 0..3 {
            check(&tries, "a", None);
        }
        check(&tries, "a", Some(10));
    }

    #[test]
    fn no_tenant_uses_up_anothers_tries() {
        let (tries, _) = tries();
        let a: TenantId = "a".parse().unwrap();
        let held = [tries.begin(&a).unwrap(), tries.begin(&a).unwrap()];
        check(&tries, "a", Some(5));
        for _ in 0..3 {
            check(&tries, "b", None);
        }
        // More often than there may be tries at once: what is refused is not under way.
        for _ in 0..3 {
            check(&tries, "b", Some(10));
        }
        drop(held);
        check(&tries, "a", None);
        check(&tries, "a", Some(10));
    }
}
