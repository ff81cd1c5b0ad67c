//! Outbox maintenance, beside the driver: removes submissions that ended long ago, and detects
//! changes of the wall clock.
//!
//! Invariant: no change of the wall clock removes or accelerates anything: what it deferred is due
//! again when the clock is set back, and what is removed was kept for its time while a host ran.

use std::time::Duration;

use model::ids::SubmissionId;
use model::instant::Timestamp;
use model::port::maintenance::{Claims, RetryWaits};
use model::port::outbox::Outbox;
use model::port::store_error::StoreError;

use crate::outbox::worker::Worker;

/// Interval of clock checks.
const ROUND: Duration = Duration::from_secs(30);
/// Interval of removals.
const PASS: Duration = Duration::from_secs(60 * 60);
/// Rows removed in one transaction.
const ROWS: u32 = 500;
/// Pause between transactions, for other users of the store.
const PAUSE: Duration = Duration::from_millis(200);
/// Not immediately: a start has other work.
const FIRST_PASS: Duration = Duration::from_secs(10 * 60);
/// A clock that NTP slews changes less, in milliseconds.
const STEP: i128 = 1_000;
/// No submission is older than this program.
const FIRST: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Never ends. May be dropped at any time.
pub(crate) async fn run(worker: &Worker) {
    let clock = &worker.clock;
    let mut watch = ClockWatch::begin(clock.now(), clock.monotonic());
    let mut next_pass = clock.monotonic() + FIRST_PASS;
    loop {
        let monotonic = clock.monotonic();
        if watch.went_back(clock.now(), monotonic) {
            reschedule_after_clock_change(worker, Claims::Live).await;
        }
        if monotonic >= next_pass {
            match pass(worker).await {
                Ok(()) => next_pass = monotonic + PASS,
                Err(error) => tracing::warn!(%error, "what ended long ago was not removed"),
            }
        }
        clock.sleep(ROUND).await;
    }
}

async fn pass(worker: &Worker) -> Result<(), StoreError> {
    loop {
        if worker.outbox.prune(worker.settings.keep, ROWS).await? < ROWS {
            return Ok(());
        }
        worker.clock.sleep(PAUSE).await;
    }
}

/// What is due later than any regular pause allows was deferred by a wrong clock; makes it due
/// earlier.
pub(crate) async fn reschedule_after_clock_change(worker: &Worker, claims: Claims) {
    let pauses = &worker.settings.backoff;
    // Jitter makes a pause a tenth longer at most.
    let longest = pauses.iter().map(|pause| *pause + *pause / 10);
    let waits = RetryWaits { after: longest.clone().take(1).chain(longest).collect() };
    let now = worker.clock.now();
    match worker.outbox.reschedule(now, &waits, claims).await {
        Ok(0) => {}
        Ok(count) => tracing::warn!(count, "the clock went back: what it had put off is due again"),
        Err(error) => tracing::error!(%error, "what a wrong clock put off was not brought back"),
    }
}

/// Whether a missing submission existed once: by the time in its id, or by the store's record.
pub(crate) async fn has_expired(
    outbox: &dyn Outbox,
    id: &SubmissionId,
    now: Timestamp,
    keep: Duration,
) -> Result<bool, StoreError> {
    let old = now.millis().saturating_sub(millis(keep));
    if (FIRST.millis()..=old).contains(&id.made().millis()) {
        return Ok(true);
    }
    outbox.was_pruned(id).await
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Compares the wall clock with the monotonic one.
#[derive(Debug)]
struct ClockWatch {
    /// Wall clock minus monotonic clock, in milliseconds.
    offset: i128,
}

impl ClockWatch {
    fn begin(now: Timestamp, monotonic: Duration) -> Self {
        Self { offset: Self::offset(now, monotonic) }
    }

    /// Whether it was set back since the last call.
    fn went_back(&mut self, now: Timestamp, monotonic: Duration) -> bool {
        let offset = Self::offset(now, monotonic);
        let moved = offset - std::mem::replace(&mut self.offset, offset);
        moved < -STEP
    }

    fn offset(now: Timestamp, monotonic: Duration) -> i128 {
        i128::from(now.millis()) - i128::try_from(monotonic.as_millis()).unwrap_or(i128::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_is_noticed_once() {
        let second = |wall: i64, monotonic| {
            (Timestamp::from_millis(wall * 1000), Duration::from_secs(monotonic))
        };
        let (now, monotonic) = second(1_000_000, 0);
        let mut watch = ClockWatch::begin(now, monotonic);
        let mut check = |wall, monotonic, want| {
            let (now, monotonic) = second(wall, monotonic);
            assert_eq!(watch.went_back(now, monotonic), want, "{wall}");
        };
        check(1_000_030, 30, false);
        check(1_000_061, 60, false);
        check(1_003_700, 90, false);
        check(1_003_730, 120, false);
        check(1_000_150, 150, true);
        check(1_000_180, 180, false);
        check(0, 210, true);
        check(1_800_000_000, 240, false);
        // After suspend the monotonic clock may have stood still.
        check(1_800_000_600, 241, false);
    }
}
