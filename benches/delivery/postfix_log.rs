//! Message arrivals at Postfix, counted from its log as it grows: the same measure for every
//! sender.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

use testkit::measure::load::now;

/// Appears in the log once for each message, when its header has arrived.
const MARK: &str = " message-id=<";

const PAUSE: Duration = Duration::from_millis(5);

/// A wait this long without an arrival means that something is broken.
const PATIENCE: Duration = Duration::from_secs(120);

/// A log, read from its current end.
#[derive(Debug)]
pub(crate) struct Arrivals {
    log: File,
    /// The beginning of a line that is not complete yet.
    rest: String,
    count: usize,
}

/// An interval of a measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch<T> {
    pub(crate) messages: usize,
    /// Arrivals since the log was opened: in this interval and before it.
    pub(crate) arrived: usize,
    pub(crate) took: Duration,
    /// Whether all expected messages have arrived.
    pub(crate) complete: bool,
    /// What was observed at the beginning and at the end of the interval.
    pub(crate) from: T,
    pub(crate) to: T,
}

impl<T> Stretch<T> {
    pub(crate) fn per_second(&self) -> f64 {
        self.messages as f64 / self.took.as_secs_f64()
    }
}

impl Arrivals {
    pub(crate) fn of(log: &Path) -> Self {
        let mut log = File::open(log).unwrap();
        log.seek(SeekFrom::End(0)).unwrap();
        Self { log, rest: String::new(), count: 0 }
    }

    fn look(&mut self) -> usize {
        self.log.read_to_string(&mut self.rest).unwrap();
        let whole = self.rest.rfind('\n').map_or(0, |at| at + 1);
        self.count += self.rest[..whole].matches(MARK).count();
        self.rest.drain(..whole);
        self.count
    }

    /// Waits for `expected` messages, at most `longest` after the first. The first tenth is not
    /// timed: meanwhile sessions are opened, and a host may still be starting.
    pub(crate) fn time<T: Copy>(
        mut self,
        expected: usize,
        longest: Duration,
        observe: impl Fn() -> T,
    ) -> Stretch<T> {
        let began = now();
        let mut first: Option<Instant> = None;
        let mut start: Option<(Instant, usize, T)> = None;
        loop {
            let (count, at) = (self.look(), now());
            if count > 0 {
                first.get_or_insert(at);
            }
            if count * 10 >= expected && start.is_none() {
                start = Some((at, count, observe()));
            }
            let late = first.is_some_and(|first| at.duration_since(first) >= longest);
            if count >= expected || late {
                // Fewer than a tenth arrived: the whole interval counts.
                let (since, before, from) = start.unwrap_or_else(|| {
                    let to = observe();
                    (first.unwrap_or(began), 0, to)
                });
                let (messages, took) = (count - before, at.duration_since(since));
                let complete = count >= expected;
                return Stretch { messages, arrived: count, took, complete, from, to: observe() };
            }
            assert!(first.is_some() || at.duration_since(began) < PATIENCE, "nothing arrives");
            std::thread::sleep(PAUSE);
        }
    }
}
