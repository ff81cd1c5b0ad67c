//! What may be logged of each tenant in a minute.
//!
//! A tenant's code writes to the log itself, and makes the host write: without a
//! bound it fills the disk, and hides what happens to others. A minute begins with
//! a tenant's first line; when it ends, one line says how much was left out. What
//! components write may take three quarters: the rest is for what the host says of
//! their requests, so that a component that talks much does not hide how it failed.
//!
//! Refuses to know: what a line says, and where it goes.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::config::limits::LogLimits;

/// One part of so many is for the host's own lines.
const RESERVE: u32 = 4;
/// How long a budget lasts.
const MINUTE: Duration = Duration::from_secs(60);

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// A component.
    Component,
    /// The host, of a request or a message.
    Host,
}

/// The budgets of all tenants.
#[derive(Debug)]
pub(crate) struct LogQuotas {
    lines: AtomicU32,
    bytes: AtomicU64,
    /// Whether a minute that leaves out something is told of when it begins to.
    at_once: AtomicBool,
    minutes: Mutex<HashMap<String, Minute>>,
    /// Somebody has begun to leave out.
    missed: Condvar,
}

/// What was logged of one tenant since it began.
#[derive(Debug)]
struct Minute {
    begun: Instant,
    lines: u32,
    bytes: u64,
    left_out: LeftOut,
    /// The host's own lines are left out, too.
    full: bool,
    /// It was told that something is left out.
    told: bool,
}

/// What is told of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// From now on, until the minute ends.
    Begun,
    /// In the minute that ended: lines, bytes.
    Ended(u64, u64),
}

/// What found no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LeftOut {
    lines: u64,
    bytes: u64,
}

/// Those of the process: a log is one for all that runs in it.
static OURS: OnceLock<Arc<LogQuotas>> = OnceLock::new();

/// What each tenant may have logged from now on.
pub(crate) fn allow(limits: LogLimits) {
    let ours = LogQuotas::of_this_process();
    ours.lines.store(limits.lines, Relaxed);
    ours.bytes.store(limits.bytes, Relaxed);
}

/// Says at once when something is left out: where an author looks at the log.
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
            missed: Condvar::new(),
        }
    }

    pub(crate) fn of_this_process() -> Arc<Self> {
        Arc::clone(OURS.get_or_init(|| Arc::new(Self::new(LogLimits::default()))))
    }

    /// Whether a line of so many bytes may be written.
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
        // One that left something out is ended by whoever tells of it.
        if minute.is_over(now) && minute.left_out == LeftOut::default() {
            *minute = Minute::from(now);
        }
        let (mut lines, mut most) = (self.lines.load(Relaxed), self.bytes.load(Relaxed));
        let mut full = minute.full;
        if writer == Writer::Component {
            (lines, most) = (lines - lines / RESERVE, most - most / u64::from(RESERVE));
            full = minute.left_out != LeftOut::default();
        }
        if !full && minute.lines < lines && minute.bytes.saturating_add(bytes) <= most {
            minute.lines += 1;
            minute.bytes += bytes;
            return true;
        }
        minute.full |= writer == Writer::Host;
        minute.left_out.lines += 1;
        minute.left_out.bytes += bytes;
        if minute.left_out.lines == 1 {
            self.missed.notify_all();
        }
        false
    }

    /// From now on, says at the end of each minute what was left out, and perhaps when that begins.
    pub(crate) fn tell(self: &Arc<Self>, tell: impl Fn(&str, Notice) + Send + 'static) {
        let ours = Arc::clone(self);
        let telling = thread::Builder::new().name("log-budget".to_owned()).spawn(move || {
            loop {
                for (tenant, notice) in ours.wait() {
                    tell(&tenant, notice);
                }
            }
        });
        // Without it nobody hears of what is left out, which is no reason not to serve.
        drop(telling);
    }

    /// Waits until a minute ends that left something out, or begins to.
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
            let missing = minutes.values().filter(|minute| minute.left_out.lines > 0);
            let next = missing.map(|minute| MINUTE.saturating_sub(now - minute.begun)).min();
            // A wake-up for nothing looks again.
            self.missed.wait_for(&mut minutes, next.unwrap_or(MINUTE));
        }
    }

    fn minutes(&self) -> MutexGuard<'_, HashMap<String, Minute>> {
        self.minutes.lock()
    }
}

/// Forgets every minute that is over, and tells those that left something out.
fn end(minutes: &mut HashMap<String, Minute>, now: Instant) -> Vec<(String, Notice)> {
    let over = minutes.extract_if(|_, minute| minute.is_over(now));
    let ended = over.map(|(tenant, minute)| (tenant, minute.left_out));
    let some = ended.filter(|(_, left_out)| left_out.lines > 0);
    some.map(|(tenant, LeftOut { lines, bytes })| (tenant, Notice::Ended(lines, bytes))).collect()
}

/// Those that have begun to leave something out, once each.
fn begun(minutes: &mut HashMap<String, Minute>) -> Vec<(String, Notice)> {
    let minutes = minutes.iter_mut();
    let new = minutes.filter(|(_, minute)| minute.left_out.lines > 0 && !minute.told);
    new.map(|(tenant, minute)| {
        minute.told = true;
        (tenant.clone(), Notice::Begun)
    })
    .collect()
}

impl Minute {
    fn from(begun: Instant) -> Self {
        Self { begun, lines: 0, bytes: 0, left_out: LeftOut::default(), full: false, told: false }
    }

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.begun) >= MINUTE
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a log is written in real time, whatever the host's clock says"
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
        // What is small does not slip through behind what was left out: the order would lie.
        check(&all, begun, "globex", 1, false);
    }

    #[test]
    fn the_end_of_a_minute_says_what_was_left_out_and_begins_another() {
        let (all, begun) = (LogQuotas::new(LogLimits { lines: 1, bytes: 100 }), now());
        for (bytes, fits) in [(10, true), (20, false), (30, false)] {
            check(&all, begun, "acme", bytes, fits);
        }
        check(&all, begun, "globex", 10, true);
        assert_eq!(end(&mut all.minutes(), begun + MINUTE / 2), []);
        // Nothing is written before what was left out is told.
        check(&all, begun + MINUTE, "acme", 10, false);
        let told = end(&mut all.minutes(), begun + MINUTE);
        assert_eq!(told, [("acme".to_owned(), Notice::Ended(3, 60))]);
        check(&all, begun + MINUTE, "acme", 10, true);
        assert_eq!(all.minutes().len(), 1, "nobody is kept for long");
    }

    #[test]
    fn what_components_write_leaves_room_for_what_the_host_says() {
        let (all, begun_at) = (LogQuotas::new(LogLimits { lines: 8, bytes: 800 }), now());
        let pay = |writer, bytes| all.pay_at(begun_at, "acme", writer, bytes);
        let spoken = (0..10).filter(|_| pay(Writer::Component, 10)).count();
        assert_eq!(spoken, 6);
        assert_eq!(begun(&mut all.minutes()), [("acme".to_owned(), Notice::Begun)]);
        assert_eq!(begun(&mut all.minutes()), []);
        assert!(pay(Writer::Host, 10) && !pay(Writer::Component, 1) && pay(Writer::Host, 10));
        assert!(!pay(Writer::Host, 1));
        let told = end(&mut all.minutes(), begun_at + MINUTE);
        assert_eq!(told, [("acme".to_owned(), Notice::Ended(6, 42))]);
    }

    #[track_caller]
    fn check(all: &LogQuotas, at: Instant, tenant: &str, bytes: usize, fits: bool) {
        assert_eq!(all.pay_at(at, tenant, Writer::Host, bytes), fits);
    }
}
