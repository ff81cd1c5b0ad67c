//! Time budgets of an instance (CPU, idle, total), and the count of its host calls.
//!
//! [`run`] wraps the future that drives a guest. The engine's epoch makes the guest yield every
//! tick, so every budget is checked here: CPU is the time spent inside `poll`, so that host code
//! counts as well, and neither sleeping nor waiting for a turn does. Real time, not `port::Clock`:
//! it limits what really runs.
//!
//! Invariants: whatever the guest does, [`run`] ends; a guest that waits for the host or for its
//! turn is not idle, and is not blamed when the host takes all of its time.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::error::{Budget, EndpointError, LimitKind};
use crate::limits::cpu_turns::Processor;
use crate::limits::{Limits, party};

/// Interval of the epoch: how long a guest computes without yielding.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// The usage of an instance so far. Shared by its store, its bodies and [`run`].
#[derive(Debug)]
pub(crate) struct TimeBudget {
    begun: Instant,
    /// Milliseconds from `begun` to the last byte or host call.
    moved: AtomicU64,
    /// It waits for its turn to compute, which is neither computing nor idle.
    queued: AtomicBool,
    chair: Processor,
    /// Host calls under way: while the host works, the guest is not idle.
    inside: AtomicU32,
    calls: AtomicU32,
    /// Yields while it computed.
    turns: AtomicU32,
    limits: Limits,
    /// Why the request body is not read on, where its client is at fault.
    refused: OnceLock<Refused>,
    outcome: OnceLock<Outcome>,
}

/// The fault of a request body.
#[derive(Clone, Copy, Debug)]
enum Refused {
    /// It exceeds the limit.
    TooLarge,
    /// It arrives below this rate, in bytes a second.
    TooSlow(u64),
}

/// How an instance ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The guest returned.
    Done,
    /// It trapped, was stopped, or its host panicked.
    Failed,
}

/// A host call under way.
#[derive(Debug)]
pub(crate) struct HostCallGuard(Arc<TimeBudget>);

impl TimeBudget {
    pub(crate) fn new(limits: &Limits, chair: Processor) -> Self {
        Self {
            begun: Instant::now(),
            moved: AtomicU64::new(0),
            queued: AtomicBool::new(false),
            chair,
            inside: AtomicU32::new(0),
            calls: AtomicU32::new(0),
            turns: AtomicU32::new(0),
            limits: limits.clone(),
            refused: OnceLock::new(),
            outcome: OnceLock::new(),
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Records that a byte moved.
    pub(crate) fn touch(&self) {
        self.moved.store(self.millis(), Relaxed);
    }

    /// Yields after a tick of computing, and returns when it is the guest's turn.
    pub(crate) async fn turn(&self) {
        self.turns.fetch_add(1, Relaxed);
        let asked = self.millis();
        self.queued.store(true, Relaxed);
        self.chair.turn().await;
        let now = self.millis();
        let waited = now.saturating_sub(asked);
        let later = |moved: u64| Some(moved.saturating_add(waited).min(now));
        let _ = self.moved.fetch_update(Relaxed, Relaxed, later);
        self.queued.store(false, Relaxed);
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Counts a call into WASI.
    pub(crate) fn count(&self) {
        self.calls.fetch_add(1, Relaxed);
    }

    /// Its progress so far: host calls, and yields while it computed.
    pub(crate) fn progress(&self) -> (u32, u32) {
        (self.calls.load(Relaxed), self.turns.load(Relaxed))
    }

    /// Counts a call into Postlet's own imports.
    pub(crate) fn enter(self: &Arc<Self>) -> HostCallGuard {
        self.count();
        self.touch();
        self.inside.fetch_add(1, Relaxed);
        HostCallGuard(Arc::clone(self))
    }

    /// Records that the request is too large: ends the instance at its next yield.
    pub(crate) fn overlong(&self) {
        let _ = self.refused.set(Refused::TooLarge);
    }

    /// Records that the request arrived below `rate` bytes a second: likewise.
    pub(crate) fn slow(&self, rate: u64) {
        let _ = self.refused.set(Refused::TooSlow(rate));
    }

    /// Why the instance must end, if it must.
    pub(crate) fn stopped(&self) -> Option<EndpointError> {
        match self.refused.get() {
            Some(Refused::TooLarge) => {
                return Some(EndpointError::BodyTooLarge { limit: self.limits.request_body });
            }
            Some(Refused::TooSlow(rate)) => {
                return Some(EndpointError::BodyTooSlow { rate: *rate });
            }
            None => {}
        }
        (self.calls.load(Relaxed) > self.limits.host_calls)
            .then_some(EndpointError::Limit(LimitKind::HostCalls))
    }

    /// Records how the instance ended. The first record stays.
    pub(crate) fn end(&self, outcome: Outcome) {
        let _ = self.outcome.set(outcome);
    }

    /// Whether the instance ended without finishing.
    pub(crate) fn failed(&self) -> bool {
        self.outcome.get() == Some(&Outcome::Failed)
    }

    /// The budget that has run out at `now`, or when to check next.
    fn deadline(&self, now: Instant) -> Result<Instant, EndpointError> {
        let Limits { idle, total, .. } = self.limits;
        let last = self.begun + Duration::from_millis(self.moved.load(Relaxed));
        let inside = self.inside.load(Relaxed) > 0;
        let quiet_since = if inside || self.queued.load(Relaxed) { now } else { last };
        // Far enough for a total of Duration::MAX.
        let far = now + Duration::from_secs(86_400);
        let ends = self.begun.checked_add(total).unwrap_or(far);
        let bored = quiet_since.checked_add(idle).unwrap_or(far);
        if now >= ends && inside && now.duration_since(last) >= total / 2 {
            Err(EndpointError::HostTimeout { limit: total })
        } else if now >= ends {
            Err(EndpointError::Timeout { budget: Budget::Total, limit: total })
        } else if now >= bored {
            Err(EndpointError::Timeout { budget: Budget::Idle, limit: idle })
        } else {
            Ok(ends.min(bored))
        }
    }
}

impl Drop for HostCallGuard {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Relaxed);
        self.0.touch();
    }
}

/// After a poll, or a panic in it, the guest does not compute any more.
struct Rest<'a>(&'a Processor);

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.0.rest();
    }
}

/// Runs a guest until it ends or a budget runs out.
pub(crate) async fn run<T>(
    meter: &TimeBudget,
    work: impl Future<Output = T>,
) -> Result<T, EndpointError> {
    let mut work = pin!(party::scope(meter.chair.party().clone(), work));
    let mut timer = pin!(sleep_until(meter.deadline(Instant::now())?));
    let mut spent = Duration::ZERO;
    poll_fn(|context| {
        let begun = Instant::now();
        let polled = {
            let _rest = Rest(&meter.chair);
            work.as_mut().poll(context)
        };
        if let Poll::Ready(done) = polled {
            return Poll::Ready(Ok(done));
        }
        // A guest yields after a tick. Much longer times come from the operating system's
        // scheduler, and are not the guest's fault.
        spent += begun.elapsed().min(2 * TICK);
        if spent > meter.limits.cpu {
            let limit = meter.limits.cpu;
            return Poll::Ready(Err(EndpointError::Timeout { budget: Budget::Cpu, limit }));
        }
        if let Some(reason) = meter.stopped() {
            return Poll::Ready(Err(reason));
        }
        while timer.as_mut().poll(context).is_ready() {
            match meter.deadline(Instant::now()) {
                Ok(next) => timer.as_mut().reset(next),
                Err(expired) => return Poll::Ready(Err(expired)),
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use model::caller::Party;

    use super::*;
    use crate::limits::cpu_turns::CpuTurns;

    const SECOND: Duration = Duration::from_secs(1);

    /// The total of ten seconds is spent in pauses of the guest, then in a host call.
    async fn check(pauses: Duration, blamed: fn(&EndpointError) -> bool) {
        let limits = Limits { idle: 9 * SECOND, total: 10 * SECOND, ..Limits::default() };
        let chair = Arc::new(CpuTurns::default()).chair(Party::Host);
        let meter = Arc::new(TimeBudget::new(&limits, chair));
        let ended = run(&meter, async {
            tokio::time::sleep(pauses).await;
            let _inside = meter.enter();
            std::future::pending::<()>().await;
        });
        let error = ended.await.unwrap_err();
        assert!(blamed(&error), "{pauses:?}: {error:?}");
        assert_eq!(meter.begun.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn who_used_most_of_the_total_time_is_named() {
        let host = |error: &EndpointError| matches!(error, EndpointError::HostTimeout { .. });
        let guest = |error: &EndpointError| {
            matches!(error, EndpointError::Timeout { budget: Budget::Total, .. })
        };
        check(Duration::ZERO, host).await;
        check(4 * SECOND, host).await;
        check(6 * SECOND, guest).await;
    }
}
