//! Log quotas: how many lines and bytes may be logged for each tenant in a minute.
//!
//! A tenant's components write to the log, and cause the host to write: without a limit they fill the
//! disk and bury the entries of others. A minute begins with a tenant's first line; when it ends, one
//! line reports how much was dropped. Components may use three quarters of a quota: the rest is
//! reserved for the host's entries about their requests, so that a verbose component does not bury the
//! reason of its failure.
//!
//! Independent of the content of a line, and of its destination.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::config::limits::LogLimits;

/// The reserved part of a quota is one in this many.
const RESERVE: u32 = 4;
/// The period of a quota.
const MINUTE: Duration = Duration::from_secs(60);

/// Author of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// A component.
    Component,
    /// The host, about a request or a message.
    Host,
}

/// The quotas of all tenants.
#[derive(Debug)]
pub(crate) struct LogQuotas {
    lines: AtomicU32,
    bytes: AtomicU64,
    /// Whether dropping lines is reported when it begins too.
    at_once: AtomicBool,
    minutes: Mutex<HashMap<String, Minute>>,
    /// Notified when lines of a tenant begin to be dropped.
    dropping: Condvar,
}

/// What was logged for one tenant in its current minute.
#[derive(Debug)]
struct Minute {
    begun: Instant,
    lines: u32,
    bytes: u64,
    dropped: Dropped,
    /// The host's own lines are dropped too.
    full: bool,
    /// The beginning of the dropping was reported.
    reported: bool,
}

/// A report about dropped lines of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Lines are dropped from now on, until the minute ends.
    Begun,
    /// Dropped in the minute that ended: lines, bytes.
    Ended(u64, u64),
}

/// What was not logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Dropped {
    lines: u64,
    bytes: u64,
}

/// The quotas of the process, which has one log.
static OURS: OnceLock<Arc<LogQuotas>> = OnceLock::new();

/// Sets the quota of each tenant; it applies from now on.
pub(crate) fn allow(limits: LogLimits) {
    let ours = LogQuotas::of_this_process();
    ours.lines.store(limits.lines, Relaxed);
    ours.bytes.store(limits.bytes, Relaxed);
}

/// Reports at once when lines begin to be dropped: for authors, who watch the log.
pub(crate) fn tell_at_once() {
    LogQuotas::of_this_process().at_once.store(true, Relaxed);
}

impl LogQuotas {
    pub(crate) fn new(limits: LogLimits) -> Self {
        Self {
            lines: AtomicU32::new(limits.lines),
            bytes: AtomicU64::new(limits.bytes),
            at_once: AtomicBool::new(false),
            minutes: Mutex::default(),
            dropping: Condvar::new(),
        }
    }

    pub(crate) fn of_this_process() -> Arc<Self> {
        Arc::clone(OURS.get_or_init(|| Arc::new(Self::new(LogLimits::default()))))
    }

    /// Charges a line of so many bytes to a quota; whether it may be written.
    pub(crate) fn pay(&self, tenant: &str, writer: Writer, bytes: usize) -> bool {
        self.pay_at(now(), tenant, writer, bytes)
    }

    fn pay_at(&self, now: Instant, tenant: &str, writer: Writer, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let mut minutes = self.minutes();
        let minute = match minutes.get_mut(tenant) {
            Some(minute) => minute,
            None => minutes.entry(tenant.to_owned()).or_insert_with(|| Minute::from(now)),
        };
        // A minute with dropped lines is ended by `end`, which reports them.
        if minute.is_over(now) && minute.dropped == Dropped::default() {
            *minute = Minute::from(now);
        }
        let (mut lines, mut most) = (self.lines.load(Relaxed), self.bytes.load(Relaxed));
        let mut full = minute.full;
        if writer == Writer::Component {
            (lines, most) = (lines - lines / RESERVE, most - most / u64::from(RESERVE));
            full = minute.dropped != Dropped::default();
        }
        if !full && minute.lines < lines && minute.bytes.saturating_add(bytes) <= most {
            minute.lines += 1;
            minute.bytes += bytes;
            return true;
        }
        minute.full |= writer == Writer::Host;
        minute.dropped.lines += 1;
        minute.dropped.bytes += bytes;
        if minute.dropped.lines == 1 {
            self.dropping.notify_all();
        }
        false
    }

    /// Starts a thread that calls `tell` with the dropped lines of a tenant: at the end of a minute, and
    /// also when they begin after [`tell_at_once`].
    pub(crate) fn tell(self: &Arc<Self>, tell: impl Fn(&str, Notice) + Send + 'static) {
        let ours = Arc::clone(self);
        let reporter = thread::Builder::new().name("log-budget".to_owned()).spawn(move || {
            loop {
                for (tenant, notice) in ours.wait() {
                    tell(&tenant, notice);
                }
            }
        });
        // Without the thread dropped lines are not reported; the host serves nevertheless.
        drop(reporter);
    }

    /// Waits until there is something to report.
    fn wait(&self) -> Vec<(String, Notice)> {
        let mut minutes = self.minutes();
        loop {
            let now = now();
            let mut notices = end(&mut minutes, now);
            if self.at_once.load(Relaxed) {
                notices.extend(begun(&mut minutes));
            }
            if !notices.is_empty() {
                return notices;
            }
            let dropping = minutes.values().filter(|minute| minute.dropped.lines > 0);
            let next = dropping.map(|minute| MINUTE.saturating_sub(now - minute.begun)).min();
            // A spurious wake-up is harmless: the loop checks again.
            self.dropping.wait_for(&mut minutes, next.unwrap_or(MINUTE));
        }
    }

    fn minutes(&self) -> MutexGuard<'_, HashMap<String, Minute>> {
        self.minutes.lock()
    }
}

/// Removes every minute that is over; returns the reports of those with dropped lines.
fn end(minutes: &mut HashMap<String, Minute>, now: Instant) -> Vec<(String, Notice)> {
    let over = minutes.extract_if(|_, minute| minute.is_over(now));
    let ended = over.map(|(tenant, minute)| (tenant, minute.dropped));
    let some = ended.filter(|(_, dropped)| dropped.lines > 0);
    some.map(|(tenant, Dropped { lines, bytes })| (tenant, Notice::Ended(lines, bytes))).collect()
}

/// The reports of minutes that have begun to drop lines, once for each minute.
fn begun(minutes: &mut HashMap<String, Minute>) -> Vec<(String, Notice)> {
    let minutes = minutes.iter_mut();
    let new = minutes.filter(|(_, minute)| minute.dropped.lines > 0 && !minute.reported);
    new.map(|(tenant, minute)| {
        minute.reported = true;
        (tenant.clone(), Notice::Begun)
    })
    .collect()
}

impl Minute {
    fn from(begun: Instant) -> Self {
        let dropped = Dropped::default();
        Self { begun, lines: 0, bytes: 0, dropped, full: false, reported: false }
    }

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.begun) >= MINUTE
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a log is written in real time, not by the host's clock"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_its_lines_and_bytes_and_others_have_theirs() {
        let (all, begun) = (LogQuotas::new(LogLimits { lines: 2, bytes: 100 }), now());
        check(&all, begun, "acme", 10, true);
        check(&all, begun, "acme", 10, true);
        check(&all, begun, "acme", 10, false);
        check(&all, begun, "globex", 90, true);
        check(&all, begun, "globex", 11, false);
        // A small line after a dropped one is dropped too: the order would mislead.
        check(&all, begun, "globex", 1, false);
    }

    #[test]
    fn the_end_of_a_minute_reports_what_was_dropped_and_begins_another() {
        let (all, begun) = (LogQuotas::new(LogLimits { lines: 1, bytes: 100 }), now());
        for (bytes, fits) in [(10, true), (20, false), (30, false)] {
            check(&all, begun, "acme", bytes, fits);
        }
        check(&all, begun, "globex", 10, true);
        assert_eq!(end(&mut all.minutes(), begun + MINUTE / 2), []);
        // Nothing is written before the dropped lines are reported.
        check(&all, begun + MINUTE, "acme", 10, false);
        let notices = end(&mut all.minutes(), begun + MINUTE);
        assert_eq!(notices, [("acme".to_owned(), Notice::Ended(3, 60))]);
        check(&all, begun + MINUTE, "acme", 10, true);
        assert_eq!(all.minutes().len(), 1, "idle tenants are removed");
    }

    #[test]
    fn components_leave_a_part_of_the_quota_to_the_host() {
        let (all, begun_at) = (LogQuotas::new(LogLimits { lines: 8, bytes: 800 }), now());
        let pay = |writer, bytes| all.pay_at(begun_at, "acme", writer, bytes);
        let written = (0..10).filter(|_| pay(Writer::Component, 10)).count();
        assert_eq!(written, 6);
        assert_eq!(begun(&mut all.minutes()), [("acme".to_owned(), Notice::Begun)]);
        assert_eq!(begun(&mut all.minutes()), []);
        assert!(pay(Writer::Host, 10) && !pay(Writer::Component, 1) && pay(Writer::Host, 10));
        assert!(!pay(Writer::Host, 1));
        let notices = end(&mut all.minutes(), begun_at + MINUTE);
        assert_eq!(notices, [("acme".to_owned(), Notice::Ended(6, 42))]);
    }

    #[track_caller]
    fn check(all: &LogQuotas, at: Instant, tenant: &str, bytes: usize, fits: bool) {
        assert_eq!(all.pay_at(at, tenant, Writer::Host, bytes), fits);
    }
}
