//! Rate limit of verifications, by tenant.
//!
//! A verification connects to any host that a caller names, with any password: without a limit, every
//! token could be used to scan ports and guess passwords. The lockout of single logins is the engine's.
//!
//! Invariant: each tenant has its own limit, which no other tenant uses up.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::ids::TenantId;
use model::port::clock::Clock;
use model::problem::{Code, Problem};

use crate::config::limits::VerifyLimits;

/// Retry-After while the maximum number of verifications is running.
const PAUSE: Duration = Duration::from_secs(5);

/// What every tenant has left.
#[derive(Debug)]
pub(crate) struct VerifyRateLimiter {
    clock: Arc<dyn Clock>,
    limits: VerifyLimits,
    tenants: BTreeMap<TenantId, Arc<Mutex<Share>>>,
}

/// One tenant's.
#[derive(Debug, Default)]
struct Share {
    under_way: u32,
    /// Monotonic: when the tries so far would have ended at the steady rate. The generic cell rate
    /// algorithm (ITU-T I.371) needs nothing else.
    due: Duration,
}

/// A try that is under way; over when dropped.
#[derive(Debug)]
pub(crate) struct VerifyPermit(Arc<Mutex<Share>>);

impl VerifyRateLimiter {
    pub(crate) fn new(tenants: &[TenantId], limits: VerifyLimits, clock: Arc<dyn Clock>) -> Self {
        let fresh = |tenant: &TenantId| (tenant.clone(), Arc::default());
        Self { clock, limits, tenants: tenants.iter().map(fresh).collect() }
    }

    /// To be held as long as the try takes.
    pub(crate) fn begin(&self, tenant: &TenantId) -> Result<VerifyPermit, Problem> {
        let share = self.tenants.get(tenant).ok_or_else(|| over("no tries are left", PAUSE))?;
        let mut held = lock(share);
        if held.under_way >= self.limits.at_once {
            let most = self.limits.at_once;
            return Err(over(
                &format!("{most} tries of mail servers are under way, which is all"),
                PAUSE,
            ));
        }
        held.due = next(held.due, self.clock.monotonic(), self.limits).map_err(|left| {
            let most = self.limits.per_minute;
            over(&format!("mail servers were tried more than {most} times a minute"), left)
        })?;
        held.under_way += 1;
        drop(held);
        Ok(VerifyPermit(Arc::clone(share)))
    }
}

impl Drop for VerifyPermit {
    fn drop(&mut self) {
        let mut share = lock(&self.0);
        share.under_way = share.under_way.saturating_sub(1);
    }
}

/// When the tries would have ended with one more; else how long to wait for it.
fn next(due: Duration, now: Duration, limits: VerifyLimits) -> Result<Duration, Duration> {
    let each = Duration::from_secs(60) / limits.per_minute.max(1);
    let ahead = each * limits.burst.saturating_sub(1);
    let due = due.max(now);
    match due.checked_sub(now + ahead).filter(|left| !left.is_zero()) {
        Some(left) => Err(left),
        None => Ok(due + each),
    }
}

fn over(what: &str, after: Duration) -> Problem {
    let detail = format!("for this tenant {what}: wait, then try again");
    Problem::new(Code::TooManyRequests, detail).with_retry_after(after)
}

fn lock(share: &Mutex<Share>) -> MutexGuard<'_, Share> {
    share.lock()
}

#[cfg(test)]
mod tests {
    use model::instant::Timestamp;
    use model::port::BoxFuture;

    use super::*;

    const LIMITS: VerifyLimits = VerifyLimits { at_once: 2, per_minute: 6, burst: 3 };

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
        let tenants = ["a", "b"].map(|id| id.parse().unwrap());
        (VerifyRateLimiter::new(&tenants, LIMITS, clock.clone()), clock)
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
        check(&tries, "b", Some(10));
        drop(held);
        check(&tries, "a", None);
        check(&tries, "a", Some(10));
    }
}
